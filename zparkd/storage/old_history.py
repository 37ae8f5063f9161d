"""The earlier system's `parking.db`: its rows read, judged, and made stays that can be taken over.

What its columns are called and may hold is known here alone, and so is all SQL on it. It is only
read; what is sound of it is sorted in a scratch database that is gone afterwards. Nothing here
knows the daemon.
"""

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from zparkd.core import limits
from zparkd.core.events.event import VehicleKey
from zparkd.core.gate.old_stays import OldStay
from zparkd.core.plates import normalise_plate
from zparkd.core.site import CAMERA_TYPE
from zparkd.storage.readers.connection import read_only

_OURS = 0x7A70726B  # what zparkd's own databases are marked with
_NEEDED = ("plate_id", "entry_time")
_READ = (
    "id",
    "plate_id",
    "plate_view",
    "camera_type",
    "entry_time",
    "exit_time",
    "status",
    "fee",
    "confidence",
    "event_id",
    "source_central",
    "edge_id",
    "camera_name",
)
_STATUSES = (None, "", "IN", "OUT")
_TELL_EVERY = 2_000
DEFAULT_TYPE = "car"

_SCRATCH = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE stays (
    row INTEGER, camera_type TEXT, plate_id TEXT, entry_s INTEGER, exit_s INTEGER, fee INTEGER,
    plate_view TEXT, confidence REAL, was TEXT
);
"""
# Of several rows of one stay the one with an exit, then the one with the earliest. Where a stay has
# none although the vehicle came again, that one ends it.
_MERGE = """
CREATE TABLE merged AS
SELECT *, CASE WHEN lag(exit_s) OVER vehicle IS NULL THEN lag(entry_s) OVER vehicle END AS ended,
       lead(entry_s) OVER vehicle AS next_s
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY camera_type, plate_id, entry_s ORDER BY exit_s IS NULL, exit_s, row
    ) AS place
    FROM stays
)
WHERE place = 1
WINDOW vehicle AS (PARTITION BY camera_type, plate_id ORDER BY entry_s);
"""
_SORTED = """
SELECT camera_type, plate_id, entry_s, exit_s, fee, plate_view, confidence, ended, was
FROM merged ORDER BY camera_type, plate_id, entry_s
"""
_SUMS = """
SELECT count(*), count(*) FILTER (WHERE exit_s IS NULL AND next_s IS NULL),
       count(*) FILTER (WHERE ended IS NOT NULL), coalesce(sum(fee), 0), min(entry_s), max(entry_s)
FROM merged
"""


class NotReadable(Exception):
    """The file is no database of the earlier system. The text says why, and the way out."""


class _Skipped(Exception):
    """A row can't be taken over. The text is the reason, the same for all rows like it."""


class Sums(NamedTuple):
    """What is to be taken over: stays, those still open, those that only a later one ended, fees.

    `first_s` and `last_s` are the entries of the oldest and newest, None where there is none.
    """

    stays: int
    inside: int
    never_left: int
    fees: int
    first_s: int | None
    last_s: int | None


class OldHistory:
    """The sound rows of one old database as stays, each once."""

    def __init__(self, scratch: sqlite3.Connection, rows: int, skipped: dict[str, list[int]]):
        self.rows = rows
        self.skipped = skipped  # the numbers of the rows, by the reason
        self.sums = Sums(*scratch.execute(_SUMS).fetchone())
        self._scratch = scratch

    @property
    def doubles(self) -> int:
        """How many sound rows say what another one of the file says."""
        return self.rows - sum(map(len, self.skipped.values())) - self.sums.stays

    def stays(self) -> Iterator[OldStay]:
        """All stays, vehicle by vehicle, the oldest entry of each first."""
        for row in self._scratch.execute(_SORTED):
            yield OldStay(*row)


@contextmanager
def old_history(
    file: Path,
    zone: tzinfo,
    now_s: int,
    default_type: str = DEFAULT_TYPE,
    progress: Callable[[int], object] = lambda _: None,
) -> Iterator[OldHistory]:
    """Read an old database, whose times are those of `zone`. Raises NotReadable.

    `progress` is called with the number of rows read since the last call.
    """
    with closing(sqlite3.connect("")) as scratch:  # in a file of its own, which has no name
        scratch.executescript(_SCRATCH)
        judge = _Judge(zone, now_s, default_type)
        rows = 0
        try:
            with _opened(file) as (old, columns):
                for chunk in _chunks(old, columns):
                    scratch.executemany(
                        "INSERT INTO stays VALUES (?,?,?,?,?,?,?,?,?)", judge.sound(chunk)
                    )
                    rows += len(chunk)
                    progress(len(chunk))
        except sqlite3.Error as fault:
            raise NotReadable(f"{file}: can't be read: {fault}") from None
        scratch.executescript(_MERGE)
        yield OldHistory(scratch, rows, judge.skipped)


def count_rows(file: Path) -> int:
    """How many rows there are to read. Raises NotReadable."""
    try:
        with _opened(file) as (old, _):
            return int(old.execute("SELECT count(*) FROM history").fetchone()[0])
    except sqlite3.Error as fault:
        raise NotReadable(f"{file}: can't be read: {fault}") from None


