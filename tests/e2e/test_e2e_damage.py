"""Databases that are damaged, moved away, older than they were, or gone: what daemons do then."""

import random
import resource
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.harness import (
    NO_LIMIT,
    PATIENCE_S,
    ask,
    enter,
    flood,
    leave,
    opens,
    problems,
    promised,
    wait_connected,
    wait_equal,
    zparkctl,
    zparkd,
)
from zparkd.client.edge import NoAnswer
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for

MORE_THAN_IS_CACHED = 4_000  # cars, in pages of the database
PARTS = ("", "-wal", "-shm")
WAY = "move zparkd.db, zparkd.db-wal and zparkd.db-shm away and start zparkd"


def part(central: LoopbackCentral, suffix: str) -> Path:
    return central.database.with_name(f"zparkd.db{suffix}")


def move_away(central: LoopbackCentral) -> None:
    """What the message says to do."""
    (central.folder / "damaged").mkdir()
    for suffix in PARTS:
        if part(central, suffix).exists():
            part(central, suffix).rename(central.folder / "damaged" / f"zparkd.db{suffix}")


def scribble(file: Path, first: float = 0.2, last: float = 0.8) -> None:
    """Write nonsense over the middle of a file."""
    size = file.stat().st_size
    with file.open("r+b") as target:
        target.seek(int(size * first))
        target.write(random.Random(1).randbytes(int(size * (last - first))))


def two_with_traffic(make_site: object, cars: int = 100) -> LoopbackSite:
    site: LoopbackSite = make_site(2, more=NO_LIMIT)  # type: ignore[operator]
    site.start()
    wait_connected(*site.centrals)
    flood(site.centrals[0], opens("30A", cars))
    site.wait_equal()
    return site


def streams(central: LoopbackCentral) -> dict[int, int]:
    """Epochs and heads of a central's own streams."""
    address = f"{central.database.as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=5)) as connection:
        return dict(
            connection.execute("SELECT epoch, head FROM streams WHERE origin = ?", (central.id,))
        )


def ended(central: LoopbackCentral) -> int:
    """Wait until a daemon ends by itself; its exit code."""
    process = central.process
    assert process is not None
    code = process.wait(PATIENCE_S)
    central.process = None
    return code


# --- damaged ----------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["stop", pytest.param("kill", marks=pytest.mark.slow)])
def test_a_damaged_file_is_not_served_and_the_way_back_it_names_works(make_site, end) -> None:
    site = two_with_traffic(make_site)
    two = site.centrals[1]
    getattr(two, end)()
    if end == "kill":
        part(two, "-wal").unlink()
    scribble(two.database)
    refused = zparkd(two.config)
    assert refused.returncode == 1
    assert f"zparkd: {two.database}: is damaged: " in refused.stderr
    assert WAY in refused.stderr
    assert "Traceback" not in refused.stderr
    shown = zparkctl(two.config, "status")
    assert shown.returncode == 69
    assert "is damaged" in shown.stderr
    move_away(two)
    two.start()
    history = wait_equal(site.centrals, when=lambda h: len(h) == 100)
    leave(two, history[0]["plate_id"])
    wait_equal(site.centrals, when=lambda h: sum(r["status"] == "OUT" for r in h) == 1)


def test_a_log_of_commits_that_lost_its_end_is_not_served(make_site) -> None:
    site: LoopbackSite = make_site(2)
    one, two = site.centrals
    site.start()
    wait_connected(one, two)
    for number in range(20):
        enter(two, f"29A{number:05d}")
    site.wait_equal()
    two.kill()
    log = part(two, "-wal")
    with log.open("r+b") as file:
        file.truncate(log.stat().st_size * 2 // 3 + 100)
    refused = zparkd(two.config)
    assert refused.returncode == 1
    assert "the end of zparkd.db-wal can't be read" in refused.stderr
    assert WAY in refused.stderr
    move_away(two)
    two.start()
    wait_equal(site.centrals, when=lambda h: len(h) == 20)


def let_all_out(central: LoopbackCentral) -> None:
    with central.edge("look", timeout_s=1, attempts=1) as camera:
        for number in range(MORE_THAN_IS_CACHED):
            camera.open_barrier(f"30A{number:05d}", direction="EXIT")


def test_damage_met_while_it_runs_ends_the_daemon_with_what_is_wrong(make_site) -> None:
    site: LoopbackSite = make_site(1, more=NO_LIMIT)
    (one,) = site.centrals
    site.start()
    flood(one, opens("30A", MORE_THAN_IS_CACHED))
    one.stop()
    one.start()
    scribble(one.database, 0.01, 1.0)
    process = one.process
    assert process is not None
    with pytest.raises(NoAnswer):
        let_all_out(one)
    assert ended(one) == 1
    log = one.log.read_text()
    assert "CRITICAL" in log
    assert "is damaged: " in log
    assert WAY in log
    assert zparkd(one.config).returncode == 1


def test_a_disk_that_fails_in_a_commit_ends_the_daemon_and_the_retry_finds_the_truth(
    make_site,
) -> None:
    site: LoopbackSite = make_site(1)
    (one,) = site.centrals
    site.start()
    enter(one, "29A00001")
    process = one.process
    assert process is not None
    size = part(one, "-wal").stat().st_size
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size + 100, size + 100))
    with one.edge("gate", timeout_s=2, attempts=1) as camera, pytest.raises(NoAnswer):
        camera.open_barrier("29A00002", direction="ENTRY", request_id="r-1")
    assert ended(one) == 1
    assert "the disk failed: " in one.log.read_text()
    one.start()
    again = ask(
        one, "gate", "BARRIER_OPEN", plate_id="29A00002", direction="ENTRY", request_id="r-1"
    )
    assert again["success"] is True
    assert len(wait_equal([one], when=lambda h: len(h) == 2)) == 2


