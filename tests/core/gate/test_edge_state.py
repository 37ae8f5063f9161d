"""What a central remembers of its edges, and where that ends."""

import pytest

from zparkd.core.events.event import Position, VehicleKey
from zparkd.core.gate import limits
from zparkd.core.gate.edge_state import Detection, EdgeStates

CAR = VehicleKey("car", "29A12345")
BIKE = VehicleKey("motorbike", "29A12345")


@pytest.fixture
def memory() -> EdgeStates:
    memory = EdgeStates()
    assert memory.heard("edge-1", 5_000, 0, 0)
    return memory


def at(seq: int) -> Position:
    return Position("central-1", 1, seq)


def seen(at_ms: int, plate_view: str = "29A-123.45") -> Detection:
    return Detection(at_ms, None, None, plate_view, None)


# --- edges ------------------------------------------------------------------------------------


def test_each_edge_is_listed_with_when_it_was_last_heard(memory: EdgeStates) -> None:
    memory.heard("edge-0", 6_000, 1_000, 0)
    memory.heard("edge-1", 7_000, 2_000, 0)
    assert memory.seen() == [("edge-0", 6_000), ("edge-1", 7_000)]


def test_the_edge_that_was_silent_for_longest_is_forgotten_first(memory: EdgeStates) -> None:
    for i in range(2, limits.EDGES_REMEMBERED + 1):
        memory.heard(f"edge-{i}", 0, 0, 0)
    memory.heard("edge-1", 0, 1, 0)
    memory.heard("one-more", 0, 2, 0)
    edges = {edge_id for edge_id, _ in memory.seen()}
    assert len(edges) == limits.EDGES_REMEMBERED
    assert {"edge-1", "one-more"} <= edges
    assert "edge-2" not in edges


def test_a_start_takes_up_no_more_edges_than_are_remembered() -> None:
    memory = EdgeStates()
    memory.restore((f"edge-{i}", i) for i in range(limits.EDGES_REMEMBERED + 1))
    edges = {edge_id for edge_id, _ in memory.seen()}
    assert len(edges) == limits.EDGES_REMEMBERED
    assert "edge-0" not in edges


def test_only_what_was_heard_since_it_was_written_down_is_to_be_written(memory: EdgeStates) -> None:
    memory.restore([("edge-2", 1_000)])
    assert (memory.unwritten(), memory.any_new()) == ([("edge-1", 5_000)], True)
    memory.written(memory.unwritten())
    assert (memory.unwritten(), memory.any_new()) == ([], False)
    assert memory.heard("edge-2", 9_000, 0, 1)
    assert (memory.unwritten(), memory.any_new()) == ([("edge-2", 9_000)], False)
    memory.forget_opens({})  # the transaction may have been the one that wrote it
    assert sorted(memory.unwritten()) == [("edge-1", 5_000), ("edge-2", 9_000)]


# --- rate -------------------------------------------------------------------------------------


def allowed(memory: EdgeStates, per_s: float, *mono_ms: int) -> list[bool]:
    return [memory.heard("e", 0, at_ms, per_s) for at_ms in mono_ms]


def test_a_burst_is_twice_what_a_second_allows() -> None:
    assert allowed(EdgeStates(), 3, *[0] * 7) == [True] * 6 + [False]


def test_allowance_comes_back_at_the_rate_and_no_further_than_a_burst() -> None:
    memory = EdgeStates()
    allowed(memory, 2, *[0] * 4)
    assert allowed(memory, 2, 0, 499, 500, 500) == [False, False, True, False]
    assert allowed(memory, 2, *[60_000] * 5) == [True] * 4 + [False]


def test_a_rate_below_one_half_allows_one_request_at_a_time() -> None:
    memory = EdgeStates()
    assert allowed(memory, 0.1, 0, 0, 9_999, 10_000, 10_000) == [True, False, False, True, False]


def test_a_refused_request_costs_nothing() -> None:
    memory = EdgeStates()
    allowed(memory, 1, 0, 0)
    assert allowed(memory, 1, *range(0, 1_000, 10)) == [False] * 100
    assert allowed(memory, 1, 1_000) == [True]


def test_a_limit_that_is_lowered_counts_at_once() -> None:
    memory = EdgeStates()
    allowed(memory, 100, 0)
    assert allowed(memory, 1, 0, 0, 0) == [True, True, False]


def test_no_limit_is_no_limit() -> None:
    assert all(allowed(EdgeStates(), 0, *[0] * 10_000))


# --- detections -------------------------------------------------------------------------------


def test_a_detection_is_remembered_for_120_s(memory: EdgeStates) -> None:
    memory.detected("edge-1", "29A12345", seen(1_000))
    assert memory.detection("edge-1", "29A12345", 121_000) == seen(1_000)
    assert memory.detection("edge-1", "29A12345", 121_001) is None


