"""What is written in a turn is on the disk, or undone: in the database, and in what is remembered.

Whoever remembers something of what it wrote has a `forget`, and is called from here alone.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Generic, TypeVar

from zparkd.core.central import Central
from zparkd.daemon.outages import Outages
from zparkd.logs.messages import Message, say
from zparkd.storage.damage import Damaged, is_damage
from zparkd.storage.store import Store

Result = TypeVar("Result")


class Why(Enum):
    """Why a transaction was undone, and so what becomes of its messages."""

    BLEW_UP = "one of them broke a rule: each is tried alone"
    FULL = "the disk takes no more: each is tried alone, since some write nothing"
    BUSY = "another process holds the database: all are refused, since each would wait"


@dataclass(frozen=True, slots=True)
class Committed(Generic[Result]):
    """The work was done, and what it wrote is on the disk."""

    result: Result


@dataclass(frozen=True, slots=True)
class Undone:
    """Nothing that the work did is left."""

    why: Why


# After these nothing that the disk says can be believed.
_FATAL = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOMEM,
}
# What a full or locked disk answers: the transaction is undone, and the next may do better.
_PASSING = {
    sqlite3.SQLITE_FULL: Why.FULL,
    sqlite3.SQLITE_READONLY: Why.FULL,
    sqlite3.SQLITE_BUSY: Why.BUSY,
    sqlite3.SQLITE_LOCKED: Why.BUSY,
}


class StorageFailed(Exception):
    """The disk failed in a way after which nothing can be promised: the daemon must stop."""


def passes(fault: sqlite3.Error) -> bool:
    """Whether the next transaction may do better."""
    return fault.sqlite_errorcode & 0xFF in _PASSING


class Transactions:
    """The transactions of one daemon, one after the other.

    `fault` is why the database can't be written now; None where it can.
    """

    def __init__(self, path: Path, store: Store, central: Central, outages: Outages) -> None:
        self.fault: str | None = None
        self._path = path
        self._store = store
        self._central = central
        self._outages = outages

    def run(self, work: Callable[[], Result]) -> Committed[Result] | Undone:
        """Do some work. Raises StorageFailed or Damaged where nothing can be trusted any more."""
        try:
            result = work()
            wrote = self._store.commit()
        except Exception as fault:
            return Undone(self._undo(fault))
        if wrote and self.fault is not None:
            self.fault = None
            say(Message.STORAGE_BACK)
        return Committed(result)

    def _undo(self, fault: Exception) -> Why:
        code = getattr(fault, "sqlite_errorcode", 0) & 0xFF
        if isinstance(fault, sqlite3.Error) and is_damage(fault):
            raise Damaged(self._path, fault) from fault
        if code in _FATAL:
            raise StorageFailed(f"{self._path}: {fault}") from fault
        why = _PASSING.get(code, Why.BLEW_UP)
        if why is Why.BLEW_UP:
            say(Message.TURN_FAILED, fault)
        elif self.fault is None:
            self.fault = str(fault)
            say(Message.STORAGE_FAILED, reason=fault)
        try:
            moved = self._store.rollback()
        except sqlite3.Error as second:
            raise StorageFailed(f"{self._path}: {second}") from second
        self._central.forget(moved)
        self._outages.forget()
        return why
