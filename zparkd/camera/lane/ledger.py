"""What must outlive the process, in one SQLite file: reads taken, passages, and the outbox.

A read is here before its camera is thanked for it. A passage is marked as opened before the
barrier moves, so that none is moved twice for it, whenever the process ends. What no central
answered waits in the outbox until one has recorded it as seen.

A disk that is full or failing holds up no lane: what can't be written is said in `fault`, and only
a restart would miss it.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from zparkd.camera.lane.passages import STANDING_MS, Passage, State
from zparkd.camera.read import Read

OUTBOX_MESSAGES = 20_000  # the oldest go first
PASSAGES_KEPT = 50_000
PASSAGE_KEPT_MS = 48 * 3600 * 1000
VERSION = 1  # of the tables below; a file of a later one is not touched
_log = logging.getLogger("zparkd.camera")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, lane TEXT NOT NULL, received_ms INTEGER NOT NULL,
    read TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS passages (
    request_id TEXT PRIMARY KEY, lane TEXT NOT NULL, plate TEXT NOT NULL, state TEXT NOT NULL,
    first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, read TEXT NOT NULL,
    outcome TEXT) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS passages_of_lane ON passages (lane, last_ms);
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, lane TEXT NOT NULL, request_id TEXT NOT NULL UNIQUE,
    captured_ms INTEGER NOT NULL, fields TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS outbox_of_lane ON outbox (lane, id);
CREATE TABLE IF NOT EXISTS counts (
    lane TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (lane, name)
    ) STRICT, WITHOUT ROWID;
"""


class LedgerError(Exception):
    """The file can't be used. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message of the outbox; `fields` are those of a request."""

    id: int
    request_id: str
    captured_ms: int
    fields: dict[str, Any]


