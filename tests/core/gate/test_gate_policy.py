"""What the policy of the site says at a gate: when it is full, and which plates to look out for."""

import orjson
import pytest

from tests.support.centrals import HOUR_S, Driven, code, meet, pair
from zparkd.core.gate.deeds import (
    Correct,
    Teller,
)
from zparkd.core.site import Direction, Lane
from zparkd.core.view import View
from zparkd.daemon.problems import Faults
from zparkd.daemon.status import status

BIKE = {"camera_type": "motorbike"}


def under(document: dict[str, object], central: Driven | None = None) -> Driven:
    """A central whose site has this policy."""
    central = central or Driven()
    central.central.reference.set_policy(central.now, document)
    central.step()
    return central


def enter(central: Driven, plate: str, **fields: object):
    return central.open(plate_id=plate, direction="ENTRY", **fields)


def problems(central: Driven, wanted: str) -> list[str]:
    """What is said of problems with this code."""
    told = status(View(central.central, central.now), central.store, central.now, Faults())
    return [it["message"] for it in told["problems"] if it["code"] == wanted]


def room_for(cars: int, full: str = "refuse") -> dict[str, object]:
    return {"capacity": {"car": cars}, "entry": {"full": full}}


# --- full -------------------------------------------------------------------------------------


def test_one_that_is_full_refuses_who_comes_until_one_leaves() -> None:
    central = under(room_for(2))
    assert enter(central, "29A00001")["success"]
    assert enter(central, "29A00002")["success"]
    answer = enter(central, "29A00003")
    assert code(answer) == "full"
    assert "2 of car are inside" in answer["error"]["message"]
    assert len(central.history()) == 2
    assert central.open(plate_id="29A00001", direction="EXIT")["success"]
    assert enter(central, "29A00003")["success"]


def test_who_left_in_the_same_turn_makes_room_also_where_people_corrected_its_past() -> None:
    central = under(room_for(1))
    first = enter(central, "29A00001")["event_id"]
    central.wait(1)
    central.step(Correct(Teller("nv01", "misread"), first, "29A00002", "29A-000.02"))
    asked = [{"plate_id": "29A00002", "direction": "EXIT"}]
    asked += [{"plate_id": "29A00003", "direction": "ENTRY"}]
    opened = [{"type": "BARRIER_OPEN", "edge_id": "edge-1", **it} for it in asked]
    answers = central.ask_bytes(*map(orjson.dumps, opened))
    assert [it["success"] for it in answers] == [True, True]


def test_who_is_just_found_not_to_have_driven_in_makes_room() -> None:
    central = Driven(lanes=[Lane("in-1", reports_close=True)])
    under(room_for(1), central)
    assert enter(central, "29A00001", edge_id="in-1")["success"]
    central.wait(120)
    assert enter(central, "29A00002", edge_id="in-1")["success"]


def test_a_type_that_is_not_named_is_never_full() -> None:
    central = under(room_for(0))
    assert code(enter(central, "29A00001")) == "full"
    assert enter(central, "29A00001", **BIKE)["success"]


def test_who_is_inside_is_told_that_and_not_that_it_is_full() -> None:
    central = under(room_for(1))
    enter(central, "29A00001")
    assert code(enter(central, "29A00001")) == "already_inside"


def test_force_lets_one_more_in_and_the_event_says_so() -> None:
    central = under(room_for(1))
    enter(central, "29A00001")
    answer = enter(central, "29A00002", force=True, reason="the mayor")
    assert answer["action"] == "ENTRY"
    facts = central.last().facts
    assert facts is not None
    assert (facts.over_capacity, facts.forced) == (True, True)


def test_where_it_is_only_noted_all_come_in_and_the_event_says_so() -> None:
    central = under(room_for(1, "allow"))
    for plate, is_over in (("29A00001", False), ("29A00002", True)):
        assert enter(central, plate)["success"]
        facts = central.last().facts
        assert facts is not None
        assert facts.over_capacity is is_over


def test_a_stay_that_its_entry_ends_makes_room() -> None:
    central = under(room_for(1))
    enter(central, "29A00001")
    answer = enter(central, "29A00001", force=True, reason="it left unseen")
    assert answer["success"]
    facts = central.last().facts
    assert facts is not None
    assert not facts.over_capacity


def test_it_is_judged_once_by_what_is_held_and_said_what_may_be_missing() -> None:
    one, two = pair()
    under(room_for(1), one)
    meet(one, two)
    enter(one, "29A00001", request_id="r-1")
    one.wait(HOUR_S)
    refused = enter(one, "29A00002")
    assert (code(refused), refused["incomplete"]) == ("full", ["central-2"])
    assert enter(two, "29A00003")["success"], "it does not know of the first"
    meet(one, two)
    events = one.events()
    assert [it.facts.over_capacity for it in events if it.facts is not None] == [False, False]
    assert code(enter(two, "29A00002")) == "full"


