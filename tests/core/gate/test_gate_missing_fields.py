"""Who says what a request does not: its lane, its detection, what is inside."""

from collections.abc import Iterable

import pytest

from tests.support.centrals import PLATE, Driven, code, success
from zparkd.core.site import Direction, Lane

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT


def at_lanes(*lanes: Lane) -> Driven:
    return Driven(lanes=lanes)


@pytest.fixture
def central() -> Driven:
    return Driven()


def types_inside(central: Driven) -> list[str]:
    return [row["camera_type"] for row in central.history() if row["status"] == "IN"]


def way(answer: dict[str, object]) -> object:
    """Which way a vehicle that was not inside was taken to go."""
    return "EXIT" if answer["success"] is False else answer["action"]


# --- direction --------------------------------------------------------------------------------

REQUEST, LANE, DETECTION = "request", "lane", "detection"


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ({REQUEST: EXIT, DETECTION: ENTRY}, EXIT),
        ({LANE: EXIT, DETECTION: None}, EXIT),
        ({DETECTION: EXIT}, EXIT),
        ({DETECTION: ENTRY}, ENTRY),
        ({}, ENTRY),
    ],
)
def test_the_direction_is_the_requests_else_the_lanes_else_the_detections(
    says: dict[str, Direction | None], expected: Direction
) -> None:
    central = at_lanes(Lane("edge-1", direction=says.get(LANE)))
    if DETECTION in says:
        central.detect(direction=says[DETECTION])
    assert way(central.open(direction=says.get(REQUEST))) == expected


def test_the_lanes_direction_counts_before_an_earlier_detections() -> None:
    central = at_lanes()
    central.detect(direction="EXIT")
    central.configure(lanes=(Lane("edge-1", direction=ENTRY),))
    assert way(central.open()) == "ENTRY"


def test_the_direction_said_by_none_is_exit_of_what_is_inside_else_entry(central: Driven) -> None:
    assert central.open("edge-1")["action"] == "ENTRY"
    assert central.open("edge-2")["action"] == "EXIT"
    assert central.open("edge-3")["action"] == "ENTRY"


def test_a_detection_tells_for_120_s(central: Driven) -> None:
    central.detect(direction="EXIT")
    central.wait(120)
    assert way(central.open()) == "EXIT"
    central.wait(0.001)
    assert way(central.open()) == "ENTRY"


def test_a_detection_tells_nothing_of_another_edge_or_plate(central: Driven) -> None:
    central.detect(direction="EXIT", camera_type="motorbike")
    assert way(central.open("edge-2")) == "ENTRY"
    assert way(central.open("edge-1", plate_id="30F99999")) == "ENTRY"
    assert types_inside(central) == ["car", "car"]


def test_a_detection_tells_of_the_plate_however_it_is_written(central: Driven) -> None:
    central.detect(plate_id="29a-123.45", direction="EXIT")
    assert way(central.open(plate_id="29A 12345")) == "EXIT"


def test_the_latest_detection_counts(central: Driven) -> None:
    central.detect(direction="EXIT", camera_type="truck")
    central.detect(direction="ENTRY", camera_type="motorbike")
    central.open()
    assert types_inside(central) == ["motorbike"]


def test_a_detection_that_was_refused_tells_nothing(central: Driven) -> None:
    assert code(central.detect(direction="EXIT", confidence=2)) == "bad_request"
    assert way(central.open()) == "ENTRY"


# --- camera_type ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_type", "lane_type", "detected_type", "inside", "expected"),
    [
        ("truck", None, "motorbike", ["bus"], "truck"),
        (None, "bus", None, ["truck"], "bus"),
        (None, None, "motorbike", ["truck"], "motorbike"),
        (None, None, None, ["truck"], "truck"),
        (None, None, None, ["truck", "bus"], "car"),
        (None, None, None, [], "car"),
    ],
)
def test_the_camera_type_is_the_requests_else_the_lanes_else_the_detections_else_what_is_inside(
    request_type: str | None,
    lane_type: str | None,
    detected_type: str | None,
    inside: Iterable[str],
    expected: str,
) -> None:
    central = at_lanes(Lane("edge-1", camera_type=lane_type))
    for camera_type in inside:
        central.open("edge-9", camera_type=camera_type, direction="ENTRY")
    if detected_type is not None:
        central.detect(camera_type=detected_type)
    answer = central.open(camera_type=request_type)
    event = central.last()
    assert event.vehicle == (expected, PLATE)
    assert answer["action"] == ("EXIT" if expected in inside else "ENTRY")


