"""A disk that is full: edges are refused, nothing is told, and all goes on once there is room."""

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.harness import (
    PATIENCE_S,
    Answer,
    alive,
    ask,
    await_shown,
    enter,
    problems,
    rows,
    wait_connected,
    wait_equal,
    wait_events,
    zparkctl,
    zparkd,
)
from zparkd.client.edge import EdgeClient
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 1 MiB of its own."""
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip(f"a file system can't be mounted here: {done.stderr.strip()}")
    with ExitStack() as stack:
        stack.callback(subprocess.run, ["umount", "-l", str(disk)], check=False)
        yield disk


def on_disk(central: LoopbackCentral, disk: Path) -> None:
    """Have a central keep its database there."""
    text = central.config.read_text()
    central.config.write_text(text.replace('"zparkd.db"', f'"{disk / "zparkd.db"}"'))
    central.database.symlink_to(disk / "zparkd.db")


def fill(disk: Path) -> None:
    """Leave no byte free."""
    with (disk / "ballast").open("ab", buffering=0) as ballast:
        size = 65_536
        while size:
            try:
                written = ballast.write(b"x" * size)
                assert written
            except OSError:
                size //= 2


def make_room(disk: Path) -> None:
    (disk / "ballast").unlink()


def ask_entry(central: LoopbackCentral, plate: str, request_id: str) -> Answer:
    """Ask for an entry, refused or not."""
    return ask(
        central,
        "gate",
        "BARRIER_OPEN",
        plate_id=plate,
        direction="ENTRY",
        request_id=request_id,
    )


def test_a_full_disk_refuses_and_tells_nobody_and_the_retry_succeeds(make_site, small_disk) -> None:
    site: LoopbackSite = make_site(2)
    one, two = site.centrals
    on_disk(one, small_disk)
    site.start()
    wait_connected(one, two)
    enter(one, "29A00000")
    wait_events(site.centrals, 2)
    fill(small_disk)
    recorded, plate, answer = 1, "", {"success": True}
    while answer["success"] is True:
        assert recorded < 2_000, "the database finds room"
        plate = f"29A{recorded:05d}"
        answer = ask_entry(one, plate, f"full-{plate}")
        recorded += answer["success"] is True
    assert answer["error"]["code"] == "storage_unavailable"
    assert answer["request_id"] == f"full-{plate}"
    assert ask(one, "gate", "PING")["success"] is True
    seen = ask(one, "gate", "DETECTION", plate_id="29A00000")
    assert seen["vehicle_info"]["already_inside"] is True
    assert "STORAGE_UNAVAILABLE" in problems(one)
    assert len(wait_equal(site.centrals, when=lambda h: len(h) == recorded)) == recorded

    enter(two, "30F00001")
    assert ask_entry(one, plate, f"full-{plate}")["error"]["code"] == "storage_unavailable"
    assert [row["plate_id"] for row in rows(two) if row["plate_id"] == plate] == []

    with EdgeClient("gate", [one.endpoint, two.endpoint]) as camera:
        elsewhere = camera.open_barrier("29A90000", direction="ENTRY")
    assert elsewhere["success"] is True
    assert elsewhere["event_id"].startswith("central-2_")

    make_room(small_disk)
    retried = ask_entry(one, plate, f"full-{plate}")
    assert retried["success"] is True
    assert retried["action"] == "ENTRY"
    wait_for("the problem is gone", lambda: "STORAGE_UNAVAILABLE" not in problems(one), PATIENCE_S)
    history = wait_equal(site.centrals, when=lambda h: len(h) == recorded + 3)
    assert [row["plate_id"] for row in history].count(plate) == 1
    assert alive(one, two)
    assert "Traceback" not in one.log.read_text()


def test_a_central_with_a_full_disk_asks_its_peer_at_a_calm_pace(make_site, small_disk) -> None:
    site: LoopbackSite = make_site(2)
    one, two = site.centrals
    on_disk(one, small_disk)
    site.start()
    wait_connected(one, two)
    fill(small_disk)
    with two.edge("gate") as camera:
        for number in range(300):
            opened = camera.open_barrier(f"29A{number:05d}", request_id=uuid.uuid4().hex)
            assert opened["success"] is True or opened["error"]["code"] == "rate_limited"
    wait_for("one can't keep up", lambda: "STORAGE_UNAVAILABLE" in problems(one), PATIENCE_S)
    asked = one.status()["messages_sent"]
    beats = one.status()["uptime_s"]
    wait_for("time goes by", lambda: one.status()["uptime_s"] >= beats + 3, PATIENCE_S)
    assert one.status()["messages_sent"] - asked < 30, "heartbeats, and a request now and then"
    make_room(small_disk)
    wait_equal(site.centrals, when=lambda h: len(h) > 200)
    assert alive(one, two)


def test_a_database_that_can_not_be_written_is_said_at_the_start(make_site, small_disk) -> None:
    site: LoopbackSite = make_site(1)
    (one,) = site.centrals
    on_disk(one, small_disk)
    site.start()
    enter(one, "29A00001")
    one.stop()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    refused = zparkd(one.config)
    assert refused.returncode == 1
    assert f"zparkd: {small_disk / 'zparkd.db'}: " in refused.stderr
    assert "Read-only file system" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert zparkctl(one.config, "history").returncode == 0, "what is there can be read"
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    one.start()
    enter(one, "29A00002")


def test_a_database_locked_by_a_reader_of_plain_sqlite_is_no_hindrance(make_site) -> None:
    import sqlite3

    site: LoopbackSite = make_site(1)
    (one,) = site.centrals
    site.start()
    enter(one, "29A00001")
    reader = sqlite3.connect(one.database)
    await_shown(one, reader)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM history").fetchone() == (1,)
    enter(one, "29A00002")
    assert reader.execute("SELECT count(*) FROM history").fetchone() == (1,)
    reader.execute("COMMIT")
    await_shown(one, reader)
    assert reader.execute("SELECT count(*) FROM history").fetchone() == (2,)
    reader.close()