def test_the_detections_of_an_edge_are_bounded_and_the_oldest_goes(memory: EdgeStates) -> None:
    for i in range(limits.DETECTIONS_PER_EDGE):
        memory.detected("edge-1", f"PLATE{i}", seen(0))
    memory.detected("edge-1", "PLATE0", seen(1))
    assert memory.detection("edge-1", "PLATE1", 1) is not None
    memory.detected("edge-1", "ONEMORE", seen(2))
    assert memory.detection("edge-1", "PLATE1", 2) is None
    for plate_id in ("PLATE0", "PLATE2", "ONEMORE"):
        assert memory.detection("edge-1", plate_id, 2) is not None


# --- opens without a request_id ---------------------------------------------------------------


def test_an_unnamed_open_is_remembered_for_10_s(memory: EdgeStates) -> None:
    memory.opened("edge-1", CAR, at(1), 1_000)
    assert memory.opened_lately("edge-1", "29A12345", "car", 11_000) == at(1)
    assert memory.opened_lately("edge-1", "29A12345", "car", 11_001) is None


def test_an_open_that_names_no_type_repeats_the_plates_latest(memory: EdgeStates) -> None:
    memory.opened("edge-1", CAR, at(1), 0)
    memory.opened("edge-1", BIKE, at(2), 5)
    assert memory.opened_lately("edge-1", "29A12345", None, 10) == at(2)
    assert memory.opened_lately("edge-1", "29A12345", "car", 10) == at(1)
    assert memory.opened_lately("edge-1", "29A12345", "truck", 10) is None
    assert memory.opened_lately("edge-1", "30F99999", None, 10) is None


def test_the_unnamed_opens_of_an_edge_are_bounded_and_the_oldest_goes(
    memory: EdgeStates,
) -> None:
    for i in range(limits.DETECTIONS_PER_EDGE):
        memory.opened("edge-1", VehicleKey("car", f"PLATE{i}"), at(i + 1), 0)
    memory.opened("edge-1", VehicleKey("car", "PLATE0"), at(101), 1)
    assert memory.opened_lately("edge-1", "PLATE1", None, 1) == at(2)
    memory.opened("edge-1", VehicleKey("car", "ONEMORE"), at(102), 2)
    assert memory.opened_lately("edge-1", "PLATE1", None, 2) is None
    assert memory.opened_lately("edge-1", "PLATE0", None, 2) == at(101)
    assert memory.opened_lately("edge-1", "PLATE2", None, 2) == at(3)


def test_an_open_of_a_vehicle_again_counts_from_then_on(memory: EdgeStates) -> None:
    memory.opened("edge-1", CAR, at(1), 0)
    memory.opened("edge-1", BIKE, at(2), 1_000)
    memory.opened("edge-1", CAR, at(3), 12_000)
    assert memory.opened_lately("edge-1", "29A12345", None, 12_000) == at(3)


def test_a_close_of_the_edge_ends_them_and_of_another_does_not(memory: EdgeStates) -> None:
    memory.heard("edge-2", 0, 0, 0)
    memory.opened("edge-1", CAR, at(1), 0)
    memory.closed("edge-2")
    assert memory.opened_lately("edge-1", "29A12345", "car", 10) == at(1)
    memory.closed("edge-1")
    assert memory.opened_lately("edge-1", "29A12345", "car", 10) is None


def test_opens_of_an_undone_turn_are_forgotten_and_detections_are_not(memory: EdgeStates) -> None:
    memory.detected("edge-1", "29A12345", seen(0))
    memory.opened("edge-1", CAR, at(2), 0)
    memory.forget_opens({at(2).stream: 1})
    assert memory.opened_lately("edge-1", "29A12345", "car", 10) is None
    assert memory.detection("edge-1", "29A12345", 10) is not None


def test_opens_of_turns_before_the_undone_one_are_remembered(memory: EdgeStates) -> None:
    """What an edge repeats was not undone because another edge's request could not be recorded."""
    memory.opened("edge-1", CAR, at(1), 0)
    memory.barrier_opened("edge-1", at(1), 0)
    memory.forget_opens({at(1).stream: 1})
    assert memory.opened_lately("edge-1", "29A12345", "car", 10) == at(1)
    assert memory.last_open("edge-1", 10) == at(1)


# --- what a close is about --------------------------------------------------------------------


def test_a_close_is_about_what_the_edge_opened_last_once(memory: EdgeStates) -> None:
    memory.heard("edge-2", 0, 0, 0)
    memory.barrier_opened("edge-1", at(1), 0)
    memory.barrier_opened("edge-1", at(2), 1_000)
    assert memory.last_open("edge-2", 2_000) is None
    assert memory.last_open("edge-1", 2_000) == at(2)
    memory.closed("edge-1")
    assert memory.last_open("edge-1", 2_000) is None


def test_a_close_is_about_what_was_opened_within_120_s(memory: EdgeStates) -> None:
    memory.barrier_opened("edge-1", at(1), 1_000)
    assert memory.last_open("edge-1", 121_000) == at(1)
    memory.barrier_opened("edge-1", at(1), 1_000)
    assert memory.last_open("edge-1", 121_001) is None


def test_a_close_is_not_about_an_open_that_was_undone(memory: EdgeStates) -> None:
    memory.barrier_opened("edge-1", at(1), 0)
    memory.forget_opens({})
    assert memory.last_open("edge-1", 10) is None
