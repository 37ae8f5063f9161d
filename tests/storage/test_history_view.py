"""The `history` view, as any program with plain SQLite reads it."""

import json
import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.vehicles import BIKE, CAR, T0_MS, Book
from zparkd.core.events.event import Event, VehicleKey
from zparkd.storage.store import Store

COLUMNS = [
    "id",
    "event_id",
    "source_central",
    "edge_id",
    "sync_status",
    "plate_id",
    "plate_view",
    "camera_type",
    "camera_name",
    "confidence",
    "status",
    "confirmed",
    "closed_by",
    "entry_time",
    "exit_time",
    "entry_ms",
    "exit_ms",
    "exit_central",
    "exit_edge_id",
    "fee",
    "duration",
    "duration_s",
    "remarks",
    "adjusted",
    "plate_read",
]
_READER = """
import json, sqlite3, sys
connection = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
cursor = connection.execute("SELECT * FROM history ORDER BY entry_ms, id")
names = [column[0] for column in cursor.description]
print(json.dumps([dict(zip(names, row)) for row in cursor]))
"""
Row = dict[str, Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "zparkd.db"


@pytest.fixture
def book() -> Book:
    return Book()


def keep(path: Path, events: list[Event], timezone: str = "Asia/Ho_Chi_Minh") -> None:
    store = Store(path, "a", "lot-a", timezone)
    for event in events:
        store.append(event)
    store.settle()
    store.commit()
    store.close()


def read(path: Path, machine_zone: str = "America/New_York") -> list[Row]:
    """What another process sees, on a machine whose own time zone is another."""
    done = subprocess.run(
        [sys.executable, "-c", _READER, str(path)],
        env=os.environ | {"TZ": machine_zone},
        check=True,
        capture_output=True,
    )
    rows: list[Row] = json.loads(done.stdout)
    return rows


def test_it_has_these_columns_in_this_order(path: Path) -> None:
    keep(path, [])
    connection = sqlite3.connect(path)
    cursor = connection.execute("SELECT * FROM history")
    assert [column[0] for column in cursor.description] == COLUMNS
    connection.close()


def test_a_stay_that_is_over_says_all_there_is(path: Path, book: Book) -> None:
    entry = book.entry("b", 0.5, act=("edge-1", None))
    book.confirm("b", 5, names=entry)
    book.exit("a", 3660, names=entry, fee=50_000, act=("edge-2", None))
    keep(path, book.events)
    assert read(path) == [
        {
            "id": 1,
            "event_id": f"b_{T0_MS + 500}_29A12345",
            "source_central": "b",
            "edge_id": "edge-1",
            "sync_status": "SYNCED",
            "plate_id": "29A12345",
            "plate_view": "view 1",
            "camera_type": "car",
            "camera_name": "b/edge-1",
            "confidence": 0.51,
            "status": "OUT",
            "confirmed": 1,
            "closed_by": "EXIT",
            "entry_time": "2024-12-02 19:00:00",
            "exit_time": "2024-12-02 20:01:00",
            "entry_ms": T0_MS + 500,
            "exit_ms": T0_MS + 3_660_000,
            "exit_central": "a",
            "exit_edge_id": "edge-2",
            "fee": 50_000,
            "duration": "1 giờ 0 phút",
            "duration_s": 3659,
            "remarks": None,
            "adjusted": 0,
            "plate_read": None,
        }
    ]


def test_a_stay_that_goes_on_leaves_its_end_null(path: Path, book: Book) -> None:
    book.entry("a", 0)
    keep(path, book.events)
    (row,) = read(path)
    assert (row["sync_status"], row["status"], row["confirmed"]) == ("LOCAL", "IN", 0)
    empty = COLUMNS[COLUMNS.index("closed_by") :]
    assert {name for name in empty if row[name] is None} == set(empty) - {
        *("entry_time", "entry_ms", "adjusted")
    }


def test_a_stay_ended_by_a_forced_entry_has_no_fee(path: Path, book: Book) -> None:
    stale = book.entry("a", 0)
    book.entry("b", 600, names=stale, forced=True)
    keep(path, book.events)
    ended, open_ = read(path)
    assert (ended["status"], ended["closed_by"], ended["fee"]) == ("OUT", "FORCED_ENTRY", None)
    assert (ended["exit_central"], ended["duration"]) == ("b", "10 phút")
    assert ended["remarks"] == "FORCED"
    assert (open_["status"], open_["closed_by"], open_["remarks"]) == ("IN", None, None)


def test_remarks_are_codes_with_commas_between(path: Path, book: Book) -> None:
    book.entry("a", 0, marked=True)
    book.exit("b", 600, shown=-1, forced=True)
    keep(path, book.events)
    (row,) = read(path)
    assert row["remarks"] == "OTHER_ENTRY,MARKED_TIME,NEGATIVE_DURATION,FORCED"
    assert (row["duration"], row["duration_s"]) == ("0 phút", 0)


def test_superseded_entries_and_exits_that_ended_nothing_are_not_in_it(
    path: Path, book: Book
) -> None:
    book.exit("a", -10)
    entry = book.entry("a", 0)
    book.entry("b", 1)
    book.exit("b", 5, names=book.next_position("c"))
    keep(path, book.events)
    assert [row["event_id"] for row in read(path)] == [entry.event_id]


def test_an_id_moves_to_the_older_entry_and_none_is_used_again(path: Path, book: Book) -> None:
    newer = book.entry("b", 10)
    keep(path, [newer])
    older = book.entry("c", 5)
    keep(path, [older])
    assert [(row["id"], row["event_id"]) for row in read(path)] == [(1, older.event_id)]
    act = ("edge-2", "r1")
    keep(path, [book.exit("c", 7, act=act)])
    assert [(row["id"], row["status"]) for row in read(path)] == [(1, "OUT"), (2, "IN")]
    keep(path, [book.exit("d", 1, act=act)])  # the same act, older: no exit is between them now
    assert [(row["id"], row["status"]) for row in read(path)] == [(1, "IN")]
    keep(path, [book.entry("d", 20, of=BIKE)])
    assert [row["id"] for row in read(path)] == [1, 3]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 phút"),
        (59, "0 phút"),
        (300, "5 phút"),
        (3599, "59 phút"),
        (3600, "1 giờ 0 phút"),
        (90_239, "25 giờ 3 phút"),
        (3_600_000, "1000 giờ 0 phút"),
    ],
)
def test_a_duration_is_in_vietnamese_and_whole_minutes(
    path: Path, book: Book, seconds: int, text: str
) -> None:
    book.exit("a", seconds, names=book.entry("a", 0))
    keep(path, book.events)
    (row,) = read(path)
    assert (row["duration"], row["duration_s"]) == (text, seconds)


