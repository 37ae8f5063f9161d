"""The database of a central: whose it is, what is kept in it, and what readers see."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import zparkd
from tests.support.vehicles import BIKE, OTHER, Book
from zparkd.core.events.event import Event, Kind, Stream
from zparkd.core.stays.fold import FOLD_VERSION
from zparkd.storage.damage import Damaged
from zparkd.storage.database_file import DatabaseBusy, NotOurs
from zparkd.storage.projection.following import Following
from zparkd.storage.schema.migrations import APPLICATION_ID, MIGRATIONS, SchemaError
from zparkd.storage.store import Store

ROOT = Path(__file__).resolve().parents[2]
Opener = Callable[..., Store]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "er" / "zparkd.db"


@pytest.fixture
def opened(path: Path) -> Iterator[Opener]:
    """Opens the database at `path`, closed at the end."""
    stores = []

    def opener(id: str = "a", site: str = "lot-a", timezone: str = "Asia/Ho_Chi_Minh") -> Store:
        stores.append(Store(path, id, site, timezone))
        return stores[-1]

    yield opener
    for store in stores:
        store.close()


@pytest.fixture
def book() -> Book:
    return Book()


def keep(store: Store, *events: Event) -> None:
    for event in events:
        store.append(event)
    store.settle()
    store.commit()


def sql(path: Path, query: str) -> list[Any]:
    """What another program reads."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


# --- whose it is ------------------------------------------------------------------------------


