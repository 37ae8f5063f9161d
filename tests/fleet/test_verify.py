"""What is wrong in the fleet's database is found, and mended from the events."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.fleet.load import SimulatedSite
from tests.fleet.sites import Fleet
from zparkd.core.fleet import SiteHeads, StayDigest, StaySum, listed
from zparkd.core.site import Told
from zparkd.core.stays.fold import project
from zparkd.fleet import site_tables, stay_tables
from zparkd.fleet.verify import Compared, compare


@pytest.fixture
def fleet(database: str) -> Iterator[Fleet]:
    made = Fleet(database)
    yield made
    made.close()


def compared(fleet: Fleet) -> Compared:
    with fleet.connection.transaction():
        return compare(fleet.connection, fleet.site)


def said_by_site(fleet: Fleet, events: list[object]) -> None:
    """Let the site say what its stays come to after these events, and what more it holds."""
    digest = StayDigest()
    for stay in project(events).stays.values():  # type: ignore[arg-type]
        digest.add(stay_tables.values_of(stay))
    heads = listed(fleet.heads)
    sums = StaySum([(heads[0][0], heads[0][1], len(events))], digest.count, digest.hex())
    said = SiteHeads(1, fleet.site, "central-1", "UTC", Told.FULL, heads, sums)
    site_tables.note_site(fleet.connection, said)


def test_a_site_is_compared_at_the_heads_of_its_sum_whatever_came_since(fleet: Fleet) -> None:
    events = list(SimulatedSite(fleet.site, 3, most_inside=5).events(60))
    fleet.take(*events)
    said_by_site(fleet, events[:40])
    assert compared(fleet).good
    said_by_site(fleet, events)
    assert compared(fleet).good


def test_a_sum_that_covers_more_than_is_here_is_not_compared(fleet: Fleet) -> None:
    events = list(SimulatedSite(fleet.site, 3).events(30))
    fleet.take(*events[:20])
    said_by_site(fleet, events)
    found = compared(fleet)
    assert (found.site_equal, found.behind, found.rows_equal) == (None, len(events) - 20, True)


def test_a_site_that_has_other_stays_is_found(fleet: Fleet) -> None:
    events = list(SimulatedSite(fleet.site, 3).events(30))
    fleet.take(*events)
    other = list(SimulatedSite(fleet.site, 4).events(30))
    said_by_site(fleet, other[: len(events)])
    assert compared(fleet).site_equal is False


def test_rows_that_were_changed_are_found_and_mended_by_rebuild(
    fleet: Fleet, database: str
) -> None:
    events = list(SimulatedSite(fleet.site, 3, most_inside=5).events(60))
    fleet.take(*events)
    said_by_site(fleet, events)
    before = sorted(fleet.rows("SELECT id, origin, seq, fee FROM stay WHERE site = %s"), key=str)
    fleet.rows("UPDATE stay SET fee = 1 WHERE fee IS NOT NULL AND site = %s RETURNING 1")
    found = compared(fleet)
    assert (found.rows_equal, found.site_equal, found.good) == (False, True, False)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "zparkd.fleet.command",
            "rebuild",
            fleet.site,
            "--postgres",
            database,
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert done.returncode == 0, done.stderr
    assert compared(fleet).good
    after = sorted(fleet.rows("SELECT id, origin, seq, fee FROM stay WHERE site = %s"), key=str)
    assert after == before  # the numbers of the stays too


def test_status_is_json_for_programs_and_says_what_is_wrong(fleet: Fleet, database: str) -> None:
    fleet.take(*SimulatedSite(fleet.site, 3).events(10))
    command = [sys.executable, "-m", "zparkd.fleet.command", "status", "--postgres", database]
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [*command, "--json"], capture_output=True, text=True, env=env, check=False
    )
    [row] = [row for row in json.loads(done.stdout)["sites"] if row["site"] == fleet.site]
    assert done.returncode == 1
    assert row["events"] >= 10
    assert "start one" in row["problem"]


def test_a_server_that_is_not_there_is_named(tmp_path: object) -> None:
    command = [sys.executable, "-m", "zparkd.fleet.command", "status"]
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [*command, "--postgres", "postgresql://127.0.0.1:1/x"],
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )
    assert done.returncode == 69
    assert "PostgreSQL can't be reached" in done.stderr