# --- site time --------------------------------------------------------------------------------


def times(path: Path, book: Book, timezone: str, *moments: str) -> list[str]:
    """How entries at these moments (UTC) are shown at a site in this zone."""
    for number, moment in enumerate(moments):
        at = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() - T0_MS / 1000
        book.entry("a", at, of=VehicleKey("car", f"29A{number:05}"))
    keep(path, book.events, timezone)
    rows = read(path)
    assert read(path, "Asia/Tokyo") == rows, "the reader's own zone plays no part"
    return [row["entry_time"] for row in rows]


def test_times_are_those_of_the_site_on_both_sides_of_both_switches(path: Path, book: Book) -> None:
    shown = times(
        path,
        book,
        "Europe/Paris",
        "2025-03-30 00:59:59.999",
        "2025-03-30 01:00:00.000",
        "2025-10-26 00:59:59.999",
        "2025-10-26 01:00:00.000",
    )
    assert shown == [
        "2025-03-30 01:59:59",
        "2025-03-30 03:00:00",
        "2025-10-26 02:59:59",
        "2025-10-26 02:00:00",
    ]


def test_times_are_right_where_no_clock_is_switched(path: Path, book: Book) -> None:
    shown = times(path, book, "Asia/Ho_Chi_Minh", "2025-07-01 16:59:59", "2025-12-31 17:00:00")
    assert shown == ["2025-07-01 23:59:59", "2026-01-01 00:00:00"]


def test_the_beginning_and_the_end_of_time_can_be_shown(path: Path, book: Book) -> None:
    assert times(path, book, "UTC", "1970-01-01 00:00:00", "2099-12-30 12:00:00") == [
        "1970-01-01 00:00:00",
        "2099-12-30 12:00:00",
    ]


def test_an_exit_is_shown_in_the_offset_of_its_own_moment(path: Path, book: Book) -> None:
    at = datetime(2025, 3, 29, 12, tzinfo=UTC).timestamp() - T0_MS / 1000
    book.exit("a", at + 86_400, names=book.entry("a", at))
    keep(path, book.events, "Europe/Paris")
    (row,) = read(path)
    assert (row["entry_time"], row["exit_time"]) == ("2025-03-29 13:00:00", "2025-03-30 14:00:00")
    assert row["duration"] == "24 giờ 0 phút"


def test_another_zone_shows_all_times_anew(path: Path, book: Book) -> None:
    book.entry("a", 0, of=CAR)
    keep(path, book.events, "Asia/Ho_Chi_Minh")
    keep(path, [], "Europe/Paris")
    assert [row["entry_time"] for row in read(path)] == ["2024-12-02 13:00:00"]
