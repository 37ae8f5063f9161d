"""Every place where bytes from outside are read, each fed with hostile inputs in this process.

A decoder may refuse in the way that its own description names; anything else that is raised is a
fault, and so is a central that then no longer answers an honest edge, or keeps what it was fed.
"""

import io
import json
import random
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from tests.fuzz.mutate import broken, hostile
from tests.support.centrals import PLATE, Driven
from tests.support.invited import pair, said_by
from zparkd.camera.read import At, Unreadable
from zparkd.camera.sources import DECODERS as SOURCES
from zparkd.camera.sources.frigate import of_camera
from zparkd.camera.sources.mapped import Mapping, place_of
from zparkd.config.load import ConfigError, load
from zparkd.core import limits
from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Stream, read
from zparkd.core.gate import limits as gate_limits
from zparkd.core.keys import key_bytes
from zparkd.core.members import limits as member_limits
from zparkd.core.members.roster_acts import Here, Invite, Join
from zparkd.core.members.roster_words import Role
from zparkd.core.replication.bundles import (
    BadBundle,
    Label,
    Pages,
    PageTaken,
    read_bundle,
    split_page,
    write_chunk,
    write_end,
    write_label,
)
from zparkd.core.replication.limits import STREAMS_PER_VECTOR
from zparkd.core.site import Settings
from zparkd.core.tariff import fields
from zparkd.core.tariff.document import read_tariff
from zparkd.core.tariff.line_map import Form
from zparkd.core.turn import FromBus, Incoming, Output, SyncAnswer, SyncRequest, TakePage
from zparkd.daemon.control.commands import Commands
from zparkd.storage.store import Store
from zparkd.transport.bus import Asker

CORPUS = Path(__file__).with_name("corpus")
CAPTURED = Path(__file__).parents[1] / "camera" / "captured"
BATCH = 50
FRESH_EVERY = 40  # batches, then a new central: what it may store must not slow the next down

Feed = Callable[[random.Random], None]


def corpus(name: str) -> list[bytes]:
    """The inputs kept for one decoder, good ones and such as once did harm."""
    found = [file.read_bytes() for file in sorted((CORPUS / name).iterdir())]
    assert found, f"no corpus of {name}"
    return found


def json_of(name: str) -> list[bytes]:
    """Those of a corpus that are JSON: only they can be changed as such."""
    return [sample for sample in corpus(name) if _is_json(sample)]


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


# --- edges ---------------------------------------------------------------------------------------


def edges() -> Feed:
    """Requests of edges: each gets an answer that says yes or no, in the form of one."""
    samples = json_of("edge")
    turns = _Centrals(lambda: Driven("central-1", peers=["central-2"]))

    def feed(chance: random.Random) -> None:
        central = turns.next()
        for answer in central.ask_bytes(*(hostile(chance, samples) for _ in range(BATCH))):
            assert isinstance(answer["success"], bool)
            assert answer["success"] or (answer["error"]["code"] and answer["error"]["message"])
        _honest(central)

    return feed


class _Centrals:
    """A central that is made anew after a while."""

    def __init__(self, make: Callable[[], Driven]) -> None:
        self._make = make
        self._central = make()
        self._left = FRESH_EVERY

    def next(self) -> Driven:
        """The central to feed, somewhat later."""
        self._left -= 1
        if self._left <= 0:
            self._central.store.close()
            self._central, self._left = self._make(), FRESH_EVERY
        self._central.wait(0.3)
        return self._central


def _honest(central: Driven) -> None:
    """An edge that does nothing wrong is answered, and nothing in memory has grown too far."""
    assert central.detect("honest", PLATE)["success"]
    assert len(central.central.edges.seen()) <= gate_limits.EDGES_REMEMBERED
    for peer in central.central.peers.states.values():
        assert len(peer.sync.heads or ()) <= 2 * STREAMS_PER_VECTOR
        assert len(peer.sync.ahead) <= 2 * STREAMS_PER_VECTOR


# --- peers ---------------------------------------------------------------------------------------


