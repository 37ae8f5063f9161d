"""The bytes of a database that the judge searches are all but those that SQLite left in between."""

import sqlite3
from pathlib import Path
from random import Random

from tests.sim.database_pages import kept

PLATE = b"29A12345"


def written(path: Path, *, secure: bool) -> sqlite3.Connection:
    """A table whose pages were split, with plates all over it."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA secure_delete = {'ON' if secure else 'OFF'}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE said (at INTEGER PRIMARY KEY, what BLOB)")
    numbers = list(range(400))
    Random(1).shuffle(numbers)
    for number in numbers:
        what = PLATE if number % 7 == 0 else b"30F99999"
        connection.execute("INSERT INTO said VALUES (?,?)", (number, what + bytes(number % 90)))
    return connection


def checkpoint(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_what_a_row_says_is_kept_in_the_database_and_in_its_log(tmp_path: Path) -> None:
    path = tmp_path / "said.db"
    connection = written(path, secure=True)
    log = tmp_path / "said.db-wal"
    assert PLATE in kept(log.read_bytes())
    checkpoint(connection)
    assert kept(path.read_bytes()).count(PLATE) == len(range(0, 400, 7))


def test_a_row_that_was_deleted_is_kept_unless_it_was_overwritten(tmp_path: Path) -> None:
    for secure in (False, True):
        path = tmp_path / f"{secure}.db"
        connection = written(path, secure=secure)
        connection.execute("DELETE FROM said WHERE at % 7 = 0")
        checkpoint(connection)
        assert (PLATE in kept(path.read_bytes())) is not secure


def test_what_sqlite_left_where_it_split_a_page_is_none_of_it() -> None:
    for seed in range(60):  # with SQLite 3.40 the plate is in the bytes after 7, 48 and 59
        draw = Random(seed)
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("CREATE TABLE said (at INTEGER PRIMARY KEY, what BLOB)")
        heads, gone = [0, 0], draw.randrange(60)
        keys = []
        for number in range(gone + 31):
            stream = draw.randrange(2)
            heads[stream] += 1
            keys.append(stream << 40 | heads[stream])
            what = PLATE if number == gone else b"30F99999"
            row = (keys[-1], what + bytes(900 + draw.randrange(300)))
            connection.execute("INSERT INTO said VALUES (?,?)", row)
        assert PLATE in kept(connection.serialize())
        connection.execute("UPDATE said SET what='null' WHERE at=?", (keys[gone],))
        assert PLATE not in kept(connection.serialize()), seed
