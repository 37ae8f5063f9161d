"""Which events the rows of a table are of, as the database itself says: for tests of tables."""

import sqlite3

from zparkd.core.events.event import Position


def positions(connection: sqlite3.Connection, table: str) -> list[Position]:
    """The positions of the events that a table with a column `at` names, in their order."""
    rows = connection.execute(
        "SELECT o.origin, o.epoch, t.at - (o.no << 40)"
        f" FROM {table} t JOIN streams o ON o.no = t.at >> 40"
    )
    return sorted(Position(*row) for row in rows)


def key_of(connection: sqlite3.Connection, position: Position) -> int:
    """The key that an event has in this database."""
    (number,) = connection.execute(
        "SELECT no FROM streams WHERE origin=? AND epoch=?", position[:2]
    ).fetchone()
    return int(number) << 40 | position.seq