def _truth() -> tuple[Output, list[bytes]]:
    """What an honest central-2 says after a little life: its output, and a page of it."""
    peer = Driven("central-2", peers=["central-1"])
    for number in range(5):
        peer.open(plate_id=f"29A1234{number}", direction="ENTRY", request_id=f"r{number}")
    peer.open(plate_id="29A12340", direction="EXIT", request_id="out")
    peer.wait(2)
    output = peer.step()
    ask = Driven("central-1", peers=["central-2"]).step().asks[0][1]
    page = peer.central.serve(peer.now, SyncRequest((b"x",), ask))
    assert page is not None
    body = b"[%b]" % b",".join(
        part
        for pair in peer.store.page(next(iter(peer.store.heads)), 0, 99, 2**20)
        for part in pair
    )
    peer.store.close()
    return output, [page[0], body]


def _frames(chance: random.Random, good: list[bytes]) -> list[bytes]:
    """Hostile frames: some of the parts changed, or frames lost, repeated or added."""
    frames = [hostile(chance, [part]) if chance.random() < 0.7 else part for part in good]
    frames = [frame[: limits.BUS_FRAME_BYTES] for frame in frames]  # the sockets take no more
    match chance.randrange(12):
        case 0:
            frames = frames[:-1]
        case 1:
            frames = frames * chance.choice((2, 20))
        case 2:
            frames.append(chance.randbytes(chance.choice((0, 1, 500))))
    return frames


def _packed(chance: random.Random, header: bytes, body: bytes) -> list[bytes]:
    """A page whose body is deflated: as it is, broken, or far larger than it looks."""
    data = json.loads(header)
    data["data"]["packed"] = True
    packed = zlib.compress(
        chance.choice((body, b"[" * 10**7, b"[" + b"0," * 10**6, hostile(chance, [body])))
    )
    if chance.random() < 0.3:
        packed = broken(chance, packed, body)
    return [json.dumps(data).encode(), packed]


def _of_peer(make: Callable[[random.Random], Incoming]) -> Feed:
    turns = _Centrals(lambda: Driven("central-1", peers=["central-2", "central-3"]))

    def feed(chance: random.Random) -> None:
        central = turns.next()
        output = central.step(*(make(chance) for _ in range(BATCH)))
        for request in output.to_serve:
            page = central.central.serve(central.now, request)
            assert page is None or max(map(len, page)) <= limits.BUS_FRAME_BYTES
        assert len(output.asks) <= 2, "more than one request under way to a peer"
        _honest(central)

    return feed


def bus() -> Feed:
    """What a peer publishes."""
    said, _ = _truth()
    beat = next(frames for frames in said.published if len(frames) == 2)
    _, page = _truth()
    live = [page[0].replace(b"SYNC_RESPONSE", b"EVENTS"), page[1]]

    def message(chance: random.Random) -> Incoming:
        good = [beat[1]] if chance.random() < 0.5 else live
        topic = beat[0] if chance.random() < 0.9 else chance.randbytes(8)
        return FromBus("central-2", [topic, *_frames(chance, good)])

    return _of_peer(message)


def answers() -> Feed:
    """What a peer answers to a sync request, deflated or not."""
    _, page = _truth()

    def message(chance: random.Random) -> Incoming:
        if chance.random() < 0.02:
            return SyncAnswer("central-2", _packed(chance, *page))
        return SyncAnswer("central-2", _frames(chance, page))

    return _of_peer(message)


def asks() -> Feed:
    """What a peer asks."""
    central = Driven("central-1", peers=["central-2"])
    good = [frames for _, frames in central.step().asks]
    good += [[sample] for sample in json_of("sync")]

    def message(chance: random.Random) -> Incoming:
        return SyncRequest((b"central-2",), _frames(chance, chance.choice(good)))

    return _of_peer(message)


