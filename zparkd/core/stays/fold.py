"""Stays: what the events of one vehicle come to, as a pure function of their set.

`project` says it for any set of events; `Fold` is the transition table underneath, which the
daemon also uses to advance a vehicle by one event. Both give the same stays, whatever the
order, repetition or route by which events arrived.

The rules, for the events of one vehicle that corrections leave (`corrections`), in fold order
(their key; what names an entry never before that entry):

    event            no stay open        a stay is open
    ENTRY            opens one           is superseded by the entry of that stay
    ENTRY, forced    opens one           ends the stay it names and opens one; else superseded
    EXIT             ends nothing        ends it, whatever entry it names
    NOT_TAKEN        nothing             ends it, if it names the entry that counts
    CLOSED           gives way           ends it, if it names it; else it gives way
    CONFIRM          confirms the stay that its entry belongs to, wherever that stands

What names an entry that is not here yet waits for it.

NOT_TAKEN and CLOSED give way to an exit that names their entry, whatever their order, NOT_TAKEN to
a confirmation too; but not where another entry stands between entry and exit. Then the entry that
was not taken is superseded by that other one. An entry that was not taken is in no other's way: the
next one ends it. Of two CLOSED that name one entry the later counts.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from zparkd.core import limits
from zparkd.core.events.event import (
    Event,
    Kind,
    Position,
    SortKey,
    VehicleKey,
)
from zparkd.core.events.ids import event_id, is_nameless, nameless_id
from zparkd.core.members.votes import counting
from zparkd.core.stays.corrections import TAKING_PART, correct
from zparkd.core.stays.endings import NO_ENDINGS, Endings, endings, fold_key
from zparkd.core.stays.erasure import forgotten, named

# Raised with each change of what the same events come to: then all vehicles are folded again.
FOLD_VERSION = 2


class ClosedBy(StrEnum):
    """What ended a stay."""

    EXIT = "EXIT"
    FORCED_ENTRY = "FORCED_ENTRY"
    NOT_TAKEN = "NOT_TAKEN"
    CORRECTION = "CORRECTION"


class Remark(StrEnum):
    """What is remarkable about a stay, in the order in which it is told."""

    OTHER_ENTRY = "OTHER_ENTRY"  # priced from another entry than the one that counts
    MARKED_TIME = "MARKED_TIME"  # a time stamp of it was made without a trusted clock
    NEGATIVE_DURATION = "NEGATIVE_DURATION"
    ABSURD_DURATION = "ABSURD_DURATION"
    FORCED = "FORCED"  # ended by force
    CORRECTED = "CORRECTED"  # its entry or its exit was of another vehicle than it says
    CLOSED_BY_HAND = "CLOSED_BY_HAND"
    ENTERED_BY_HAND = "ENTERED_BY_HAND"
    MISREAD = "MISREAD"  # its exit was read as another plate
    OVER_CAPACITY = "OVER_CAPACITY"  # let in while the site was full

    @property
    def is_conflict(self) -> bool:
        """Whether a person should look at the stay for it; the others say what people know."""
        return self in _CONFLICTS


_CONFLICTS = frozenset(list(Remark)[: list(Remark).index(Remark.CORRECTED)])


class Verdict(StrEnum):
    """What became of an event that neither opened, confirmed nor ended a stay."""

    SUPERSEDED = "SUPERSEDED"  # an entry while an older one was open
    ENDED_NOTHING = "ENDED_NOTHING"  # an exit with no stay open at its place
    REPEATED = "REPEATED"  # the same act as an older event
    WAITING = "WAITING"  # names an event that is not here
    VOIDED = "VOIDED"  # a person says that it never happened
    GAVE_WAY = "GAVE_WAY"  # took a fee by hand for a stay that was over, or whose exit came
    CHARGED_NOTHING = "CHARGED_NOTHING"  # money for an event without a stay


class Judgement(NamedTuple):
    """A verdict, and the event that counts instead (None where there is none)."""

    verdict: Verdict
    instead: Position | None


class Stay(Struct, frozen=True):
    """One stay of one vehicle. Times in ms; `duration_s` in whole seconds, None while inside.

    `id_plate` is the plate that its readable id shows, where its entry was of another vehicle.
    `plate_read` is what was read at the exit, where that was another plate; `adjusted` what was
    charged afterwards, which may be negative.
    """

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
    id_plate: str | None = None
    plate_read: str | None = None
    adjusted: int = 0

    @property
    def entry_key(self) -> SortKey:
        """The fold position of the entry that counts."""
        return SortKey(self.entry_order, *self.entry)

    @property
    def event_id(self) -> str:
        """The readable id of the stay: that of the entry that counts."""
        plate_id = self.id_plate or self.vehicle.plate_id
        if is_nameless(plate_id):
            return nameless_id(self.entry)
        return event_id(self.entry.origin, self.entry_ms, plate_id)


def _opened(vehicle: VehicleKey, entry: Event, correction: Event | None) -> Stay:
    assert entry.facts is not None
    assert entry.personal is not None
    plate_view, plate_id = entry.personal.plate_view, entry.personal.plate_id
    told = set()
    if correction is not None:
        assert correction.personal is not None
        plate_view = correction.personal.plate_view
        told.add(Remark.CORRECTED)
    if entry.facts.by_hand:
        told.add(Remark.ENTERED_BY_HAND)
    if entry.facts.over_capacity:
        told.add(Remark.OVER_CAPACITY)
    return Stay(
        vehicle,
        entry.position,
        entry.order,
        entry.timestamp,
        entry.facts.marked,
        entry.facts.forced,
        entry.facts.edge_id,
        plate_view,
        entry.facts.confidence,
        remarks=_in_order(told),
        id_plate=plate_id if plate_id != vehicle.plate_id else None,
    )


def _closed(stay: Stay, by: ClosedBy, closer: Event, correction: Event | None = None) -> Stay:
    facts = closer.facts
    assert facts is not None
    assert closer.personal is not None
    elapsed_ms = closer.timestamp - stay.entry_ms
    plate_read = closer.personal.plate_read if by is ClosedBy.EXIT else None
    told = set(stay.remarks)
    if by is ClosedBy.EXIT and closer.names != stay.entry:
        told.add(Remark.OTHER_ENTRY)
    if stay.entry_marked or facts.marked:
        told.add(Remark.MARKED_TIME)
    if elapsed_ms < 0:
        told.add(Remark.NEGATIVE_DURATION)
    if elapsed_ms > limits.ABSURD_STAY_MS:
        told.add(Remark.ABSURD_DURATION)
    if by is ClosedBy.FORCED_ENTRY or facts.forced:
        told.add(Remark.FORCED)
    if correction is not None:
        told.add(Remark.CORRECTED)
    if by is ClosedBy.CORRECTION:
        told.add(Remark.CLOSED_BY_HAND)
    if plate_read not in (None, stay.vehicle.plate_id):
        told.add(Remark.MISREAD)
    charges = by in (ClosedBy.EXIT, ClosedBy.CORRECTION)
    return replace(
        stay,
        closed_by=by,
        closer=closer.position,
        exit_ms=closer.timestamp,
        exit_edge_id=facts.edge_id,
        fee=facts.fee if charges else None,
        currency=facts.currency if charges else None,
        duration_s=max(0, elapsed_ms) // 1000,
        remarks=_in_order(told),
        plate_read=plate_read,
    )


def _in_order(told: Collection[Remark]) -> tuple[Remark, ...]:
    return tuple(remark for remark in Remark if remark in told) if told else ()


def advanced(vehicle: VehicleKey, current: Stay | None, event: Event) -> Stay | None:
    """The stay that a usual event opens, confirms or ends, just as `Fold` has it; in one step.

    That is an entry where none is open, or what names the entry of the `current` one, and comes
    after all others of its vehicle. Any other kind leaves the stay as it is.
    """
    match event.kind:
        case Kind.ENTRY:
            assert current is None
            return _opened(vehicle, event, None)
        case Kind.EXIT:
            assert current is not None
            return _closed(current, ClosedBy.EXIT, event)
        case Kind.CONFIRM if current is not None and not current.confirmed:
            return replace(current, confirmed=True)
    return current


class Fold:
    """The transition table at work on one vehicle.

    Feed it events in fold order, those left out that do not take part. `stays` then holds each
    stay it opened or was given, by the entry that counts; `superseded` maps the other entries
    to the one that counts; `ended_nothing` lists exits without a stay, `gave_way` those that closed
    none by hand and had a fee.
    """

    def __init__(
        self,
        vehicle: VehicleKey,
        current: Stay | None = None,
        aliases: Mapping[Position, Position] | None = None,
        endings: Endings = NO_ENDINGS,
        moved: Mapping[Position, Event] | None = None,
    ) -> None:
        """Start with `current` open; `aliases` are entries known to count as another one.

        `moved` are the corrections that made events those of this vehicle.
        """
        self.vehicle = vehicle
        self.stays: dict[Position, Stay] = {}
        self.superseded: dict[Position, Position] = {}
        self.ended_nothing: list[Position] = []
        self.gave_way: list[Position] = []
        self._aliases = aliases or {}
        self._endings = endings
        self._moved = moved or {}
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
            case Kind.NOT_TAKEN:
                if self._open is not None and self._endings.not_taken.get(self._open) is event:
                    self._close(ClosedBy.NOT_TAKEN, event)
            case Kind.CLOSED:
                assert event.facts is not None
                ends = self._open is not None and self.stay_of(event.names) == self._open
                if ends and event.position in self._endings.closing:
                    self._close(ClosedBy.CORRECTION, event)
                elif event.facts.fee is not None:
                    self.gave_way.append(event.position)
            case Kind.CONFIRM:
                self._confirm(event)

    def stay_of(self, entry: Position | None) -> Position | None:
        """The entry that counts for this one, or None where it opened no stay here."""
        if entry is None:
            return None
        entry = self._aliases.get(entry, entry)
        while entry in self.superseded:
            entry = self.superseded[entry]
        return entry if entry in self.stays else None

    def _close(self, by: ClosedBy, event: Event) -> None:
        assert self._open is not None
        correction = self._moved.get(event.position) if by is ClosedBy.EXIT else None
        self.stays[self._open] = _closed(self.stays[self._open], by, event, correction)
        self._open = None

    def _entry(self, event: Event) -> None:
        assert event.facts is not None
        if self._open is not None:
            if event.facts.forced and self.stay_of(event.names) == self._open:
                self._close(ClosedBy.FORCED_ENTRY, event)
            elif (untaken := self._endings.not_taken.get(self._open)) is not None:
                self._close(ClosedBy.NOT_TAKEN, untaken)
        if self._open is not None:
            self.superseded[event.position] = self._open
        elif event.position in self._endings.passed_on:
            self.superseded[event.position] = self._endings.passed_on[event.position]
        else:
            self.stays[event.position] = _opened(
                self.vehicle, event, self._moved.get(event.position)
            )
            self._open = event.position

    def _exit(self, event: Event) -> None:
        if self._open is None:
            self.ended_nothing.append(event.position)
        else:
            self._close(ClosedBy.EXIT, event)

    def _confirm(self, event: Event) -> None:
        entry = self.stay_of(event.names)
        if entry is not None and not self.stays[entry].confirmed:
            self.stays[entry] = replace(self.stays[entry], confirmed=True)


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
    """What a set of events comes to.

    `charged` has for each charge that is not void the stay that it counts for, None without one.
    """

    stays: dict[Position, Stay]
    judged: dict[Position, Judgement]
    charged: dict[Position, Position | None]


def project(events: Iterable[Event]) -> Projection:
    """The stays of a set of events, from scratch."""
    gathered = Gathered(counting(events))
    whole = Projection({}, {}, {})
    for vehicle in gathered.vehicles:
        part = gathered.of(vehicle)
        whole.stays.update(part.stays)
        whole.judged.update(part.judged)
        whole.charged.update(part.charged)
    return whole


class Gathered:
    """Events that count, by the vehicles that they are of once corrections are applied."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.here = {event.position: event for event in events}
        for position, plate_id in named(self.here.values()).items():
            if (held := self.here.get(position)) is not None and held.facts is not None:
                self.here[position] = forgotten(held, plate_id)
        self.found = correct(self.here)
        self._entries = {
            event.position: event.key
            for event in self.here.values()
            if event.kind == Kind.ENTRY and event.facts is not None
        }
        self._members: dict[VehicleKey, list[Event]] = {}
        for event in self.here.values():
            if event.kind in TAKING_PART and event.vehicle is not None:
                vehicle = self.found.vehicle_of(event, self.here)
                self._members.setdefault(vehicle, []).append(event)

    @property
    def vehicles(self) -> Collection[VehicleKey]:
        """All vehicles that anything is of."""
        return self._members.keys()

    def members(self, vehicle: VehicleKey) -> Collection[Event]:
        """The events of a vehicle."""
        return self._members.get(vehicle, ())

    def of(self, vehicle: VehicleKey) -> Projection:
        """What the events of one vehicle come to."""
        found = self.found
        group = [event for event in self.members(vehicle) if found.takes_part(event)]
        ending = endings(group, self._entries, found.repeats)
        fold = Fold(vehicle, None, found.repeats, ending, found.moved)
        for event in in_fold_order(group, self._entries):
            fold.take(event)
        judged = judged_by(fold)
        for event in self.members(vehicle):
            if (verdict := self._left_out(event.position)) is not None:
                judged[event.position] = verdict
        charged = {
            event.position: self._charged_stay(event, fold)
            for event in self.members(vehicle)
            if event.kind == Kind.CHARGED and event.position not in judged
        }
        for charge, entry in charged.items():
            if entry is None:
                judged[charge] = Judgement(Verdict.CHARGED_NOTHING, None)
                continue
            facts, stay = self.here[charge].facts, fold.stays[entry]
            assert facts is not None
            assert facts.amount is not None
            fold.stays[entry] = replace(stay, adjusted=stay.adjusted + facts.amount)
        return Projection(fold.stays, judged, charged)

    def _left_out(self, position: Position) -> Judgement | None:
        """What became of an event that takes part in no stay."""
        found = self.found
        if position in found.voided:
            return Judgement(Verdict.VOIDED, None)
        if position in found.repeats:
            return Judgement(Verdict.REPEATED, found.repeats[position])
        return Judgement(Verdict.WAITING, None) if position in found.waiting else None

    def _charged_stay(self, charge: Event, fold: Fold) -> Position | None:
        """The stay that a charge counts for: the one that the event it names opened or ended.

        Of an event that did neither, that of what it names itself.
        """
        ended = {
            stay.closer: entry
            for entry, stay in fold.stays.items()
            if stay.closed_by is not ClosedBy.FORCED_ENTRY
        }
        named, seen = charge.names, set[Position]()
        while named is not None and named not in seen:
            seen.add(named)
            named = self.found.repeats.get(named, named)
            event = self.here.get(named)
            if event is None or (len(seen) == 1 and event.order >= charge.order):
                return None
            if event.kind == Kind.ENTRY:
                return fold.stay_of(named)
            if named in ended:
                return ended[named]
            named = event.names
        return None


def judged_by(fold: Fold) -> dict[Position, Judgement]:
    """What became of the events of a vehicle that made no stay."""
    judged = {
        position: Judgement(Verdict.SUPERSEDED, winner)
        for position, winner in fold.superseded.items()
    }
    judged |= dict.fromkeys(fold.ended_nothing, Judgement(Verdict.ENDED_NOTHING, None))
    return judged | dict.fromkeys(fold.gave_way, Judgement(Verdict.GAVE_WAY, None))
