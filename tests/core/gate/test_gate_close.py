"""Which entry a close confirms."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.centrals import PLATE, T0_MS, Driven, code, meet, pair
from tests.support.examples import examples
from zparkd.core.events.event import Kind
from zparkd.core.site import Lane

OTHER = "30F99999"
DAY_MS = 86_400_000
NONE = {"success": True, "request_id": None, "action": "NONE"}


@pytest.fixture
def central() -> Driven:
    return Driven()


def confirmed(central: Driven) -> set[str]:
    return {row["event_id"] for row in central.history() if row["confirmed"]}


# --- without plate or event id ----------------------------------------------------------------


def test_a_close_confirms_the_edges_latest_entry(central: Driven) -> None:
    central.open(plate_id=OTHER)
    central.wait(1)
    latest = central.open()["event_id"]
    assert central.close()["event_id"] == latest
    assert confirmed(central) == {latest}


def test_of_two_entries_in_one_ms_the_later_is_confirmed(central: Driven) -> None:
    for plate_id in ("11A11111", "99A99999", "55A55555"):
        central.open(plate_id=plate_id)
    assert central.close()["event_id"].endswith("55A55555")


def test_a_second_close_confirms_the_entry_before_that_was_left_unconfirmed(
    central: Driven,
) -> None:
    first = central.open(plate_id=OTHER)["event_id"]
    central.wait(1)
    second = central.open()["event_id"]
    assert [central.close().get("event_id") for _ in range(3)] == [second, first, None]


def test_a_close_confirms_no_entry_of_another_edge(central: Driven) -> None:
    central.open("edge-2")
    assert central.close("edge-1") == NONE


def test_a_close_after_a_confirmed_entry_is_none(central: Driven) -> None:
    central.open()
    central.close()
    assert central.close() == NONE
    assert central.kinds() == [Kind.ENTRY, Kind.CONFIRM]


def test_a_close_after_an_exit_is_none_whatever_was_left_unconfirmed(central: Driven) -> None:
    central.open(plate_id=OTHER, request_id="1")
    central.wait(1)
    central.open("edge-2")
    central.wait(1)
    central.open(direction="EXIT")
    assert central.close() == NONE
    assert confirmed(central) == set()


def test_a_close_after_a_forced_exit_is_none(central: Driven) -> None:
    central.open(plate_id=OTHER)
    central.wait(1)
    central.open(direction="EXIT", force=True, reason="unknown")
    assert central.close() == NONE


def test_a_close_after_a_manual_open_confirms_the_entry_before_it(central: Driven) -> None:
    entry_id = central.open()["event_id"]
    central.wait(1)
    central.open(plate_id=None, force=True, reason="stuck")
    assert central.close()["event_id"] == entry_id


def test_a_close_after_a_manual_open_alone_is_none(central: Driven) -> None:
    central.open(plate_id=None, force=True, reason="fire")
    assert central.close() == NONE


def test_where_the_latest_unconfirmed_entry_has_left_a_close_is_none(central: Driven) -> None:
    central.open(plate_id=OTHER)
    central.wait(1)
    central.open()
    central.wait(1)
    central.open("edge-2")
    assert central.close() == NONE
    assert confirmed(central) == set()


def test_a_close_after_a_restart_confirms_the_entry(central: Driven) -> None:
    entry_id = central.open()["event_id"]
    central.start()
    assert central.close()["event_id"] == entry_id


def test_a_superseded_entry_is_followed_to_the_winner() -> None:
    one, two = pair()
    winner = one.open("edge-1")["event_id"]
    two.wait(5)
    two.open("edge-2")
    meet(one, two)
    assert two.close("edge-2")["event_id"] == winner
    meet(one, two)
    assert confirmed(one) == confirmed(two) == {winner}


def test_a_superseded_entry_whose_winner_has_left_is_none() -> None:
    one, two = pair()
    one.open("edge-1")
    two.wait(5)
    two.open("edge-2")
    meet(one, two)
    one.open("edge-3", direction="EXIT")
    meet(one, two)
    assert two.close("edge-2") == NONE


def test_an_edge_that_went_to_another_central_confirms_its_entry_there() -> None:
    one, two = pair()
    entry_id = one.open("edge-1")["event_id"]
    meet(one, two)
    assert two.close("edge-1")["event_id"] == entry_id


def test_which_entry_is_the_latest_is_not_told_by_order() -> None:
    one, two = pair(wall_ms=(T0_MS, T0_MS + 3_600_000))
    two.open("edge-2")
    meet(one, two)
    one.open("edge-1", direction="EXIT")  # its order is an hour ahead
    one.wait(60)
    latest = one.open("edge-1", plate_id=OTHER)["event_id"]
    assert one.close("edge-1")["event_id"] == latest


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("left", [False, True])
def test_what_was_stamped_ahead_by_a_wrong_clock_takes_no_close_from_a_later_entry(
    central: Driven, left: bool, restarted: bool
) -> None:
    central.wall_ms += DAY_MS
    central.open(plate_id=OTHER)
    if left:
        central.open(plate_id=OTHER, direction="EXIT")
    central.wall_ms -= DAY_MS
    central.mono_ms += 60_000
    central.start()  # the clock is believed again
    latest = central.open()["event_id"]
    if restarted:
        central.start()
    assert central.close()["event_id"] == latest
    assert confirmed(central) == {latest}


def test_what_comes_late_from_another_central_takes_no_close_from_what_was_opened_here() -> None:
    one, two = pair()
    two.open("edge-1", plate_id=OTHER)  # the lane had gone to the other central
    one.wait(60)
    latest = one.open("edge-1")["event_id"]
    meet(one, two)
    assert one.close("edge-1")["event_id"] == latest


def test_a_close_that_comes_long_after_is_about_what_came_last() -> None:
    one, two = pair()
    one.open("edge-1", plate_id=OTHER)
    two.wait(180)
    entry_id = two.open("edge-1")["event_id"]
    meet(one, two)
    one.wait(120)
    assert one.close("edge-1")["event_id"] == entry_id


_ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.sampled_from("ABC")),
        st.tuples(st.just("close"), st.none()),
        st.tuples(st.just("set clock"), st.integers(-2 * DAY_MS, 2 * DAY_MS)),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=25,
)


@examples(40)
@given(_ACTS)
def test_closes_of_lanes_confirm_their_entries_newest_first_whatever_clocks_do(
    acts: list[tuple[str, Any]],
) -> None:
    central = Driven()
    open_here: list[str] = []  # of the lane, oldest first
    for number, (what, value) in enumerate(acts):
        central.wait(1)
        match what:
            case "enter":
                answer = central.open("lane", plate_id=f"29{value}{number:05}", direction="ENTRY")
                open_here.append(answer["event_id"])
            case "set clock":
                central.wall_ms += value
            case "restart":
                central.start()
            case "close":
                expected = open_here.pop() if open_here else None
                assert central.close("lane").get("event_id") == expected


# --- by plate ---------------------------------------------------------------------------------


def test_a_close_by_plate_confirms_that_vehicle(central: Driven) -> None:
    first = central.open()["event_id"]
    central.wait(1)
    central.open(plate_id=OTHER)
    assert central.close(plate_id="29a-123.45")["event_id"] == first
    assert confirmed(central) == {first}


def test_a_close_by_plate_of_a_vehicle_that_is_not_inside_is_none(central: Driven) -> None:
    central.open()
    assert central.close(plate_id=OTHER) == NONE
    central.open("edge-2")
    assert central.close(plate_id=PLATE) == NONE


def test_a_close_by_plate_of_a_confirmed_entry_is_none(central: Driven) -> None:
    central.open()
    central.close()
    assert central.close(plate_id=PLATE) == NONE


def test_a_close_by_plate_confirms_the_type_it_names(central: Driven) -> None:
    central.open(camera_type="car")
    bike = central.open(camera_type="motorbike", direction="ENTRY")["event_id"]
    assert central.close(plate_id=PLATE, camera_type="motorbike")["event_id"] == bike


def test_a_close_by_plate_confirms_the_one_type_that_is_inside(central: Driven) -> None:
    bike = central.open(camera_type="motorbike")["event_id"]
    assert central.close("edge-9", plate_id=PLATE)["event_id"] == bike


# --- by event id ------------------------------------------------------------------------------


def test_a_close_by_event_id_confirms_that_entry(central: Driven) -> None:
    first = central.open()["event_id"]
    central.wait(1)
    central.open(plate_id=OTHER)
    assert central.close("edge-9", event_id=first)["event_id"] == first
    assert confirmed(central) == {first}


def test_a_close_by_the_id_of_a_superseded_entry_confirms_the_winner() -> None:
    one, two = pair()
    winner = one.open("edge-1")["event_id"]
    two.wait(5)
    superseded = two.open("edge-2")["event_id"]
    meet(one, two)
    for central in (one, two):
        assert superseded not in {row["event_id"] for row in central.history()}
    assert one.close("edge-2", event_id=superseded)["event_id"] == winner


@pytest.mark.parametrize(
    "wrong",
    [
        lambda id: id.replace("central-1", "central-9"),
        lambda id: id.replace(str(T0_MS), str(T0_MS + 1)),
        lambda id: id.replace(PLATE, OTHER),
        lambda id: id.replace(str(T0_MS), "0"),
        lambda id: id.replace(str(T0_MS), "9" * 15),
    ],
)
def test_a_close_by_an_event_id_that_is_unknown_is_none(
    central: Driven, wrong: Callable[[str], str]
) -> None:
    assert central.close(event_id=wrong(central.open()["event_id"])) == NONE


def test_a_close_by_the_id_of_a_stay_that_ended_or_was_confirmed_is_none(central: Driven) -> None:
    first = central.open()["event_id"]
    central.close(event_id=first)
    assert central.close(event_id=first) == NONE
    central.open("edge-2")
    assert central.close(event_id=first) == NONE


def test_a_close_by_the_id_of_an_unmatched_exit_is_none(central: Driven) -> None:
    exit_id = central.open(direction="EXIT", force=True, reason="lost")["event_id"]
    assert central.close(event_id=exit_id) == NONE


def test_a_close_whose_plate_is_not_that_of_its_event_id_is_bad(central: Driven) -> None:
    event_id = central.open()["event_id"]
    answer = central.close(event_id=event_id, plate_id=OTHER)
    assert code(answer) == "bad_request"
    assert central.close(event_id=event_id, plate_id=PLATE)["event_id"] == event_id


@pytest.mark.parametrize(
    "event_id", ["", "x", "central-1_1_", f"central-1_x_{PLATE}", f"c_{'1' * 16}_{PLATE}", 7, True]
)
def test_an_event_id_that_is_none_is_bad(central: Driven, event_id: object) -> None:
    answer = central.close(event_id=event_id)
    assert code(answer) == "bad_request"
    assert answer["error"]["message"].startswith("event_id: ")


def test_a_lane_that_always_reports_closes_is_closed_like_any_other(central: Driven) -> None:
    central.configure(lanes=(Lane("edge-1", reports_close=True),))
    entry_id = central.open()["event_id"]
    assert central.close()["event_id"] == entry_id
