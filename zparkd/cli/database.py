"""The database of a central as zparkctl reads it: over a read-only connection of its own.

So no command holds up the daemon, and none needs it. What the tables mean is not known here.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from zparkd.cli.reach import Exit, fail

_BUSY_S = 5.0  # how long another's lock on the database is waited for


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
    except sqlite3.Error as fault:
        fail(Exit.NO, "unreadable", f"{database}: can't be read: {fault}", as_json=as_json)


def read_only(database: Path) -> sqlite3.Connection:
    """A read-only connection without implicit transactions; rows can be read by name."""
    address = f"{database.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=_BUSY_S, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection
