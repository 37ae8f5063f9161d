"""Centrals of a site come to show the same history, whoever saw what, and however they know."""

import time

import pytest

from tests.support.harness import (
    PATIENCE_S,
    ask,
    enter,
    leave,
    promised,
    rows,
    wait_connected,
    wait_equal,
    wait_events,
    zparkctl,
)
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for


def cross(first: LoopbackCentral, second: LoopbackCentral, all: list[LoopbackCentral]) -> None:
    """A vehicle enters at one central, and its close and exit come in at another."""
    plate = "29A12345"
    opened = ask(first, "in-1", "BARRIER_OPEN", plate_id=plate, direction="ENTRY", confidence=0.9)
    assert opened["action"] == "ENTRY"
    wait_equal(all, "the entry is everywhere", lambda h: [r["status"] for r in h] == ["IN"])
    closed = ask(second, "in-2", "BARRIER_CLOSE", event_id=opened["event_id"])
    assert closed["action"] == "ENTRY_CONFIRMED"
    assert closed["event_id"] == opened["event_id"]
    wait_equal(all, "the close is everywhere", lambda h: [r["confirmed"] for r in h] == [1])
    left = leave(second, plate)
    assert left["event_id"] == opened["event_id"]
    assert (left["fee"], left["currency"], left["duration"]) == (25000, "VND", "0 phút")
    (stay,) = wait_equal(all, "the exit is everywhere", lambda h: h and h[0]["status"] == "OUT")
    assert stay["event_id"] == opened["event_id"]
    assert (stay["source_central"], stay["exit_central"]) == (first.id, second.id)
    assert (stay["camera_name"], stay["exit_edge_id"]) == (f"{first.id}/in-1", "out-1")
    assert (stay["fee"], stay["duration"]) == (left["fee"], left["duration"])
    assert stay["duration_s"] == left["duration_s"]
    for central in all:
        (row,) = rows(central)
        assert row["sync_status"] == ("LOCAL" if central is first else "SYNCED")
        assert central.status()["vehicles_inside"] == 0


@pytest.mark.parametrize("count", [2, 3, pytest.param(10, marks=pytest.mark.slow)])
def test_entry_at_one_central_and_close_and_exit_at_another_show_on_all(make_site, count) -> None:
    site: LoopbackSite = make_site(count)
    site.start()
    wait_connected(*site.centrals)
    cross(site.centrals[0], site.centrals[-1], site.centrals)
    assert site.centrals[0].history() == site.centrals[-1].history()
    for central in site.centrals:
        wait_for(
            f"{central.id} knows that nothing is only there",
            lambda central=central: central.status()["only_here"] == 0,
            PATIENCE_S,
        )


def test_standalone_central_works_without_peers(make_site) -> None:
    site = make_site(1)
    site.start()
    (only,) = site.centrals
    enter(only, "29A12345")
    leave(only, "29A12345")
    state = only.status()
    assert (state["standalone_mode"], state["total_peers"], state["peers"]) == (True, 0, [])
    assert (state["events"], state["vehicles_inside"]) == (3, 0)
    assert state["problems"] == []
    assert [row["status"] for row in rows(only)] == ["OUT"]
    assert zparkctl(only.config, "status").returncode == 0


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_start_order_does_not_matter_with_traffic_in_between(make_site, order) -> None:
    site = make_site(3)
    count = 0
    for number in order:
        central = site.centrals[number]
        central.start()
        enter(central, f"29A0000{number}")
        count += 2
        wait_events(site.running(), count)
    first, last = site.centrals[order[0]], site.centrals[order[-1]]
    leave(last, f"29A0000{order[0]}")
    leave(first, f"29A0000{order[-1]}")
    wait_equal(
        site.centrals,
        when=lambda h: sorted(r["status"] for r in h) == ["IN", "OUT", "OUT"],
    )


def test_a_chain_converges_both_ways_though_its_ends_do_not_know_each_other(make_site) -> None:
    site = make_site(3, links=[(0, 1), (1, 2)])
    site.start()
    wait_connected(*site.centrals)
    cross(site.centrals[0], site.centrals[2], site.centrals)
    enter(site.centrals[2], "30F11111")
    wait_equal(site.centrals, when=lambda h: len(h) == 2)
    leave(site.centrals[0], "30F11111")
    wait_equal(site.centrals, when=lambda h: len(h) == 2 and {r["status"] for r in h} == {"OUT"})
    assert {peer["peer_id"] for peer in site.centrals[0].status()["peers"]} == {"central-2"}


def test_a_chain_converges_when_its_middle_starts_last(make_site) -> None:
    site = make_site(3, links=[(0, 1), (1, 2)])
    left, middle, right = site.centrals
    left.start()
    right.start()
    enter(left, "29A00001")
    enter(right, "29A00002")
    middle.start()
    wait_equal(site.centrals, when=lambda h: len(h) == 2)


def test_an_event_is_everywhere_soon_when_all_are_up(three) -> None:
    slowest_s = 0.0
    for number in range(10):
        origin = three.centrals[number % 3]
        plate = f"51G{number:05d}"
        enter(origin, plate)
        started = time.monotonic()
        wait_equal(
            three.centrals,
            when=lambda h, plate=plate: any(r["plate_id"] == plate and r["confirmed"] for r in h),
        )
        slowest_s = max(slowest_s, time.monotonic() - started)
    assert slowest_s < promised(10)


def test_entries_of_one_vehicle_at_two_centrals_at_once_become_one_stay(make_site) -> None:
    site = make_site(2)
    site.start()
    one, two = site.centrals
    two.kill()
    opened = enter(one, "29A12345", "gate-a")
    one.kill()
    two.start()
    newer = enter(two, "29A12345", "gate-b")
    one.start()
    (stay,) = wait_equal(site.centrals, when=lambda h: len(h) == 1)
    assert stay["event_id"] == opened["event_id"] != newer["event_id"]
    wait_connected(*site.centrals)
    for central in site.centrals:
        closed = ask(central, "gate-c", "BARRIER_CLOSE", event_id=newer["event_id"])
        assert closed["action"] == "NONE", "it is confirmed already"
    left = leave(two, "29A12345")
    assert left["event_id"] == opened["event_id"]
    wait_equal(site.centrals, when=lambda h: len(h) == 1 and h[0]["status"] == "OUT")
