"""A peer that went bad: what it says is garbage, forged or poisoned, and sometimes even true.

It can do what any program in a peer's place can: it speaks under that peer's name. Without keys
it never continues the stream of a living central by a right chain, and it never tells two centrals
two contents of one position; only keys can hinder that (docs/protocol.md, section 14). Where
centrals have keys it has one too, and signs its lies as it should; in the name of others it signs
with what it has.
"""

from random import Random
from typing import TYPE_CHECKING, Any

import orjson
from msgspec import UNSET, structs

from tests.sim.ledger import positions_in
from tests.sim.machine import ROGUE_ID as ID
from tests.sim.machine import identity_of
from zparkd.core import limits
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Position, Stream, digest
from zparkd.core.events.signing import StreamKey
from zparkd.core.replication.encoding import (
    write_body,
    write_certificates,
    write_header,
    write_signed,
)
from zparkd.core.replication.wire import (
    TOPIC_EVENTS,
    TOPIC_HEARTBEAT,
    Ask,
    Beat,
    Live,
    Page,
    read_message,
)
from zparkd.core.turn import FromBus, Incoming, SyncAnswer, SyncRequest

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World

SALT = {"salt": "0"}
GARBAGE = (b"", b"\x00", b"{", b'"', b"[[[[", b'{"v":1}', b"\xff" * 40, b"[]", b"9" * 300)
Wired = tuple[bytes, bytes]


def meaningless(random: Random) -> tuple[dict[str, Any], Any, Any]:
    """What differs from an honest event: members of a skeleton, its data, its personal part."""
    nowhere = [ID, 7, random.randint(1, 9)]
    plate = {**SALT, "plate_id": f"66X{random.randint(0, 3):05d}"}
    lane = {"edge_id": "e", "camera_type": "car"}
    paid = {"fee": 0, "currency": "VND", "entry_ms": 1}
    return random.choice(
        [
            ({"type": "VEHICLE_TELEPORTED"}, {"to": "elsewhere"}, SALT),
            ({}, lane, SALT),
            ({}, {**lane, "edge_id": "\x00"}, plate),
            ({}, [1, 2], plate),
            ({}, lane, ["no", "object"]),
            ({"v": 2}, lane, plate),
            ({"order": 5}, lane, plate),
            ({"order": limits.TIME_MS_MAX}, lane, plate),
            ({"timestamp": 0, "order": 0}, lane, plate),
            ({"type": "VEHICLE_EXIT"}, lane, plate),
            ({"type": "VEHICLE_EXIT"}, {**lane, **paid, "names": nowhere}, plate),
            ({"type": "VEHICLE_EXIT"}, {**lane, **paid}, plate),
            ({"type": "VEHICLE_ENTRY_CONFIRMED"}, lane, plate),
            ({"type": "VEHICLE_ENTRY_CONFIRMED"}, {**lane, **paid, "names": nowhere}, plate),
            ({}, {**lane, "request_id": "r1"}, plate),
            ({}, {**lane, "forced": True, "names": nowhere}, plate),
            ({}, lane, plate),
        ]
    )


def skeleton_of(
    stream: Stream, seq: int, prev: str, sealed: bytes, stamp_ms: int, other: dict[str, Any]
) -> bytes:
    """The bytes of a skeleton, well formed but for what `other` says."""
    fields = {
        "v": 1,
        "type": "VEHICLE_ENTRY_PENDING",
        "source_central": stream.origin,
        "epoch": stream.epoch,
        "seq": seq,
        "timestamp": stamp_ms,
        "order": stamp_ms,
        "prev": prev,
        "sealed": digest(sealed),
    }
    return orjson.dumps({**fields, **other})


