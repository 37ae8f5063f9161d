"""`zparkctl history` against a hand-made database with the columns of the view."""

import sqlite3
from contextlib import closing

import orjson
import pytest

from tests.cli.conftest import Central
from zparkd.storage.readers.stays import COLUMNS

MINUTE_MS = 60_000
CAME_MS = 1_764_646_200_000


def stay(number: int, plate_id: str, **more: object) -> dict[str, object]:
    return {
        "id": number,
        "event_id": f"central-1_{number}_{plate_id}",
        "source_central": "central-1",
        "edge_id": "edge-1",
        "sync_status": "LOCAL",
        "plate_id": plate_id,
        "plate_view": None,
        "camera_type": "car",
        "camera_name": "central-1/edge-1",
        "confidence": 0.95,
        "status": "OUT",
        "confirmed": 1,
        "closed_by": "EXIT",
        "entry_time": "2025-12-02 10:30:00",
        "exit_time": "2025-12-02 11:31:05",
        "entry_ms": CAME_MS,
        "exit_ms": CAME_MS + 61 * MINUTE_MS,
        "exit_central": "central-2",
        "exit_edge_id": "edge-4",
        "fee": 25000,
        "duration": "1 giờ 1 phút",
        "duration_s": 3665,
        "remarks": None,
        "adjusted": 0,
        "plate_read": None,
        **more,
    }


INSIDE = {
    "status": "IN",
    "confirmed": 0,
    "closed_by": None,
    "exit_time": None,
    "exit_ms": None,
    "exit_central": None,
    "exit_edge_id": None,
    "fee": None,
    "duration": None,
    "duration_s": None,
}

STAYS = [
    stay(1, "29A12345"),
    stay(2, "30F99999", **INSIDE, entry_ms=CAME_MS + MINUTE_MS, entry_time="2025-12-02 10:31:00"),
    stay(3, "29A12345", **INSIDE, camera_type="motorbike", entry_ms=CAME_MS + 2 * MINUTE_MS),
    stay(4, "51G00001", entry_ms=CAME_MS),
]


def fill(central: Central, stays: list[dict[str, object]]) -> None:
    with closing(sqlite3.connect(central.database)) as database, database:
        # As text-less columns in another order: what is printed must not hang on the table's.
        database.execute(f"CREATE TABLE history ({', '.join(reversed(COLUMNS))})")
        marks = ", ".join(f":{name}" for name in COLUMNS)
        database.executemany(f"INSERT INTO history ({', '.join(COLUMNS)}) VALUES ({marks})", stays)


def rows(central: Central, *arguments: str) -> list[dict[str, object]]:
    result = central.run("history", "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    printed = orjson.loads(result.stdout)
    assert isinstance(printed, list)
    return printed


def ids(central: Central, *arguments: str) -> list[object]:
    return [row["id"] for row in rows(central, *arguments)]


def test_json_has_all_columns_in_order_newest_first(central: Central) -> None:
    fill(central, STAYS)
    printed = rows(central)
    assert [row["id"] for row in printed] == [3, 2, 4, 1], "same entry_ms: the higher id first"
    assert all(tuple(row) == COLUMNS for row in printed)
    assert printed[-1] == STAYS[0]
    assert " ".join(COLUMNS) == (
        "id event_id source_central edge_id sync_status plate_id plate_view camera_type"
        " camera_name confidence status confirmed closed_by entry_time exit_time entry_ms"
        " exit_ms exit_central exit_edge_id fee duration duration_s remarks"
        " adjusted plate_read"
    )


def test_rows_are_picked_by_plate_however_written_and_by_being_inside(central: Central) -> None:
    fill(central, STAYS)
    assert ids(central, "--plate", "29a-123.45") == [3, 1]
    assert ids(central, "--inside") == [3, 2]
    assert ids(central, "--plate", "29A 12345", "--inside") == [3]
    assert ids(central, "--plate", "99Z99999") == []


def test_the_limit_is_50_unless_given_and_0_is_all(central: Central) -> None:
    fill(central, [stay(number, "29A12345", entry_ms=number) for number in range(1, 61)])
    assert ids(central) == list(range(60, 10, -1))
    assert ids(central, "--limit", "2") == [60, 59]
    assert len(ids(central, "--limit", "0")) == 60


def test_the_table_for_people(central: Central) -> None:
    overnight = {"exit_time": "2025-12-03 09:00:00", "fee": 1250000, "remarks": "REPRICED,FORCED"}
    stale = {**INSIDE, "status": "OUT", "closed_by": "FORCED_ENTRY"}
    fill(central, [*STAYS[:2], stay(5, "51G00001", **overnight), stay(6, "43C11111", **stale)])
    result = central.run("history")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "PLATE     TYPE  IN                AT                OUT               AT"
        "                DURATION            FEE  REMARKS",
        "30F99999  car   2025-12-02 10:31  central-1/edge-1  inside            none"
        "              none               none  none",
        "43C11111  car   2025-12-02 10:30  central-1/edge-1  forced entry      none"
        "              none               none  none",
        "51G00001  car   2025-12-02 10:30  central-1/edge-1  2025-12-03 09:00  central-2/edge-4"
        "  1 giờ 1 phút  1,250,000  REPRICED,FORCED",
        "29A12345  car   2025-12-02 10:30  central-1/edge-1  11:31             central-2/edge-4"
        "  1 giờ 1 phút     25,000  none",
    ]


def test_an_ordinary_day_stays_below_115_columns(central: Central) -> None:
    fill(central, STAYS)
    assert max(map(len, central.run("history").stdout.splitlines())) < 115


def test_an_empty_history_says_none(central: Central) -> None:
    fill(central, [])
    assert central.run("history").stdout == "history: none\n"
    assert rows(central) == []


def test_no_database_exits_1_and_names_the_file(central: Central) -> None:
    done = central.spawn("history")
    assert done.returncode == 1
    assert str(central.database) in done.stderr
    assert not central.database.exists()


def test_a_file_that_is_no_database_exits_1_and_names_it(central: Central) -> None:
    central.database.write_text("this is no database, but long enough to be looked at" * 99)
    result = central.run("history", "--json")
    assert result.exit_code == 1
    assert str(central.database) in result.stderr
    assert orjson.loads(result.stdout)["success"] is False


def test_it_reads_while_the_daemon_writes_and_never_writes_itself(central: Central) -> None:
    fill(central, STAYS[:1])
    with closing(sqlite3.connect(central.database, isolation_level=None)) as daemon:
        daemon.execute("PRAGMA journal_mode = WAL")
        daemon.execute("BEGIN IMMEDIATE")
        daemon.execute("DELETE FROM history")
        assert ids(central) == [1]
        daemon.execute("ROLLBACK")


@pytest.mark.parametrize(
    "arguments", [("--plate", "A"), ("--plate", "!!!"), ("--limit", "-1"), ("--limit", "many")]
)
def test_wrong_arguments_exit_2(central: Central, arguments: tuple[str, str]) -> None:
    fill(central, STAYS)
    result = central.run("history", *arguments)
    assert result.exit_code == 2
    assert arguments[0] in result.stderr


def test_a_bad_configuration_exits_78(central: Central) -> None:
    fill(central, STAYS)
    central.add("peers.d/x.toml", "id = 1\n")
    assert central.run("history").exit_code == 78
