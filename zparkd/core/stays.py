"""Stays: what the events of one vehicle come to, as a pure function of their set.

`project` says it for any set of events; `Fold` is the transition table underneath, which the
daemon also uses to advance a vehicle by one event. Both give the same stays, whatever the
order, repetition or route by which events arrived.

The rules, for the events of one vehicle in fold order (their key; what names an entry never
before that entry):

    event            no stay open        a stay is open
    ENTRY            opens one           is superseded by the entry of that stay
    ENTRY, forced    opens one           ends the stay it names and opens one; else superseded
    EXIT             ends nothing        ends it, whatever entry it names
    CONFIRM          confirms the stay that its entry belongs to, wherever that stands

Two events with the same `edge_id` and `request_id` are one act: the older counts. What names
an entry that is not here yet waits for it.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from zparkd.core import limits
from zparkd.core.events.event import Event, Kind, Position, SortKey, VehicleKey, event_id
from zparkd.core.members.votes import counting

# Raised with each change of what the same events come to: then all vehicles are folded again.
FOLD_VERSION = 1

ACTS = frozenset((Kind.ENTRY, Kind.EXIT))  # what an open records
NAMING = frozenset((Kind.EXIT, Kind.CONFIRM))  # what waits for the entry it names


class ClosedBy(StrEnum):
    """What ended a stay."""

    EXIT = "EXIT"
    FORCED_ENTRY = "FORCED_ENTRY"


class Remark(StrEnum):
    """Why a person should look at a stay."""

    OTHER_ENTRY = "OTHER_ENTRY"  # priced from another entry than the one that counts
    MARKED_TIME = "MARKED_TIME"  # a time stamp of it was made without a trusted clock
    NEGATIVE_DURATION = "NEGATIVE_DURATION"
    ABSURD_DURATION = "ABSURD_DURATION"
    FORCED = "FORCED"  # ended by force


class Verdict(StrEnum):
    """What became of an event that neither opened, confirmed nor ended a stay."""

    SUPERSEDED = "SUPERSEDED"  # an entry while an older one was open
    ENDED_NOTHING = "ENDED_NOTHING"  # an exit with no stay open at its place
    REPEATED = "REPEATED"  # the same act as an older event
    WAITING = "WAITING"  # names an entry that is not here


class Judgement(NamedTuple):
    """A verdict, and the event that counts instead (None where there is none)."""

    verdict: Verdict
    instead: Position | None


class Stay(Struct, frozen=True):
    """One stay of one vehicle. Times in ms; `duration_s` in whole seconds, None while inside."""

    vehicle: VehicleKey
    entry: Position
    entry_order: int
    entry_ms: int
    entry_marked: bool
    entry_forced: bool
    edge_id: str
    plate_view: str | None
    confidence: float | None
    confirmed: bool = False
    closed_by: ClosedBy | None = None
    closer: Position | None = None
    exit_ms: int | None = None
    exit_edge_id: str | None = None
    fee: int | None = None
    currency: str | None = None
    duration_s: int | None = None
    remarks: tuple[Remark, ...] = ()

    @property
    def entry_key(self) -> SortKey:
        """The fold position of the entry that counts."""
        return SortKey(self.entry_order, *self.entry)

    @property
    def event_id(self) -> str:
        """The readable id of the stay: that of the entry that counts."""
        return event_id(self.entry.origin, self.entry_ms, self.vehicle.plate_id)


def _opened(vehicle: VehicleKey, entry: Event) -> Stay:
    assert entry.facts is not None
    assert entry.personal is not None
    return Stay(
        vehicle,
        entry.position,
        entry.order,
        entry.timestamp,
        entry.facts.marked,
        entry.facts.forced,
        entry.facts.edge_id,
        entry.personal.plate_view,
        entry.facts.confidence,
    )


def _closed(stay: Stay, by: ClosedBy, closer: Event) -> Stay:
    facts = closer.facts
    assert facts is not None
    elapsed_ms = closer.timestamp - stay.entry_ms
    remarks = []
    if by is ClosedBy.EXIT and closer.names != stay.entry:
        remarks.append(Remark.OTHER_ENTRY)
    if stay.entry_marked or facts.marked:
        remarks.append(Remark.MARKED_TIME)
    if elapsed_ms < 0:
        remarks.append(Remark.NEGATIVE_DURATION)
    if elapsed_ms > limits.ABSURD_STAY_MS:
        remarks.append(Remark.ABSURD_DURATION)
    if by is ClosedBy.FORCED_ENTRY or facts.forced:
        remarks.append(Remark.FORCED)
    return replace(
        stay,
        closed_by=by,
        closer=closer.position,
        exit_ms=closer.timestamp,
        exit_edge_id=facts.edge_id,
        fee=facts.fee if by is ClosedBy.EXIT else None,
        currency=facts.currency if by is ClosedBy.EXIT else None,
        duration_s=max(0, elapsed_ms) // 1000,
        remarks=tuple(remarks),
    )


class Fold:
    """The transition table at work on one vehicle.

    Feed it events in fold order, waiting and repeated ones left out. `stays` then holds each
    stay it opened or was given, by the entry that counts; `superseded` maps the other entries
    to the one that counts; `ended_nothing` lists exits without a stay.
    """

    def __init__(
        self,
        vehicle: VehicleKey,
        current: Stay | None = None,
        aliases: Mapping[Position, Position] | None = None,
    ) -> None:
        """Start with `current` open; `aliases` are entries known to count as another one."""
        self.vehicle = vehicle
        self.stays: dict[Position, Stay] = {}
        self.superseded: dict[Position, Position] = {}
        self.ended_nothing: list[Position] = []
        self._aliases = aliases or {}
        self._open: Position | None = None
        if current is not None:
            assert current.closed_by is None
            self.stays[current.entry] = current
            self._open = current.entry

    def take(self, event: Event) -> None:
        """Advance by one event."""
        match event.kind:
            case Kind.ENTRY:
                self._entry(event)
            case Kind.EXIT:
                self._exit(event)
            case Kind.CONFIRM:
                self._confirm(event)

    def stay_of(self, entry: Position | None) -> Position | None:
        """The entry that counts for this one, or None where it opened no stay here."""
        if entry is None:
            return None
        entry = self._aliases.get(entry, entry)
        entry = self.superseded.get(entry, entry)
        return entry if entry in self.stays else None

    def _entry(self, event: Event) -> None:
        assert event.facts is not None
        current = self._open
        if current is not None and event.facts.forced and self.stay_of(event.names) == current:
            self.stays[current] = _closed(self.stays[current], ClosedBy.FORCED_ENTRY, event)
            current = None
        if current is None:
            self.stays[event.position] = _opened(self.vehicle, event)
            self._open = event.position
        else:
            self.superseded[event.position] = current

    def _exit(self, event: Event) -> None:
        if self._open is None:
            self.ended_nothing.append(event.position)
            return
        self.stays[self._open] = _closed(self.stays[self._open], ClosedBy.EXIT, event)
        self._open = None

    def _confirm(self, event: Event) -> None:
        entry = self.stay_of(event.names)
        if entry is not None and not self.stays[entry].confirmed:
            self.stays[entry] = replace(self.stays[entry], confirmed=True)


def fold_key(event: Event, entries: Mapping[Position, SortKey]) -> SortKey:
    """The place of an event in the fold: its own key, but never before the entry it names.

    `entries` maps each position that is named and could lie later to its key.
    """
    if event.kind in NAMING and event.names is not None:
        return max(event.key, entries.get(event.names, event.key))
    return event.key


def in_fold_order(events: Iterable[Event], entries: Mapping[Position, SortKey]) -> list[Event]:
    """`events` sorted for a `Fold`."""
    return sorted(events, key=lambda event: fold_place(event, entries))


def fold_place(
    event: Event, entries: Mapping[Position, SortKey]
) -> tuple[bool, SortKey, bool, SortKey]:
    """By what events are sorted. Confirmations come last: they count wherever they stand."""
    at = fold_key(event, entries)
    return event.kind == Kind.CONFIRM, at, at != event.key, event.key


class Projection(NamedTuple):
    """What a set of events comes to."""

    stays: dict[Position, Stay]
    judged: dict[Position, Judgement]


def project(events: Iterable[Event]) -> Projection:
    """The stays of a set of events, from scratch."""
    by_position = {event.position: event for event in counting(events)}
    entries = {
        position: event.key
        for position, event in by_position.items()
        if event.kind == Kind.ENTRY and event.facts is not None
    }
    judged: dict[Position, Judgement] = {}
    vehicles: dict[VehicleKey, list[Event]] = {}
    for event in by_position.values():
        vehicle = event.vehicle
        if event.kind not in ACTS | NAMING or vehicle is None:
            continue
        if event.kind in NAMING and event.names is not None:
            if event.names not in entries:
                judged[event.position] = Judgement(Verdict.WAITING, None)
                continue
            vehicle = by_position[event.names].vehicle
        assert vehicle is not None
        vehicles.setdefault(vehicle, []).append(event)

    stays: dict[Position, Stay] = {}
    for vehicle, group in vehicles.items():
        repeats = repeated(group)
        fold = Fold(vehicle, aliases=repeats)
        acts = [event for event in group if event.position not in repeats]
        for event in in_fold_order(acts, entries):
            fold.take(event)
        stays.update(fold.stays)
        for position, older in repeats.items():
            judged[position] = Judgement(Verdict.REPEATED, older)
        for position, winner in fold.superseded.items():
            judged[position] = Judgement(Verdict.SUPERSEDED, winner)
        for position in fold.ended_nothing:
            judged[position] = Judgement(Verdict.ENDED_NOTHING, None)
    return Projection(stays, judged)


def repeated(events: Iterable[Event]) -> dict[Position, Position]:
    """Which opens of one vehicle are an older one's act again, and which one that is."""
    oldest: dict[tuple[str, str], Event] = {}
    acts: list[tuple[tuple[str, str], Event]] = []
    for event in events:
        if event.kind in ACTS and event.facts is not None and event.facts.request_id is not None:
            act = (event.facts.edge_id, event.facts.request_id)
            acts.append((act, event))
            if act not in oldest or event.key < oldest[act].key:
                oldest[act] = event
    return {
        event.position: oldest[act].position
        for act, event in acts
        if event.position != oldest[act].position
    }