class Rogue:
    """The bad peer. To the network it is a machine like any other."""

    answers = True
    runs = 1
    name = id = ID

    def __init__(self, world: "World") -> None:
        self._world = world
        self._random = world.malice
        self.silent = False
        self.tells_news = True
        self._streams: dict[Stream, list[Wired]] = {}
        self._identity = identity_of(ID, self._random.randbytes) if world.plan.keys else None
        self._keys: dict[Stream, StreamKey] = {}

    # --- what it does by itself --------------------------------------------------------------

    def live(self) -> None:
        """Go on for ever: bother somebody every now and then."""
        self._world.after(self._random.randint(100, 900), self.live)
        if self.silent:
            return
        victim = self._random.choice(self._world.centrals)
        if self._random.random() < 0.15:
            frames = self._frames(self._random.choice([b"", *GARBAGE]))
            way_back = (ID.encode(), b"1")
            self._world.network.carry(self, victim, "ask", SyncRequest(way_back, frames))
            return
        frames = self._random.choice([self._beat, self._events, self._noise])()
        self._world.network.carry(self, victim, "bus", FromBus(ID, frames))

    def take(self, socket: str, message: Incoming) -> None:
        """It is asked: it answers what it likes, or nothing."""
        if self.silent or not isinstance(message, SyncRequest) or self._random.random() < 0.2:
            return
        asker = self._world.machines[message.token[0].decode()]
        frames = self._page(message)
        if self._random.random() < 0.3:
            frames = self._noise()
        self._world.network.carry(self, asker, "page", SyncAnswer(ID, frames))

    # --- what it says ------------------------------------------------------------------------

    def _header(self, data: Live | Beat | Ask | Page) -> bytes:
        source = self._random.choice([ID] * 9 + ["central-1"])
        return write_header(source, self._random.choice([0, 2**52]), data)

    def _site(self) -> str:
        return self._random.choice([self._world.site] * 9 + ["lot-b"])

    def _beat(self) -> list[bytes]:
        heads = self._absurd_heads()
        hears = [machine.id for machine in self._world.centrals]
        beat = Beat(
            self._site(),
            "Mars/Olympus",
            "9",
            self._random.randint(-(2**52), 2**52),
            hears,
            heads,
            self._random.choice(["", "0" * 32]),
        )
        return [TOPIC_HEARTBEAT, self._header(beat)]

    def _absurd_heads(self) -> list[tuple[str, int, int]]:
        random = self._random
        known = sorted(self._world.any_heads())
        heads = [(*stream, limits.SEQ_MAX) for stream in known if random.random() < 0.3]
        invented = random.choice([0, 0, 3, 40])
        heads += [(f"ghost-{random.randrange(10**6)}", 1, 9) for _ in range(invented)]
        heads += [(*stream, len(events)) for stream, events in sorted(self._streams.items())]
        return heads

    def _noise(self) -> list[bytes]:
        random = self._random
        frames = [random.choice(GARBAGE) for _ in range(random.randint(0, 4))]
        if random.random() < 0.5:
            frames = [TOPIC_EVENTS, self._header(Live(self._site())), random.choice(GARBAGE)]
        return frames

    def _events(self) -> list[bytes]:
        events = self._some_events()
        live = Live(self._world.site, *self._signed(events))
        return [TOPIC_EVENTS, self._header(live), write_body(events)]

    def _signed(self, events: list[Wired]) -> tuple[Any, Any]:
        """Signed heads of these events and certificates, all by its own keys; none without."""
        if self._identity is None:
            return UNSET, UNSET
        site, heads, certificates = self._world.site, [], []
        for skeleton, _ in events:
            position = positions_in(b"[" + skeleton + b",0]")[0]
            stream = position.stream
            of_another = stream.origin in self._world.machines
            if of_another and not self._forges_whom_all_know(stream.origin):
                continue
            key = self._keys.get(stream)
            if key is None:
                key = self._keys[stream] = self._identity.new_stream_key()
            heads.append(key.sign(site, position, digest(skeleton)))
            certificates.append(self._identity.certify(site, stream, key.public))
        return write_signed(heads), write_certificates(dict.fromkeys(certificates))

    def _frames(self, body: bytes) -> list[bytes]:
        return [TOPIC_EVENTS, self._header(Live(self._site())), body]

    def _page(self, request: SyncRequest) -> list[bytes]:
        try:
            ask = read_message(request.frames).data
        except ProtocolError:
            return [b""]
        assert isinstance(ask, Ask)
        random = self._random
        heads = self._absurd_heads() if random.random() < 0.5 else None
        page = Page(
            self._site(),
            ask.id if random.random() < 0.8 else random.randrange(99),
            random.choice([0, 2**52, -(2**52)]),
            random.random() < 0.1,
            heads,
            random.random() < 0.5,
            random.choice([None] * 5 + ["no"]),
        )
        events = self._some_events()
        for origin, epoch, after in ask.after:
            events += self._streams.get(Stream(origin, epoch), [])[after:][:3]
        signed, certificates = self._signed(events)
        page = structs.replace(page, signed=signed, certificates=certificates)
        return [self._header(page), write_body(events)]

    # --- events ------------------------------------------------------------------------------

    def _some_events(self) -> list[Wired]:
        random = self._random
        events = []
        for _ in range(random.randint(1, 3)):
            events += random.choice([self._poison, self._forged, self._replayed])()
        return events

    def _poison(self) -> list[Wired]:
        """The next of a stream of its own, or of one that it invents: a right chain, no sense."""
        random = self._random
        stream = random.choice(
            [Stream(ID, 7), Stream(ID, limits.EPOCH_MAX), Stream("ghost", random.randint(1, 3))]
        )
        events = self._streams.setdefault(stream, [])
        if not self.tells_news:
            return events[-3:]
        if self._world.plan.votes and stream.origin == ID and random.random() < 0.2:
            other, data, personal = self._vote()
        else:
            other, data, personal = self._lie() if random.random() < 0.4 else meaningless(random)
        sealed = orjson.dumps(personal)
        prev = digest(events[-1][0]) if events else ""
        stamp_ms = self._world.true_ms()
        skeleton = skeleton_of(
            stream, len(events) + 1, prev, sealed, stamp_ms, {"data": data, **other}
        )
        events.append((skeleton, sealed))
        return events[-random.randint(1, 4) :]

    def _lie(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """What a central could say, and none did: of vehicles that there are, of real events."""
        random, world = self._random, self._world
        positions = sorted(world.ledger.hashes)
        data: dict[str, Any] = {
            "edge_id": "e",
            "camera_type": random.choice(["car", "car", "motorbike"]),
            "marked": random.random() < 0.2,
            "forced": random.random() < 0.3,
        }
        if positions and random.random() < 0.7:
            data |= {"names": [*random.choice(positions[-20:])], "entry_ms": world.true_ms() - 999}
        if world.cameras.acts and random.random() < 0.3:
            act = random.choice(world.cameras.acts).request
            data |= {name: act[name] for name in ("edge_id", "request_id") if name in act}
        kind = random.choice(["ENTRY_PENDING", "ENTRY_CONFIRMED", "EXIT", "EXIT"])
        if kind == "EXIT":
            data |= {"fee": random.randrange(9) * 1000, "currency": "VND"}
        stamp_ms = world.true_ms() + random.choice([0, 0, -5_000, 5_000, -(10**8), 10**8])
        order = max(stamp_ms, world.true_ms() + random.choice([0, 0, -3_000, 3_000]))
        skeleton = {"type": f"VEHICLE_{kind}", "timestamp": stamp_ms, "order": order}
        return skeleton, data, {**SALT, "plate_id": f"29A{random.randrange(6):05d}"}

    def _vote(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """A word about a central, or about itself; heads of streams that there are, and others."""
        random, now_ms = self._random, self._world.true_ms()
        member = random.choice([*sorted(self._world.machines), ID, "nobody"])
        streams = sorted(it for it in self._world.any_heads().items() if it[0].origin == member)
        heads = [[stream.epoch, random.randint(1, head)] for stream, head in streams]
        data = {"member": member, "heads": heads + random.choice([[], [[1, 9]], heads, [[0, 1]]])}
        if streams and random.random() < 0.3:
            data["whole_before"] = random.choice(streams)[0].epoch
        kind = random.choice(["DISOWNED", "DISOWNED", "RESTORED", "ADMITTED"])
        return {"type": f"MEMBER_{kind}", "timestamp": now_ms, "order": now_ms}, data, SALT

    def _forged(self) -> list[Wired]:
        """An event in the name of a central: at its next place with a wrong chain, or beyond it.

        Or the first of a run that there never was.
        """
        heads = self._world.any_heads()
        if not heads:
            return []
        random = self._random
        stream = random.choice(sorted(heads))
        if self._forges_whom_all_know(stream.origin) and random.random() < 0.2:
            return [self._of_a_run_that_never_was(stream)]
        sealed = orjson.dumps({**SALT, "plate_id": "66X00000"})
        jump = random.choice([0, 1, 1, 1, 2, 1000])
        data = {"edge_id": "e", "camera_type": "car"}
        seq = min(max(1, heads[stream] + jump), limits.SEQ_MAX)
        wrong = random.choice(["0" * 64, ""]) if seq > 1 else "0" * 64
        if jump == 1 and self._forges_whom_all_know(stream.origin):
            at = Position(*stream, seq - 1)
            wrong = self._world.ledger.hashes.get(at, "") if seq > 1 else ""
        skeleton = skeleton_of(stream, seq, wrong, sealed, self._world.true_ms(), {"data": data})
        if random.random() < 0.2:
            sealed += b" "
        return [(skeleton, sealed)]

    def _of_a_run_that_never_was(self, stream: Stream) -> Wired:
        sealed = orjson.dumps({**SALT, "plate_id": "66X00001"})
        data, invented = {"edge_id": "e", "camera_type": "car"}, stream._replace(epoch=9)
        return skeleton_of(invented, 1, "", sealed, self._world.true_ms(), {"data": data}), sealed

    def _forges_whom_all_know(self, origin: str) -> bool:
        """Whether to be right but for the key: who is no peer is known by the first key met."""
        return self._world.plan.all_know_all_keys and origin in self._world.machines

    def _replayed(self) -> list[Wired]:
        """What it heard, again."""
        machine: Machine = self._random.choice(self._world.centrals)
        if machine.disk is None or not machine.disk.heads:
            return []
        stream = self._random.choice(sorted(machine.disk.heads))
        held = self._world.ledger.held[machine.name].get(stream, 0)
        after = self._random.randint(0, held)
        return list(machine.disk.page(stream, after, min(3, held - after), 10**6))
