"""The log on disk: the tables `events` and `arrivals`, to which rows are only ever added.

What is appended in a transaction is written in two statements, before its commit, or as soon as
something is asked of the tables.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, Position, Stream, read
from zparkd.core.log import SharedRow
from zparkd.storage.keys import key_of, number_of
from zparkd.storage.stream_table import Streams

_EVENT = (
    "INSERT INTO events (at, kind, timestamp, edge_id, request_id, skeleton, sealed)"
    " VALUES (?,?,?,?,?,?,?)"
)
_ARRIVAL = "INSERT INTO arrivals (no, at) VALUES (?,?)"


class Arrived(NamedTuple):
    """An event as it is held: its number in the order of arrival, its key, and its two parts."""

    no: int
    at: int
    skeleton: bytes
    sealed: bytes


class EventTable:
    """Appends events, and finds them by their positions. `newest` is the last number given.

    All within the caller's transaction.
    """

    def __init__(self, connection: sqlite3.Connection, streams: Streams) -> None:
        self._streams = streams
        self._run = connection.execute
        self._many = connection.executemany
        self.reload()

    def reload(self) -> None:
        """Forget what is not in the tables: a transaction was undone."""
        self._events: list[tuple[object, ...]] = []
        self._arrivals: list[tuple[int, int]] = []
        row = self._run("SELECT coalesce(max(no), 0) FROM arrivals").fetchone()
        self.newest: int = row[0]

    def append(self, event: Event, at: int, *, counts: bool) -> int:
        """Add an event; its number in the order of arrival. One that does not count is no act."""
        act = event.act if counts else (None, None)
        kind = str(event.kind)
        self._events.append((at, kind, event.timestamp, *act, event.skeleton, event.personal_part))
        self.newest += 1
        self._arrivals.append((self.newest, at))
        return self.newest

    def flush(self) -> None:
        """Have all of them in the tables."""
        if self._events:
            self._many(_EVENT, self._events)
            self._many(_ARRIVAL, self._arrivals)
            self._events, self._arrivals = [], []

    def arrived_after(self, no: int, limit: int) -> Iterator[Arrived]:
        """The first events that arrived after the one with this number."""
        rows = self._run(
            "SELECT a.no, a.at, e.skeleton, e.sealed FROM arrivals a JOIN events e ON e.at = a.at"
            " WHERE a.no > ? ORDER BY a.no LIMIT ?",
            (no, limit),
        ).fetchall()
        return (Arrived(*row) for row in rows)

    # --- by their positions --------------------------------------------------------------------

    def event(self, position: Position) -> Event | None:
        """The event at a position; None where it is not held, or not as it was written."""
        at = self._streams.at(position)
        return next(iter(self.events([at])), None) if at is not None else None

    def events(self, keys: Iterable[int]) -> list[Event]:
        """The events with these keys, in this order, as far as they are sound."""
        self.flush()
        select = "SELECT skeleton, sealed FROM events WHERE at=?"
        rows = (self._run(select, (at,)).fetchone() for at in keys)
        return sound(row for row in rows if row is not None)

    def head_before(self, stream: Stream, ms: int) -> int:
        """The event of a stream after which the first comes that is stamped `ms` or later."""
        self.flush()
        return self._streams.head_before(stream, ms)

    def last_stamp(self, origin: str) -> int:
        """The time stamp of the newest event of an origin; 0 for none."""
        self.flush()
        newest = 0
        for stream, head in self._streams.heads.items():
            if stream.origin == origin:
                at = self._streams.at(Position(*stream, head))
                row = self._run("SELECT timestamp FROM events WHERE at=?", (at,)).fetchone()
                newest = max(newest, row[0])
        return newest

    def page(
        self, stream: Stream, after: int, count: int, size: int
    ) -> Iterator[tuple[bytes, bytes]]:
        """Skeletons and personal parts after `after`, until `count` or `size` bytes are passed."""
        at = self._streams.at(Position(*stream, after))
        if at is None:
            return
        self.flush()
        rows = self._run(
            "SELECT skeleton, sealed FROM events WHERE at > ? AND at < ? ORDER BY at LIMIT ?",
            (at, key_of(number_of(at) + 1, 0), count),
        )
        for skeleton, sealed in rows:
            yield skeleton, sealed
            size -= len(skeleton) + len(sealed)
            if size <= 0:
                return

    def between(self, stream: Stream, first: int, last: int) -> Iterator[tuple[bytes, bytes]]:
        """Skeletons and personal parts from `first` to `last`, in the order of their seq."""
        return self._range("SELECT skeleton, sealed FROM events", stream, first, last)

    def stays_between(self, stream: Stream, first: int, last: int) -> Iterator[SharedRow]:
        """The stays whose entries stand from `first` to `last`, as far as they are written."""
        rows = self._range("SELECT * FROM shared_stays", stream, first, last)
        return (row[1:] for row in rows)  # all but `at`, which is this database's own

    def _range(self, select: str, stream: Stream, first: int, last: int) -> sqlite3.Cursor:
        self.flush()
        start = self._streams.at(Position(*stream, first))
        end = self._streams.at(Position(*stream, last))
        return self._run(f"{select} WHERE at BETWEEN ? AND ? ORDER BY at", (start, end))


def sound(rows: Iterable[tuple[bytes, bytes]]) -> list[Event]:
    """The events of these rows, but for those that are not as they were written any more."""
    found = []
    for skeleton, sealed in rows:
        with suppress(ProtocolError):
            found.append(read(skeleton, sealed))
    return found
