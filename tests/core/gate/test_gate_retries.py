"""The same request again: the same answer and no second effect, here, later and elsewhere."""

import pytest

from tests.support.centrals import EDGE, HOUR_S, PLATE, Answer, Driven, code, meet, pair, success
from zparkd.core.events.event import Kind
from zparkd.core.site import Direction, Lane
from zparkd.core.turn import FromEdge

OTHER = "30F99999"
DAY_S = 24 * HOUR_S


@pytest.fixture
def central() -> Driven:
    return Driven()


def but_history_id(answer: Answer) -> Answer:
    return {name: value for name, value in answer.items() if name != "history_id"}


# --- named retries ----------------------------------------------------------------------------


def test_an_entry_asked_again_gets_the_same_answer_and_is_one_entry(central: Driven) -> None:
    first = central.open(request_id="r")
    central.wait(2)
    assert central.open(request_id="r") == first
    assert central.kinds() == [Kind.ENTRY]


def test_an_exit_asked_again_gets_the_same_answer_with_the_same_fee(central: Driven) -> None:
    central.open(request_id="in")
    central.wait(HOUR_S)
    first = central.open(request_id="out")
    central.wait(HOUR_S)
    assert central.open(request_id="out") == first
    assert first["fee"] == 25_000
    assert central.kinds() == [Kind.ENTRY, Kind.EXIT]


def test_a_close_asked_again_gets_the_same_answer_and_confirms_no_other_entry(
    central: Driven,
) -> None:
    central.open(plate_id=OTHER)
    central.wait(1)
    central.open()
    first = central.close(request_id="c")
    assert central.close(request_id="c") == first
    assert central.kinds() == [Kind.ENTRY, Kind.ENTRY, Kind.CONFIRM]


def test_a_close_asked_again_after_the_vehicle_left_gets_the_same_answer(central: Driven) -> None:
    central.open()
    first = central.close(request_id="c")
    central.open("edge-2")
    assert central.close(request_id="c") == first


def test_a_manual_open_asked_again_gets_the_same_answer_and_is_one_event(central: Driven) -> None:
    first = central.open(plate_id=None, force=True, reason="fire", request_id="m")
    assert central.open(plate_id=None, force=True, reason="fire", request_id="m") == first
    assert central.kinds() == [Kind.MANUAL]


def test_a_forced_exit_asked_again_gets_the_same_answer_and_is_one_event(central: Driven) -> None:
    asked = {"force": True, "reason": "lost", "direction": "EXIT", "request_id": "f"}
    first = central.open(**asked)
    central.wait(5)
    assert central.open(**asked) == first
    assert central.kinds() == [Kind.EXIT]


def test_a_forced_entry_asked_again_ends_no_second_stay(central: Driven) -> None:
    central.open()
    asked = {"force": True, "reason": "stale", "direction": "ENTRY", "request_id": "f"}
    first = central.open(**asked)
    assert central.open(**asked) == first
    assert [row["status"] for row in central.history()] == ["OUT", "IN"]


def test_a_retry_is_told_by_the_plate_not_by_how_it_is_written(central: Driven) -> None:
    first = central.open(plate_id="29A-123.45", request_id="r")
    assert central.open(plate_id="29a 12345", request_id="r") == first


def test_a_retry_that_says_the_direction_that_was_taken_gets_the_same_answer(
    central: Driven,
) -> None:
    first = central.open(request_id="r")
    assert central.open(request_id="r", direction="ENTRY") == first


def test_a_retry_is_answered_also_where_its_lane_was_given_another_direction(
    central: Driven,
) -> None:
    first = central.open(request_id="r", direction="ENTRY")
    central.configure(lanes=(Lane(EDGE, direction=Direction.EXIT),))
    assert central.open(request_id="r", direction="ENTRY") == first


def test_a_retry_is_not_too_late_where_its_first_try_was_not(central: Driven) -> None:
    captured_ms = central.wall_ms
    first = central.open(request_id="r", captured_ms=captured_ms)
    central.wait(60)
    assert central.open(request_id="r", captured_ms=captured_ms) == first


def test_one_request_id_of_two_edges_is_two_acts(central: Driven) -> None:
    assert central.open("edge-1", request_id="r")["action"] == "ENTRY"
    assert central.open("edge-2", request_id="r")["action"] == "EXIT"


def test_two_tries_in_one_turn_are_one_act(central: Driven) -> None:
    body = b'{"type":"BARRIER_OPEN","edge_id":"e","plate_id":"29A12345","request_id":"r"}'
    first, second = central.ask_bytes(body, body)
    assert first == second
    assert central.kinds() == [Kind.ENTRY]


# --- after a restart, and at another central --------------------------------------------------


@pytest.mark.parametrize("direction", ["ENTRY", "EXIT", "CLOSE"])
def test_a_retry_after_a_restart_gets_the_same_answer(central: Driven, direction: str) -> None:
    def ask() -> Answer:
        if direction == "CLOSE":
            return central.close(request_id="r")
        return central.open(request_id="r", direction=direction)

    if direction != "ENTRY":
        central.open(request_id="in")
        central.wait(600)
    first = ask()
    before = central.kinds()
    central.start()
    central.wait(10)
    assert ask() == first
    assert central.kinds() == before


