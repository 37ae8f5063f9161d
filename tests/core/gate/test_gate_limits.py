"""What is not opened for: a vehicle seen too long ago, and an edge that asks too often."""

import pytest

from tests.support.centrals import HOUR_S, PLATE, T0_MS, Driven, code, success
from zparkd.core.events.event import Kind


@pytest.fixture
def central() -> Driven:
    return Driven()


# --- too late ---------------------------------------------------------------------------------


def test_what_was_captured_30_s_ago_is_opened_and_what_is_older_is_too_late(
    central: Driven,
) -> None:
    late = central.open(captured_ms=T0_MS - 30_001, request_id="late")
    assert code(late) == "too_late"
    assert late["error"]["message"].startswith("captured_ms: ")
    assert success(central.open(captured_ms=T0_MS - 30_000, request_id="r"))


def test_what_came_too_late_is_recorded_as_seen_and_not_opened(central: Driven) -> None:
    central.open(captured_ms=T0_MS - 60_000, plate_view="29A-123.45", direction="ENTRY")
    assert central.kinds() == [Kind.SEEN]
    assert central.history() == []
    event = central.last()
    assert event.facts is not None
    assert event.personal is not None
    assert (event.facts.captured_ms, event.facts.direction) == (T0_MS - 60_000, "ENTRY")
    assert (event.personal.plate_id, event.personal.plate_view) == (PLATE, "29A-123.45")


def test_what_came_too_late_is_recorded_once_a_request_id(central: Driven) -> None:
    for _ in range(3):
        assert code(central.open(captured_ms=T0_MS - 60_000, request_id="r")) == "too_late"
        central.wait(2)
    assert central.kinds() == [Kind.SEEN]
    central.open(captured_ms=T0_MS - 60_000, request_id="r2")
    assert central.kinds() == [Kind.SEEN, Kind.SEEN]


def test_one_request_id_for_two_vehicles_that_came_too_late_is_recorded_for_both(
    central: Driven,
) -> None:
    central.open(captured_ms=T0_MS - 60_000, request_id="r")
    central.open(captured_ms=T0_MS - 60_000, request_id="r", plate_id="30F99999")
    assert central.kinds() == [Kind.SEEN, Kind.SEEN]


def test_a_too_late_open_is_answered_afresh(central: Driven) -> None:
    central.open(captured_ms=T0_MS - 60_000, request_id="r")
    assert central.open(request_id="r")["action"] == "ENTRY"


def test_force_does_not_override_too_late(central: Driven) -> None:
    answer = central.open(captured_ms=T0_MS - 60_000, force=True, reason="queue", direction="EXIT")
    assert code(answer) == "too_late"


def test_a_manual_open_that_comes_too_late_is_not_opened(central: Driven) -> None:
    answer = central.open(plate_id=None, captured_ms=T0_MS - 60_000, force=True, reason="fire")
    assert code(answer) == "too_late"
    assert central.events() == []


@pytest.mark.parametrize(
    ("wall_ms", "earliest_ms"), [(0, T0_MS), (T0_MS - HOUR_S * 1000, T0_MS - HOUR_S * 1000)]
)
def test_without_a_trusted_clock_what_is_late_by_each_clock_that_may_be_right_is_too_late(
    central: Driven, wall_ms: int, earliest_ms: int
) -> None:
    assert success(central.open("edge-2", "30F99999"))
    central.wall_ms = wall_ms
    assert code(central.open(captured_ms=earliest_ms - 30_001, request_id="late")) == "too_late"
    assert success(central.open(captured_ms=earliest_ms - 30_000, request_id="r"))
    event = central.last()
    assert event.facts is not None
    assert event.facts.marked


def test_a_detection_is_never_too_late(central: Driven) -> None:
    assert success(central.detect(captured_ms=T0_MS - HOUR_S * 1000))


def test_a_camera_whose_clock_is_ahead_is_never_too_late(central: Driven) -> None:
    assert success(central.open(captured_ms=T0_MS + HOUR_S * 1000))


def test_where_neither_camera_nor_central_knows_the_time_nothing_is_too_late() -> None:
    central = Driven(wall_ms=0)
    assert success(central.open(captured_ms=1_000))


# --- rate -------------------------------------------------------------------------------------


def test_an_edge_may_ask_at_its_rate_with_bursts_of_twice_that() -> None:
    central = Driven(per_s=5)
    assert [success(central.ask("PING")) for _ in range(11)] == [True] * 10 + [False]
    central.wait(0.2)
    assert [success(central.ask("PING")) for _ in range(2)] == [True, False]
    central.wait(60)
    assert [success(central.ask("PING")) for _ in range(11)] == [True] * 10 + [False]


def test_an_edge_that_asks_too_often_is_rate_limited_and_no_other_is() -> None:
    central = Driven(per_s=1)
    answers = [central.open("edge-1", request_id=f"r{i}", direction="ENTRY") for i in range(3)]
    assert code(answers[2]) == "rate_limited"
    assert answers[2]["request_id"] == "r2"
    assert success(central.ask("PING", "edge-2"))


def test_a_rate_limited_open_records_nothing_and_is_answered_later() -> None:
    central = Driven(per_s=0.2)
    assert success(central.ask("PING"))
    assert code(central.open(request_id="r")) == "rate_limited"
    assert central.events() == []
    central.wait(5)
    assert central.open(request_id="r")["action"] == "ENTRY"


def test_a_rate_of_0_is_no_limit() -> None:
    central = Driven(per_s=0)
    assert all(success(central.ask("PING")) for _ in range(1000))
