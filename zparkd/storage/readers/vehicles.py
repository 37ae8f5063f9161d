"""A vehicle's whole story: its stays, and below them all that was ever recorded of it."""

import sqlite3
from typing import Any, NamedTuple

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, Kind, Position, read
from zparkd.storage.keys import key_of
from zparkd.storage.readers.stays import StayFilter, stays

_EVENTS = (
    "SELECT e.at, e.skeleton, e.sealed, d.verdict, d.instead"
    " FROM events e LEFT JOIN verdicts d ON d.at = e.at"
    " WHERE e.vehicle IN (SELECT no FROM vehicles WHERE plate_id = ?)"
    " ORDER BY e.place DESC, e.timestamp DESC LIMIT ?"
)
_COUNTING = (
    "SELECT s.entry, s.closer, eo.origin || '_' || s.entry_ms || '_' || v.plate_id"
    " FROM sessions s JOIN vehicles v ON v.no = s.vehicle JOIN streams eo ON eo.no = s.entry >> 40"
    " WHERE v.plate_id = ?"
)
_STEPS = 4  # an entry that does not count leads to the one that does in fewer


class Judged(NamedTuple):
    """An event, what it came to where that is no stay, and the id of the stay it counts for."""

    event: Event
    verdict: str | None
    stay: str | None


class Story(NamedTuple):
    """The stays and the events of the vehicles with one plate, oldest first."""

    stays: list[dict[str, Any]]
    events: list[Judged]


def story(connection: sqlite3.Connection, plate_id: str, limit: int) -> Story:
    """The newest `limit` stays, and as many events, of the vehicles with one plate.

    Events that this version can't read are left out.
    """
    found = stays(connection, StayFilter(plate_id=plate_id), limit)
    rows = connection.execute(_EVENTS, (plate_id, limit)).fetchall()
    counting = _Counting(connection, plate_id, {row["at"]: row["instead"] for row in rows})
    events = []
    for row in rows:
        try:
            event = read(row["skeleton"], row["sealed"])
        except ProtocolError:  # kept for other readers
            continue
        events.append(Judged(event, row["verdict"], counting.stay(row["at"], event)))
    return Story(found[::-1], events[::-1])


class _Counting:
    """For which stay each event of a vehicle counts. Events are known by their keys here."""

    def __init__(
        self, connection: sqlite3.Connection, plate_id: str, instead: dict[int, int | None]
    ) -> None:
        self._instead = instead
        self._opened: dict[int, str] = {}
        self._ended: dict[int, str] = {}
        for entry, closer, stay in connection.execute(_COUNTING, (plate_id,)):
            self._opened[entry] = stay
            if closer is not None:
                self._ended[closer] = stay
        self._streams = {
            (origin, epoch): number
            for number, origin, epoch in connection.execute("SELECT no, origin, epoch FROM streams")
        }

    def stay(self, at: int, event: Event) -> str | None:
        """The readable id of the stay; None where it counts for none."""
        if event.kind == Kind.CONFIRM and event.names is not None:
            return self._of_entry(self._at(event.names))
        if event.kind == Kind.ENTRY:
            return self._of_entry(at)
        return self._ended.get(at) or self._ended.get(self._instead.get(at) or -1)

    def _of_entry(self, at: int | None) -> str | None:
        for _ in range(_STEPS):
            if at is None or at in self._opened:
                break
            at = self._instead.get(at)
        return self._opened.get(at) if at is not None else None

    def _at(self, position: Position) -> int | None:
        number = self._streams.get((position.origin, position.epoch))
        return key_of(number, position.seq) if number is not None else None
