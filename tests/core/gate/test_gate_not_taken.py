"""A lane that always reports its close: who was let in and did not drive in is not inside."""

from typing import Any

import pytest

from tests.support.centrals import HOUR_S, PLATE, T0_MS, Driven, code, meet
from zparkd.core.events.event import Kind
from zparkd.core.site import Lane
from zparkd.core.turn import Disown, Restore

REPORTS = Lane("in-1", reports_close=True)
ENTRY: dict[str, Any] = {"direction": "ENTRY", "edge_id": "in-1"}


@pytest.fixture
def central() -> Driven:
    return Driven(lanes=[REPORTS, Lane("in-2"), Lane("out-1")])


def rows(central: Driven) -> list[dict[str, Any]]:
    """The history, once what came last is folded."""
    central.step()
    return central.history()


def not_taken(central: Driven) -> int:
    central.step()
    return central.kinds().count(Kind.NOT_TAKEN)


def untaken(central: Driven) -> str:
    """Let a vehicle in that does not drive in; the `event_id` of its stay."""
    event_id = central.open(**ENTRY)["event_id"]
    central.wait(120)
    assert not_taken(central) == 1
    assert isinstance(event_id, str)
    return event_id


def test_an_entry_without_a_close_ends_after_so_long(central: Driven) -> None:
    entry = central.open(**ENTRY)["event_id"]
    central.wait(119)
    assert not_taken(central) == 0
    central.wait(1)
    assert not_taken(central) == 1
    [row] = rows(central)
    assert (row["event_id"], row["status"], row["closed_by"]) == (entry, "OUT", "NOT_TAKEN")
    assert (row["fee"], row["exit_ms"], row["exit_edge_id"]) == (None, T0_MS + 120_000, "in-1")
    central.wait(HOUR_S)
    assert not_taken(central) == 1


def test_one_that_is_closed_in_time_stays(central: Driven) -> None:
    central.open(**ENTRY)
    central.wait(119)
    assert central.close("in-1")["action"] == "ENTRY_CONFIRMED"
    central.wait(HOUR_S)
    assert not_taken(central) == 0
    assert [row["status"] for row in rows(central)] == ["IN"]


def test_elsewhere_an_entry_without_a_close_stays(central: Driven) -> None:
    central.open(edge_id="in-2", direction="ENTRY")
    central.wait(HOUR_S)
    assert not_taken(central) == 0
    [row] = rows(central)
    assert (row["status"], row["confirmed"]) == ("IN", 0)


def test_how_long_is_the_sites_to_say(central: Driven) -> None:
    policy = {"entry": {"not_taken_after_s": 5}}
    central.central.reference.set_policy(central.now, policy)
    central.open(**ENTRY)
    central.wait(4.9)
    assert not_taken(central) == 0
    central.wait(0.1)
    assert not_taken(central) == 1


def test_one_that_left_meanwhile_is_not_asked_for(central: Driven) -> None:
    central.open(**ENTRY)
    assert central.open("out-1", direction="EXIT")["success"]
    central.wait(HOUR_S)
    assert not_taken(central) == 0


def test_a_restart_begins_anew(central: Driven) -> None:
    central.open(**ENTRY)
    central.wait(100)
    central.start()
    central.step()
    central.wait(119)
    assert not_taken(central) == 0
    central.wait(1)
    assert not_taken(central) == 1


def test_the_wall_clock_has_no_part_in_it(central: Driven) -> None:
    central.open(**ENTRY)
    central.wall_ms += 5 * HOUR_S * 1000
    assert not_taken(central) == 0
    central.wait(120)
    assert not_taken(central) == 1


def test_what_was_undone_is_waited_for_again(central: Driven) -> None:
    central.open(**ENTRY)
    central.wait(120)
    central.central.step(central.now, [])
    central.store.rollback()
    central.central.forget()
    assert not_taken(central) == 0
    central.wait(120)
    assert not_taken(central) == 1


