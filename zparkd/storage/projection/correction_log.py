"""What people who correct a log ask of it, answered from the tables.

What is asked, `core.log.CorrectionLog` says.
"""

import sqlite3
from collections.abc import Callable

from zparkd.core.events.event import Event, Kind, Position
from zparkd.core.log import HeldStay
from zparkd.core.stays.fold import Verdict
from zparkd.storage.event_table import sound
from zparkd.storage.projection.erasure_table import Erasures
from zparkd.storage.projection.following import Following
from zparkd.storage.stream_table import Streams


class CorrectionLog:
    """Reads only. All within the caller's transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        streams: Streams,
        projection: Following,
        write_behind: Callable[[], None],
        erasures: Erasures,
    ) -> None:
        """`write_behind` has the tables show what all events come to."""
        self._erasures = erasures
        self._write_behind = write_behind
        self._run = connection.execute
        self._streams = streams
        self._projection = projection

    def called(self, origin: str, timestamp: int, plate_id: str) -> Event | None:
        """The event of a vehicle whose readable id is made of these, whatever its kind."""
        self._write_behind()
        numbers = self._projection.corrections.standing_under(plate_id)
        rows = self._run(
            "SELECT e.skeleton, e.sealed FROM places p JOIN events e ON e.at = p.at"
            " WHERE p.timestamp=? AND p.place >= ?"
            " AND p.vehicle IN (SELECT value FROM json_each(?))",
            (timestamp, timestamp, str(numbers)),
        )
        found = [
            event
            for event in sound(rows)
            if event.position.origin == origin
            and event.vehicle is not None
            and event.vehicle.plate_id == plate_id
        ]
        return min(found, key=lambda event: event.kind != Kind.ENTRY, default=None)

    def about(self, position: Position) -> list[Event]:
        """The corrections that name an event, or another of its act; in their order."""
        self._write_behind()
        at = self._streams.at(position)
        rows = self._projection.corrections.about(at) if at is not None else []
        return sorted(sound(rows), key=lambda event: event.key)

    def is_void(self, position: Position) -> bool:
        """Whether an event, or the one that counts for its act, never happened."""
        row = self._run(
            "SELECT verdict FROM verdicts WHERE at=?", (self._counting(position),)
        ).fetchone()
        return row is not None and row[0] == Verdict.VOIDED.value

    def stay_ended_by(self, position: Position) -> HeldStay | None:
        """The stay that an event ended, or the one that counts for its act."""
        return self._projection.stays.ended_by(self._counting(position))

    def of_plate(self, plate_id: str, camera_type: str | None) -> list[Event]:
        """The events that say a plate: at gates, of passes, and where it was misread."""
        self._write_behind()
        return [event for _, event in self._erasures.of_plate(plate_id, camera_type)]

    def ended_between(self, from_ms: int, to_ms: int) -> tuple[list[list[Position]], int]:
        """The events before `to_ms` of vehicles of which a stay ended in a time, by vehicle.

        Of some vehicles that have a name and are not inside since before; and up to when those are
        all.
        """
        self._write_behind()
        return self._erasures.ended_between(from_ms, to_ms)

    def unnamed(self, limit: int) -> list[tuple[Position, Event]]:
        """Events that were forgotten and no erase names, each with the erase that means it."""
        if not self._erasures.any_unnamed:
            return []
        self._write_behind()
        found = []
        for position, erase in self._erasures.unnamed(limit):
            row = self._run(
                "SELECT skeleton, sealed FROM events WHERE at=?", (self._streams.at(erase),)
            ).fetchone()
            found += [(position, event) for event in sound([row] if row is not None else [])]
        return found

    def _counting(self, position: Position) -> int | None:
        self._write_behind()
        at = self._streams.at(position)
        row = self._run(
            "SELECT instead FROM verdicts WHERE at=? AND verdict=?", (at, Verdict.REPEATED.value)
        ).fetchone()
        return row[0] if row is not None else at
