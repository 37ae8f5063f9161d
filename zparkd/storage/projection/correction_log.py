"""What people who correct a log ask of it, answered from the tables.

What is asked, `core.log.CorrectionLog` says.
"""

import sqlite3
from collections.abc import Iterable
from contextlib import suppress

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, Kind, Position, read
from zparkd.core.log import HeldStay
from zparkd.core.stays import Verdict
from zparkd.storage.projection.projector import Projection
from zparkd.storage.stream_table import Streams


class CorrectionLog:
    """Reads only. All within the caller's transaction."""

    def __init__(
        self, connection: sqlite3.Connection, streams: Streams, projection: Projection
    ) -> None:
        self._run = connection.execute
        self._streams = streams
        self._projection = projection

    def called(self, origin: str, timestamp: int, plate_id: str) -> Event | None:
        """The event of a vehicle whose readable id is made of these, whatever its kind."""
        numbers = self._projection.corrections.standing_under(plate_id)
        rows = self._run(
            "SELECT skeleton, sealed FROM events WHERE timestamp=? AND place >= ?"
            " AND vehicle IN (SELECT value FROM json_each(?))",
            (timestamp, timestamp, str(numbers)),
        )
        found = [
            event
            for event in _sound(rows)
            if event.position.origin == origin
            and event.vehicle is not None
            and event.vehicle.plate_id == plate_id
        ]
        return min(found, key=lambda event: event.kind != Kind.ENTRY, default=None)

    def about(self, position: Position) -> list[Event]:
        """The corrections that name an event, or another of its act; in their order."""
        at = self._streams.at(position)
        rows = self._projection.corrections.about(at) if at is not None else []
        return sorted(_sound(rows), key=lambda event: event.key)

    def is_void(self, position: Position) -> bool:
        """Whether an event, or the one that counts for its act, never happened."""
        row = self._run(
            "SELECT verdict FROM verdicts WHERE at=?", (self._counting(position),)
        ).fetchone()
        return row is not None and row[0] == Verdict.VOIDED.value

    def stay_ended_by(self, position: Position) -> HeldStay | None:
        """The stay that an event ended, or the one that counts for its act."""
        return self._projection.stays.ended_by(self._counting(position))

    def _counting(self, position: Position) -> int | None:
        at = self._streams.at(position)
        row = self._run(
            "SELECT instead FROM verdicts WHERE at=? AND verdict=?", (at, Verdict.REPEATED.value)
        ).fetchone()
        return row[0] if row is not None else at


def _sound(rows: Iterable[tuple[bytes, bytes]]) -> list[Event]:
    """The events of these rows, but for those that are not as they were written any more."""
    found = []
    for skeleton, sealed in rows:
        with suppress(ProtocolError):
            found.append(read(skeleton, sealed))
    return found
