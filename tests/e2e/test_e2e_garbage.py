"""Whatever bytes come in, nothing crashes and an honest edge is answered meanwhile."""

import hashlib
import random
import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest
import zmq

from tests.support.harness import (
    PATIENCE_S,
    alive,
    answered_meanwhile,
    ask,
    enter,
    flood,
    leave,
    peer_row,
    rows,
    wait_connected,
    wait_equal,
)
from tests.support.wrong import EVENTS, HEARTBEAT, NOW_MS, Frames, WrongPeer, beat, header, page
from zparkd.testbed.loopback import LoopbackCentral, wait_for

DEEP = b"[" * 50_000 + b"]" * 50_000
OPEN = b'{"type":"BARRIER_OPEN","edge_id":"e-1","plate_id":"29A12345"}'
BODIES = {
    "empty": b"",
    "invalid utf-8": b'{"type":"PING","edge_id":"\xff\xfe"}',
    "a surrogate": b'{"type":"PING","edge_id":"\\ud800"}',
    "deep": DEEP[:60_000],
    "deep inside": b'{"type":"PING","edge_id":"e-1","x":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "no object": b"[1,2]",
    "null": b"null",
    "not a number": b'{"type":"DETECTION","edge_id":"e-1","plate_id":"29A1","confidence":NaN}',
    "huge number": b'{"type":"DETECTION","edge_id":"e-1","plate_id":"29A1","captured_ms":'
    + b"9" * 400
    + b"}",
    "huge time": b'{"type":"DETECTION","edge_id":"e-1","plate_id":"29A1","captured_ms":'
    + b"9" * 18
    + b"}",
    "binary": bytes(range(256)),
    "plate of marks": '{"type":"DETECTION","edge_id":"e-1","plate_id":"ＡＢＣ①²"}'.encode(),
    "type is a list": b'{"type":["PING"],"edge_id":"e-1"}',
    "request_id is an object": b'{"type":"PING","edge_id":"e-1","request_id":{"a":1}}',
    "event_id of nobody": b'{"type":"BARRIER_CLOSE","edge_id":"e-1","event_id":"x_9_'
    + b"A" * 99
    + b'"}',
}


