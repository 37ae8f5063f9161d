"""What was exceptional: what did not fit, by the rules of the stays, and what people did at gates.

A forced exit is both: it is told once, with who did it and why.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from zparkd.core.events.event import Kind
from zparkd.core.reports.records import Exceptional

_OF_AN_EXIT = ("FORCED", "UNMATCHED", "ENDED_NOTHING")
_FORCED = {Kind.ENTRY: "FORCED_ENTRY", Kind.EXIT: "FORCED_EXIT"}
_BY_PEOPLE = frozenset(
    (*_FORCED, Kind.MANUAL, Kind.CORRECTED, Kind.CLOSED, Kind.VOIDED, Kind.CHARGED)
)

Row = Mapping[str, Any]
_Place = tuple[str, int, str | None]  # of an event: central, time, plate


def exceptional(conflicts: Iterable[Row], acts: Iterable[Row]) -> Iterator[Exceptional]:
    """Rows of conflicts (with `time_ms`) and of the audit as what a report lists."""
    by_people = [act for act in acts if act["counts"] and act["kind"] in _BY_PEOPLE]
    done = {_place(act): act for act in by_people}
    told: set[_Place] = set()
    for row in conflicts:
        act = done.get(_place(row)) if row["kind"] in _OF_AN_EXIT else None
        if act is not None:
            told.add(_place(row))
        yield Exceptional(
            row["time_ms"],
            row["kind"],
            row["plate_id"],
            row["camera_type"],
            f"{row['central']}/{row['edge_id']}",
            act["who"] if act is not None else None,
            act["why"] if act is not None else None,
            row["fee"],
            row["event_id"],
        )
    for act in by_people:  # all of them: two opens by hand may be of one moment
        if _place(act) not in told:
            yield _by_hand(act)


def _place(row: Row) -> _Place:
    return row["central"], row["time_ms"], row["plate_id"]


def _by_hand(act: Row) -> Exceptional:
    kind = str(act["kind"])
    if act["forced"] and kind in _FORCED:
        kind = _FORCED[Kind(kind)]
    gate = f"{act['central']}/{act['edge_id']}" if act["edge_id"] is not None else act["central"]
    return Exceptional(
        act["time_ms"],
        kind,
        act["plate_id"],
        act["camera_type"],
        gate,
        act["who"],
        act["why"],
        None,
        act["event_id"],
    )
