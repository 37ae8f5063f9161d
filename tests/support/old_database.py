"""The database of the earlier system, made up: with doubles, bad rows and overlaps.

Two centrals of that site may have been cut off from each other, so each has a database of its own.
What is true of a database is asked of it by SQL, which knows nothing of who reads it later.
"""

import random
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

FIRST = datetime(2024, 1, 1, 5, 0, 0)
WITHOUT_P2P = """
CREATE TABLE history (
    id INTEGER PRIMARY KEY AUTOINCREMENT, plate_id TEXT, plate_view TEXT, entry_time TEXT,
    exit_time TEXT, camera_id INTEGER, camera_type TEXT, camera_name TEXT, confidence REAL,
    source TEXT, status TEXT, duration TEXT, fee INTEGER DEFAULT 0
)"""
P2P = """
ALTER TABLE history ADD COLUMN event_id TEXT;
ALTER TABLE history ADD COLUMN source_central TEXT;
ALTER TABLE history ADD COLUMN edge_id TEXT;
ALTER TABLE history ADD COLUMN sync_status TEXT DEFAULT 'LOCAL';
CREATE UNIQUE INDEX idx_event_id ON history (event_id);
CREATE TABLE p2p_sync_state (
    peer_central_id TEXT PRIMARY KEY, last_sync_timestamp INTEGER NOT NULL,
    last_sync_time TEXT DEFAULT CURRENT_TIMESTAMP, updated_at TEXT DEFAULT CURRENT_TIMESTAMP
);
"""
BAD = (
    {"plate_id": "??"},
    {"plate_id": None},
    {"entry_time": "yesterday"},
    {"entry_time": None},
    {"exit_time": None, "status": "OUT"},
    {"entry_time": "2099-01-01 00:00:00", "exit_time": None, "status": "IN"},
    {"fee": -5},
    {"fee": "plenty"},
    {"camera_type": "Xe Tải"},
)
Row = dict[str, Any]


def text(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M:%S")


def old_rows(count: int, seed: int = 1) -> list[Row]:
    """Sound rows, the oldest entry first: of `count` stays every 500th lost its exit."""
    chance = random.Random(seed)
    vehicles = max(3, count // 12)
    free_at = [FIRST] * vehicles
    rows = []
    for number in range(count):
        vehicle = chance.randrange(vehicles)
        entry = free_at[vehicle] + timedelta(seconds=chance.randrange(600, 40_000))
        end = entry + timedelta(seconds=chance.randrange(60, 30_000))
        free_at[vehicle] = end
        kind = "car" if vehicle % 3 else "motorbike"
        plate = f"{29 + vehicle % 5}A{vehicle // 2:05d}"
        lost = number % 500 == 499
        row = {
            "plate_id": plate if vehicle % 7 else f"{plate[:3].lower()}-{plate[3:6]}.{plate[6:]}",
            "plate_view": f"{plate[:3]}-{plate[3:6]}.{plate[6:]}",
            "entry_time": text(entry),
            "exit_time": None if lost else text(end),
            "camera_type": kind,
            "camera_name": f"Cổng {vehicle % 4}",
            "confidence": round(chance.uniform(0.5, 1), 2),
            "status": "IN" if lost else "OUT",
            "duration": None if lost else "1 giờ 0 phút",
            "fee": 0 if lost else chance.randrange(0, 40) * 1000,
        }
        rows.append(row)
    return sorted(rows, key=lambda row: row["entry_time"])


def write_old(
    file: Path, rows: list[Row], central: str | None = "central-1", *, faults_every: int = 0
) -> None:
    """Make a database of these rows, with P2P columns where it belongs to a `central`.

    Every so many rows it has a row twice, and one that is at fault.
    """
    with closing(sqlite3.connect(file)) as made, made:
        made.execute(WITHOUT_P2P)
        if central is not None:
            made.executescript(P2P)
        for number, row in enumerate(rows):
            _insert(made, row, central, number)
            if faults_every and number % faults_every == 0:
                _insert(made, row, central, -2 * number - 1)
                bad = BAD[number // faults_every % len(BAD)]
                _insert(made, {**row, "status": "OUT", **bad}, central, -2 * number - 2)


def _insert(made: sqlite3.Connection, row: Row, central: str | None, number: int) -> None:
    if central is not None:
        event_id = f"{central}_{number}_{row['plate_id']}"
        row = {**row, "event_id": event_id, "source_central": central, "edge_id": "edge-1"}
    names = ", ".join(row)
    marks = ", ".join("?" * len(row))
    made.execute(f"INSERT INTO history ({names}) VALUES ({marks})", tuple(row.values()))


# What a database says, by SQL alone: of rows that are sound, each stay once.
_SOUND = """
WITH sound AS (
    SELECT *, replace(replace(upper(plate_id), '-', ''), '.', '') AS plate FROM history
    WHERE plate_id IS NOT NULL AND plate_id <> '??' AND entry_time GLOB '20[0-4]*'
      AND NOT (status = 'OUT' AND exit_time IS NULL)
      AND typeof(fee) = 'integer' AND fee >= 0 AND camera_type NOT LIKE '% %'
), stays AS (
    SELECT camera_type, plate, entry_time, min(exit_time) AS exit_time, max(fee) AS fee
    FROM sound GROUP BY camera_type, plate, entry_time
)
"""


def sums_of(*files: Path) -> tuple[int, int, int]:
    """How many different stays these databases tell of, how many have an exit, and all fees."""
    with closing(sqlite3.connect(":memory:")) as both:
        both.execute(
            "CREATE TABLE history (plate_id, entry_time, exit_time, camera_type, status, fee)"
        )
        for file in files:
            both.execute("ATTACH ? AS old", (str(file),))
            both.execute(
                "INSERT INTO history SELECT plate_id, entry_time, exit_time, camera_type, status,"
                " fee FROM old.history"
            )
            both.commit()
            both.execute("DETACH old")
        return both.execute(
            f"{_SOUND} SELECT count(*), count(exit_time), sum(fee) FROM stays"
        ).fetchone()


def inside_of(file: Path) -> list[tuple[str, str, str]]:
    """Type, plate and entry of what is inside: of each vehicle the newest stay, if it is open."""
    query = (
        f"{_SOUND} SELECT camera_type, plate, max(entry_time), exit_time FROM stays"
        " GROUP BY camera_type, plate"
    )
    with closing(sqlite3.connect(file)) as old:
        return sorted(tuple(row[:3]) for row in old.execute(query) if row[3] is None)