@contextmanager
def dealer(central: LoopbackCentral) -> Iterator["zmq.Socket[bytes]"]:
    """A socket that may send what a REQ socket can't."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    made = context.socket(zmq.DEALER)
    made.connect(central.endpoint)
    try:
        yield made
    finally:
        context.destroy(linger=5000)


@pytest.fixture(scope="module")
def one(three) -> LoopbackCentral:
    return three.centrals[0]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_malformed_body_is_refused_with_bad_request(one, body) -> None:
    with dealer(one) as edge:
        edge.send_multipart([b"", body])
        assert edge.poll(PATIENCE_S * 1000)
        delimiter, answer = edge.recv_multipart()
    assert delimiter == b""
    answer = orjson.loads(answer)
    assert answer["success"] is False
    assert answer["error"]["code"] == "bad_request"
    assert answer["error"]["message"]
    assert ask(one, "honest", "PING")["success"] is True


@pytest.mark.parametrize(
    "frames",
    [
        [b"", OPEN, OPEN],
        [b"", b"", OPEN],
        [b"", b""],
        [b""],
        [b"more", b"of", b"it", b"", b"{}"],
    ],
)
def test_an_envelope_that_can_be_answered_gets_bad_request(one, frames) -> None:
    with dealer(one) as edge:
        edge.send_multipart(frames)
        assert edge.poll(PATIENCE_S * 1000)
        *envelope, answer = edge.recv_multipart()
    assert envelope == frames[: frames.index(b"") + 1]
    assert orjson.loads(answer)["error"]["code"] == "bad_request"


@pytest.mark.parametrize(
    "frames",
    [[OPEN], [b"x", OPEN], [b"x"] * 100, [b""] * 5000, [b"x", b"", *[b"y"] * 3000]],
)
def test_an_envelope_that_cannot_be_answered_disturbs_nobody(one, frames) -> None:
    inside = one.status()["vehicles_inside"]
    with answered_meanwhile(one), dealer(one) as edge:
        for _ in range(20):
            edge.send_multipart(frames)
        edge.send_multipart([b"", b'{"type":"PING","edge_id":"e-1","request_id":"last"}'])
        wait_for("the last one is answered", lambda: last_of(edge), PATIENCE_S)
    assert one.status()["vehicles_inside"] == inside


def last_of(edge: "zmq.Socket[bytes]") -> bool:
    return bool(edge.poll(100)) and b'"last"' in edge.recv_multipart()[-1]


def test_200_kib_are_too_large_and_2_mib_cost_the_connection(one) -> None:
    with answered_meanwhile(one):
        with dealer(one) as edge:
            edge.send_multipart([b"", b'{"x":"' + b"x" * 200 * 1024 + b'"}'])
            assert edge.poll(PATIENCE_S * 1000)
            assert orjson.loads(edge.recv_multipart()[1])["error"]["code"] == "too_large"
        with dealer(one) as edge:
            seen = edge.get_monitor_socket(zmq.EVENT_DISCONNECTED)
            edge.send_multipart([b"", b"x" * 2 * 1024 * 1024])
            assert seen.poll(PATIENCE_S * 1000)
            seen.close()
    assert ask(one, "honest", "PING")["success"] is True


@pytest.mark.parametrize("port", [0, 1, 2])
def test_tcp_junk_on_any_port_disturbs_nobody(three, port) -> None:
    one, two, _ = three.centrals
    chance = random.Random(port)
    greeting = b"\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL" + b"\0" * 48
    junk = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0" * 4096,
        b"\xff" * 4096,
        greeting,
        greeting + b"\4\x19\5READY\x0bSocket-Type\0\0\0\3REQ",
        greeting + b"\4\x26\5READY\x0bSocket-Type\xff\xff\xff\xff",
        greeting + b"\2\xff\xff\xff\xff\xff\xff\xff\xff" + b"x" * 1000,
        *(greeting + chance.randbytes(200) for _ in range(40)),
        *(chance.randbytes(2000) for _ in range(40)),
    ]
    held = []
    with answered_meanwhile(one):
        for bytes_ in junk:
            plain = socket.create_connection(("127.0.0.1", one.ports[port]), PATIENCE_S)
            plain.sendall(bytes_)
            held.append(plain)
        enter(one, f"61A0000{port}")
        wait_for(
            "the other central has it",
            lambda: any(row["plate_id"] == f"61A0000{port}" for row in rows(two)),
            PATIENCE_S,
        )
    for plain in held:
        plain.close()
    assert alive(*three.centrals)
    wait_connected(*three.centrals)


def test_an_edge_that_reads_no_answers_disturbs_nobody(one) -> None:
    with answered_meanwhile(one), dealer(one) as deaf:
        deaf.rcvhwm = 1
        for _ in range(5_000):
            deaf.send_multipart([b"", b'{"type":"PING","edge_id":"deaf","request_id":"1"}'])
    assert ask(one, "honest", "PING")["success"] is True


def test_hundreds_of_edges_that_come_and_go_disturb_nobody(one) -> None:
    pings = [{"type": "PING", "edge_id": f"comer-{number}"} for number in range(1500)]
    with answered_meanwhile(one):
        for _ in range(2):
            assert all(answer["success"] for answer in flood(one, pings, cameras=300))
    assert len(one.status()["edges"]) <= 1024


# --- peers ------------------------------------------------------------------------------------


def bus_junk() -> list[Frames]:
    """What no peer publishes."""
    chance = random.Random(7)
    good = beat()
    data = orjson.loads(good[1])["data"]
    junk: list[Frames] = [
        [b""],
        [HEARTBEAT],
        [EVENTS],
        [HEARTBEAT, b""],
        [HEARTBEAT, b"\xff\xfe\0"],
        [HEARTBEAT, DEEP],
        [HEARTBEAT, b"null"],
        [HEARTBEAT, *[b"{}"] * 5],
        [b"x"] * 60,
        [b"x" * 100_000, good[1]],
        [HEARTBEAT, header("HEARTBEAT", data, v=2)],
        [HEARTBEAT, header("NEVER_HEARD_OF", data)],
        [HEARTBEAT, header("HEARTBEAT", data, source="central-8")],
        [HEARTBEAT, header("HEARTBEAT", data, source="central-1")],
        [HEARTBEAT, header("HEARTBEAT", data, timestamp=2**53)],
        [HEARTBEAT, header("HEARTBEAT", data, timestamp=-1)],
        [HEARTBEAT, header("HEARTBEAT", data, timestamp=2**63)],
        [HEARTBEAT, header("SYNC_RESPONSE", {"site": "lot-a", "id": 1, "wall_ms": 1})],
        [EVENTS, header("EVENTS", {"site": "lot-a"})],
        *([EVENTS, header("EVENTS", {"site": "lot-a"}), body] for body in bodies()),
        beat(wall_ms=2**53),
        beat(wall_ms=-(2**53)),
        beat(timezone="Nowhere/At_All\n", version="\0"),
        beat(hears=["central-1"] * 1000),
        beat(hears="central-1"),
        beat(older="x" * 300),
        beat(older=""),
        beat(heads=[["central-9", 1, 2**40 - 1], ["central-1", 1, 2**40 - 1]]),
        beat(heads=[["central-9", 0, 0]]),
        beat(heads=[["../../etc", 1, 1]]),
        beat(heads=[["central-9", 2**60, 1]]),
        beat(heads=[[f"c-{n}", n + 1, 5] for n in range(3000)]),
    ]
    for _ in range(300):
        frame = bytearray(good[1])
        for _ in range(chance.randint(1, 4)):
            frame[chance.randrange(len(frame))] = chance.randrange(256)
        junk.append([HEARTBEAT, bytes(frame)])
    return junk


def bodies() -> list[bytes]:
    """What is no list of events, or of no events."""
    skeleton = {
        "v": 1,
        "type": "VEHICLE_ENTRY_PENDING",
        "source_central": "central-9",
        "epoch": 1,
        "seq": 1,
        "timestamp": NOW_MS,
        "order": NOW_MS,
        "prev": "",
        "sealed": "0" * 64,
        "data": {"edge_id": "e-1", "camera_type": "car"},
    }
    event = orjson.dumps(skeleton)
    return [
        b"",
        b"[",
        b"[]]",
        b"null",
        b"[1]",
        b"[1,2]",
        b"[{},{}]",
        b"[" + event + b"]",
        b"[" + event + b',{"salt":"","plate_id":"29A12345"}]',
        b"[" + orjson.dumps({**skeleton, "seq": 2**40}) + b",{}]",
        b"[" + orjson.dumps({**skeleton, "seq": -1}) + b",{}]",
        b"[" + DEEP + b"," + DEEP + b"]",
        b"[" + b'"' + b"x" * 40_000 + b'",1]',
        b"\xff" * 100,
    ]


def event(plate: str, seq: int, before: bytes, **other: int) -> tuple[bytes, bytes]:
    """An entry at central-9 as it stands on the wire: skeleton and personal part."""
    sealed = orjson.dumps({"salt": "s", "plate_id": plate})
    skeleton = {
        "v": 1,
        "type": "VEHICLE_ENTRY_PENDING",
        "source_central": "central-9",
        "epoch": 1,
        "seq": seq,
        "prev": digest(before) if before else "",
        "sealed": digest(sealed),
        "data": {"edge_id": "e-1", "camera_type": "car"},
        **other,
    }
    return orjson.dumps(skeleton), sealed


def digest(part: bytes) -> str:
    return hashlib.blake2b(part, digest_size=32).hexdigest()


def answer_junk(asked: dict) -> list[Frames]:
    """What no peer answers; the last one leaves the request unanswered."""
    bomb = zlib.compress(b"[" + b" " * 30_000_000 + b"]")
    answers: list[Frames] = [
        [b""],
        [b"\xff\xfe"],
        [b"{}"],
        [b"x"] * 20,
        beat()[1:],
        page(asked, id=asked["data"]["id"] + 1_000),
        page(asked, error="x" * 256),
        page(asked, site="lot-b"),
    ]
    ends = [
        page(asked, bomb, packed=True),
        page(asked, b"no zlib", packed=True),
        page(asked, zlib.compress(b"[]")[:-3], packed=True),
        page(asked, heads=[["central-9", 1, 2**40 - 1]]),
        page(asked, heads=[[f"c-{n}", n + 1, 5] for n in range(3000)]),
        page(asked, heads=[["central-9", -1, 1]]),
        page(asked, wall_ms=2**53),
        page(asked, wall_ms=-(2**53)),
        page(asked, wall_ms=2**70),
        *(page(asked, body) for body in bodies()),
    ]
    return [*answers, ends[asked["data"]["id"] % len(ends)], *answers]


def test_junk_of_a_peer_on_the_bus_and_in_its_answers_disturbs_nobody(make_site) -> None:
    site = make_site(2)
    one, two = site.centrals
    with WrongPeer() as wrong:
        wrong.known_to(one)
        wrong.answering = answer_junk
        junk = bus_junk()
        wrong.say(junk)
        site.start()
        wait_connected(two)
        with answered_meanwhile(one):
            wait_for("all junk was said", lambda: wrong.said > 2 * len(junk), PATIENCE_S)
            wait_for("junk was answered", lambda: wrong.asked > 1, PATIENCE_S)
            enter(one, "62A00001")
            wait_equal(site.centrals)
            leave(two, "62A00001")
        assert peer_row(one, "central-9")["error"] is not None
        wrong.say([beat()])
        wrong.answering = lambda asked: [page(asked, heads=[])]
        wait_for(
            "it is connected once it speaks well",
            lambda: (
                peer_row(one, "central-9")["connected"]
                and peer_row(one, "central-9")["behind"] == 0
                and peer_row(one, "central-9")["error"] is None
            ),
            PATIENCE_S,
        )
    assert alive(one, two)
    assert "Traceback" not in one.log.read_text()
    wait_equal(site.centrals, when=lambda h: [r["status"] for r in h] == ["OUT"])


@pytest.mark.parametrize("extreme", [{"order": 2**53 - 1}, {"timestamp": 2**53 - 1}, {"v": 99}])
def test_an_extreme_event_of_a_peer_stops_neither_its_vehicle_nor_its_stream(
    make_site, extreme
) -> None:
    site = make_site(2)
    one, two = site.centrals
    now = {"timestamp": NOW_MS, "order": NOW_MS}
    first = event("63A00001", 1, b"", **{**now, "order": 2**53 - 1, **extreme})
    second = event("63A00002", 2, first[0], **now)
    with WrongPeer() as wrong:
        wrong.known_to(one)
        wrong.answering = lambda asked: [
            page(asked, b"[" + b",".join([*first, *second]) + b"]", heads=[["central-9", 1, 2]])
        ]
        wrong.say([beat(heads=[["central-9", 1, 2]])])
        site.start()
        wait_for("both hold it", lambda: len(rows(one)) > 0 and len(rows(two)) > 0, PATIENCE_S)
    wait_equal(site.centrals, when=lambda h: "63A00002" in [r["plate_id"] for r in h])
    for number in range(3):
        plate = f"63A0000{number}"
        exit = ask(one, "out", "BARRIER_OPEN", plate_id=plate, direction="EXIT")
        if exit["success"] is not True:
            assert exit["error"]["code"] == "not_inside"
            enter(one, plate)
            leave(one, plate)
    history = wait_equal(site.centrals, when=lambda h: len(h) == 3)
    assert {row["status"] for row in history} == {"OUT"}
    assert one.status()["events"] == two.status()["events"]
    assert "Traceback" not in one.log.read_text()


@pytest.mark.slow
def test_a_frame_of_5_mib_from_a_peer_costs_only_its_connection(make_site) -> None:
    site = make_site(1)
    (one,) = site.centrals
    with WrongPeer() as wrong:
        wrong.known_to(one)
        site.start()
        wait_connected(one)
        with answered_meanwhile(one):
            said = wrong.asked
            wrong.answering = lambda asked: [[b"x" * 5 * 1024 * 1024]]
            wrong.say([beat(), [HEARTBEAT, b"x" * 5 * 1024 * 1024]] + [beat()] * 100)
            wait_for("it was asked", lambda: wrong.asked > said, PATIENCE_S)
            wait_for("it was said", lambda: wrong.said > 100, PATIENCE_S)
        wrong.answering = lambda asked: [page(asked, heads=[])]
        wrong.say([beat()])
        wait_connected(one)
    assert alive(one)


def test_junk_on_the_sync_port_of_a_central_disturbs_nobody(three) -> None:
    one = three.centrals[0]
    asked = {"site": "lot-a", "id": 1, "after": [], "vector": ["", 0]}
    junk: list[Frames] = [
        [b""],
        [b"\xff"],
        [DEEP],
        [b"{}"] * 30,
        [header("SYNC_REQUEST", asked, source="central-99")],
        [header("SYNC_REQUEST", {**asked, "site": "lot-b"}, source="central-2")],
        [header("SYNC_REQUEST", {**asked, "after": [["x", 1, 1]] * 400}, source="central-2")],
        [header("SYNC_REQUEST", {**asked, "after": [["x", 1, 1]] * 4000}, source="central-2")],
        [
            header(
                "SYNC_REQUEST",
                {**asked, "after": [["central-1", 2**53 - 1, 0]]},
                source="central-2",
            )
        ],
        [header("SYNC_RESPONSE", {"site": "lot-a", "id": 1, "wall_ms": 0}, source="central-2")],
        [header("SYNC_REQUEST", asked, source="central-2"), b"body" * 1000],
    ]
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with answered_meanwhile(one):
        sender = context.socket(zmq.DEALER)
        sender.connect(f"tcp://127.0.0.1:{one.ports[1]}")
        for _ in range(20):
            for frames in junk:
                sender.send_multipart(frames)
        sender.send_multipart([header("SYNC_REQUEST", {**asked, "id": 77}, source="central-2")])
        wait_for(
            "the last one is answered",
            lambda: sender.poll(100) and b'"id":77' in sender.recv_multipart()[0],
            PATIENCE_S,
        )
    context.destroy(linger=0)
    assert alive(*three.centrals)
    assert "Traceback" not in one.log.read_text()
