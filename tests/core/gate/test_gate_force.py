"""What force overrides, and what it leaves behind."""

import pytest

from tests.support.centrals import HOUR_S, PLATE, T0_MS, Driven, code, meet, pair, success
from zparkd.core.events.event import Kind

FORCE = {"force": True, "reason": "camera misread"}


@pytest.fixture
def central() -> Driven:
    return Driven()


@pytest.mark.parametrize("reason", [None, "", "   "])
@pytest.mark.parametrize("plate_id", [PLATE, None])
def test_force_without_a_reason_is_bad(
    central: Driven, reason: str | None, plate_id: str | None
) -> None:
    answer = central.open(plate_id=plate_id, force=True, reason=reason)
    assert code(answer) == "bad_request"
    assert answer["error"]["message"].startswith("reason: ")
    assert central.events() == []


@pytest.mark.parametrize("force", ["yes", 1, [], "true"])
def test_force_is_true_or_false(central: Driven, force: object) -> None:
    answer = central.open(force=force, reason="x")
    assert code(answer) == "bad_request"
    assert answer["error"]["message"].startswith("force: ")


def test_a_reason_without_force_forces_nothing(central: Driven) -> None:
    assert code(central.open(direction="EXIT", reason="please")) == "not_inside"
    assert code(central.open(direction="EXIT", reason="please", force=False)) == "not_inside"


# --- forced entries ---------------------------------------------------------------------------


def test_a_forced_entry_of_a_vehicle_that_is_inside_ends_that_stay_without_a_fee(
    central: Driven,
) -> None:
    stale = central.open(request_id="1")["event_id"]
    central.wait(2 * HOUR_S)
    answer = central.open(direction="ENTRY", **FORCE)
    assert answer == {
        "success": True,
        "request_id": None,
        "action": "ENTRY",
        "event_id": f"central-1_{T0_MS + 2 * HOUR_S * 1000}_{PLATE}",
        "history_id": central.history()[1]["id"],
    }
    old, new = central.history()
    assert (old["event_id"], old["status"], old["closed_by"]) == (stale, "OUT", "FORCED_ENTRY")
    assert (old["fee"], old["duration_s"]) == (None, 2 * HOUR_S)
    assert "FORCED" in old["remarks"]
    assert (new["event_id"], new["status"]) == (answer["event_id"], "IN")


def test_a_forced_entry_names_the_stay_that_it_calls_stale(central: Driven) -> None:
    central.open(request_id="1")
    stale = central.last().position
    central.open(direction="ENTRY", **FORCE)
    assert central.last().names == stale


def test_a_forced_entry_ends_no_stay_but_the_one_it_names(central: Driven) -> None:
    central.open(camera_type="motorbike")
    central.open("edge-3", plate_id="30F99999")
    central.open("edge-2", camera_type="car")
    central.open("edge-2", camera_type="car", direction="ENTRY", **FORCE)
    assert [row["status"] for row in central.history()] == ["IN", "IN", "OUT", "IN"]


def test_a_forced_entry_ends_the_stay_it_names_and_no_other_that_is_open_elsewhere() -> None:
    one, two = pair()
    one.open()
    meet(one, two)
    two.open("edge-2", direction="EXIT")
    two.wait(10)
    reentered = two.open("edge-2", direction="ENTRY")["event_id"]
    one.wait(60)
    forced = one.open(direction="ENTRY", **FORCE)
    assert forced["action"] == "ENTRY"
    meet(one, two)
    assert one.history()[-1]["event_id"] == two.history()[-1]["event_id"] == reentered
    assert [row["status"] for row in one.history()] == ["OUT", "IN"]
    assert [row["closed_by"] for row in one.history()] == ["EXIT", None]


def test_a_forced_entry_of_a_vehicle_that_is_not_inside_is_an_ordinary_one(
    central: Driven,
) -> None:
    assert central.open(direction="ENTRY", **FORCE)["action"] == "ENTRY"
    assert central.last().names is None
    central.wait(60)
    central.open("edge-2")
    assert central.history()[0]["remarks"] is None


def test_the_reason_and_who_gave_it_are_kept(central: Driven) -> None:
    central.open(direction="ENTRY", staff_id="nv01", **FORCE)
    event = central.last()
    assert event.facts is not None
    assert event.personal is not None
    assert event.facts.forced
    assert (event.personal.reason, event.personal.staff_id) == ("camera misread", "nv01")


# --- forced exits -----------------------------------------------------------------------------


def test_a_forced_exit_with_no_entry_known_is_unmatched_and_free(central: Driven) -> None:
    answer = central.open(direction="EXIT", request_id="x", **FORCE)
    assert answer == {
        "success": True,
        "request_id": "x",
        "action": "EXIT",
        "event_id": f"central-1_{T0_MS}_{PLATE}",
        "fee": 0,
        "currency": "VND",
        "duration": "0 phút",
        "duration_s": 0,
        "unmatched": True,
    }
    assert central.history() == []
    assert central.kinds() == [Kind.EXIT]


def test_a_forced_exit_of_a_vehicle_that_is_inside_is_an_exit_with_its_fee(
    central: Driven,
) -> None:
    entry_id = central.open()["event_id"]
    central.wait(HOUR_S)
    answer = central.open("edge-2", direction="EXIT", **FORCE)
    assert (answer["event_id"], answer["fee"]) == (entry_id, 25_000)
    assert "unmatched" not in answer
    assert central.history()[0]["remarks"] == "FORCED"


def test_an_unmatched_exit_ends_a_stay_that_turns_out_to_have_been_open() -> None:
    one, two = pair()
    one.open()
    two.wait(600)
    two.open("edge-2", direction="EXIT", **FORCE)
    meet(one, two)
    (row,) = one.history()
    assert (row["status"], row["fee"], row["duration_s"]) == ("OUT", 0, 600)
    assert set(row["remarks"].split(",")) == {"OTHER_ENTRY", "FORCED"}


def test_force_with_a_direction_that_needs_none_changes_nothing_of_the_answer(
    central: Driven,
) -> None:
    assert central.open(**FORCE)["action"] == "ENTRY"
    central.wait(60)
    assert central.open("edge-2", **FORCE)["action"] == "EXIT"


# --- manual opens -----------------------------------------------------------------------------


def test_force_without_a_plate_opens_for_something_without_a_plate(central: Driven) -> None:
    answer = central.open(plate_id=None, request_id="m", staff_id="nv01", **FORCE)
    assert answer == {"success": True, "request_id": "m", "action": "MANUAL"}
    assert central.history() == []
    event = central.last()
    assert event.kind == Kind.MANUAL
    assert event.personal is not None
    assert (event.personal.reason, event.personal.staff_id) == ("camera misread", "nv01")
    assert event.personal.plate_id is None


def test_an_open_without_a_plate_and_without_force_is_bad(central: Driven) -> None:
    answer = central.open(plate_id=None, reason="fire")
    assert code(answer) == "bad_request"
    assert answer["error"]["message"].startswith("plate_id: ")


def test_manual_opens_without_a_request_id_are_each_recorded(central: Driven) -> None:
    assert all(success(central.open(plate_id=None, **FORCE)) for _ in range(2))
    assert central.kinds() == [Kind.MANUAL, Kind.MANUAL]


def test_a_detection_can_not_be_forced_to_do_without_a_plate(central: Driven) -> None:
    assert code(central.ask("DETECTION", **FORCE)) == "bad_request"
