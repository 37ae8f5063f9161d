"""A disk that fills up is a problem before it is full."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.vehicles import Book
from zparkd.core import limits
from zparkd.daemon.problems import problems_of_disk
from zparkd.storage.store import Store


def codes(path: Path) -> list[str]:
    return [problem["code"] for problem in problems_of_disk(path)]


def test_a_reader_that_stays_is_a_problem_until_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WAL_WARNED_BYTES", 1_000_000)
    monkeypatch.setattr(limits, "DISK_LOW_BYTES", 0)
    path, book = tmp_path / "zparkd.db", Book()

    def record(store: Store, count: int) -> None:
        for number in range(count):
            store.append(book.entry("a", number))
            store.settle()
            store.commit()

    with closing(Store(path, "z", "lot-a", "Asia/Ho_Chi_Minh")) as store:
        store.connection.execute("PRAGMA journal_size_limit = 50000")
        store.connection.execute("PRAGMA synchronous = OFF")
        store.connection.execute("PRAGMA wal_autocheckpoint = 100")
        record(store, 60)
        assert codes(store.path) == []
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM events").fetchone()
            record(store, 150)
            [found] = problems_of_disk(store.path)
            assert found["code"] == "WAL_GROWS"
            assert f"{path}-wal has" in found["message"]
            assert "fuser" in found["hint"]
        record(store, 30)
        assert codes(store.path) == []


def test_a_disk_with_little_left_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DISK_LOW_BYTES", 0)
    assert codes(tmp_path / "zparkd.db") == []
    monkeypatch.setattr(limits, "DISK_LOW_BYTES", 2**70)
    assert codes(tmp_path / "zparkd.db") == ["DISK_LOW"]
