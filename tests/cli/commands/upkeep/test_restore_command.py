"""`zparkctl restore`: only a sound copy of this central, and what was there is kept."""

import shutil
import socket
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import Central
from tests.support.vehicles import Book
from zparkd.core.replication.peer_state import PeerNote
from zparkd.storage.store import Store

ZONE = "Asia/Ho_Chi_Minh"


def store(path: Path, id: str = "central-1", site: str = "lot-a") -> Store:
    return Store(path, id, site, ZONE)


@pytest.fixture
def copy(central: Central, tmp_path: Path) -> Path:
    """A backup of three events; the database has two more since, of which a peer holds one."""
    book = Book()
    entry = book.entry("central-1", 0)
    book.exit("central-2", 3600, names=entry)
    book.entry("central-1", 7200)
    copy = tmp_path / "copy.db"
    with closing(store(central.database)) as database:
        for event in book.events:
            database.append(event)
        database.commit()
        assert central.run("backup", str(copy)).exit_code == 0
        before = len(book.events)
        book.exit("central-1", 9000)
        book.entry("central-1", 9900)
        for event in book.events[before:]:
            database.append(event)
        stream = book.events[0].position.stream
        database.note_peers(["central-2"], [PeerNote("central-2", 1, [(*stream, 3)])], 1)
        database.commit()
    return copy


def events(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])


def test_the_copy_takes_the_databases_place_and_what_was_there_is_kept(
    central: Central, copy: Path
) -> None:
    assert events(central.database) == 5
    result = central.run("restore", str(copy), "--json")
    assert result.exit_code == 0, result.stderr
    report = orjson.loads(result.stdout)
    assert (report["events"], report["readable_before"]) == (3, True)
    assert events(central.database) == 3
    assert stat.S_IMODE(central.database.stat().st_mode) == 0o640
    assert events(Path(report["kept"][0])) == 5
    assert report["lacks"] == [
        {
            "central": "central-1",
            "epoch": 1,
            "lacking": 2,
            "at_peers": 1,
            "peers": ["central-2"],
        }
    ]
    with closing(store(central.database)) as restored:
        assert sum(restored.heads.values()) == 3
        assert restored.missing() is None or restored.missing().seq >= 2


def test_people_see_what_comes_back_and_what_is_only_in_the_kept_file(
    central: Central, copy: Path
) -> None:
    result = central.run("restore", str(copy))
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["central-1", "1", "2", "1", "central-2", "1"] in lines
    assert "1 event may be on no other central: keep" in result.stderr
    assert "systemctl start zparkd && zparkctl sync --wait" in result.stdout


def test_no_log_of_commits_of_the_old_database_is_applied_to_the_copy(
    central: Central, copy: Path
) -> None:
    with closing(store(central.database)) as killed:
        killed.writing()
        for suffix in ("-wal", "-shm"):
            left = central.database.with_name(f"zparkd.db{suffix}")
            shutil.copy(left, left.with_name(f"{left.name}.left"))
    for suffix in ("-wal", "-shm"):
        left = central.database.with_name(f"zparkd.db{suffix}.left")
        left.rename(central.database.with_name(f"zparkd.db{suffix}"))
    assert central.run("restore", str(copy)).exit_code == 0
    assert not central.database.with_name("zparkd.db-wal").exists()
    assert events(central.database) == 3


def test_into_a_machine_that_has_no_database_yet(central: Central, copy: Path) -> None:
    for path in central.folder.glob("zparkd.db*"):
        path.unlink()
    result = central.run("restore", str(copy), "--json")
    report = orjson.loads(result.stdout)
    assert (report["kept"], report["readable_before"], report["lacks"]) == ([], False, [])
    assert events(central.database) == 3


def test_a_damaged_database_is_kept_and_replaced(central: Central, copy: Path) -> None:
    central.database.write_bytes(b"nonsense" * 1000)
    result = central.run("restore", str(copy))
    assert result.exit_code == 0, result.stderr
    assert events(central.database) == 3
    assert len(list(central.folder.glob("zparkd.db.before-*"))) >= 1


def refused(central: Central, copy: Path, reason: str) -> None:
    before = central.database.read_bytes()
    result = central.run("restore", str(copy))
    assert result.exit_code == 1
    assert reason in result.stderr
    assert central.database.read_bytes() == before
    assert not list(central.folder.glob("*before-*"))
    assert not list(central.folder.glob(".*restoring"))


def test_while_the_daemon_runs_nothing_is_done(central: Central, copy: Path) -> None:
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(central.control))
        daemon.listen()
        refused(central, copy, "zparkd runs; stop it first: systemctl stop zparkd")
    with closing(store(central.database)):
        result = central.run("restore", str(copy))
    assert (result.exit_code, "is in use by zparkd" in result.stderr) == (1, True)


def test_a_damaged_copy_is_refused(central: Central, copy: Path) -> None:
    with copy.open("r+b") as opened:
        opened.seek(4096 * 3)
        opened.write(b"\xff" * 4096 * 20)
    refused(central, copy, "damaged")


@pytest.mark.parametrize(
    ("id", "site", "reason"),
    [
        ("central-2", "lot-a", "is of central 'central-2', this central's is 'central-1'"),
        ("central-1", "lot-b", "is of site 'lot-b', this central's is 'lot-a'"),
    ],
)
def test_a_copy_of_another_central_or_site_is_refused(
    central: Central, copy: Path, tmp_path: Path, id: str, site: str, reason: str
) -> None:
    other = tmp_path / "other.db"
    store(other, id, site).close()
    refused(central, other, reason)


def test_a_copy_of_a_newer_zparkd_is_refused(central: Central, copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("PRAGMA user_version = 999")
    refused(central, copy, "it is of a newer zparkd; install that first")


def test_what_is_no_copy_is_named(central: Central, copy: Path, tmp_path: Path) -> None:
    refused(central, tmp_path / "none.db", "there is no such file")
    refused(central, central.database, "is the database itself")
    with closing(sqlite3.connect(tmp_path / "cars.db")) as connection:
        connection.execute("CREATE TABLE cars (plate TEXT)")
    refused(central, tmp_path / "cars.db", "is no database of zparkd")
