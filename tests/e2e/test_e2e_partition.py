"""Links that are cut and mended between real machines: who notices, and how soon all is equal."""

import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import closing

import orjson
import pytest

from tests.support.cameras import Producer, Traffic, told, wanted
from tests.support.harness import (
    PATIENCE_S,
    Answer,
    peer_row,
    shared,
    wait_connected,
    wait_equal,
    zparkctl,
)
from tests.support.network import Network, networked
from zparkd.client.edge import EdgeClient
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for

NO_LIMIT = "\n[limits]\nedge_requests_per_s = 0\n"
QUICK = f"{NO_LIMIT}\n[bus]\nheartbeat_s = 0.2\npeer_timeout_s = 2.0\n"
HEAL_S = 2.0
SLOWEST_PER_S = 500  # events that a busy machine with two cores moves to ten centrals at once


def traffic(site: LoopbackSite, network: Network, pace_s: float = 0.05) -> Traffic:
    """A camera at each central, which asks that one alone."""
    over = threading.Event()
    return Traffic(
        [
            Producer(number, [central.endpoint], over, pace_s, network.on(number))
            for number, central in enumerate(site.centrals, 1)
        ]
    )


def on_machine(network: Network, number: int, central: LoopbackCentral, **request: str) -> Answer:
    """One open, asked on the central's own machine."""
    answers: list[Answer] = []

    def ask() -> None:
        network.on(number)()
        with EdgeClient("gate", [central.endpoint], timeout_s=5, attempts=1) as camera:
            answers.append(camera.request("BARRIER_OPEN", request))

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join(PATIENCE_S)
    (answer,) = answers
    return answer


def heads(central: LoopbackCentral) -> list[tuple[str, int, int]]:
    """How far each stream is held, from the database itself."""
    address = f"{central.database.as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=5)) as connection:
        return connection.execute(
            "SELECT origin, epoch, head FROM streams ORDER BY 1, 2"
        ).fetchall()


def equal_after_s(centrals: Sequence[LoopbackCentral], since: float) -> float:
    """How long after `since` all hold the same events."""
    wait_for(
        "all hold the same events",
        lambda: all(heads(central) == heads(centrals[0]) for central in centrals[1:]),
        PATIENCE_S,
    )
    return time.monotonic() - since


def missing(centrals: Sequence[LoopbackCentral]) -> int:
    """How many events the central that lacks most still has to get."""
    held = [{(o, e): head for o, e, head in heads(central)} for central in centrals]
    every = {stream for one in held for stream in one}
    most = {stream: max(one.get(stream, 0) for one in held) for stream in every}
    return max(sum(most.values()) - sum(one.values()) for one in held)


def cut_and_heal(site: LoopbackSite, network: Network, events: int) -> tuple[float, int, Traffic]:
    """Cut a site in two under load, heal it; after how long all is equal, and what was missing."""
    lost = site.centrals[-1].id
    with traffic(site, network) as cameras:
        cameras.progress(20)
        network.cut()
        wait_for("it is missed", lambda: not peer_row(site.centrals[0], lost)["connected"])
        cameras.progress(events)
        cameras.end()
    lacking = missing(site.centrals)
    assert lacking > events // 4
    network.mend()
    return equal_after_s(site.centrals, time.monotonic()), lacking, cameras


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_centrals_are_equal_within_two_seconds_of_the_heal_and_the_moving(folder) -> None:
    with networked(folder, 5, 5, NO_LIMIT) as (site, network):
        for central in site.centrals:
            central.launch()
        for central in site.centrals:
            wait_for(f"{central.id} answers", central.answers, 3 * PATIENCE_S)
        wait_connected(*site.centrals, timeout_s=3 * PATIENCE_S)
        took_s, lacking, cameras = cut_and_heal(site, network, 1500)
        print(f"10 centrals, {lacking} events missing: equal {took_s:.2f} s after the heal")
        assert took_s < HEAL_S + lacking / SLOWEST_PER_S
        history = shared(site.centrals[0])
        assert all(shared(central) == history for central in site.centrals[1:])
        assert told(history) == wanted(cameras.acts)
        wait_connected(*site.centrals)


@pytest.mark.slow
def test_a_site_cut_in_two_goes_on_on_both_sides_and_is_one_again(folder) -> None:
    with networked(folder, 1, 2, QUICK) as (site, network):
        one, two, _ = site.centrals
        site.start()
        wait_connected(*site.centrals)
        network.cut()
        wait_for("both are missed", lambda: one.status()["connected_peers"] == 0)
        both = {"plate_id": "29A00001", "direction": "ENTRY"}
        assert on_machine(network, 1, one, **both)["success"] is True
        assert on_machine(network, 2, two, **both)["success"] is True
        refused = on_machine(network, 1, one, plate_id="29A00002", direction="EXIT")
        assert refused["incomplete"] == ["central-2", "central-3"]
        network.mend()
        wait_equal(site.centrals, when=lambda h: len(h) == 1)
        wait_connected(*site.centrals)
        wait_for("it is over", lambda: stories(one)[-1]["caught_up"] is not None, PATIENCE_S)
        (story,) = stories(one)[-1:]  # on a busy machine others follow
        assert story["cut_off"] == ["central-2", "central-3"]
        assert (story["events_here"], story["events_there"]) == (1, 1)
        assert story["conflicts"] == {"SUPERSEDED": 1}


def stories(central: LoopbackCentral) -> list[Answer]:
    """What `zparkctl incidents` tells."""
    found: list[Answer] = orjson.loads(zparkctl(central.config, "incidents", "--json").stdout)
    return found


def test_a_link_that_is_open_one_way_is_seen_as_down_on_both_sides(folder) -> None:
    with networked(folder, 1, 1, QUICK) as (site, network):
        one, two = site.centrals
        site.start()
        wait_connected(one, two)
        network.cut_one_way(1, 2)
        for central in (one, two):
            wait_for(
                f"{central.id} sees it",
                lambda central=central: central.status()["connected_peers"] == 0,
                PATIENCE_S,
            )
        assert on_machine(network, 1, one, plate_id="29A00001", direction="ENTRY")["success"]
        assert on_machine(network, 2, two, plate_id="29A00002", direction="ENTRY")["success"]
        network.mend_one_way(1, 2)
        wait_connected(one, two)
        wait_equal(site.centrals, when=lambda h: len(h) == 2)