def test_a_retry_at_another_central_that_has_the_event_gets_the_same_answer() -> None:
    one, two = pair()
    two.open(plate_id=OTHER)
    entered = one.open(request_id="in")
    confirmed = one.close(request_id="c")
    meet(one, two)
    assert but_history_id(two.open(request_id="in")) == but_history_id(entered)
    assert two.close(request_id="c") == confirmed
    left = two.open(request_id="out")
    meet(one, two)
    assert one.open(request_id="out") == left
    assert one.kinds().count(Kind.EXIT) == one.kinds().count(Kind.CONFIRM) == 1


def test_the_history_id_of_a_retry_is_that_of_the_central_asked() -> None:
    one, two = pair()
    two.open(plate_id=OTHER)
    one.open(request_id="in")
    meet(one, two)
    row = next(row for row in two.history() if row["plate_id"] == PLATE)
    assert two.open(request_id="in")["history_id"] == row["id"]


def test_one_open_recorded_on_both_sides_of_a_cut_is_one_act_and_the_older_counts() -> None:
    one, two = pair()
    first = one.open(request_id="r")
    two.wait(2)
    second = two.open(request_id="r")
    meet(one, two)
    for central in (one, two):
        (row,) = central.history()
        assert (row["event_id"], row["remarks"]) == (first["event_id"], None)
    assert one.open(request_id="r") == first
    assert but_history_id(two.open(request_id="r")) == but_history_id(second)
    assert two.open(request_id="r")["history_id"] == two.history()[0]["id"]


def test_the_event_id_of_a_try_that_does_not_count_stays_an_alias() -> None:
    one, two = pair()
    first = one.open(request_id="r")
    two.wait(2)
    second = two.open(request_id="r")
    meet(one, two)
    assert two.close(event_id=second["event_id"])["event_id"] == first["event_id"]


def test_the_id_of_a_superseded_entry_stays_good_for_a_retry() -> None:
    one, two = pair()
    older = one.open("edge-1", request_id="a")
    two.wait(2)
    newer = two.open("edge-2", request_id="b")
    meet(one, two)
    again = two.open("edge-2", request_id="b")
    assert but_history_id(again) == but_history_id(newer)
    assert two.history()[0]["event_id"] == older["event_id"]
    assert again["history_id"] == two.history()[0]["id"]


# --- what is no retry -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"type": "BARRIER_CLOSE"}, "type"),
        ({"type": "DETECTION"}, "type"),
        ({"type": "PING"}, "type"),
        ({"plate_id": OTHER}, "plate"),
        ({"plate_id": None, "force": True, "reason": "fire"}, "plate"),
        ({"direction": "EXIT"}, "direction"),
        ({"camera_type": "motorbike"}, "vehicle"),
    ],
)
def test_a_used_request_id_with_another_type_plate_or_direction_is_bad(
    central: Driven, fields: dict[str, object], word: str
) -> None:
    central.open(request_id="r")
    asked = {"type": "BARRIER_OPEN", "plate_id": PLATE, "request_id": "r"} | fields
    answer = central.ask(**asked)
    assert code(answer) == "bad_request"
    assert answer["error"]["message"].startswith("request_id: ")
    assert word in answer["error"]["message"]
    assert central.kinds() == [Kind.ENTRY]


def test_an_exits_request_id_is_bad_for_an_entry(central: Driven) -> None:
    central.open(request_id="in")
    central.open(request_id="out")
    assert code(central.open(request_id="out", direction="ENTRY")) == "bad_request"


def test_a_closes_request_id_is_bad_for_another_type_and_for_another_plate(central: Driven) -> None:
    central.open()
    central.close(request_id="c")
    assert code(central.open(request_id="c")) == "bad_request"
    assert code(central.detect(request_id="c")) == "bad_request"
    assert code(central.ask("PING", request_id="c")) == "bad_request"
    assert code(central.close(request_id="c", plate_id=OTHER)) == "bad_request"
    other_id = f"central-1_{central.wall_ms}_{OTHER}"
    assert code(central.close(request_id="c", event_id=other_id)) == "bad_request"
    assert success(central.close(request_id="c", plate_id=PLATE))


def test_a_manual_opens_request_id_is_bad_for_another_direction_or_a_plate(
    central: Driven,
) -> None:
    asked = {"plate_id": None, "force": True, "reason": "fire", "request_id": "m"}
    assert success(central.open(**asked, direction="ENTRY"))
    assert code(central.open(**asked, direction="EXIT")) == "bad_request"
    assert code(central.open(**(asked | {"plate_id": PLATE}))) == "bad_request"


def test_a_request_id_older_than_24_h_is_bad(central: Driven) -> None:
    first = central.open(request_id="1")
    central.wait(DAY_S)
    assert central.open(request_id="1") == first
    central.wait(0.001)
    assert code(central.open(request_id="1")) == "bad_request"
    assert central.kinds() == [Kind.ENTRY]


