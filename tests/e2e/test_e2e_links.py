"""Links that stall, break and half-open under running centrals, on any machine."""

import random
from collections.abc import Iterator

import pytest

from tests.support.cameras import Traffic, cameras, told, wanted
from tests.support.harness import (
    NO_LIMIT,
    PATIENCE_S,
    alive,
    answered_meanwhile,
    enter,
    peer_row,
    problems,
    wait_connected,
    wait_equal,
)
from tests.support.proxy import State, Wires
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for


@pytest.fixture
def wired(make_site) -> Iterator[tuple[LoopbackSite, Wires]]:
    """Two centrals that are connected by wires."""
    site: LoopbackSite = make_site(2, more=NO_LIMIT)
    with Wires(site) as wires:
        site.start()
        wait_connected(*site.centrals)
        yield site, wires


def wait_lost(*centrals: LoopbackCentral) -> None:
    for central in centrals:
        wait_for(
            f"{central.id} misses its peer",
            lambda central=central: central.status()["connected_peers"] == 0,
            PATIENCE_S,
        )


def test_a_link_that_stalls_is_missed_on_both_sides_and_delays_no_camera(wired) -> None:
    site, wires = wired
    one, two = site.centrals
    wires.all(State.STALLED)
    with answered_meanwhile(one, within_s=2.0):
        wait_lost(one, two)
        for number in range(20):
            enter((one, two)[number % 2], f"29A{number:05d}")
    wires.all(State.OPEN)
    wait_equal(site.centrals, when=lambda h: len(h) == 20)
    wait_connected(one, two)


def test_a_link_of_which_one_way_is_gone_shows_on_both_sides(wired) -> None:
    site, wires = wired
    one, two = site.centrals
    wires.set(two, one, State.STALLED)
    wait_lost(one, two)
    assert "PEER_DEAF" in problems(one), "it is heard, and does not hear"
    assert "PEER_DOWN" in problems(two)
    assert peer_row(two, one.id)["connected"] is False
    enter(two, "29A00001")
    wait_equal(site.centrals, when=lambda h: len(h) == 1)  # the way that is open is used
    enter(one, "29A00002")
    wires.set(two, one, State.OPEN)
    wait_connected(one, two)
    wait_equal(site.centrals, when=lambda h: len(h) == 2)


def test_a_link_that_breaks_each_connection_is_not_called_a_refused_key_where_there_are_none(
    wired,
) -> None:
    site, wires = wired
    one, two = site.centrals
    wires.all(State.CUT)
    wait_lost(one, two)
    wait_for("it is said", lambda: peer_row(one, two.id)["error"], PATIENCE_S)
    assert "a link that breaks" in peer_row(one, two.id)["error"]
    wires.all(State.OPEN)
    wait_connected(one, two)
    wait_for("it is over", lambda: peer_row(one, two.id)["error"] is None, PATIENCE_S)


@pytest.mark.slow
def test_a_link_that_comes_and_goes_under_load_loses_and_doubles_nothing(make_site) -> None:
    site: LoopbackSite = make_site(3, more=NO_LIMIT)
    chance = random.Random(4)
    with Wires(site) as wires:
        site.start()
        wait_connected(*site.centrals)
        with Traffic(cameras(site.centrals, pace_s=0.02)) as traffic:
            for _ in range(12):
                asker, asked = chance.sample(site.centrals, 2)
                wires.set(asker, asked, chance.choice((State.CUT, State.STALLED)))
                traffic.progress(40)
                if chance.random() < 0.5:
                    wires.all(State.OPEN)
            wires.all(State.OPEN)
            acts = traffic.end()
        wait_connected(*site.centrals)
        wait_equal(site.centrals, when=lambda h: told(h) == wanted(acts))
        assert alive(*site.centrals)
