"""Corrections: what people say about events afterwards, and what that leaves of them.

Nothing is ever rewritten. A correction is an event that names another one, and what it comes to
is found anew each time, before the stays are folded:

    acts        events with one `edge_id` and `request_id` are one act, on the vehicles that they
                say themselves; the older counts, and what names one of them names that
    void        what it names never happened; also a correction, also a void
    correct     an entry, or an exit that names none, was of another vehicle
    charge      adds to what the stay of the event that it names paid

A correction applies only to what is lower in `order`. So from the highest key down each is judged
before what it is about: one that is void changes nothing. Of two that say of which vehicle an event
was, the later counts; one that is void is of none.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from zparkd.core.events.event import Event, Kind, Position, VehicleKey

ACTS = frozenset((Kind.ENTRY, Kind.EXIT))  # what an open records
ENDINGS = frozenset((Kind.NOT_TAKEN, Kind.CLOSED))  # what ends the stay that it names
NAMING = ENDINGS | {Kind.EXIT, Kind.CONFIRM}  # what waits for the entry it names
CORRECTIONS = frozenset((Kind.CORRECTED, Kind.VOIDED, Kind.CHARGED))
TAKING_PART = ACTS | NAMING | CORRECTIONS


class Corrected(NamedTuple):
    """What corrections leave of a set of events.

    `waiting` are those that name something which is not here; `repeats` which act is an older
    one's again; `voided` what never happened; `moved` by which correction an entry or an exit is of
    another vehicle than it says.
    """

    waiting: frozenset[Position]
    repeats: Mapping[Position, Position]
    voided: frozenset[Position]
    moved: Mapping[Position, Event]

    def takes_part(self, event: Event) -> bool:
        """Whether an event takes part in the stays of a vehicle."""
        return (
            event.kind in ACTS | NAMING
            and event.vehicle is not None
            and event.position not in self.waiting
            and event.position not in self.repeats
            and event.position not in self.voided
        )

    def vehicle_of(self, event: Event, here: Mapping[Position, Event]) -> VehicleKey:
        """The vehicle that an event is of; of one that names an entry, that of the entry.

        Of a correction that of what it is about.
        """
        event = subject(event, here) or event
        if event.kind in NAMING and event.names is not None and event.position not in self.waiting:
            event = here[event.names]
        correction = self.moved.get(self.repeats.get(event.position, event.position))
        vehicle = (correction or event).vehicle
        assert vehicle is not None
        return vehicle


def correct(here: Mapping[Position, Event]) -> Corrected:
    """What corrections leave of the events that are here, and count."""
    taking_part = [e for e in here.values() if e.vehicle is not None and e.kind in TAKING_PART]
    waiting = frozenset(e.position for e in taking_part if _waits(e, here))
    acts: dict[VehicleKey, list[Event]] = {}
    for event in taking_part:
        if event.kind in ACTS and event.position not in waiting:
            named = here[event.names] if event.kind == Kind.EXIT and event.names else event
            assert named.vehicle is not None
            acts.setdefault(named.vehicle, []).append(event)
    repeats: dict[Position, Position] = {}
    for group in acts.values():
        repeats |= repeated(group)
    corrections = [e for e in taking_part if e.kind in CORRECTIONS and e.position not in waiting]
    voided: set[Position] = set()
    moved: dict[Position, Event] = {}
    for correction in sorted(corrections, key=lambda event: event.key, reverse=True):
        assert correction.names is not None
        at = repeats.get(correction.names, correction.names)
        if correction.position in voided or here[at].order >= correction.order:
            continue
        if correction.kind == Kind.VOIDED:
            voided.add(at)
        elif correction.kind == Kind.CORRECTED and _says_its_vehicle(here[at]):
            moved.setdefault(at, correction)
    for at in voided:
        moved.pop(at, None)
    return Corrected(waiting, repeats, frozenset(voided), moved)


def _waits(event: Event, here: Mapping[Position, Event]) -> bool:
    """Whether an event names something that is not here."""
    if event.kind in CORRECTIONS:
        return subject(event, here) is None
    if event.kind not in NAMING or event.names is None:
        return False
    entry = here.get(event.names)
    return entry is None or entry.kind != Kind.ENTRY or entry.vehicle is None


def subject(event: Event, here: Mapping[Position, Event]) -> Event | None:
    """What a correction is about in the end, or a correction of a correction.

    None where that is not here, or where corrections name each other.
    """
    seen = set()
    while event.kind in CORRECTIONS:
        assert event.names is not None
        named = here.get(event.names)
        if named is None or named.vehicle is None or named.position in seen:
            return None
        seen.add(named.position)
        event = named
    return event


def _says_its_vehicle(event: Event) -> bool:
    return event.kind == Kind.ENTRY or (event.kind == Kind.EXIT and event.names is None)


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