def test_a_retry_is_answered_again_also_when_it_is_full_by_now() -> None:
    central = under(room_for(1))
    answer = enter(central, "29A00001", request_id="r-1")
    assert enter(central, "29A00001", request_id="r-1") == answer


# --- plates to look out for ---------------------------------------------------------------------


def test_a_watched_plate_is_told_with_its_words_and_is_a_problem_for_ten_minutes() -> None:
    central = under({"watch": {"29A-123.45": "stolen"}})
    assert "watch" not in central.detect(plate_id="29A12346")["vehicle_info"]
    assert central.detect("in-2", plate_id="29a 12345")["vehicle_info"]["watch"] == "stolen"
    assert problems(central, "WATCHED_PLATE") == ["29A12345 at in-2: stolen"]
    central.wait(600)
    assert len(problems(central, "WATCHED_PLATE")) == 1
    central.wait(1)
    assert problems(central, "WATCHED_PLATE") == []


def test_one_that_only_opens_is_a_problem_too_whatever_the_answer_is() -> None:
    central = under({"watch": {"29A12345": "no pay"}})
    assert code(central.open("out-1", direction="EXIT")) == "not_inside"
    central.wait(1)
    central.open("in-1", direction="ENTRY")
    assert problems(central, "WATCHED_PLATE") == [
        "29A12345 at in-1: no pay",
        "29A12345 at out-1: no pay",
    ]


# --- a lane that says nothing -------------------------------------------------------------------


def test_a_lane_that_was_used_and_says_nothing_is_a_problem() -> None:
    central = under({"alerts": {"silent_edge_min": 30}}, Driven(lanes=[Lane("in-2")]))
    central.detect("in-1")
    central.wait(29 * 60)
    assert problems(central, "SILENT_EDGE") == []
    central.wait(60)
    assert problems(central, "SILENT_EDGE") == ["in-1 says nothing for 30 min"]
    central.ask("PING", "in-1")
    assert problems(central, "SILENT_EDGE") == []


def test_without_a_bound_silence_is_none() -> None:
    central = under({})
    central.detect("in-1")
    central.wait(24 * HOUR_S)
    assert problems(central, "SILENT_EDGE") == []


def test_a_central_that_was_off_calls_no_lane_silent_before_it_listened_so_long() -> None:
    central = under({"alerts": {"silent_edge_min": 30}})
    central.detect("in-1")
    seen = central.central.edges.seen()
    central.wait(3 * HOUR_S)
    central.start()
    central.central.edges.restore(seen)
    assert problems(central, "SILENT_EDGE") == []
    central.wait(30 * 60)
    assert problems(central, "SILENT_EDGE") == ["in-1 says nothing for 210 min"]


def test_a_lane_that_asks_another_central_is_not_silent() -> None:
    one, two = pair()
    under({"alerts": {"silent_edge_min": 30}}, one)
    one.detect("in-1")
    for driven in (one, two):
        driven.wait(31 * 60)
    two.open("in-1", direction="ENTRY")
    meet(one, two)
    assert problems(one, "SILENT_EDGE") == []


# --- two types with one plate ---------------------------------------------------------------------


def both_inside(*lanes: Lane) -> Driven:
    central = Driven(lanes=lanes)
    enter(central, "29A12345", camera_type="car")
    enter(central, "29A12345", **BIKE)
    return central


@pytest.mark.parametrize("said", [{"direction": "EXIT"}, {}])
def test_an_exit_of_a_plate_that_is_inside_twice_is_not_guessed(said: dict[str, str]) -> None:
    central = both_inside()
    answer = central.open("out-1", **said)
    assert code(answer) == "bad_request"
    assert "is inside as car and motorbike" in answer["error"]["message"]
    assert len(central.events()) == 2


def test_the_request_says_which_or_its_lane_or_its_detection() -> None:
    for lanes, said in (
        ([], BIKE),
        ([Lane("out-1", direction=Direction.EXIT, camera_type="motorbike")], {}),
    ):
        central = both_inside(*lanes)
        assert central.open("out-1", direction="EXIT", **said)["success"]
        assert [row["status"] for row in central.history()] == ["IN", "OUT"]
    central = both_inside()
    central.detect("out-1", direction="EXIT", **BIKE)
    assert central.open("out-1")["success"]
    assert [row["status"] for row in central.history()] == ["IN", "OUT"]


def test_or_the_stay_that_it_names() -> None:
    central = both_inside()
    event_id = central.events()[1].event_id
    assert central.open("out-1", event_id=event_id)["event_id"] == event_id
    assert [row["status"] for row in central.history()] == ["IN", "OUT"]


def test_an_entry_says_its_type_or_is_a_car() -> None:
    assert code(enter(both_inside(), "29A12345")) == "already_inside"
