"""A day of a site with cameras of every make, while power comes and goes."""

from pathlib import Path

import pytest

from tests.camera.driving import Day
from tests.camera.site import CameraSite, Killer, plans


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
