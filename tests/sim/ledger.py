"""What was promised in a run, and which disk held what when: kept beside the centrals, not in them.

The centrals are judged by it afterwards. It sees each event as it is appended, each commit, each
disk that is lost, and all that leaves a central for an edge or a peer.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.sim.oracle.events import Said
from zparkd.core.events.event import Event, Kind, Position, Stream
from zparkd.core.replication.wire import TOPIC_EVENTS, Page, read_message, unpack

Heads = dict[Stream, int]
OPENS = (Kind.ENTRY, Kind.EXIT, Kind.MANUAL)


class _Place(msgspec.Struct):
    """What is read of a skeleton."""

    source_central: str
    epoch: int
    seq: int


_parts = msgspec.json.Decoder(list[msgspec.Raw]).decode
_place = msgspec.json.Decoder(_Place).decode


def positions_in(body: bytes) -> list[Position]:
    """The positions of the events in a body."""
    places = [_place(skeleton) for skeleton in _parts(body)[::2]]
    return [Position(it.source_central, it.epoch, it.seq) for it in places]


@dataclass(frozen=True)
class Ack:
    """A yes that an edge was sent, and the events on which it rests."""

    act: int
    by: str
    answer: dict[str, Any]
    positions: tuple[Position, ...]


@dataclass
class Ledger:
    """All of a run. `broken` are the rules seen to be broken as it went.

    `known` are the centrals whose keys all others have: nobody else can record in their name.
    """

    known: frozenset[str] = frozenset()
    hashes: dict[Position, str] = field(default_factory=dict)
    opened: set[Stream] = field(default_factory=set)
    held: dict[str, Heads] = field(default_factory=dict)
    lost: set[Position] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)
    acks: list[Ack] = field(default_factory=list)
    ids: dict[str, dict[int, list[tuple[Said, int | None]]]] = field(default_factory=dict)
    forks: dict[Stream, int] = field(default_factory=dict)  # after which seq each is divided
    broken: list[str] = field(default_factory=list)

    def breaks(self, what: str) -> None:
        """A rule was seen to be broken."""
        self.broken.append(what)

    def is_divided(self, position: Position) -> bool:
        """Whether there are two events at a position: its machine was set back while it ran."""
        return position.seq > self.forks.get(position.stream, position.seq)

    # --- disks -------------------------------------------------------------------------------

    def opens(self, machine: str, stream: Stream) -> None:
        """A run begins that will write this stream."""
        if stream in self.opened and stream not in self.forks:
            self.breaks(f"epoch reused: {machine} opens {stream} again")
        self.opened.add(stream)

    def starts(self, machine: str, heads: Mapping[Stream, int]) -> None:
        """A machine reads its disk: what was once committed there is on it."""
        for stream, head in self.held.get(machine, {}).items():
            if heads.get(stream, 0) < head:
                self.breaks(
                    f"not on the disk: {machine} lost {stream} after {heads.get(stream, 0)}"
                )

    def committed(self, machine: str, events: list[Event], heads: Mapping[Stream, int]) -> None:
        """A transaction of a machine is on its disk."""
        for event in events:
            position = event.position
            if position.origin in self.known and position.stream not in self.opened:
                self.breaks(f"invented: {machine} takes in {position}, of a run that never was")
            if self.is_divided(position):
                continue
            known = self.hashes.setdefault(position, event.hash)
            if known != event.hash:
                self.breaks(f"position reused: {machine} has another event at {position}")
        self.held[machine] = dict(heads)

    def disk_replaced(self, machine: str, heads: Heads, said: int | None) -> None:
        """A machine's disk is another one now, and holds this: what no disk has now is lost.

        `said` is how many events were only there, as its status had it; None for no status. It
        can't know of other disks that were replaced since.
        """
        self.ids.pop(machine, None)
        before = self.held.get(machine, {})
        lost_before = len(self.lost)
        self.held[machine] = dict(heads)
        for stream, head in before.items():
            others = max(it.get(stream, 0) for it in self.held.values())
            for seq in range(max(others, heads.get(stream, 0)) + 1, head + 1):
                self.lost.add(Position(*stream, seq))
        cost = len(self.lost) - lost_before
        if said is not None and cost > said and self.replaced <= {machine}:
            self.breaks(f"lost more than said: {cost} events with {machine}, only_here was {said}")
        self.replaced.add(machine)

    def on_disk(self, machine: str, position: Position) -> bool:
        """Whether a machine's disk holds this event now."""
        return self.held.get(machine, {}).get(position.stream, 0) >= position.seq

    def id_told(
        self,
        machine: str,
        id: int,
        entry: Said,
        older: tuple[int, int] | None,
        corrected: Collection[object],
    ) -> None:
        """A machine names the row of a stay: it is of one vehicle, until a correction moves it.

        `corrected` are the vehicles between which a correction that is held there may have moved
        it. `older` is what it holds before it (`Held.before`); None where the stay is not that of
        this very entry.
        """
        told = self.ids.setdefault(machine, {})
        vehicle = told.setdefault(id, [])
        first = vehicle[0][0] if vehicle else entry
        # The same entry is of a vehicle without a name once it is erased, and keeps its row.
        if first.at != entry.at and first.vehicle != entry.vehicle:
            if {first.vehicle, entry.vehicle} <= set(corrected):
                vehicle.clear()
                return
            self.breaks(f"id reused: {machine} says {id} of {entry.at}, was of {first.at}")
        vehicle.append((entry, older))

    # --- what leaves -------------------------------------------------------------------------

    def told(
        self, act: int, by: str, answer: dict[str, Any], positions: Sequence[Position]
    ) -> None:
        """A machine says yes to an edge; the events that it holds of that request are there."""
        self.acks.append(Ack(act, by, answer, tuple(positions)))
        for position in positions:
            if not self.on_disk(by, position):
                self.breaks(f"told too early: {by} says yes before {position} is on its disk")
        if not positions:
            self.breaks(f"{by} says {answer} and recorded nothing")

    def published(self, by: str, frames: list[bytes]) -> None:
        """A machine publishes."""
        if frames[0] == TOPIC_EVENTS:
            self._sent(by, positions_in(frames[2]))

    def served(self, by: str, frames: list[bytes]) -> int:
        """A machine answers a sync request; the number of events in the page."""
        page = read_message(frames).data
        assert isinstance(page, Page)
        if len(frames) < 2:
            return 0
        positions = positions_in(unpack(frames[1]) if page.packed else frames[1])
        self._sent(by, positions)
        return len(positions)

    def _sent(self, by: str, positions: list[Position]) -> None:
        for position in positions:
            if not self.on_disk(by, position):
                self.breaks(f"published too early: {by} sends {position}, not on its disk yet")