def test_a_detection_without_a_type_is_of_the_one_type_that_is_inside(central: Driven) -> None:
    central.open("edge-9", camera_type="motorbike")
    assert central.detect()["vehicle_info"]["already_inside"]
    assert not central.detect(camera_type="car")["vehicle_info"]["already_inside"]


def test_two_types_of_vehicle_with_one_plate_come_and_go_on_their_own(central: Driven) -> None:
    car = central.open(camera_type="car")["event_id"]
    bike = central.open(camera_type="motorbike")["event_id"]
    central.wait(60)
    left = central.open("edge-2", camera_type="motorbike")
    assert (left["event_id"], left["fee"]) == (bike, 5_000)
    assert code(central.open(camera_type="motorbike", direction="EXIT")) == "not_inside"
    left = central.open("edge-2", camera_type="car")
    assert (left["event_id"], left["fee"]) == (car, 25_000)


# --- plate_view and confidence ----------------------------------------------------------------


def test_plate_view_and_confidence_are_the_requests_else_the_detections(central: Driven) -> None:
    central.detect(plate_view="29A-123.45", confidence=0.9)
    central.open(confidence=0.0)
    central.detect("edge-2", plate_id="30F99999", plate_view="30F-999.99", confidence=0.8)
    central.open("edge-2", plate_id="30F99999", plate_view="30F 99999")
    said = [(row["plate_view"], row["confidence"]) for row in central.history()]
    assert said == [("29A-123.45", 0.0), ("30F 99999", 0.8)]


def test_plate_view_and_confidence_of_a_detection_count_for_120_s(central: Driven) -> None:
    central.detect(plate_view="29A-123.45", confidence=0.9)
    central.wait(120.001)
    central.open()
    (row,) = central.history()
    assert (row["plate_view"], row["confidence"]) == (None, None)


def test_a_detection_before_a_restart_is_forgotten(central: Driven) -> None:
    central.detect(direction="EXIT", plate_view="x")
    central.start()
    assert way(central.open()) == "ENTRY"


# --- lanes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("type", ["DETECTION", "BARRIER_OPEN", "BARRIER_CLOSE"])
@pytest.mark.parametrize(
    ("field", "wrong", "right"),
    [("direction", "EXIT", "ENTRY"), ("camera_type", "motorbike", "car")],
)
def test_a_request_against_what_its_lane_is_for_is_bad(
    type: str, field: str, wrong: str, right: str
) -> None:
    central = at_lanes(Lane("edge-1", direction=ENTRY, camera_type="car"))
    answer = central.ask(type, plate_id=PLATE, **{field: wrong})
    assert code(answer) == "bad_request"
    assert answer["error"]["message"].startswith(f"{field}: ")
    assert central.events() == []
    assert success(central.ask(type, plate_id=PLATE, **{field: right}))


def test_force_does_not_override_the_lane() -> None:
    central = at_lanes(Lane("edge-1", direction=ENTRY))
    assert code(central.open(direction="EXIT", force=True, reason="x")) == "bad_request"


def test_a_lane_that_says_nothing_bars_nothing_and_so_does_no_lane() -> None:
    central = at_lanes(Lane("edge-1"))
    for edge_id in ("edge-1", "edge-2"):
        assert success(central.open(edge_id, camera_type="truck", direction="ENTRY"))
        assert success(central.open(edge_id, camera_type="truck", direction="EXIT"))


def test_an_exit_lane_opens_for_what_is_inside_alone() -> None:
    central = at_lanes(Lane("out", direction=EXIT))
    assert code(central.open("out")) == "not_inside"
    central.open("in")
    assert central.open("out")["action"] == "EXIT"


def test_an_entry_lane_does_not_let_out() -> None:
    central = at_lanes(Lane("in", direction=ENTRY))
    central.open("in")
    central.wait(60)
    assert code(central.open("in")) == "already_inside"
