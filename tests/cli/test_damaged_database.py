"""A damaged database: every command that reads it says so in a sentence, and how to go on."""

import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import Central
from tests.support.vehicles import Book
from zparkd.storage.store import Store

READING = ("history", "conflicts", "incidents", "sync-state", "verify", "backup")
WAY = "move zparkd.db, zparkd.db-wal and zparkd.db-shm away"


def keep(central: Central) -> None:
    """A car that comes and goes 50 times, at two gates, in a database whose daemon has ended."""
    book = Book()
    for day in range(50):
        entry = book.entry("central-1", day * 1000)
        book.entry("central-2", day * 1000 + 1)
        book.exit("central-1", day * 1000 + 500, names=entry)
    with closing(Store(central.database, "central-1", "lot-a", "Asia/Ho_Chi_Minh")) as store:
        for event in book.events:
            store.append(event)
        store.settle()
        store.commit()


def no_database(file: Path) -> None:
    file.write_bytes(b"this is no database" * 500)


def cut_off(file: Path) -> None:
    with file.open("r+b") as target:
        target.truncate(file.stat().st_size // 3)


def arguments(command: str, central: Central) -> list[str]:
    return [command, *([str(central.folder / "copy.db")] if command == "backup" else [])]


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize("spoil", [no_database, cut_off])
def test_each_command_that_reads_says_what_is_wrong_and_the_way_back(
    central: Central, command: str, spoil: Callable[[Path], None]
) -> None:
    keep(central)
    spoil(central.database)
    result = central.run(*arguments(command, central), "--json")
    assert result.exit_code == 1
    error = orjson.loads(result.stdout)["error"]
    assert error["code"] == "damaged"
    assert str(central.database) in error["message"]
    assert WAY in error["message"]
    assert result.stderr.strip() == error["message"]


def test_status_without_a_daemon_tells_of_the_damage(central: Central) -> None:
    keep(central)
    assert "damaged" not in central.run("status").stderr
    no_database(central.database)
    result = central.run("status")
    assert result.exit_code == 69
    assert "is damaged: file is not a database" in result.stderr
    assert WAY in result.stderr


def test_whatever_bytes_are_changed_no_command_ends_in_a_traceback(central: Central) -> None:
    keep(central)
    good = central.database.read_bytes()
    chance = random.Random(5)
    told = 0
    for _ in range(15):
        data = bytearray(good)
        for _ in range(chance.choice((20, 500))):
            data[chance.randrange(100, len(data))] = chance.randrange(256)
        central.database.write_bytes(data)
        for command in READING:
            result = central.run(*arguments(command, central))
            assert result.exception is None or isinstance(result.exception, SystemExit), (
                command,
                result.exc_info,
            )
            assert result.exit_code in (0, 1)
            told += result.exit_code
        (central.folder / "copy.db").unlink(missing_ok=True)
    assert told > 15
