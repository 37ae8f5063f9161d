"""`zparkctl backup`: whole, private, checked, and never over another file."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import Central
from tests.support.vehicles import Book
from zparkd.cli.commands.upkeep import backup
from zparkd.storage.readers import copies
from zparkd.storage.readers.connection import Connection
from zparkd.storage.store import Store

ZONE = "Asia/Ho_Chi_Minh"


def store(central: Central) -> Store:
    return Store(central.database, "a", "lot-a", ZONE)


@pytest.fixture
def target(central: Central) -> Path:
    return central.folder / "backups" / "copy.db"


@pytest.fixture
def kept(central: Central, target: Path) -> Central:
    """A central with three events in two streams."""
    book = Book()
    entry = book.entry("a", 0)
    book.confirm("a", 5, entry)
    book.exit("b", 3600, names=entry)
    with closing(store(central)) as database:
        for event in book.events:
            database.append(event)
        database.commit()
    target.parent.mkdir()
    return central


def history(database: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT * FROM history").fetchall()


def test_the_copy_is_a_database_that_a_daemon_can_use(kept: Central, target: Path) -> None:
    result = kept.run("backup", str(target), "--json")
    assert result.exit_code == 0, result.stderr
    assert orjson.loads(result.stdout) == {
        "success": True,
        "path": str(target),
        "bytes": target.stat().st_size,
        "events": 3,
        "heads": [
            {"central": "a", "epoch": 1, "head": 2},
            {"central": "b", "epoch": 1, "head": 1},
        ],
    }
    assert history(target) == history(kept.database) != []
    assert list(target.parent.iterdir()) == [target]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with closing(Store(target, "a", "lot-a", ZONE)) as copy:
        assert sum(copy.heads.values()) == 3


def test_people_see_size_events_and_heads(kept: Central, target: Path) -> None:
    lines = kept.run("backup", str(target)).stdout.splitlines()
    assert lines[0] == f"{target}: {target.stat().st_size / 1e6:.1f} MB, 3 events"
    assert [line.split() for line in lines[1:]] == [
        ["CENTRAL", "EPOCH", "HEAD"],
        ["a", "1", "2"],
        ["b", "1", "1"],
    ]


def test_it_copies_what_is_committed_while_the_daemon_writes(kept: Central, target: Path) -> None:
    with closing(store(kept)) as database:
        database.writing().execute("DELETE FROM sessions")
        assert kept.run("backup", str(target)).exit_code == 0
    assert len(history(target)) == 1


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_an_existing_file_is_never_overwritten(kept: Central, target: Path, kind: str) -> None:
    if kind == "file":
        target.write_text("mine")
    else:
        target.symlink_to(kept.folder / "elsewhere")
    result = kept.run("backup", str(target))
    assert result.exit_code == 1
    assert f"{target}: exists" in result.stderr
    assert list(target.parent.iterdir()) == [target]
    assert target.is_symlink() or target.read_text() == "mine"


def test_a_file_that_comes_meanwhile_is_not_overwritten_either(
    kept: Central, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_to = backup.copy_to

    def late(database: Connection, copy: Path) -> object:
        target.write_text("mine")
        return copy_to(database, copy)

    monkeypatch.setattr(backup, "copy_to", late)
    assert kept.run("backup", str(target)).exit_code == 1
    assert target.read_text() == "mine"
    assert list(target.parent.iterdir()) == [target]


def test_where_there_are_no_hard_links_it_is_named_all_the_same(
    kept: Central, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    assert kept.run("backup", str(target)).exit_code == 0
    assert len(history(target)) == 1
    assert kept.run("backup", str(target)).exit_code == 1
    assert list(target.parent.iterdir()) == [target]


def test_a_copy_that_is_not_sound_is_thrown_away(
    kept: Central, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_only = copies.read_only

    def damaged(copy: Path) -> sqlite3.Connection:
        with copy.open("r+b") as opened:
            opened.seek(4096 * 3)
            opened.write(b"\xff" * 4096 * 8)
        return read_only(copy)

    monkeypatch.setattr(copies, "read_only", damaged)
    result = kept.run("backup", str(target), "--json")
    assert result.exit_code == 1
    assert "no backup was made" in result.stderr
    assert orjson.loads(result.stdout)["error"]["code"] == "no_backup"
    assert list(target.parent.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(kept: Central) -> None:
    result = kept.run("backup", str(kept.folder / "no" / "copy.db"))
    assert result.exit_code == 1
    assert "no/copy.db: no backup was made" in result.stderr


def test_no_database_exits_1_and_makes_no_copy(central: Central, target: Path) -> None:
    target.parent.mkdir()
    assert central.run("backup", str(target)).exit_code == 1
    assert list(target.parent.iterdir()) == []


def test_a_file_must_be_named(central: Central) -> None:
    assert central.run("backup").exit_code == 2


def test_backups_rotate_and_no_other_file_goes(kept: Central, target: Path) -> None:
    folder = target.parent
    names = [f"central-1-2026010{day}T031000Z.db" for day in (1, 2, 3)]
    others = ["central-2-20250101T031000Z.db", "central-1-notes.db", "central-1.db"]
    for name in (*names, *others):
        (folder / name).write_text("mine")
    result = kept.run("backup", "--into", str(folder), "--keep", "2", "--json")
    assert result.exit_code == 0, result.stderr
    said = orjson.loads(result.stdout)
    made = Path(said["path"])
    assert said["removed"] == [str(folder / name) for name in names[:2]]
    assert {path.name for path in folder.iterdir()} == {names[2], made.name, *others}
    assert len(history(made)) == 1


def test_a_backup_that_fails_removes_nothing(
    kept: Central, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = target.parent / "central-1-20260101T031000Z.db"
    older.write_text("mine")

    def unsound(*_: object) -> object:
        raise copies.CopyFailed("the copy is not sound")

    monkeypatch.setattr(backup, "copy_to", unsound)
    assert kept.run("backup", "--into", str(target.parent), "--keep", "1").exit_code == 1
    assert [path.name for path in target.parent.iterdir()] == [older.name]


def test_file_and_directory_at_once_or_keep_alone_are_wrong(kept: Central, target: Path) -> None:
    assert kept.run("backup", str(target), "--into", str(target.parent)).exit_code == 2
    assert kept.run("backup", str(target), "--keep", "3").exit_code == 2
