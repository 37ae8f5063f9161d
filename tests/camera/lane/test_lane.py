"""One lane in this process, with a clock of the test's own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from tests.camera.relay import Relay
from tests.camera.rig import Bridge, hikvision, now_ms
from zparkd.camera.config import load
from zparkd.camera.lane.album import Album
from zparkd.camera.lane.lane import READS_WAITING, Busy, Lane
from zparkd.camera.lane.ledger import Ledger
from zparkd.camera.lane.postman import Postman
from zparkd.testbed.loopback import LoopbackSite, wait_for

HOUR_MS = 3_600_000
MakeLane = Callable[..., Lane]


class Alone(NamedTuple):
    """A lane, and what outlives it."""

    lane: Lane
    ledger: Ledger
    album: Album


@pytest.fixture
def make_alone(bridge: Bridge, relay: Relay) -> Iterator[Callable[..., Alone]]:
    with ExitStack() as stack:

        def make(centrals: list[str], clock: Callable[[], int] = now_ms, **keys: object) -> Alone:
            barrier = f'[barrier]\nkind = "http"\nurl = "{relay.url}/open"\n'
            bridge.lane("in-1", centrals, barrier, direction="ENTRY", **keys)
            config = load(bridge.config)
            ledger = Ledger(config.outbox, clock)
            stack.callback(ledger.close)
            album = Album(config.pictures, 1, 1)
            lane = Lane(config.lanes[0], ledger, album, clock=clock)
            stack.callback(lane.stop)
            return Alone(lane, ledger, album)

        yield make


@pytest.fixture
def make_lane(make_alone: Callable[..., Alone]) -> MakeLane:
    return lambda *centrals, **keys: make_alone(*centrals, **keys).lane


@pytest.mark.parametrize("off_ms", [-7 * HOUR_MS, 7 * HOUR_MS])
def test_where_this_machine_s_clock_is_wrong_a_central_s_says_what_is_fresh(
    site: LoopbackSite, make_lane: MakeLane, relay: Relay, off_ms: int
) -> None:
    lane = make_lane([site.centrals[0].endpoint], lambda: now_ms() + off_ms)
    lane.start()
    lane.take(hikvision("29A12345"), "text/xml")
    wait_for("it opens", lambda: relay.opened == ["/open"])
    assert abs(lane.shown()["own_clock_offset_ms"] - off_ms) < 60_000
    assert [stay["plate_id"] for stay in site.centrals[0].history()] == ["29A12345"]


def test_a_late_read_that_a_slow_clock_takes_for_fresh_opens_nothing(
    site: LoopbackSite, make_lane: MakeLane, relay: Relay
) -> None:
    lane = make_lane([site.centrals[0].endpoint], lambda: now_ms() - HOUR_MS)
    lane.start()
    lane.take(hikvision("29A12345", now_ms() - HOUR_MS), "text/xml")
    wait_for("it is refused", lambda: lane.shown()["refused"] == {"too_late": 1})
    assert relay.opened == []
    assert site.centrals[0].history() == []


def test_reads_that_nobody_takes_are_refused_in_the_end(make_lane: MakeLane) -> None:
    lane = make_lane(["tcp://127.0.0.1:1"])
    for number in range(READS_WAITING):
        lane.take(hikvision(f"29A{number:05d}"), "text/xml")
    with pytest.raises(Busy):
        lane.take(hikvision("29A12345"), "text/xml")
    assert lane.shown()["busy"] == 1


def test_reads_of_an_earlier_run_are_dealt_with_first(
    site: LoopbackSite, make_alone: Callable[..., Alone], relay: Relay
) -> None:
    before = make_alone([site.centrals[0].endpoint])
    before.lane.take(hikvision("29A12345"), "text/xml")  # and the power is gone
    before.ledger.close()
    after = make_alone([site.centrals[0].endpoint])
    after.lane.start()
    wait_for("it opens", lambda: relay.opened == ["/open"])


def test_a_refusal_that_recorded_nothing_is_no_answer(
    site: LoopbackSite, make_lane: MakeLane, relay: Relay
) -> None:
    central = site.centrals[0]
    central.config.write_text(
        central.config.read_text() + "\n[limits]\nedge_requests_per_s = 0.001\n"
    )
    with central.edge("in-1") as gate:
        wait_for("it limits", lambda: gate.detect("29A12345")["success"] is False)
    lane = make_lane([central.endpoint])
    lane.start()
    lane.take(hikvision("29A12345"), "text/xml")
    wait_for("it waits", lambda: lane.shown()["waiting"] == 1)
    assert (lane.shown()["unanswered"], lane.shown()["refused"]) == (1, {})
    assert relay.opened == []


def test_a_central_that_does_not_know_the_time_is_told_nothing_that_waited(
    site: LoopbackSite, make_alone: Callable[..., Alone]
) -> None:
    clocks = [now_ms() + HOUR_MS // 2]
    lane, ledger, album = make_alone([site.centrals[0].endpoint], lambda: clocks[0])
    said = {"request_id": "one", "plate_id": "29A12345", "direction": "ENTRY"}
    captured_ms = now_ms() - 120_000
    ledger.put("in-1", captured_ms, {**said, "captured_ms": captured_ms})
    postman = Postman([lane], ledger, album, lambda: clocks[0])
    postman.start()
    try:
        wait_for("it has asked", lambda: "clock" in (lane.shown()["last_fault"] or ""))
        assert lane.shown()["waiting"] == 1
        clocks[0] = now_ms()
        wait_for("it is told", lambda: lane.shown()["waiting"] == 0)
    finally:
        postman.stop()
    assert lane.shown()["told"] == 1
    assert (site.centrals[0].status()["events"], site.centrals[0].history()) == (1, [])
