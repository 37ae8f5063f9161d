"""Endings: what ends the stay that it names, and when that gives way.

A NOT_TAKEN says that nobody drove in on an entry, a CLOSED that a stay is over. Both may be wrong:
an exit that names the entry is proof of it, and for a NOT_TAKEN a confirmation too. But not where
the vehicle came in again before that exit: then the exit is that of the later visit.
"""

from bisect import bisect_right
from collections.abc import Collection, Mapping
from typing import NamedTuple

from zparkd.core.events.event import Event, Kind, Position, SortKey
from zparkd.core.stays.corrections import ENDINGS, NAMING


def fold_key(event: Event, entries: Mapping[Position, SortKey]) -> SortKey:
    """The place of an event in the fold: its own key, but never before the entry it names.

    `entries` maps each position that is named and could lie later to its key.
    """
    if event.kind in NAMING and event.names is not None:
        return max(event.key, entries.get(event.names, event.key))
    return event.key


class Endings(NamedTuple):
    """Which of the events that end what they name do so: see the top of this file.

    `not_taken` has the event that says so of an entry; `passed_on` the next entry, which counts for
    an entry that was not taken; `closing` are the events that close.
    """

    not_taken: Mapping[Position, Event]
    passed_on: Mapping[Position, Position]
    closing: frozenset[Position]


NO_ENDINGS = Endings({}, {}, frozenset())


def endings(
    events: Collection[Event],
    entries: Mapping[Position, SortKey],
    repeats: Mapping[Position, Position],
) -> Endings:
    """Which endings stand, of the events that take part in the stays of one vehicle.

    `entries` maps each entry that is named to its key, `repeats` each that is an older one's act
    again to that one.
    """
    ending = [event for event in events if event.kind in ENDINGS]
    if not ending:
        return NO_ENDINGS
    ordered = sorted((e.key, e.position) for e in events if e.kind == Kind.ENTRY)
    left: dict[Position, SortKey] = {}  # the place of the first exit that names an entry
    confirmed = set()
    for event in events:
        if event.names is None or event.kind not in NAMING:
            continue
        entry = repeats.get(event.names, event.names)
        if event.kind == Kind.EXIT:
            place = fold_key(event, entries)
            left[entry] = min(place, left.get(entry, place))
        elif event.kind == Kind.CONFIRM:
            confirmed.add(entry)
    not_taken: dict[Position, Event] = {}
    passed_on: dict[Position, Position] = {}
    closing: dict[Position, Event] = {}
    for event in sorted(ending, key=lambda event: event.key, reverse=True):
        assert event.names is not None
        entry = repeats.get(event.names, event.names)
        key = entries.get(entry)
        if key is None or (event.kind == Kind.NOT_TAKEN and entry in confirmed):
            continue
        after = bisect_right(ordered, (key, entry))
        between = ordered[after] if after < len(ordered) else None
        if entry in left:
            if between is None or between[0] >= left[entry]:
                continue
            if event.kind == Kind.NOT_TAKEN:
                passed_on[entry] = between[1]
                continue
        if event.kind == Kind.NOT_TAKEN:
            not_taken[entry] = event  # the first one
        else:
            closing.setdefault(entry, event)
    return Endings(not_taken, passed_on, frozenset(e.position for e in closing.values()))
