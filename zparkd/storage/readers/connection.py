"""The database of a central as others than its daemon read it: over a read-only connection.

So no reader holds up the daemon, and none needs it.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from zparkd.storage.damage import damaged, is_damage

# What reading a bad database raises, also where SQLite hands on what it was never given.
UNREADABLE = (sqlite3.Error, UnicodeDecodeError, TypeError, ValueError)
Connection = sqlite3.Connection
DatabaseError = sqlite3.Error
_STEPS = 20_000  # of SQLite between two looks at the clock
_LOOK_S = 1.0
_BUSY_S = 5.0  # how long another's lock on the database is waited for
_SHOWN_S = 0.5  # how long stays are waited for that a daemon is about to write
_PAUSE_S = 0.002
_BEHIND = (
    "SELECT coalesce(max(no), 0) FROM arrivals UNION ALL SELECT coalesce(max(up_to), 0)"
    " FROM projected"
)


def damage(database: Path) -> str | None:
    """What is wrong with the form of a database; None where nothing is found in a second."""
    if not os.path.lexists(database):
        return None
    try:
        with closing(read_only(database)) as connection:
            found = form(connection, _LOOK_S)
    except UNREADABLE as fault:
        return damaged(database, fault) if is_damage(fault) else None
    return None if found in ("ok", None) else damaged(database, found)


def form(connection: sqlite3.Connection, within_s: float) -> str | None:
    """What SQLite finds wrong with the form of its pages: "ok", or None where time was too short.

    Raises what UNREADABLE names.
    """
    over = threading.Timer(within_s, connection.interrupt)
    over.start()
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as fault:
        if fault.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return None
    finally:
        over.cancel()
        over.join()  # so that it interrupts nothing that comes later
    return " ".join(str(found).split())


def await_stays(connection: sqlite3.Connection) -> None:
    """Wait until the stays show all events that are held when this is asked.

    A daemon at work writes them within 50 ms of the events. Where none is, the next start does: so
    it is not waited for long.
    """
    until_s = time.monotonic() + _SHOWN_S
    try:
        (held,), (shown,) = connection.execute(_BEHIND).fetchall()
        while shown < held and time.monotonic() < until_s:
            time.sleep(_PAUSE_S)
            (_,), (shown,) = connection.execute(_BEHIND).fetchall()
    except sqlite3.Error:
        return  # of another version, or bad: whoever reads it comes upon that


def shows_all(connection: sqlite3.Connection) -> bool:
    """Whether the stays show all events that are held, in the moment that is read."""
    (held,), (shown,) = connection.execute(_BEHIND).fetchall()
    return bool(shown >= held)


@contextmanager
def one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is read within is of one moment, whatever the daemon commits meanwhile."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def read_only(database: Path, cache_kib: int | None = None) -> sqlite3.Connection:
    """A read-only connection without implicit transactions; rows can be read by name.

    The stays that it shows are those of all events that are held now. It may keep so much of the
    database in memory; a few MiB where nothing is said.
    """
    connection = _reading(database, cache_kib)
    await_stays(connection)
    return connection


def _reading(database: Path, cache_kib: int | None) -> sqlite3.Connection:
    connection = opened(database)
    try:
        if cache_kib is not None:
            connection.execute(f"PRAGMA cache_size = {-cache_kib}")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.OperationalError as fault:
        if fault.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CANTOPEN or _is_written(database):
            connection.close()
            raise
        # SQLite wants files beside it, also to read; nobody can make them here, nor change it.
        connection.close()
        return opened(database, lies_still=True)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def opened(
    database: Path, *, lies_still: bool = False, busy_s: float = _BUSY_S
) -> sqlite3.Connection:
    """A read-only connection to a database that is there; nothing of it is read yet.

    One that `lies_still` is read without a lock: nobody may write to it. Another's lock is waited
    for as long as `busy_s`.
    """
    how = "mode=ro&immutable=1" if lies_still else "mode=ro"
    address = f"{database.absolute().as_uri()}?{how}"
    connection = sqlite3.connect(address, uri=True, timeout=busy_s, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def stop_at(connection: sqlite3.Connection, until_s: float) -> None:
    """Have what is read from now on fail, as interrupted, once the monotonic clock shows that."""
    connection.set_progress_handler(lambda: time.monotonic() >= until_s, _STEPS)


def _is_written(database: Path) -> bool:
    """Whether somebody may write to it: we, or who left a log of commits beside it."""
    log = database.resolve().with_name(f"{database.resolve().name}-wal")
    return log.exists() or os.access(database.resolve().parent, os.W_OK)
