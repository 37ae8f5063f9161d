"""The database of a central, as its uplink reads it: events in the order in which they came.

Read-only, and in short looks, so that neither the daemon nor its checkpoints wait. How far the
fleet is comes from outside; nothing is written here.
"""

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from zparkd.core.events.event import ERASED, Position, Stream, read
from zparkd.core.events.payloads import VehicleErased
from zparkd.core.fleet import STAY_COLUMNS, Proof, StayDigest, StaySum, listed, told_stay
from zparkd.core.site import Told
from zparkd.core.stays.erasure import positions
from zparkd.storage.keys import key_of, number_of, seq_of
from zparkd.storage.readers.connection import one_moment, read_only

_EVENTS = (
    "SELECT a.no, a.at, e.kind, e.skeleton, e.sealed AS personal, s.signature, c.stream_key,"
    " c.identity_key, c.signature AS certified FROM arrivals a JOIN events e ON e.at = a.at"
    " LEFT JOIN signatures s ON s.at = a.at"
    " LEFT JOIN certificates c ON c.stream = a.at >> 40 AND s.at IS NOT NULL"
)
_AFTER = f"{_EVENTS} WHERE a.no > ? ORDER BY a.no LIMIT ?"
_ERASED_AT = f"{_EVENTS} WHERE a.at = ? AND e.sealed = ?"
_STAYS = (
    f"SELECT o.origin, o.epoch, {', '.join(STAY_COLUMNS[2:])} FROM shared_stays t"
    " JOIN streams o ON o.no = t.at >> 40"
)

# What of the events held here the stays do not show yet.
LEFT = (
    "SELECT EXISTS (SELECT 1 FROM unsettled) OR EXISTS (SELECT 1 FROM releases)"
    " OR EXISTS (SELECT 1 FROM rereading)"
    " OR (SELECT coalesce(max(no), 0) FROM arrivals) > (SELECT up_to FROM projected)"
)


class Outgoing(NamedTuple):
    """An event to be sent, and its number among those that came."""

    no: int
    position: Position
    kind: str
    skeleton: bytes
    personal: bytes
    proof: Proof | None


class Source:
    """The database at a path; opened anew where another file stands there."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._streams: dict[int, Stream] = {}

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._streams = None, {}

    def look(self) -> bool:
        """Open the database where it is not open; whether it is another file than before.

        Raises sqlite3.Error, or OSError, where there is none that can be read.
        """
        found = self._database.stat()
        file = (found.st_dev, found.st_ino)
        if self._connection is not None and file == self._file:
            return False
        self.close()
        self._connection = read_only(self._database)
        other, self._file = file != self._file, file
        return other

    def heads(self) -> dict[Stream, int]:
        """How far each stream is held."""
        assert self._connection is not None
        heads = {}
        for no, origin, epoch, head in self._connection.execute(
            "SELECT no, origin, epoch, head FROM streams"
        ):
            self._streams[no] = stream = Stream(origin, epoch)
            if head > 0:
                heads[stream] = head
        return heads

    def first_after(self, confirmed: Mapping[Stream, int]) -> int:
        """The number of an event before which all that came is confirmed."""
        assert self._connection is not None
        heads = self.heads()
        lacking = {
            stream: max(0, head - confirmed.get(stream, 0)) for stream, head in heads.items()
        }
        left = sum(lacking.values())
        # From the end, as what lacks came last; where nearly all lacks it is there in no time.
        last = self._connection.execute("SELECT coalesce(max(no), 0) FROM arrivals").fetchone()[0]
        if left == 0:
            return int(last)
        if 2 * left >= sum(heads.values()):
            rows = self._connection.execute("SELECT no, at FROM arrivals ORDER BY no")
            for no, at in rows:
                if self._lacks(at, confirmed):
                    rows.close()
                    return int(no) - 1
            return int(last)
        first = last + 1
        rows = self._connection.execute("SELECT no, at FROM arrivals ORDER BY no DESC")
        for no, at in rows:
            if self._lacks(at, confirmed):
                first, left = no, left - 1
                if left == 0:
                    break
        rows.close()
        return int(first) - 1

    def _lacks(self, at: int, confirmed: Mapping[Stream, int]) -> bool:
        stream = self._stream(at)
        return seq_of(at) > confirmed.get(stream, 0)

    def _stream(self, at: int) -> Stream:
        no = number_of(at)
        if no not in self._streams:
            self.heads()
        return self._streams[no]

    def after(self, no: int, limit: int) -> list[Outgoing]:
        """The events that came after the one with this number, so many at most."""
        assert self._connection is not None
        return [self._outgoing(row) for row in self._connection.execute(_AFTER, (no, limit))]

    def erased_by(self, erase: Outgoing) -> list[Outgoing]:
        """The events that an erase names and that are held, once their personal parts are gone."""
        assert self._connection is not None
        said = read(erase.skeleton, erase.personal).reference
        if not isinstance(said, VehicleErased):
            return []
        self.heads()
        numbers = {stream: no for no, stream in self._streams.items()}
        keys = [
            key_of(numbers[position.stream], position.seq)
            for position in positions(said)
            if position.stream in numbers
        ]
        run = self._connection.execute
        return [self._outgoing(row) for at in keys for row in run(_ERASED_AT, (at, ERASED))]

    def _outgoing(self, row: sqlite3.Row) -> Outgoing:
        stream = self._stream(row["at"])
        proof = None
        if row["signature"] is not None and row["stream_key"] is not None:
            proof = Proof(
                row["signature"], row["stream_key"], row["identity_key"], row["certified"]
            )
        position = Position(*stream, seq_of(row["at"]))
        kind, skeleton, personal = row["kind"], row["skeleton"], row["personal"]
        return Outgoing(row["no"], position, kind, skeleton, personal, proof)


class StaySums:
    """What all stays come to, looked up no more often than it is cheap."""

    _SHARE = 20  # one look takes a twentieth of the time, at most

    def __init__(self, database: Path, told: Told, key: bytes) -> None:
        self._database, self._told, self._key = database, told, key
        self._due = 0.0

    def next(self) -> StaySum | None:
        """The sum now; None where it was looked up a moment ago, or nothing of stays is told.

        None too while events that are held are not in the stays yet.

        Raises sqlite3.Error where the database can't be read.
        """
        began = time.monotonic()
        if self._told is Told.NONE or began < self._due:
            return None
        digest = StayDigest()
        with closing(read_only(self._database)) as connection, one_moment(connection):
            if connection.execute(LEFT).fetchone()[0]:
                return None
            heads = {
                Stream(origin, epoch): head
                for origin, epoch, head in connection.execute(
                    "SELECT origin, epoch, head FROM streams WHERE head > 0"
                )
            }
            for row in connection.execute(_STAYS):
                digest.add(told_stay(tuple(row), self._told, self._key))
        ended = time.monotonic()
        self._due = ended + self._SHARE * (ended - began)
        return StaySum(listed(heads), digest.count, digest.hex())