def test_one_that_counts_again_has_as_long_as_any_other() -> None:
    one, two = (
        Driven(id, peers=[other], lanes=[REPORTS])
        for id, other in (("central-1", "central-2"), ("central-2", "central-1"))
    )
    two.step(Disown("central-1"))
    meet(one, two)
    one.open(**ENTRY)
    one.wait(120)
    assert not_taken(one) == 0  # a central that is disowned says nothing that counts
    two.step(Restore("central-1"))
    meet(one, two)
    one.wait(119)
    assert not_taken(one) == 0
    one.wait(1)
    assert not_taken(one) == 1


def test_only_its_origin_says_so() -> None:
    one, two = (
        Driven(id, peers=[other], lanes=[REPORTS])
        for id, other in (("central-1", "central-2"), ("central-2", "central-1"))
    )
    one.open(**ENTRY)
    meet(one, two)
    two.wait(HOUR_S)
    assert not_taken(two) == 0
    one.wait(HOUR_S)
    assert not_taken(one) == 1
    meet(one, two)
    assert [row["closed_by"] for row in two.history()] == ["NOT_TAKEN"]


# --- at the gate afterwards -----------------------------------------------------------------------


def test_it_may_come_in_again(central: Driven) -> None:
    untaken(central)
    assert central.detect("in-1", direction="ENTRY")["vehicle_info"]["already_inside"] is False
    assert central.open()["action"] == "ENTRY"
    assert [row["status"] for row in rows(central)] == ["OUT", "IN"]


def test_it_may_leave_as_if_it_were_inside(central: Driven) -> None:
    event_id = untaken(central)
    central.wait(HOUR_S)
    info = central.detect("out-1", direction="EXIT")["vehicle_info"]
    assert (info["already_inside"], info["event_id"], info["fee"]) == (True, event_id, 50_000)
    answer = central.open("out-1", direction="EXIT")
    assert (answer["event_id"], answer["fee"]) == (event_id, 50_000)
    [row] = rows(central)
    assert (row["status"], row["closed_by"], row["fee"]) == ("OUT", "EXIT", 50_000)
    assert row["remarks"] is None
    assert code(central.open("out-1", direction="EXIT", request_id="again")) == "not_inside"


def test_its_stay_can_be_named(central: Driven) -> None:
    event_id = untaken(central)
    answer = central.open("out-1", "29AI2345", event_id=event_id)
    assert answer["plate_id"] == PLATE
    assert [row["closed_by"] for row in rows(central)] == ["EXIT"]


def test_after_a_day_it_is_outside(central: Driven) -> None:
    event_id = untaken(central)
    central.wait(24 * HOUR_S + 1)
    assert code(central.open("out-1", direction="EXIT")) == "not_inside"
    assert code(central.open("out-1", event_id=event_id)) == "not_inside"
    assert central.close("in-1", event_id=event_id)["action"] == "NONE"


def test_a_motorbike_that_was_not_taken_leaves_without_saying_its_type(central: Driven) -> None:
    central.open(camera_type="motorbike", **ENTRY)
    central.wait(120)
    assert not_taken(central) == 1
    assert central.open("out-1", direction="EXIT")["success"]
    assert [row["closed_by"] for row in rows(central)] == ["EXIT"]


def test_who_came_in_again_leaves_from_there(central: Driven) -> None:
    untaken(central)
    second = central.open(direction="ENTRY", edge_id="in-2")["event_id"]
    assert central.open("out-1", direction="EXIT")["event_id"] == second
    assert [row["closed_by"] for row in rows(central)] == ["NOT_TAKEN", "EXIT"]


def test_a_close_that_names_it_brings_it_back(central: Driven) -> None:
    event_id = untaken(central)
    assert central.close("in-1")["action"] == "NONE"
    assert central.close("in-1", event_id=event_id)["action"] == "ENTRY_CONFIRMED"
    [row] = rows(central)
    assert (row["status"], row["confirmed"], row["closed_by"]) == ("IN", 1, None)


def test_it_takes_no_room(central: Driven) -> None:
    policy = {"capacity": {"car": 1}, "entry": {"full": "refuse"}}
    central.central.reference.set_policy(central.now, policy)
    untaken(central)
    assert central.open(plate_id="29A00002", edge_id="in-2", direction="ENTRY")["success"]
    assert code(central.open(plate_id="29A00003", edge_id="in-2", direction="ENTRY")) == "full"
