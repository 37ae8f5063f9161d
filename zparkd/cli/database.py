"""A command that reads the database: it ends with what is wrong where that can't be read."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from zparkd.cli.context import Exit, fail
from zparkd.storage.damage import damaged, is_damage
from zparkd.storage.readers.connection import UNREADABLE, damage, read_only


@contextmanager
def reading(database: Path, *, as_json: bool) -> Iterator[sqlite3.Connection]:
    """A connection that can't write; the command ends where it or a query in it fails."""
    if not os.path.lexists(database):
        fail(
            Exit.NO,
            "no_database",
            f"{database}: there is no such database yet; zparkd makes it when it first runs",
            as_json=as_json,
        )
    try:
        with closing(read_only(database)) as connection:
            yield connection
    except UNREADABLE as fault:
        told = damaged(database, fault) if is_damage(fault) else damage(database)
        if told is not None:
            fail(Exit.NO, "damaged", told, as_json=as_json)
        fail(Exit.NO, "unreadable", f"{database}: can't be read: {fault}", as_json=as_json)