@contextmanager
def _opened(file: Path) -> Iterator[tuple[sqlite3.Connection, frozenset[str]]]:
    """A read-only connection, and the columns that its `history` has."""
    if not file.is_file():
        raise NotReadable(f"{file}: there is no such file; name the earlier system's parking.db")
    with closing(read_only(file)) as old:
        old.row_factory = None
        old.text_factory = lambda raw: raw.decode("utf-8", "replace")
        if old.execute("PRAGMA application_id").fetchone()[0] == _OURS:
            message = "is a database of zparkd, not of the earlier system; see: zparkctl restore"
            raise NotReadable(f"{file}: {message}")
        columns = frozenset(row[1] for row in old.execute("PRAGMA table_info(history)"))
        missing = [name for name in _NEEDED if name not in columns]
        if not columns or missing:
            what = f"its history has no {' and no '.join(missing)}" if columns else "has no history"
            raise NotReadable(f"{file}: {what}; name the earlier system's parking.db")
        yield old, columns


def _chunks(old: sqlite3.Connection, columns: frozenset[str]) -> Iterator[list[tuple[object, ...]]]:
    named = [name if name in columns else f"NULL AS {name}" for name in _READ]
    if "id" not in columns:
        named[0] = "rowid AS id"
    cursor = old.execute(f"SELECT {', '.join(named)} FROM history")
    while chunk := cursor.fetchmany(_TELL_EVERY):
        yield chunk


_Sound = tuple[object, ...]


class _Judge:
    """Tells rows that can be taken over from those that can't; `skipped` says why not."""

    def __init__(self, zone: tzinfo, now_s: int, default_type: str) -> None:
        self._zone = zone
        self._now_s = now_s
        self._default_type = default_type
        self.skipped: dict[str, list[int]] = {}

    def sound(self, rows: Iterable[Sequence[object]]) -> Iterator[_Sound]:
        """The rows that say what a stay must, as the scratch database keeps them."""
        for row in rows:
            try:
                yield self._stay(row)
            except _Skipped as why:
                self.skipped.setdefault(str(why), []).append(row[0] if type(row[0]) is int else 0)

    def _stay(self, row: Sequence[object]) -> _Sound:
        number, plate, view, camera_type, entry_time, exit_time, status, fee, sure, *was = row
        vehicle = VehicleKey(self._type(camera_type), _plate(plate))
        entry_s = self._time("entry_time", entry_time)
        exit_s = None if exit_time in (None, "") else self._time("exit_time", exit_time)
        if status not in _STATUSES:
            raise _Skipped("status: is neither IN nor OUT")
        if status == "OUT" and exit_s is None:
            raise _Skipped("status: is OUT, but there is no exit_time")
        if status == "IN" and exit_s is not None:
            raise _Skipped("status: is IN, but there is an exit_time")
        paid = _fee(fee) if exit_s is not None else None
        sureness = sure if isinstance(sure, int | float) and 0 <= sure <= 1 else None
        return (number, *vehicle, entry_s, exit_s, paid, _text(view), sureness, _was(*was))

    def _type(self, value: object) -> str:
        if value in (None, ""):
            return self._default_type
        name = value.strip().lower() if isinstance(value, str) else ""
        if not CAMERA_TYPE.fullmatch(name):
            raise _Skipped("camera_type: is no type, such as car")
        return name

    def _time(self, column: str, value: object) -> int:
        """A time of the site, to the second."""
        try:
            if not isinstance(value, str) or ":" not in value:
                raise ValueError
            read = datetime.fromisoformat(value.strip())
            found = int((read if read.tzinfo else read.replace(tzinfo=self._zone)).timestamp())
        except (ValueError, OverflowError):
            raise _Skipped(f"{column}: is no time, such as 2025-12-02 10:30:00") from None
        if found < 0:
            raise _Skipped(f"{column}: is before 1970")
        if found > self._now_s:
            raise _Skipped(f"{column}: is in the future")
        return found


@lru_cache(100_000)
def _plate(value: object) -> str:
    try:
        return normalise_plate(str(value if value is not None else ""))
    except ValueError:
        raise _Skipped("plate_id: is not 3 to 12 of A-Z and 0-9") from None


def _fee(value: object) -> int:
    """What was paid, in whole units; nothing said is nothing paid."""
    if value in (None, ""):
        return 0
    try:
        paid = float(value) if isinstance(value, int | float | str) else -1.0
    except ValueError:
        paid = -1.0
    if not 0 <= paid <= limits.FEE_MAX or paid != int(paid):
        raise _Skipped("fee: is no whole sum of money")
    return int(paid)


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def _text(value: object) -> str | None:
    """A text as an event may keep it."""
    if value in (None, ""):
        return None
    return _CONTROL.sub(" ", str(value))[: limits.TEXT_CHARACTERS]


def _was(event_id: object, central: object, edge_id: object, camera: object) -> str | None:
    """What the earlier system called the stay, and where it began."""
    place = "/".join(str(part) for part in (central, edge_id) if part not in (None, ""))
    words = [str(part) for part in (event_id, place or camera) if part not in (None, "")]
    return _text("earlier system: " + ", ".join(words)) if words else None
