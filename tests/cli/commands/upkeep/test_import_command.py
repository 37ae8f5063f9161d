"""`zparkctl import`: what it says of old databases, and what it makes of a daemon's answers."""

import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import Central
from tests.support.old_database import BAD, old_rows, sums_of, write_old
from tests.support.scripted import Asked
from zparkd.core.gate import limits
from zparkd.storage.store import Store


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return tmp_path / "parking.db"


def dry(central: Central, old: Path, *more: str) -> dict[str, object]:
    result = central.run("import", str(old), "--dry-run", "--json", *more)
    assert result.exit_code == 0, result.stderr
    report = orjson.loads(result.stdout)
    assert isinstance(report, dict)
    return report


def test_each_kind_of_bad_row_is_skipped_with_its_reason(central: Central, old: Path) -> None:
    rows = old_rows(len(BAD))
    write_old(old, rows, faults_every=1)
    report = dry(central, old)
    assert (report["rows"], report["stays"]) == (3 * len(BAD), len(BAD))
    assert report["doubles"] == len(BAD)
    skipped = report["skipped"]
    assert isinstance(skipped, list)
    assert {why["reason"]: why["count"] for why in skipped} == {
        "plate_id: is not 3 to 12 of A-Z and 0-9": 2,
        "entry_time: is no time, such as 2025-12-02 10:30:00": 2,
        "status: is OUT, but there is no exit_time": 1,
        "entry_time: is in the future": 1,
        "fee: is no whole sum of money": 2,
        "camera_type: is no type, such as car": 1,
    }
    assert all(len(why["rows"]) == why["count"] for why in skipped)
    assert (report["stays"], report["fees"]) == (sums_of(old)[0], sums_of(old)[2])


def test_people_see_sums_and_what_was_skipped(central: Central, old: Path) -> None:
    write_old(old, old_rows(9), faults_every=1)
    result = central.run("import", str(old), "--dry-run")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["rows", "read", "27"] in lines
    assert ["stays", "9"] in lines
    assert "skipped 1: status: is OUT, but there is no exit_time (row " in result.stderr


@pytest.mark.parametrize("typed", [(), ("--camera-type", "truck")])
def test_a_row_without_a_type_gets_the_one_that_was_named(
    central: Central, old: Path, typed: tuple[str, ...]
) -> None:
    row = {"plate_id": "29A12345", "entry_time": "2024-12-02 10:30:00", "status": "IN"}
    rows = [row, {**row, "camera_type": "motorbike"}, {**row, "camera_type": ""}]
    write_old(old, rows, None)
    asked: list[Asked] = []

    def script(one: Asked, _: list[Asked]) -> None:
        asked.append(one)
        answer = {"entries": 2, "exits": 0, "known": 0}
        one.reply({"v": 1, "id": one.request["id"], "success": True, **answer})

    with central.daemon(script):
        result = central.run("import", str(old), *typed)
    assert result.exit_code == 0, result.stderr
    assert [one.request["command"] for one in asked] == ["import.stays", "import.done"]
    types = [stay[0] for stay in asked[0].request["stays"]]
    assert types == sorted([typed[1] if typed else "car", "motorbike"])
    assert "entries recorded" in result.stdout


def test_stays_go_in_bounded_batches(central: Central, old: Path) -> None:
    write_old(old, old_rows(2 * limits.OLD_STAYS_PER_TURN + 1))
    sizes: list[int] = []

    def script(one: Asked, _: list[Asked]) -> None:
        sizes.append(len(one.request["stays"]) if "entries" not in one.request else 0)
        answer = {"entries": 0, "exits": 0, "known": 1}
        one.reply({"v": 1, "id": one.request["id"], "success": True, **answer})

    with central.daemon(script):
        result = central.run("import", str(old), "--json")
    assert sizes[:3] == [limits.OLD_STAYS_PER_TURN, limits.OLD_STAYS_PER_TURN, 1]
    assert orjson.loads(result.stdout)["known"] == 3


def test_a_daemon_that_says_no_ends_it_and_one_that_is_away_says_how_to_go_on(
    central: Central, old: Path
) -> None:
    write_old(old, old_rows(3))

    def script(one: Asked, _: list[Asked]) -> None:
        error = {"code": "failed", "message": "the daemon's log says why"}
        one.reply({"v": 1, "id": one.request["id"], "success": False, "error": error})

    with central.daemon(script):
        result = central.run("import", str(old))
    assert (result.exit_code, "the daemon's log says why" in result.stderr) == (1, True)
    result = central.run("import", str(old))
    assert result.exit_code == 69
    assert "0 stays of 3 are recorded; give the same command again" in result.stderr


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (None, "there is no such file"),
        ("CREATE TABLE cars (plate TEXT)", "has no history"),
        ("CREATE TABLE history (plate_id TEXT)", "its history has no entry_time"),
    ],
)
def test_what_is_no_old_database_is_named(
    central: Central, old: Path, made: str | None, reason: str
) -> None:
    if made is not None:
        with closing(sqlite3.connect(old)) as connection:
            connection.execute(made)
    result = central.run("import", str(old), "--dry-run")
    assert result.exit_code == 1
    assert f"{old}: {reason}" in result.stderr


def test_a_file_that_is_no_database_and_one_of_zparkd_are_refused(
    central: Central, old: Path
) -> None:
    old.write_text("plate_id;entry_time\n" * 1000)
    result = central.run("import", str(old), "--dry-run")
    assert (result.exit_code, "can't be read" in result.stderr) == (1, True)
    Store(central.database, "a", "lot-a", "Asia/Ho_Chi_Minh").close()
    result = central.run("import", str(central.database), "--dry-run")
    assert (result.exit_code, "is a database of zparkd" in result.stderr) == (1, True)


def test_times_with_fractions_zones_and_a_t_are_the_same_second(
    central: Central, old: Path
) -> None:
    times = ("2024-12-02 10:30:00", "2024-12-02T10:30:00.250", "2024-12-02T03:30:00+00:00")
    row = {"plate_id": "29A-123.45", "exit_time": None, "status": "IN", "camera_type": "Car"}
    write_old(old, [{**row, "entry_time": time} for time in times], None)
    report = dry(central, old)
    assert (report["stays"], report["doubles"], report["skipped"]) == (1, 2, [])


def test_text_that_is_no_utf_8_hurts_nobody(central: Central, old: Path) -> None:
    write_old(old, old_rows(2), None)
    with closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("UPDATE history SET plate_view = CAST(x'ff0a41' AS TEXT)")
    assert dry(central, old)["stays"] == 2
