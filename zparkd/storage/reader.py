"""The database of a central as others than its daemon read it: over a read-only connection.

So no reader holds up the daemon, and none needs it.
"""

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

# What reading a bad database raises, also where SQLite hands on what it was never given.
UNREADABLE = (sqlite3.Error, UnicodeDecodeError, TypeError, ValueError)
_LOOK_S = 1.0
_BUSY_S = 5.0  # how long another's lock on the database is waited for


def damaged(database: Path, reason: object) -> str:
    """What to say of a database that can't be trusted: what is wrong, and the way back."""
    name = database.name
    return (
        f"{database}: is damaged: {reason}; stop zparkd, move {name}, {name}-wal and {name}-shm"
        " away and start it again: it fetches the past from its peers. What was on no other"
        " central is in the moved files alone: keep them"
    )


def damage(database: Path) -> str | None:
    """What is wrong with the form of a database; None where nothing is found in a second."""
    if not os.path.lexists(database):
        return None
    try:
        with closing(read_only(database)) as connection:
            over = threading.Timer(_LOOK_S, connection.interrupt)
            over.start()
            try:
                found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            finally:
                over.cancel()
                over.join()
    except UNREADABLE as fault:
        return damaged(database, fault) if is_damage(fault) else None
    return None if found == "ok" else damaged(database, " ".join(str(found).split()))


def is_damage(fault: Exception) -> bool:
    """Whether a fault says by itself that the file is bad."""
    code = getattr(fault, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "UTF-8" in str(fault)


def read_only(database: Path) -> sqlite3.Connection:
    """A read-only connection without implicit transactions; rows can be read by name."""
    connection = _connected(database, "mode=ro")
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.OperationalError as fault:
        if fault.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CANTOPEN or _is_written(database):
            connection.close()
            raise
        # SQLite wants files beside it, also to read; nobody can make them here, nor change it.
        connection.close()
        return _connected(database, "mode=ro&immutable=1")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _connected(database: Path, how: str) -> sqlite3.Connection:
    address = f"{database.absolute().as_uri()}?{how}"
    connection = sqlite3.connect(address, uri=True, timeout=_BUSY_S, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def _is_written(database: Path) -> bool:
    """Whether somebody may write to it: we, or who left a log of commits beside it."""
    log = database.resolve().with_name(f"{database.resolve().name}-wal")
    return log.exists() or os.access(database.resolve().parent, os.W_OK)
