"""The sockets: envelopes of edges, who is there to be asked, and changes while running."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import zmq

from zparkd.config.load import Listen, load
from zparkd.core import limits
from zparkd.core.site import Peer
from zparkd.core.turn import FromBus, FromEdge, Incoming, LinkState, SyncAnswer, SyncRequest
from zparkd.testbed.loopback import LoopbackCentral, wait_for
from zparkd.transport.bus import BindError, Bus
from zparkd.transport.peer_link import Link


@pytest.fixture
def context() -> Iterator[zmq.Context]:
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def open_bus() -> Iterator[Callable[..., Bus]]:
    """Makes buses that end with the test, however it ends."""
    buses: list[Bus] = []

    def make(listen: Listen, *peers: Peer) -> Bus:
        buses.append(Bus(listen, peers))
        return buses[-1]

    yield make
    for bus in buses:
        bus.close()


@pytest.fixture
def listen(tmp_path: Path) -> Listen:
    return load(LoopbackCentral(tmp_path / "a", "central-1").config).listen


@pytest.fixture
def other(tmp_path: Path) -> Listen:
    return load(LoopbackCentral(tmp_path / "b", "central-2").config).listen


def received(bus: Bus, count: int = 1) -> list[Incoming]:
    """The next messages of a bus, which says besides how its links are."""
    messages: list[Incoming] = []

    def enough() -> bool:
        bus.poll(50, edges=True)
        drained = bus.drain().messages
        messages.extend(message for message in drained if not isinstance(message, LinkState))
        return len(messages) >= count

    wait_for(f"{count} messages", enough)
    return messages


def peer_at(listen: Listen) -> Peer:
    return Peer("central-2", "127.0.0.1", listen.bus_port, listen.sync_port)


def await_new_link(bus: Bus) -> None:
    """Until a connection to a peer was made."""

    def made() -> bool:
        bus.poll(50, edges=True)
        found = bus.drain().messages
        return any(isinstance(message, LinkState) and message.is_new for message in found)

    wait_for("a new connection", made)


def test_a_connection_that_is_made_anew_is_told(
    open_bus: Callable[..., Bus], listen: Listen, other: Listen
) -> None:
    one, two = open_bus(listen, peer_at(other)), Bus(other, ())
    await_new_link(one)
    two.close()
    open_bus(other)
    await_new_link(one)


@pytest.mark.parametrize("correlated", [False, True])
def test_the_envelope_of_a_req_socket_comes_back_as_it_came(
    open_bus: Callable[..., Bus], listen: Listen, context: zmq.Context, correlated: bool
) -> None:
    bus = open_bus(listen)
    req = context.socket(zmq.REQ)
    if correlated:
        req.req_correlate = req.req_relaxed = 1
    req.connect(f"tcp://127.0.0.1:{listen.edge_port}")
    req.send(b"question")
    (message,) = received(bus)
    assert isinstance(message, FromEdge)
    assert message.body == b"question"
    bus.answer_edge(message.token, b"answer")
    assert req.poll(5_000)
    assert req.recv() == b"answer"


def test_a_request_of_several_frames_is_handed_on_as_an_empty_one(
    open_bus: Callable[..., Bus], listen: Listen, context: zmq.Context
) -> None:
    bus = open_bus(listen)
    req = context.socket(zmq.REQ)
    req.connect(f"tcp://127.0.0.1:{listen.edge_port}")
    req.send_multipart([b"{}", b"{}"])
    (message,) = received(bus)
    assert isinstance(message, FromEdge)
    assert message.body == b""


def test_a_message_without_an_envelope_is_dropped_and_counted(
    open_bus: Callable[..., Bus], listen: Listen, context: zmq.Context
) -> None:
    bus = open_bus(listen)
    dealer = context.socket(zmq.DEALER)
    dealer.connect(f"tcp://127.0.0.1:{listen.edge_port}")
    dealer.send_multipart([b"no", b"delimiter"])
    dealer.send_multipart([b"", b"question"])
    (message,) = received(bus)
    assert isinstance(message, FromEdge)
    assert message.body == b"question"
    assert bus.malformed == 1


def test_edges_are_not_read_while_they_are_not_served(
    open_bus: Callable[..., Bus], listen: Listen, context: zmq.Context
) -> None:
    bus = open_bus(listen)
    req = context.socket(zmq.REQ)
    req.connect(f"tcp://127.0.0.1:{listen.edge_port}")
    req.send(b"question")
    bus.poll(300, edges=False)
    assert bus.drain().messages == []
    assert len(received(bus)) == 1


def test_a_peer_that_is_not_there_is_asked_one_thing_which_waits_and_no_more(
    open_bus: Callable[..., Bus], listen: Listen, other: Listen
) -> None:
    bus = open_bus(listen, peer_at(other))
    assert bus.ask("central-2", [b"question"]) is True
    assert bus.ask("central-2", [b"another"]) is False
    assert bus.ask("central-9", [b"question"]) is False
    (message,) = received(open_bus(other))
    assert isinstance(message, SyncRequest)
    assert message.frames == [b"question"]


def test_no_socket_that_dials_loses_the_rest_of_a_message_with_its_connection(
    context: zmq.Context, other: Listen
) -> None:
    link = Link(context, peer_at(other), None)
    try:
        assert (link.events.immediate, link.sync.immediate) == (0, 0), "ZeroMQ would abort"
    finally:
        link.close()


def test_what_one_publishes_and_asks_reaches_its_peer(
    open_bus: Callable[..., Bus], listen: Listen, other: Listen
) -> None:
    one, two = open_bus(listen, peer_at(other)), open_bus(other)
    wait_for("the peer is there", lambda: one.ask("central-2", [b"question"]))
    (message,) = received(two)
    assert isinstance(message, SyncRequest)
    assert message.frames == [b"question"]
    two.answer_peer(message.token, [b"answer"])
    assert {type(message) for message in received(one)} == {SyncAnswer}
    heard: list[Incoming] = []

    def news() -> bool:  # the first may be lost: the subscription is on its way
        two.publish([b"topic", b"news"])
        one.poll(50, edges=True)
        heard.extend(one.drain().messages)
        return bool(heard)

    wait_for("news", news)
    assert heard[0] == FromBus("central-2", [b"topic", b"news"])


def test_a_peer_that_did_not_change_keeps_its_connection(
    open_bus: Callable[..., Bus], listen: Listen, other: Listen
) -> None:
    open_bus(other)
    one = open_bus(listen, peer_at(other))
    wait_for("the peer is there", lambda: one.ask("central-2", [b"first"]))
    away = Peer("central-3", "127.0.0.1", other.bus_port, other.sync_port)
    one.reconfigure(listen, (peer_at(other), away))
    wait_for("the first has left", lambda: one.ask("central-2", [b"at once"]), 0.2)
    one.reconfigure(listen, ())
    assert one.ask("central-2", [b"gone"]) is False


def test_an_address_that_this_machine_has_not_is_refused_by_its_own_key(listen: Listen) -> None:
    with pytest.raises(BindError, match="this machine has no such address; write one") as refused:
        Bus(replace(listen, address="192.0.2.1"), ())
    assert refused.value.key == "listen.address"


def test_a_port_that_is_taken_is_refused_by_its_key_and_the_old_ones_stay(
    open_bus: Callable[..., Bus], listen: Listen, other: Listen, context: zmq.Context
) -> None:
    open_bus(other)
    bus = open_bus(listen)
    with pytest.raises(BindError, match="stop what has it") as refused:
        bus.reconfigure(replace(listen, edge_port=other.edge_port), ())
    assert refused.value.key == "listen.edge_port"
    req = context.socket(zmq.REQ)
    req.connect(f"tcp://127.0.0.1:{listen.edge_port}")
    req.send(b"still here")
    assert len(received(bus)) == 1


def test_a_request_ends_the_wait_of_events_for_company(
    open_bus: Callable[..., Bus], listen: Listen, other: Listen, context: zmq.Context
) -> None:
    bus, peer = open_bus(listen, peer_at(other)), open_bus(other)
    req = context.socket(zmq.REQ)
    req.connect(f"tcp://127.0.0.1:{listen.edge_port}")

    def waits_for_company() -> bool:
        for _ in range(2):
            peer.publish([b"topic", b"event"])
            peer.publish([b"topic", b"event"])
            bus.drain()
            bus.poll(50, edges=True)
        began = time.monotonic()
        bus.await_company(200)
        return time.monotonic() - began >= 0.2

    wait_for("an event soon after several", waits_for_company)
    req.send(b"question")
    bus.await_company(60_000)
    kinds = {type(message) for message in bus.drain().messages}
    assert kinds == {FromBus, FromEdge}


def test_lone_events_wait_for_no_company_however_soon_they_follow_each_other(
    open_bus: Callable[..., Bus], listen: Listen, other: Listen
) -> None:
    bus, peer = open_bus(listen, peer_at(other)), open_bus(other)

    def taken() -> list[Incoming]:
        bus.poll(50, edges=True)
        return [it for it in bus.drain().messages if isinstance(it, FromBus)]

    def is_there() -> bool:
        peer.publish([b"topic", b"event"])
        return bool(taken())

    wait_for("an event", is_there)
    while taken():
        pass
    for number in range(5):
        peer.publish([b"topic", b"%d" % number])
        bus.poll(5_000, edges=True)
        began = time.monotonic()
        if number:  # after one that was taken alone
            bus.await_company(60_000)
        assert time.monotonic() - began < 60
        wait_for("the next one", taken)


def test_who_asks_for_a_topic_that_is_too_long_is_hung_up_on(
    open_bus: Callable[..., Bus], listen: Listen, context: zmq.Context
) -> None:
    bus = open_bus(listen)
    greedy, modest = context.socket(zmq.SUB), context.socket(zmq.SUB)
    greedy.subscribe(b"")
    greedy.subscribe(bytes(limits.TOPIC_FRAME_BYTES))
    modest.subscribe(b"")
    for socket in (greedy, modest):
        socket.connect(f"tcp://127.0.0.1:{listen.bus_port}")

    def published() -> bool:
        bus.publish([b"topic", b"event"])
        return bool(modest.poll(50))

    wait_for("the modest one heard it", published)
    assert not greedy.poll(50)