def test_a_file_that_is_moved_away_while_it_runs_ends_the_daemon(make_site) -> None:
    site: LoopbackSite = make_site(2)
    one, two = site.centrals
    site.start()
    wait_connected(one, two)
    enter(two, "29A00001")
    site.wait_equal()
    move_away(two)
    assert ended(two) == 1
    assert "was moved away or replaced" in two.log.read_text()
    two.start()
    wait_equal(site.centrals, when=lambda h: len(h) == 1)


# --- lost, or older ---------------------------------------------------------------------------


@pytest.mark.parametrize("copy", [None, pytest.param("older", marks=pytest.mark.slow)])
def test_a_central_has_its_own_past_back_before_it_answers_edges(make_site, folder, copy) -> None:
    site: LoopbackSite = make_site(3, more=NO_LIMIT)
    one, two, _ = site.centrals
    site.start()
    wait_connected(*site.centrals)
    enter(one, "29A00001")
    assert zparkctl(one.config, "backup", str(folder / "older.db")).returncode == 0
    flood(one, opens("30A", 500))
    inside = enter(one, "29A00002")
    left = leave(one, "29A00001")
    enter(two, "29A00003")
    site.wait_equal()
    before = streams(one)
    one.stop()
    for suffix in PARTS:
        part(one, suffix).unlink(missing_ok=True)
    if copy is not None:
        shutil.copy(folder / "older.db", one.database)
    began = time.monotonic()
    one.launch()
    with one.edge("gate", timeout_s=20, attempts=1) as camera:
        first = camera.open_barrier("29A00002", direction="EXIT")
    took_s = time.monotonic() - began
    assert first["success"] is True, first
    assert first["event_id"] == inside["event_id"]
    assert took_s < promised(10), "2 s of catching up, and the start of a process on a busy machine"
    again = leave_refused(one, "29A00001")
    assert again == "not_inside", "its exit is known again"
    assert "incomplete" not in first
    wait_equal(site.centrals, when=lambda h: len(h) == 503)
    after = streams(one)
    assert {epoch: after[epoch] for epoch in before} == before
    assert len(after) == len(before) + 1, "it goes on in a stream of its own"
    assert max(after) > max(before)
    assert left["event_id"] in {row["event_id"] for row in one.history()}
    said = one.log.read_text()
    assert ("the database is older than it was" in said) is (copy is not None)
    assert ("the database is not the one used here before" in said) is (copy is None)
    assert "DATABASE_OLDER" not in problems(one)


def leave_refused(central: LoopbackCentral, plate: str) -> str:
    """The code with which an exit is refused."""
    refused = ask(central, "gate", "BARRIER_OPEN", plate_id=plate, direction="EXIT")
    return str(refused["error"]["code"])


@pytest.mark.slow
def test_an_older_copy_alone_says_what_it_lacks_until_a_peer_gives_it_back(
    make_site, folder
) -> None:
    site: LoopbackSite = make_site(2)
    one, two = site.centrals
    site.start()
    wait_connected(one, two)
    enter(one, "29A00001")
    assert zparkctl(one.config, "backup", str(folder / "older.db")).returncode == 0
    enter(one, "29A00002")
    site.wait_equal()
    one.kill()
    two.kill()
    for suffix in PARTS:
        part(one, suffix).unlink(missing_ok=True)
    shutil.copy(folder / "older.db", one.database)
    one.start()
    assert "DATABASE_OLDER" in problems(one)
    seen = ask(one, "look", "DETECTION", plate_id="29A00002")["vehicle_info"]
    assert seen["already_inside"] is False
    assert seen["incomplete"] == ["central-2"]
    two.start()
    wait_for("it has all", lambda: "DATABASE_OLDER" not in problems(one), PATIENCE_S)
    wait_equal(site.centrals, when=lambda h: len(h) == 2)