def test_a_new_database_is_made_with_its_folders(opened: Opener, path: Path) -> None:
    opened()
    assert sql(path, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert sql(path, "PRAGMA user_version") == [(len(MIGRATIONS),)]
    meta = dict(sql(path, "SELECT * FROM meta"))
    assert len(meta.pop("database")) == 32
    version, _, *kinds = meta.pop("reads").split()
    assert version == zparkd.__version__
    assert kinds == sorted(Kind)
    assert meta == {"central": "a", "site": "lot-a", "fold": str(FOLD_VERSION)}


def test_what_is_committed_is_there_after_a_restart(opened: Opener, book: Book) -> None:
    store = opened()
    entry = book.entry("a", 10)
    keep(store, entry, book.entry("b", 20), book.exit("a", 30, of=BIKE))
    before = store.stay_of(entry.position)
    store.close()
    again = opened()
    assert again.heads == {Stream("a", 1): 2, Stream("b", 1): 1}
    assert again.head_hash(Stream("a", 1)) == book.events[2].hash
    assert [again.event(event.position) for event in book.events] == book.events
    assert again.stay_of(entry.position) == before
    keep(again, book.exit("a", 40, names=entry))
    assert again.vehicles_inside() == 0


def test_what_is_committed_is_there_after_the_power_failed(
    opened: Opener, path: Path, book: Book, tmp_path: Path
) -> None:
    store = opened()
    kept, lost = book.entry("a", 10), book.entry("a", 20, of=BIKE)
    keep(store, kept)
    store.append(lost)
    copy = tmp_path / "copy"
    shutil.copytree(path.parent, copy)
    after = Store(copy / path.name, "a", "lot-a", "UTC")
    assert after.event(kept.position) == kept
    assert after.event(lost.position) is None
    assert after.heads == {Stream("a", 1): 1}
    after.close()


def test_each_commit_is_synced_to_the_disk(opened: Opener, path: Path) -> None:
    run = opened().connection.execute
    assert run("PRAGMA journal_mode").fetchone() == ("wal",)
    assert run("PRAGMA synchronous").fetchone() == (2,), "FULL"


@pytest.mark.parametrize(
    ("whose", "key", "text"),
    [({"id": "b"}, "central.id", "id 'a', not 'b'"), ({"site": "x"}, "central.site", "'lot-a'")],
)
def test_the_database_of_another_central_or_site_is_refused(
    opened: Opener, whose: dict[str, str], key: str, text: str
) -> None:
    opened().close()
    with pytest.raises(NotOurs, match=text) as refused:
        opened(**whose)
    assert refused.value.key == key
    opened()


def test_a_newer_schema_is_refused_and_left_alone(opened: Opener, path: Path) -> None:
    opened().close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(SchemaError, match=r"has schema 99, .* install the newer zparkd"):
        opened()
    assert path.read_bytes() == before


@pytest.mark.parametrize("script", ["CREATE TABLE t (x)", "PRAGMA application_id = 7"])
def test_the_database_of_another_program_is_refused_and_left_alone(
    opened: Opener, path: Path, script: str
) -> None:
    path.parent.mkdir(parents=True)
    connection = sqlite3.connect(path)
    connection.execute(script)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(SchemaError, match=r"no database of zparkd; .* storage\.path"):
        opened()
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(opened: Opener, path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("not a database, and long enough to tell" * 100)
    before = path.read_bytes()
    with pytest.raises(Damaged, match="file is not a database"):
        opened()
    assert path.read_bytes() == before


def test_a_migration_that_fails_changes_nothing(
    opened: Opener, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened().close()
    bad = (*MIGRATIONS, "CREATE TABLE more (x); CREATE TABLE more (y)")
    with monkeypatch.context() as patch:
        patch.setattr("zparkd.storage.schema.migrations.MIGRATIONS", bad)
        with pytest.raises(sqlite3.OperationalError, match="already exists"):
            opened()
    assert sql(path, "SELECT name FROM sqlite_master WHERE name = 'more'") == []
    assert sql(path, "PRAGMA user_version") == [(len(MIGRATIONS),)]
    opened()


def test_a_later_migration_is_applied_alone(
    opened: Opener, path: Path, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    keep(store, book.entry("a", 10))
    store.close()
    later = (*MIGRATIONS, "CREATE TABLE more (x)")
    monkeypatch.setattr("zparkd.storage.schema.migrations.MIGRATIONS", later)
    assert opened().event(book.events[0].position) == book.events[0]
    assert sql(path, "SELECT * FROM more") == []
    assert sql(path, "PRAGMA user_version") == [(len(later),)]


# --- one daemon only --------------------------------------------------------------------------

_HOLDER = """
import sys, time
from pathlib import Path
from zparkd.storage.projection.following import Following
from zparkd.storage.store import Store
store = Store(Path(sys.argv[1]), "a", "lot-a", "UTC")
print("open", flush=True)
sys.stdin.read()
"""


def test_a_second_daemon_is_told_the_pid_of_the_first(opened: Opener, path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"open\n"
        with pytest.raises(DatabaseBusy, match=rf"zparkd\.db is in use .* pid {first.pid}$"):
            opened()
        first.send_signal(signal.SIGKILL)
    opened()


def test_a_closed_database_can_be_opened_again_in_the_same_process(opened: Opener) -> None:
    first = opened()
    with pytest.raises(DatabaseBusy, match=f"pid {os.getpid()}$"):
        opened()
    first.close()
    opened()


# --- transactions -----------------------------------------------------------------------------


def test_a_rollback_leaves_no_trace(opened: Opener, path: Path, book: Book) -> None:
    store = opened()
    kept = book.entry("a", 10)
    keep(store, kept)
    lost = [book.exit("a", 20, names=kept), book.entry("b", 5), book.entry("b", 6, of=OTHER)]
    for event in lost:
        store.append(event)
    store.settle()
    assert store.heads == {Stream("a", 1): 2, Stream("b", 1): 2}
    store.rollback()
    assert store.heads == {Stream("a", 1): 1}
    assert store.head_hash(Stream("a", 1)) == kept.hash
    assert store.head_hash(Stream("b", 1)) == ""
    assert store.event(lost[0].position) is None
    assert store.last_order(OTHER) == 0
    stay = store.stay_of(kept.position)
    assert stay is not None
    assert stay.stay.closed_by is None
    keep(store, *lost)
    assert store.heads == {Stream("a", 1): 2, Stream("b", 1): 2}


def test_a_rolled_back_event_does_not_mark_its_vehicle(opened: Opener, book: Book) -> None:
    store = opened()
    keep(store, book.entry("a", 10))
    store.append(book.entry("b", 5))
    store.rollback()
    store.settle()
    assert store.commit() is False
    assert [held.stay.entry.origin for held in store.inside("29A12345")] == ["a"]


def test_others_see_a_transaction_whole_or_not_at_all(
    opened: Opener, path: Path, book: Book
) -> None:
    store = opened()
    store.append(book.entry("a", 10))
    assert sql(path, "SELECT count(*) FROM history") == [(0,)]
    assert sql(path, "SELECT count(*) FROM events") == [(0,)]
    assert store.commit() is True
    assert sql(path, "SELECT count(*) FROM events") == [(1,)]
    assert sql(path, "SELECT count(*) FROM history") == [(0,)]
    store.write_behind()
    assert sql(path, "SELECT count(*) FROM history") == [(1,)]
    assert store.commit() is False


# --- an event on which the rules blow up ------------------------------------------------------


def blown_up(at: Event, fault: Exception) -> Callable[..., None]:
    """The production projection, but for a fault at one event after it wrote something."""
    add = Following.add

    def blows(projection: Following, event: Event, *where: int, **more: bool) -> None:
        add(projection, event, *where, **more)
        if event == at:
            raise fault

    return blows


@pytest.mark.parametrize(
    "fault", [ZeroDivisionError("29A12345"), OverflowError("too large"), sqlite3.IntegrityError()]
)
def test_an_event_that_can_not_be_projected_is_kept_apart_and_what_follows_is_projected(
    opened: Opener, book: Book, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    first = book.entry("b", 0)
    bad = book.entry("b", 10, of=OTHER)
    last = book.exit("b", 20, names=first)
    store = opened()
    monkeypatch.setattr(Following, "add", blown_up(bad, fault))
    assert [store.append_apart(event) for event in (first, bad, last)] == [True, False, True]
    store.commit()
    assert dict(store.heads) == {first.position.stream: 3}
    assert store.event(bad.position) == bad
    assert store.unprojected() == 1
    run = store.connection.execute
    assert run("SELECT fault FROM unprojected").fetchall() == [(type(fault).__name__,)]
    rows = run("SELECT plate_id, status FROM history").fetchall()
    assert rows == [(first.vehicle.plate_id, "OUT")]  # type: ignore[union-attr]
    assert store.vehicles_inside() == 0


def test_a_full_disk_is_no_fault_of_an_event(
    opened: Opener, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    event = book.entry("b", 0)
    store = opened()
    monkeypatch.setattr(Following, "add", blown_up(event, full))
    with pytest.raises(sqlite3.OperationalError):
        store.append_apart(event)
    store.rollback()
    assert (dict(store.heads), store.unprojected()) == ({}, 0)


def test_a_rotten_event_costs_no_answer_about_others(opened: Opener, book: Book) -> None:
    rotten, sound = book.entry("a", 0), book.entry("a", 10, of=OTHER)
    store = opened()
    keep(store, rotten, sound)
    edge_id = sound.facts.edge_id  # type: ignore[union-attr]
    with store.writing() as database:
        database.execute(
            "UPDATE events SET sealed = x'00' WHERE sealed = ?", (rotten.personal_part,)
        )
    store.commit()
    assert store.event(rotten.position) is None
    assert store.opens_of(edge_id, 9) == [sound]
    store.connection.execute("UPDATE events SET skeleton = x'00'")
    assert store.last_stamp("a") == sound.timestamp