def test_refusals_are_answered_afresh(central: Driven) -> None:
    assert code(central.open(request_id="r", direction="EXIT")) == "not_inside"
    central.open("edge-2")
    assert central.open(request_id="r", direction="EXIT")["action"] == "EXIT"


def test_none_is_answered_afresh(central: Driven) -> None:
    assert central.close(request_id="c")["action"] == "NONE"
    central.open()
    assert central.close(request_id="c")["action"] == "ENTRY_CONFIRMED"


def test_detection_and_ping_are_answered_afresh(central: Driven) -> None:
    assert not central.detect(request_id="d")["vehicle_info"]["already_inside"]
    first = central.ask("PING", request_id="p")["time_ms"]
    central.open(request_id="o")
    central.wait(1)
    assert central.detect(request_id="d")["vehicle_info"]["already_inside"]
    assert central.ask("PING", request_id="p")["time_ms"] == first + 1000


def test_a_request_id_that_recorded_nothing_may_be_used_for_anything(central: Driven) -> None:
    central.detect(request_id="r")
    central.close(request_id="r")
    assert central.open(request_id="r")["action"] == "ENTRY"


# --- retries without a request_id -------------------------------------------------------------


def test_an_unnamed_open_repeated_within_10_s_is_a_retry(central: Driven) -> None:
    first = central.open()
    central.wait(10)
    assert central.open() == first
    assert central.kinds() == [Kind.ENTRY]


def test_an_unnamed_open_after_10_s_is_a_new_act_however_often_it_was_repeated(
    central: Driven,
) -> None:
    central.open()
    for _ in range(2):
        central.wait(5)
        assert central.open()["action"] == "ENTRY"
    central.wait(0.001)
    assert central.open()["action"] == "EXIT"


def test_an_unnamed_exit_repeated_within_10_s_is_a_retry(central: Driven) -> None:
    central.open()
    central.wait(600)
    first = central.open()
    central.wait(3)
    assert central.open() == first
    assert central.kinds() == [Kind.ENTRY, Kind.EXIT]


def test_an_unnamed_exit_of_a_type_told_by_what_is_inside_is_a_retry(central: Driven) -> None:
    central.open(camera_type="motorbike")
    central.wait(600)
    first = central.open()
    central.wait(3)
    assert central.open() == first
    assert central.kinds() == [Kind.ENTRY, Kind.EXIT]


def test_an_unnamed_open_of_a_type_told_by_a_detection_that_is_old_by_now_is_a_retry(
    central: Driven,
) -> None:
    central.detect(camera_type="motorbike")
    central.wait(115)
    first = central.open()
    central.wait(9)
    assert central.open() == first


def test_an_unnamed_open_repeated_is_not_too_late(central: Driven) -> None:
    captured_ms = central.wall_ms
    central.wait(28)
    first = central.open(captured_ms=captured_ms)
    central.wait(4)
    assert central.open(captured_ms=captured_ms) == first
    assert central.kinds() == [Kind.ENTRY]


def test_a_close_of_the_edge_ends_unnamed_retries(central: Driven) -> None:
    central.open()
    central.close("edge-2")
    assert central.open()["action"] == "ENTRY"
    central.close()
    assert central.open()["action"] == "EXIT"


def test_an_unnamed_open_of_another_vehicle_or_edge_is_no_retry(central: Driven) -> None:
    central.open(camera_type="car")
    assert central.open(plate_id=OTHER)["event_id"].endswith(OTHER)
    assert central.open(camera_type="motorbike")["action"] == "ENTRY"
    assert central.kinds() == [Kind.ENTRY] * 3
    assert central.open("edge-2", camera_type="car")["action"] == "EXIT"


def test_two_types_of_vehicle_with_one_plate_are_each_retried_at_one_edge(central: Driven) -> None:
    car = central.open(camera_type="car")
    bike = central.open(camera_type="motorbike")
    assert central.open(camera_type="car") == car
    assert central.open(camera_type="motorbike") == bike


def test_an_open_with_a_direction_and_no_request_id_is_no_retry(central: Driven) -> None:
    central.open(direction="ENTRY")
    assert code(central.open(direction="ENTRY")) == "already_inside"
    assert central.open(direction="EXIT")["action"] == "EXIT"


def test_an_open_with_a_request_id_is_no_retry_of_one_without(central: Driven) -> None:
    central.open()
    assert central.open(request_id="r")["action"] == "EXIT"


def test_unnamed_retries_are_kept_in_memory_only(central: Driven) -> None:
    central.open()
    central.start()
    assert central.open()["action"] == "EXIT"


def test_an_unnamed_open_whose_turn_was_undone_is_no_first_try(central: Driven) -> None:
    body = b'{"type":"BARRIER_OPEN","edge_id":"edge-1","plate_id":"29A12345"}'
    central.central.step(central.now, [FromEdge((b"1",), body)])
    central.store.rollback()
    central.central.forget()
    central.open(plate_id=OTHER, request_id="r")
    assert central.open()["event_id"].endswith(PLATE)
    assert central.kinds() == [Kind.ENTRY, Kind.ENTRY]