def events() -> Feed:
    """An event, as it comes from a peer or from the database."""
    _, (_, body) = _truth()
    parts = [orjson.dumps(part) for part in orjson.loads(body)]

    def feed(chance: random.Random) -> None:
        for _ in range(BATCH):
            at = 2 * chance.randrange(len(parts) // 2)
            skeleton, sealed = parts[at : at + 2]
            try:
                event = read(hostile(chance, [skeleton]), chance.choice((sealed, b"{}")))
            except ProtocolError:
                continue
            assert (event.facts is None) is (event.personal is None)

    return feed


def bundles() -> Feed:
    """A bundle as a file: what is taken in is what its origin recorded, and nothing else."""
    peer = Driven("central-2", peers=["central-1"], key="central-2")
    for number in range(5):
        peer.open(plate_id=f"29A1234{number}", direction="ENTRY", request_id=f"r{number}")
    label = Label(peer.settings.site, "central-2", 1, signed=True)
    chunks = [page.chunk for page in Pages(peer.store, label, {})]
    good = write_label(label) + b"".join(map(write_chunk, chunks)) + write_end(len(chunks))
    (stream,) = peer.store.heads
    true = set(peer.store.page(stream, 0, 99, 2**20))
    turns = _Centrals(lambda: Driven("central-1", peers=["central-2"], key="central-1"))

    def feed(chance: random.Random) -> None:
        central = turns.next()
        for _ in range(BATCH):
            data = broken(chance, good, chunks[0]) if chance.random() < 0.9 else good
            try:
                for chunk in read_bundle(io.BytesIO(data).read)[1]:
                    (told,) = central.step(TakePage(split_page(chunk))).outcomes
                    assert isinstance(told, PageTaken | ProtocolError)
            except (BadBundle, ProtocolError) as refused:
                _told([refused])
        assert {held.origin for held in central.store.heads} <= {"central-1", "central-2"}
        assert true >= set(central.store.page(stream, 0, 99, 2**20))
        _honest(central)

    return feed


def joins() -> Feed:
    """What comes with the key of an invitation: who joins is who signed it, for this invitation.

    Among them are good JOINs of other invitations.
    """
    zone = ZoneInfo("Asia/Ho_Chi_Minh")
    own, who = pair("central-1"), pair("whoever comes")
    store = Store(Path(":memory:"), "central-1", "lot-a", zone.key)
    settings = Settings("central-1", "lot-a", zone.key, zone, (), (), 1_000, 3_000, 0, keyed=True)
    clock = [1_795_000_000_000, 1_000]
    begun = Stream("central-1", 5)
    central = Central(settings, store, begun, b"s" * 32, 0, Now(*clock))
    store.commit()

    def act(change: Invite | Join) -> Any:
        clock[1] += 12_001  # five a minute are answered
        (outcome,) = central.step(Now(*clock), [change]).outcomes
        store.commit()
        return outcome

    here = Here(own[0], "10.0.0.1", 9000, 9001, 9002)
    made = []
    for role, id in ((Role.CENTRAL, "central-2"), (Role.EDGE, "cam-1"), (Role.EDGE, "cam-2")):
        onetime = pair(f"one-time {id}")
        act(Invite(here, role, id, onetime[0], 3_600_000))
        body = said_by(who, role, id, inviter_key=own[0], onetime=onetime)
        made.append((onetime, body))
    good = [body for _, body in made]

    def feed(chance: random.Random) -> None:
        for _ in range(BATCH):
            onetime, _ = chance.choice(made)
            data = hostile(chance, good)
            said = orjson.loads(act(Join(key_bytes(onetime[0]), data, "10.0.0.3", own[0])))
            if not said["success"]:
                assert said["error"]["code"]
                assert said["error"]["message"]
        for member in central.roster.state.members.values():
            if member.id != "central-1":  # what got in is what was signed, and nothing else
                assert (member.public_key, member.address) in ((who[0], "10.0.0.3"), (who[0], None))
                assert member.id in ("central-2", "cam-1", "cam-2")
        recorded = list(store.page(begun, 0, 10_000, 2**30))
        assert len(recorded) <= 20 + len(made) * member_limits.JOINS_REFUSED_RECORDED

    return feed


# --- people and tools ----------------------------------------------------------------------------


def control() -> Feed:
    """A command on the control socket: always answered, and with JSON."""
    samples = json_of("control")
    commands = Commands({"status": lambda _: {"success": True}})

    def feed(chance: random.Random) -> None:
        for _ in range(BATCH):
            asked = commands.read(hostile(chance, samples), Asker())
            found = commands.begin(asked)
            assert isinstance(found, dict)
            answer = orjson.loads(commands.end(asked, found))
            assert isinstance(answer["success"], bool)

    return feed


def _told(faults: Collection[object]) -> None:
    """What is refused is told why, in lines that do no harm to a terminal."""
    assert faults
    assert all(str(fault).isprintable() for fault in faults)


def tariffs() -> Feed:
    """A tariff in TOML or JSON: rates, or faults that name a key."""
    tomls, jsons = corpus("tariff.toml"), json_of("tariff.json")

    def feed(chance: random.Random) -> None:
        for _ in range(BATCH):
            form = chance.choice((Form.TOML, Form.JSON))
            if form is Form.TOML:
                data = broken(chance, chance.choice(tomls), chance.choice(tomls))
            else:
                data = hostile(chance, jsons)
            faults: Collection[object] = ["none"]
            try:
                read_tariff(fields.parse(data.decode(errors="replace"), form))
            except fields.BadDocument as refused:
                faults = refused.faults
            _told(faults)

    return feed


def configuration() -> Feed:
    """`zparkd.toml` with its peers and edges: a configuration, or faults with file and line."""
    mains, peers, lanes = (corpus(f"config.{name}") for name in ("main", "peer", "edge"))

    def feed(chance: random.Random) -> None:
        with tempfile.TemporaryDirectory() as name:
            for file, samples in _files(Path(name), mains, peers, lanes):
                good, other = chance.choice(samples), chance.choice(samples)
                if chance.random() < 0.6:
                    good = broken(chance, good, other)
                file.write_bytes(good)
            faults: Collection[object] = ["none"]
            try:
                load(Path(name) / "zparkd.toml")
            except ConfigError as refused:
                faults = refused.faults
            _told(faults)

    return feed


def _files(
    folder: Path, mains: list[bytes], peers: list[bytes], lanes: list[bytes]
) -> Iterator[tuple[Path, list[bytes]]]:
    yield folder / "zparkd.toml", mains
    for name, samples in (("peers.d", peers), ("edges.d", lanes)):
        (folder / name).mkdir()
        for number in range(2):
            yield folder / name / f"{number}.toml", samples


def cameras() -> Feed:
    """Messages of cameras of every make: reads that are whole, or a fault in words."""
    at = At(ZoneInfo("Asia/Ho_Chi_Minh"), 1_795_231_805_000)
    mapping = Mapping(plate=place_of("data.license_plate_number"), time=place_of("data.detected"))
    decoders = [*SOURCES.values(), of_camera("gate"), mapping.decode]
    samples = [file.read_bytes() for file in sorted(CAPTURED.iterdir()) if file.suffix != ".md"]
    jsons = [sample for sample in samples if _is_json(sample)]
    types = ("", "application/json", "text/xml", "multipart/form-data; boundary=boundary")

    def feed(chance: random.Random) -> None:
        for _ in range(BATCH):
            good, other = chance.choice(samples), chance.choice(samples)
            data = hostile(chance, jsons) if chance.random() < 0.5 else broken(chance, good, other)
            for decode in decoders:
                try:
                    found = decode(data, chance.choice(types), at)
                except Unreadable as refused:
                    _told([refused])
                else:
                    assert all(read.captured_ms > 0 for read in found.reads)

    return feed


# How many inputs one call feeds, and how often it is called beside the others.
DECODERS: dict[str, tuple[Callable[[], Feed], int, int]] = {
    "edges": (edges, BATCH, 8),
    "bus": (bus, BATCH, 8),
    "answers": (answers, BATCH, 4),
    "asks": (asks, BATCH, 4),
    "events": (events, BATCH, 8),
    "bundles": (bundles, BATCH, 2),
    "control": (control, BATCH, 4),
    "joins": (joins, BATCH, 2),
    "tariffs": (tariffs, BATCH, 2),
    "configuration": (configuration, 5, 1),
    "cameras": (cameras, BATCH, 1),
}
