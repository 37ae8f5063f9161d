"""Which faults say that the file of the database is bad, and what is said of one that is."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OF_THE_EVENT = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_RANGE,
    sqlite3.SQLITE_TOOBIG,
}
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Damaged(Exception):
    """The database can't be trusted. The text says why, and the way back."""

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(f"{path}: is damaged: {reason}; {way_back(path)}")


@contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """Raise Damaged of this file for what says that the file itself is bad."""
    try:
        yield
    except BaseException as fault:
        if is_damage(fault):
            raise Damaged(path, fault) from fault
        raise


def way_back(path: Path) -> str:
    """What to do about a damaged database."""
    return (
        f"move {path.name}, {path.name}-wal and {path.name}-shm away and start zparkd: it fetches"
        " the past from its peers; where no peer has it, stop zparkd and put a backup in its place:"
        " zparkctl restore FILE. What was on no other central (only_here in status) is in the moved"
        " files alone: keep them"
    )


def is_damage(fault: BaseException) -> bool:
    """Whether the file itself is bad: SQLite says so, or what it read can't have been written."""
    if isinstance(fault, sqlite3.Error):
        return code_of(fault) in _DAMAGE or "decode to UTF-8" in str(fault)
    return isinstance(fault, UnicodeDecodeError)


def is_of_the_event(fault: Exception) -> bool:
    """Whether an exception is about what was written, rather than about the disk under it."""
    if not isinstance(fault, sqlite3.Error):
        return not is_damage(fault)
    return getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _OF_THE_EVENT


def code_of(fault: BaseException) -> int:
    """The kind of an error of SQLite; 0 of any other."""
    return int(getattr(fault, "sqlite_errorcode", 0)) & 0xFF


def damaged(database: Path, reason: object) -> str:
    """What to say of a database that can't be trusted: what is wrong, and the way back."""
    return f"{database}: is damaged: {reason}; stop zparkd, {way_back(database)}"
