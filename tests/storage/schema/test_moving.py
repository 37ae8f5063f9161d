"""A database whose log stood beside what it came to is moved in steps, and comes to the same."""

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.fixtures.test_fixtures import RELEASES
from tests.support.vehicles import Book
from zparkd.core.events.event import Event, Stream, read
from zparkd.storage.schema import migrations, moving
from zparkd.storage.store import Store

TABLES = ("events", "arrivals", "projected", "places", "acts", "opens", "history", "conflicts")
MANY = 1_000_000
MOVED_WITHIN_S = 600  # on a machine that does much else; 15 s on one that does not


class PowerCut(Exception):
    """The start is broken off."""


def before(path: Path) -> None:
    """Bring a database to the form that it had before its log was moved."""
    steps = migrations.MIGRATIONS[: migrations.MIGRATIONS.index(moving.move) - 1]
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as connection,
        patch.object(migrations, "MIGRATIONS", steps),
    ):
        migrations.migrate(connection)


@pytest.fixture(params=RELEASES, ids=lambda release: release.name)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The database of a release."""
    path = tmp_path / "zparkd.db"
    shutil.copyfile(request.param / "zparkd.db", path)
    before(path)
    return path


def opened(path: Path) -> Store:
    return Store(path, "central-1", "lot-a", "Asia/Ho_Chi_Minh")


def shown(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        return {
            table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
            for table in TABLES
        }


def held(path: Path) -> Iterator[Event]:
    """The events of an older database, in the order in which they arrived."""
    with closing(sqlite3.connect(path)) as connection:
        for parts in connection.execute(
            "SELECT e.skeleton, e.sealed FROM arrivals a JOIN events e ON e.at = a.at ORDER BY a.no"
        ):
            yield read(*parts)


def test_what_is_moved_is_what_the_same_events_come_to_anew(old: Path, tmp_path: Path) -> None:
    events = list(held(old))
    opened(old).close()
    anew = tmp_path / "anew.db"
    with closing(opened(anew)) as store:
        for event in events:
            store.append(event)
        store.settle()
        store.commit()
    after, wanted = shown(old), shown(anew)
    assert len(after["events"]) == len(events) > 20
    of_stays = ("history", "conflicts")  # an id of a stay is this database's own
    for table in of_stays:
        assert [row[1:] for row in sorted(after[table], key=lambda row: repr(row[1:]))] == [
            row[1:] for row in sorted(wanted[table], key=lambda row: repr(row[1:]))
        ]
    for table in ("acts", "opens", "places", "projected"):
        assert len(after[table]) == len(wanted[table])
    assert after["projected"] == [(len(events),)]


def test_ids_of_stays_are_those_of_before(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        ids = connection.execute("SELECT id, entry FROM sessions ORDER BY id").fetchall()
    with closing(opened(old)) as store:
        run = store.connection.execute
        assert run("SELECT id, entry FROM sessions ORDER BY id").fetchall() == ids


@pytest.mark.parametrize("after", [1, 2, 5])
def test_a_start_that_is_broken_off_goes_on_where_it_was(
    old: Path, tmp_path: Path, after: int
) -> None:
    whole = shutil.copyfile(old, tmp_path / "whole.db")
    opened(whole).close()
    told: list[int] = []

    def broken_off(moved: int, _: int) -> None:
        told.append(moved)
        if not len(told) % after:
            raise PowerCut

    with patch.object(moving, "_ROWS", 2):
        for _ in range(1000):
            try:
                Store(old, "central-1", "lot-a", "Asia/Ho_Chi_Minh", broken_off).close()
            except PowerCut:
                continue
            break
    assert told == sorted(set(told))
    assert told[-1] == len(shown(whole)["events"])
    assert shown(old) == shown(whole)


def test_what_is_moved_goes_on(old: Path) -> None:
    book = Book()
    entry = book.entry(Stream("central-1", 2**50), 10**7)
    with closing(opened(old)) as store:
        inside = store.vehicles_inside()
        store.append(entry)
        store.commit()
        assert store.vehicles_inside() == inside + 1
        edge_id, request_id = entry.act
        assert edge_id is not None
        assert request_id is None or store.acts(edge_id, request_id) == [entry]
        assert store.opens_of(edge_id, 1) == [entry]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_million_events_are_moved_and_are_the_same_after(tmp_path: Path) -> None:
    path = tmp_path / "zparkd.db"
    opened(path).close()
    path.unlink()
    before(path)
    book = Book()
    days = [book.entry("central-1", 0)]
    days += [book.exit("central-1", 1, names=days[0])]
    skeletons = [(event.skeleton, event.personal_part) for event in days]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        run, many = connection.execute, connection.executemany
        run("PRAGMA synchronous = OFF")
        run("PRAGMA cache_size = -400000")
        run("BEGIN")
        run("INSERT INTO meta VALUES ('central', 'central-1'), ('site', 'lot-a')")
        run("INSERT INTO streams VALUES (1, 'central-1', 1, ?, ?)", (MANY, days[1].hash))
        many(
            "INSERT INTO vehicles VALUES (?,?,'car')",
            ((no, f"29A{no:05}") for no in range(1, 50_001)),
        )
        many(
            "INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?)",
            (
                (
                    1 << 40 | seq,
                    str(days[seq % 2].kind),
                    seq,
                    seq,
                    seq % 50_000 + 1,
                    f"gate-{seq % 8}",
                    f"r{seq}",
                    *skeletons[seq % 2],
                )
                for seq in range(1, MANY + 1)
            ),
        )
        run("COMMIT")
        digest = run("SELECT sum(at), sum(length(skeleton)), sum(length(sealed)) FROM events")
        whole = digest.fetchone()
        told: list[tuple[int, int]] = []
        began = time.monotonic()
        migrations.migrate(connection, lambda *how: told.append(how))
        took_s = time.monotonic() - began
        digest = run("SELECT sum(at), sum(length(skeleton)), sum(length(sealed)) FROM events")
        assert digest.fetchone() == whole
        for table in ("places", "acts", "opens", "arrivals", "events"):
            (count,) = run(f"SELECT count(*) FROM {table}").fetchone()
            assert count == MANY, table
        assert told[-1] == (MANY, MANY)
        assert len(told) >= 100
    assert took_s < MOVED_WITHIN_S
