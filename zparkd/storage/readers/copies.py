"""A database and its copies: whose they are, what they hold, and that a copy is whole."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from zparkd.storage.damage import is_damage
from zparkd.storage.readers.connection import read_only
from zparkd.storage.schema.migrations import APPLICATION_ID

Heads = dict[tuple[str, int], int]
"""The head of each stream by its origin and epoch."""


class CopyFailed(Exception):
    """No copy was made, or one can't be used. The text says why."""


class Contents(NamedTuple):
    """What a database says of itself: whose it is, its schema, its heads, and its peers' heads."""

    central: str | None
    site: str | None
    schema: int
    heads: Heads
    peers: Mapping[str, Heads]

    @property
    def events(self) -> int:
        """How many events it holds."""
        return sum(self.heads.values())


class Copied(NamedTuple):
    """What a copy holds: its size, the events that are in it, and their heads."""

    bytes: int
    events: int
    heads: Heads


def whose(connection: sqlite3.Connection) -> tuple[str | None, str | None]:
    """The central and the site that a database is of."""
    meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    return meta.get("central"), meta.get("site")


def contents(connection: sqlite3.Connection) -> Contents:
    """What a database of this or an older version holds."""
    heads = {
        (origin, epoch): head
        for origin, epoch, head in connection.execute(
            "SELECT origin, epoch, head FROM streams ORDER BY origin, epoch"
        )
    }
    peers: dict[str, Heads] = {}
    # A copy of an older zparkd has no such table; it matters only of what was here before.
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'peer_heads'").fetchone():
        for peer, origin, epoch, head in connection.execute("SELECT * FROM peer_heads"):
            peers.setdefault(peer, {})[origin, epoch] = head
    schema = connection.execute("PRAGMA user_version").fetchone()[0]
    return Contents(*whose(connection), schema, heads, peers)


def copy_to(connection: sqlite3.Connection, copy: Path) -> Copied:
    """Write the database as it is in this moment to an empty file; what is in the copy.

    Raises CopyFailed, or sqlite3.Error where the database itself is damaged.
    """
    from sqlite_utils import Database  # takes longer to load than most commands take at all

    try:
        connection.execute("VACUUM INTO ?", (str(copy.absolute()),))
    except sqlite3.Error as fault:
        if is_damage(fault):
            raise
        raise CopyFailed(str(fault)) from None
    try:
        with closing(read_only(copy)) as copied:
            found = copied.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise CopyFailed(f"the copy is not sound: {found}; see: zparkctl verify")
            events = Database(copied).table("events").count
            return Copied(copy.stat().st_size, events, contents(copied).heads)
    except sqlite3.Error as fault:
        raise CopyFailed(f"the copy can't be read: {fault}") from None


def whole(connection: sqlite3.Connection) -> Contents:
    """What a copy holds, once all of it was read. Raises CopyFailed, or sqlite3.Error."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise CopyFailed("is no database of zparkd")
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise CopyFailed(f"is damaged: {found}; take an older backup")
    return contents(connection)
