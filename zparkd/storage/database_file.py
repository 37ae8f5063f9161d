"""The file of the database: held by one daemon alone, of one central, told from any other file."""

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class DatabaseBusy(Exception):
    """Another daemon has the database. The text names its pid."""


class NotOurs(Exception):
    """The database belongs to another central or site: `key` says which of them differs."""

    def __init__(self, key: str, theirs: str, ours: str) -> None:
        super().__init__(
            f"the database belongs to {key} {theirs!r}, not {ours!r};"
            f" write {theirs!r} or name another file in storage.path"
        )
        self.key = f"central.{key}"


def identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one that is put in its place; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def lock(path: Path) -> int:
    """Hold the database for this process alone; the descriptor of the lock.

    The file is made where there is none. Raises DatabaseBusy, or OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640))  # plates are in it
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        pid = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise DatabaseBusy(f"{path} is in use by another zparkd, pid {pid}") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def remember(connection: sqlite3.Connection, central_id: str, site: str) -> None:
    """Write down whose it is, where that is not known. Raises NotOurs."""
    run = connection.execute
    known = dict(run("SELECT key, value FROM meta").fetchall())
    for key, name, value in (("central", "id", central_id), ("site", "site", site)):
        if known.get(key, value) != value:
            raise NotOurs(name, known[key], value)
        run("INSERT OR IGNORE INTO meta VALUES (?,?)", (key, value))
    # Told apart from another database that is put in its place some day.
    run("INSERT OR IGNORE INTO meta VALUES ('database', ?)", (secrets.token_hex(16),))


@contextmanager
def unsynced(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction of its own that waits for no disk: a power cut may undo it, and no other.

    Where it fails it is undone.
    """
    connection.execute("PRAGMA synchronous = NORMAL")
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    finally:
        connection.execute("PRAGMA synchronous = FULL")
