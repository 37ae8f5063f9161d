"""Power cuts under load: what was acknowledged is there, once, everywhere."""

import random

import pytest

from tests.e2e import crash
from tests.support.cameras import FROM_AN_OLDER_CUT, Traffic, cameras, confirm_answers, told, wanted
from tests.support.harness import NO_LIMIT, alive, wait_connected, wait_equal
from zparkd.testbed.loopback import LoopbackSite


def test_every_acknowledged_open_is_in_all_histories_once_after_power_cuts(make_site) -> None:
    site: LoopbackSite = make_site(3, more=NO_LIMIT)
    site.start()
    wait_connected(*site.centrals)
    chance = random.Random(1)
    with Traffic(cameras(site.centrals)) as traffic:
        for victim in (*site.centrals, chance.choice(site.centrals)):
            traffic.progress(60)
            victim.kill()
            traffic.progress(30)
            victim.start()
        traffic.progress(10)
        acts = traffic.end()
    assert alive(*site.centrals)
    wait_connected(*site.centrals)
    history = wait_equal(site.centrals, when=lambda h: told(h) == wanted(acts))
    assert set(traffic.refusals) <= FROM_AN_OLDER_CUT
    for row in history:
        assert row["closed_by"] in (None, "EXIT")
    confirm_answers(site.centrals, acts)
    wait_equal(site.centrals, when=lambda h: h == history)


@pytest.mark.slow
def test_many_power_cuts_two_at_a_time_lose_and_double_nothing(make_site) -> None:
    site: LoopbackSite = make_site(3, more=NO_LIMIT)
    site.start()
    wait_connected(*site.centrals)
    chance = random.Random(2)
    with Traffic(cameras(site.centrals)) as traffic:
        for _ in range(20):
            traffic.progress(20)
            first, second = chance.sample(site.centrals, 2)
            first.kill()
            traffic.progress(3)
            second.kill()
            first.start()
            traffic.progress(3)
            second.start()
        traffic.progress(10)
        acts = traffic.end()
    wait_connected(*site.centrals)
    wait_equal(site.centrals, when=lambda h: told(h) == wanted(acts))
    assert set(traffic.refusals) <= FROM_AN_OLDER_CUT
    confirm_answers(site.centrals, acts)


@pytest.mark.slow
@pytest.mark.parametrize("centrals", [2, 3])
def test_a_run_of_the_crash_script_loses_and_doubles_nothing(folder, centrals) -> None:
    figures = crash.run(folder, centrals, range(8), seed=centrals)
    assert figures.faults == []
    assert figures.kills >= 8
    assert figures.acknowledged > 500
    assert (figures.lost, figures.doubled) == (0, 0)
