"""Whether a database can be trusted, looked at before anything else is done with it.

What SQLite guards itself is not checked again: a commit that was cut off is undone by the
checksums of its write-ahead log. What it does not guard is:

    the form of its pages          its own quick check, for a bounded time
    the newest events              are there, and continue their chain up to the head
    all that was committed once    against the mark that the last run left

A database that fails is never served from, and never written to. One that is whole but older
than the mark is an older copy: its central goes on, and its peers give it back what it lacks.
"""

import sqlite3
import struct
import threading
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from zparkd.core import limits
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import read
from zparkd.storage.commit_record import Said, path_of
from zparkd.storage.damage import Damaged, code_of, is_damage
from zparkd.storage.keys import key_of
from zparkd.storage.schema.migrations import APPLICATION_ID

_NO_VALUE = (UnicodeDecodeError, TypeError, ValueError)  # from what was read


class Missing(NamedTuple):
    """Events of this central that were committed once and are not here: `held` of `seq`."""

    epoch: int
    seq: int
    held: int


class Tail(Enum):
    """How a write-ahead log ends."""

    WHOLE = "with a commit, or there is none"
    TORN = "with what is no commit: cut off, or overwritten"


def look(
    connection: sqlite3.Connection, path: Path, central: str, said: Said | None
) -> Missing | None:
    """Look at a database that was just opened; what it lacks of its own past.

    `said` is the mark that was found beside it. Raises Damaged.
    """
    try:
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            return None  # new, or not ours
        if said is not None and _identity(connection) != said.database:
            said = None  # of another database
        missing = _missing(connection, central, said.newest) if said is not None else None
        # What was missing already when this copy was put back was never in its log.
        gone = _missing(connection, central, said.held) if said is not None else None
        reason = _lost_tail(path, gone) or _newest(connection) or _form(connection, said)
    except (sqlite3.Error, *_NO_VALUE) as fault:
        unreadable = isinstance(fault, _NO_VALUE) or code_of(fault) == sqlite3.SQLITE_ERROR
        if not (is_damage(fault) or unreadable):
            raise
        reason = str(fault)
    if reason is not None:
        raise Damaged(path, reason)
    return missing


def _identity(connection: sqlite3.Connection) -> str | None:
    row = connection.execute("SELECT value FROM meta WHERE key = 'database'").fetchone()
    return str(row[0]) if row is not None else None


def _missing(
    connection: sqlite3.Connection, central: str, known: tuple[int, int]
) -> Missing | None:
    """What the mark knows of, up to this epoch and seq, and the database does not."""
    epoch, seq = known
    row = connection.execute(
        "SELECT head FROM streams WHERE origin = ? AND epoch = ?", (central, epoch)
    ).fetchone()
    held = row[0] if row is not None else 0
    return Missing(epoch, seq, held) if held < seq else None


def _lost_tail(path: Path, missing: Missing | None) -> str | None:
    """What is wrong where events are missing because the log of commits can't be read."""
    log = path.with_name(f"{path.name}-wal")
    if missing is None or _tail(log) is Tail.WHOLE:
        return None
    return (
        f"the end of {log.name} can't be read, and with it {missing.seq - missing.held} events or"
        f" more that were committed; to go on without them, remove {path_of(path).name} and start"
        " zparkd; else"
    )


def _newest(connection: sqlite3.Connection) -> str | None:
    """What is wrong with the newest events of the newest streams."""
    # A migration that was broken off has moved the rows of older events only.
    moving = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE name = 'events_before'"
    ).fetchone()
    before = " UNION ALL SELECT at, skeleton, sealed FROM events_before" if moving else ""
    streams = connection.execute(
        "SELECT no, origin, epoch, head, head_hash FROM streams ORDER BY no DESC LIMIT ?",
        (limits.START_CHECKS_STREAMS,),
    ).fetchall()
    for number, origin, epoch, head, head_hash in streams:
        where = f"stream {origin}/{epoch}"
        rows = connection.execute(
            f"SELECT at, skeleton, sealed FROM (SELECT at, skeleton, sealed FROM events{before})"
            " WHERE at > ? AND at < ? ORDER BY at DESC LIMIT ?",
            (key_of(number, 0), key_of(number + 1, 0), limits.START_CHECKS_EVENTS),
        ).fetchall()
        seq, hash = head, head_hash
        for at, skeleton, sealed in rows:
            if at != key_of(number, seq):
                return f"{where}: event {seq} is not there"
            try:
                event = read(skeleton, sealed)
            except (ProtocolError, TypeError) as fault:
                return f"{where}: event {seq}: {fault}"
            if event.hash != hash or event.position != (origin, epoch, seq):
                return f"{where}: event {seq} is not the one that was stored"
            seq, hash = seq - 1, event.prev
        if len(rows) < min(head, limits.START_CHECKS_EVENTS):
            return f"{where}: event {seq} is not there"
    return None


def _form(connection: sqlite3.Connection, said: Said | None) -> str | None:
    """What SQLite finds wrong with its pages, as far as it gets in the time it has.

    After a stop in good order only a moment is spent: nothing can have been cut off.
    """
    bound_ms = (
        limits.START_CHECK_MS
        if said is not None and said.stopped
        else (limits.START_CHECK_UNCLEAN_MS)
    )
    # From a thread: SQLite does not ask a progress handler while it waits for a slow disk.
    over = threading.Timer(bound_ms / 1000, connection.interrupt)
    over.start()
    try:
        found: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as fault:
        if fault.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return None
    finally:
        over.cancel()
        over.join()  # so that it interrupts nothing that comes later
    return None if found == "ok" else " ".join(found.split())


# --- the write-ahead log: https://www.sqlite.org/fileformat2.html#walformat --------------------

_LITTLE, _BIG = 0x377F0682, 0x377F0683  # how its checksums read 32-bit words
_LEFT_OVER = 2**20  # beginnings of the log, after which a frame is not believed to be a rest


def _tail(log: Path) -> Tail:
    """How a write-ahead log ends. Read whole: only where events are known to be missing."""
    try:
        data = log.read_bytes()
    except OSError:
        return Tail.WHOLE
    if not data:
        return Tail.WHOLE
    if len(data) < 32:
        return Tail.TORN
    magic, _, page_bytes, _ = struct.unpack_from(">4I", data)
    if magic not in (_LITTLE, _BIG):
        return Tail.TORN
    order = "<" if magic == _LITTLE else ">"
    sums = _sums(data[:24], (0, 0), order)
    if sums != struct.unpack_from(">2I", data, 24):
        return Tail.TORN
    committed, at = True, 32
    while at < len(data):
        frame = data[at : at + 24 + page_bytes]
        if len(frame) < 24 + page_bytes:
            return Tail.TORN
        if frame[8:16] != data[16:24]:
            older = _salt(data, 16) - _salt(frame, 8) & 0xFFFFFFFF
            if not 0 < older <= _LEFT_OVER:
                return Tail.TORN
            break  # left over from before the log began anew
        sums = _sums(frame[24:], _sums(frame[:8], sums, order), order)
        if sums != struct.unpack_from(">2I", frame, 16):
            return Tail.TORN
        committed = frame[4:8] != bytes(4)
        at += len(frame)
    return Tail.WHOLE if committed else Tail.TORN


def _salt(data: bytes, at: int) -> int:
    """The first salt of the log, or of a frame: one more each time the log begins anew."""
    return int.from_bytes(data[at : at + 4])


def _sums(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    """The running checksum of a write-ahead log, over these bytes too."""
    first, second = sums
    for one, two in struct.iter_unpack(f"{order}2I", data):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second