class Ledger:
    """One open file, for all threads of the process."""

    def __init__(self, path: Path, now_ms: Callable[[], int]) -> None:
        """Open or make it; one that is rotten is set aside. Raises LedgerError."""
        self.fault: str | None = None
        self._now_ms = now_ms
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._db = _opened(path)
            except sqlite3.DatabaseError as rot:
                if isinstance(rot, sqlite3.OperationalError):
                    raise
                aside = path.with_name(f"{path.name}.broken-{now_ms()}")
                path.replace(aside)
                _log.error("%s is no database any more (%s); set aside as %s", path, rot, aside)
                self._db = _opened(path)
        except (OSError, sqlite3.Error) as fault:
            raise LedgerError(
                f"{path}: can't be used: {fault}; is another zparkd-camera running with it, or is"
                " its folder not writable?"
            ) from None
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            self._db.close()
            raise LedgerError(
                f"{path}: was written by a later zparkd-camera; run that, or write another outbox"
            )
        self._db.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    # --- reads that came in

    def take(self, lane: str, received_ms: int, read: Read) -> int:
        """Keep a read until it is dealt with; the number to drop it by."""
        return self._insert(
            "INSERT INTO inbox (lane, received_ms, read) VALUES (?, ?, ?)",
            (lane, received_ms, msgspec.json.encode(read).decode()),
        )

    def done(self, number: int) -> None:
        """Drop a read that was dealt with."""
        self._do("DELETE FROM inbox WHERE id = ?", (number,))

    def taken(self, lane: str) -> list[tuple[int, Read]]:
        """Reads of an earlier run that were not dealt with, in order."""
        rows = self._rows("SELECT id, read FROM inbox WHERE lane = ? ORDER BY id", (lane,))
        return [(id, read) for id, text in rows if (read := _read(text)) is not None]

    # --- passages

    def keep(self, lane: str, passage: Passage, outcome: str | None = None) -> None:
        """Write down how far a passage has come."""
        self._do(
            "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (request_id) DO"
            " UPDATE SET state = excluded.state, last_ms = excluded.last_ms,"
            " read = excluded.read, outcome = excluded.outcome",
            (
                passage.request_id,
                lane,
                passage.plate,
                passage.state,
                passage.first_ms,
                passage.last_ms,
                msgspec.json.encode(passage.read).decode(),
                outcome,
            ),
        )

    def recent(self, lane: str) -> list[Passage]:
        """Passages of an earlier run at whose barrier a vehicle may still stand, in order."""
        since = self._now_ms() - STANDING_MS
        rows = self._rows(
            "SELECT request_id, state, first_ms, last_ms, read FROM passages"
            " WHERE lane = ? AND last_ms >= ? ORDER BY last_ms",
            (lane, since),
        )
        return [
            Passage(id, read, first_ms, last_ms, State(state))
            for id, state, first_ms, last_ms, text in rows
            if (read := _read(text)) is not None
        ]

    def unfinished(self, lane: str) -> list[Passage]:
        """Passages of an earlier run of which it is not known what came, in order."""
        rows = self._rows(
            "SELECT request_id, first_ms, last_ms, read FROM passages"
            " WHERE lane = ? AND state IN (?, ?) ORDER BY first_ms",
            (lane, State.HELD, State.ASKED),
        )
        return [
            Passage(id, read, first_ms, last_ms, State.ASKED)
            for id, first_ms, last_ms, text in rows
            if (read := _read(text)) is not None
        ]

    def knows(self, lane: str, plate: str, captured_ms: int, margin_ms: int) -> bool:
        """Whether this plate was dealt with at about this time of the camera's clock."""
        rows = self._rows(
            "SELECT 1 FROM passages WHERE lane = ? AND last_ms >= ? AND first_ms <= ?"
            " AND plate = ? LIMIT 1",
            (lane, captured_ms - margin_ms, captured_ms + margin_ms, plate),
        )
        return bool(rows)

    # --- the outbox

    def put(self, lane: str, captured_ms: int, fields: Mapping[str, object]) -> None:
        """Have a request told later, once; on the disk when this returns."""
        self._run(
            "INSERT OR IGNORE INTO outbox (lane, request_id, captured_ms, fields)"
            " VALUES (?, ?, ?, ?)",
            (
                lane,
                fields["request_id"],
                captured_ms,
                msgspec.json.encode(fields).decode(),
            ),
            synchronous="FULL",
        )
        over = self.waiting() - OUTBOX_MESSAGES
        if over > 0:
            self._do(
                "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT ?)",
                (over,),
            )
            self.count(lane, "lost", over)

    def first(self, lane: str) -> Waiting | None:
        """The message of this lane that waits longest."""
        rows = self._rows(
            "SELECT id, request_id, captured_ms, fields FROM outbox WHERE lane = ?"
            " ORDER BY id LIMIT 1",
            (lane,),
        )
        for id, request_id, captured_ms, fields in rows:
            return Waiting(id, request_id, captured_ms, msgspec.json.decode(fields))
        return None

    def told(self, request_id: str) -> None:
        """Drop the message with this request from the outbox, if it is there."""
        self._do("DELETE FROM outbox WHERE request_id = ?", (request_id,))

    def waiting(self, lane: str | None = None) -> int:
        """How many messages wait, of one lane or of all."""
        rows = self._rows("SELECT count(*) FROM outbox WHERE lane = ? OR ? IS NULL", (lane, lane))
        return int(rows[0][0]) if rows else 0

    # --- figures that a restart must not hide

    def count(self, lane: str, name: str, more: int = 1) -> None:
        """Add to a figure of a lane."""
        self._do(
            "INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT (lane, name)"
            " DO UPDATE SET value = value + excluded.value",
            (lane, name, more),
        )

    def counts(self, lane: str) -> dict[str, int]:
        """The figures of a lane."""
        return dict(self._rows("SELECT name, value FROM counts WHERE lane = ?", (lane,)))

    # --- the file

    def tidy(self) -> None:
        """Drop passages that are too old, or too many."""
        self._do("DELETE FROM passages WHERE last_ms < ?", (self._now_ms() - PASSAGE_KEPT_MS,))
        self._do(
            "DELETE FROM passages WHERE request_id IN (SELECT request_id FROM passages"
            " ORDER BY last_ms DESC LIMIT -1 OFFSET ?)",
            (PASSAGES_KEPT,),
        )

    def _do(self, statement: str, values: tuple[object, ...]) -> None:
        self._run(statement, values)

    def _insert(self, statement: str, values: tuple[object, ...]) -> int:
        return self._run(statement, values)[1]

    def _rows(self, statement: str, values: tuple[object, ...]) -> list[Any]:
        return self._run(statement, values)[0]

    def _run(
        self, statement: str, values: tuple[object, ...], synchronous: str | None = None
    ) -> tuple[list[Any], int]:
        """The rows of a statement, and the number of the row it made; none where the disk fails."""
        with self._lock:
            try:
                if synchronous is not None:
                    self._db.execute(f"PRAGMA synchronous={synchronous}")
                done = self._db.execute(statement, values)
                found = done.fetchall(), done.lastrowid or 0
                if synchronous is not None:
                    self._db.execute("PRAGMA synchronous=NORMAL")
            except sqlite3.Error as fault:
                if self.fault is None:
                    _log.error("the outbox: %s; the lanes go on without it", fault)
                self.fault = f"the outbox can't be read or written: {fault}"
                return [], 0
            self.fault = None
            return found


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA locking_mode=EXCLUSIVE")  # one process a file
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}COMMIT;")
        if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("quick_check finds it damaged")
    except BaseException:
        db.close()
        raise
    return db


def _read(text: str) -> Read | None:
    """A read as it was kept; None for one that another version wrote otherwise."""
    try:
        return msgspec.json.decode(text, type=Read)
    except msgspec.MsgspecError:
        return None
