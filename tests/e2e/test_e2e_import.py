"""Moving in: the earlier system's databases become events of real centrals, and nothing doubles."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.conftest import MakeSite
from tests.support.harness import (
    PATIENCE_S,
    ROOT,
    answered_meanwhile,
    await_shown,
    shared,
    wait_equal,
    wait_events,
)
from tests.support.old_database import inside_of, old_rows, sums_of, write_old
from zparkd.testbed.loopback import LoopbackCentral

STAYS = 2_000
MILLION = 1_000_000


@pytest.fixture
def pair(make_site: MakeSite) -> list[LoopbackCentral]:
    site = make_site(2)
    site.start()
    site.wait_connected()
    return site.centrals


def moved(
    central: LoopbackCentral, old: Path, *more: str, patience_s: float = PATIENCE_S
) -> dict[str, Any]:
    command = [sys.executable, "-m", "zparkd.cli.main", "-c", central.config, "import", old]
    done = subprocess.run(
        [*command, "--json", *more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=patience_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return orjson.loads(done.stdout)


def sums(central: LoopbackCentral) -> tuple[int, int, int]:
    """Stays that count and entries that don't, exits, and fees, also of exits that end nothing."""
    with closing(sqlite3.connect(central.database)) as held:
        await_shown(central, held)
        return held.execute(
            "SELECT (SELECT count(*) FROM events WHERE kind = 'VEHICLE_ENTRY_PENDING' AND at NOT IN"
            " (SELECT at FROM verdicts WHERE verdict = 'REPEATED')),"
            " (SELECT count(*) FROM events WHERE kind = 'VEHICLE_EXIT' AND at NOT IN"
            " (SELECT at FROM verdicts WHERE verdict = 'REPEATED')),"
            " (SELECT coalesce(sum(fee), 0) FROM history) + (SELECT coalesce(sum(fee), 0)"
            " FROM conflicts WHERE kind IN ('ENDED_NOTHING', 'UNMATCHED'))"
        ).fetchone()


def inside(central: LoopbackCentral) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(central.database)) as held:
        await_shown(central, held)
        return sorted(
            held.execute(
                "SELECT camera_type, plate_id, entry_time FROM history WHERE status = 'IN'"
            )
        )


def test_overlapping_databases_of_two_centrals_come_to_the_old_sums_on_both(
    pair: list[LoopbackCentral], tmp_path: Path
) -> None:
    rows = old_rows(STAYS)
    one, other = tmp_path / "one.db", tmp_path / "other.db"
    write_old(one, rows[: STAYS * 3 // 4], "central-1", faults_every=50)
    write_old(other, rows[STAYS // 4 :], None, faults_every=70)
    with answered_meanwhile(pair[0]):
        report = moved(pair[0], one)
    assert (report["stays"], report["fees"]) == (sums_of(one)[0], sums_of(one)[2])
    assert (report["entries"], report["exits"]) == sums_of(one)[:2]
    assert len(report["skipped"]) > 5
    wait_equal(pair, when=lambda rows: len(rows) > 1000)
    # The other database overlaps by two thirds, and goes to the other central.
    again = moved(pair[1], other)
    assert again["known"] > STAYS // 2
    wait_events(pair, sum(sums_of(one, other)[:2]))
    wait_equal(pair)
    for central in pair:
        assert sums(central) == sums_of(one, other)
        assert inside(central) == inside_of(other)


def test_the_same_database_again_records_nothing(
    pair: list[LoopbackCentral], tmp_path: Path
) -> None:
    old = tmp_path / "parking.db"
    write_old(old, old_rows(300), faults_every=20)
    first = moved(pair[0], old)
    before = shared(pair[0])
    wait_equal(pair)
    for central in pair:
        again = moved(central, old, patience_s=900)
        assert (again["entries"], again["exits"]) == (0, 0)
        assert again["known"] == first["entries"] + first["exits"]
        assert moved(central, old, "--dry-run")["known"] == again["known"]
    assert shared(pair[0]) == before


def test_a_dry_run_records_nothing_and_needs_no_daemon(tmp_path: Path) -> None:
    old = tmp_path / "parking.db"
    write_old(old, old_rows(50))
    central = LoopbackCentral(tmp_path / "central-1", "central-1")
    report = moved(central, old, "--dry-run")
    assert (report["rows"], report["stays"], report["fees"]) == (50, 50, sums_of(old)[2])
    assert report["known"] == 0
    assert not central.database.exists()


def test_a_car_inside_leaves_by_the_gate_and_pays_since_its_old_entry(
    pair: list[LoopbackCentral], tmp_path: Path
) -> None:
    now = time.time()
    entered = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now + 7 * 3600 - 90 * 60))
    row = {"plate_id": "29A12345", "entry_time": entered, "exit_time": None, "status": "IN"}
    old = tmp_path / "parking.db"
    write_old(old, [{**row, "camera_type": "car"}])
    moved(pair[0], old)
    wait_events(pair, 1)
    with pair[1].edge("out-1") as camera:
        told = camera.request("BARRIER_OPEN", {"plate_id": "29A12345", "direction": "EXIT"})
    assert told["success"] is True, told
    assert (told["action"], told["fee"], told["duration"]) == ("EXIT", 50_000, "1 giờ 30 phút")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_million_rows_come_in_under_five_minutes_and_twice_without_doubles(
    make_central: Callable[..., LoopbackCentral], tmp_path: Path
) -> None:
    old = tmp_path / "parking.db"
    write_old(old, old_rows(MILLION), faults_every=200)
    central = make_central()
    central.start()
    began = time.monotonic()
    with answered_meanwhile(central):
        report = moved(central, old, patience_s=900)
    took_s = time.monotonic() - began
    assert sums(central) == sums_of(old)
    assert inside(central) == inside_of(old)
    again = moved(central, old, patience_s=900)
    assert (again["entries"], again["exits"]) == (0, 0)
    assert again["known"] == report["entries"] + report["exits"]
    assert took_s < 300, f"{took_s:.0f} s"
