"""A day of a site with cameras of every make, while power comes and goes."""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from benchmarks.camera import measure
from tests.camera.driving import Day
from tests.camera.relay import Relay
from tests.camera.rig import ROOT, Bridge
from tests.camera.site import CameraSite, Killer, plans
from tests.support.harness import promised
from zparkd.testbed.loopback import LoopbackSite


def check(site: CameraSite, day: Day) -> None:
    """What must be true after any day."""
    assert day.faults == []
    assert day.strays == [], "a barrier opened at which nobody stood, or twice"
    assert day.gone == len(day.plates)
    site.settled()
    told = site.told(site.site.centrals[0])
    assert told == day.driven
    assert set(told.values()) == {1}
    assert all(site.told(central) == told for central in site.site.centrals)


@pytest.mark.programs
def test_a_morning_with_a_camera_of_each_make_is_told_as_it_was_driven(folder: Path) -> None:
    with CameraSite(folder, plans(6)) as site:
        site.start()
        day = site.day(18, seed=1)
        day.run()
        assert day.by_hand == 0
        check(site, day)
        assert site.relay.most_busy <= len(site.lanes)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("vehicles", [2000])
def test_a_day_of_2000_vehicles_at_ten_lanes_with_kills_is_told_as_it_was_driven(
    folder: Path, vehicles: int
) -> None:
    with CameraSite(folder, plans(10), centrals=3) as site:
        site.start()
        killer = Killer(site, seed=2)
        day = site.day(vehicles, seed=2, killer=killer, pace_s=0.25)
        killer.start()
        try:
            day.run()
        finally:
            killer.end()
        assert killer.bridge_kills > 5
        assert killer.central_kills > 5
        check(site, day)


@pytest.mark.slow
def test_from_a_frame_to_the_open_of_a_barrier_it_takes_less_than_15_ms(folder: Path) -> None:
    taken = measure(folder, passages=100)
    assert median(taken) < promised(0.015), sorted(taken)


def simulated(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run what `bin/camera-sim` runs, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "tests.camera.simulator", *arguments],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_simulator_of_cameras_plays_a_day_of_a_site_of_its_own() -> None:
    done = simulated("--vehicles", "4", "--lanes", "2", "--centrals", "1", "--pace", "0")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_simulator_of_cameras_sends_to_a_site_that_runs(
    site: LoopbackSite, bridge: Bridge, relay: Relay
) -> None:
    barrier = f'[barrier]\nkind = "http"\nurl = "{relay.url}/open"\n'
    bridge.lane("in-1", [site.centrals[0].endpoint], barrier, direction="ENTRY")
    bridge.start()
    url = f"http://127.0.0.1:{bridge.port}"
    done = simulated("--url", url, "--lane", "in-1=hikvision", "--vehicles", "2", "--pace", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert bridge.status()["in-1"]["reads"] >= 2
