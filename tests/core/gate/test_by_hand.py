"""What people say of stays afterwards: what is recorded, refused, and what the stay is then."""

from typing import Any

import pytest

from tests.support.centrals import HOUR_S, PLATE, T0_MS, Driven, meet, pair
from zparkd.core.events.event import Kind
from zparkd.core.gate.deeds import (
    Charge,
    Close,
    Correct,
    Deed,
    Done,
    Enter,
    NotDone,
    Teller,
    Void,
)
from zparkd.core.principal import Principal
from zparkd.core.reference.lists import read_staff
from zparkd.core.stays.fold import ClosedBy, Remark
from zparkd.core.turn import ImportStaff

WHO = Teller("nv01", "seen on the recording", Principal(uid=0))
OTHER = "30F99999"


def say(driven: Driven, deed: Deed) -> Done:
    driven.wait(1)
    (outcome,) = driven.step(deed).outcomes
    assert isinstance(outcome, Done), outcome
    return outcome


def refused(driven: Driven, deed: Deed) -> str:
    before = len(driven.events())
    (outcome,) = driven.step(deed).outcomes
    assert isinstance(outcome, NotDone), outcome
    assert len(driven.events()) == before
    assert str(outcome)
    return outcome.code


def entered(driven: Driven, plate_id: str = PLATE) -> str:
    return str(driven.open(plate_id=plate_id, direction="ENTRY")["event_id"])


def left(driven: Driven, plate_id: str = PLATE) -> dict[str, Any]:
    return driven.open(plate_id=plate_id, direction="EXIT")


def test_who_said_it_and_why_stands_in_the_event() -> None:
    driven = Driven()
    said = say(driven, Correct(WHO, entered(driven), OTHER, "30F-999.99"))
    assert said.recorded.facts is not None
    facts = said.recorded.facts
    assert (facts.staff_id, facts.reason, facts.by) == ("nv01", WHO.reason, Principal(uid=0))
    assert b"seen on the recording" in said.recorded.skeleton


def test_a_corrected_vehicle_leaves_by_its_right_plate_and_the_id_stays() -> None:
    driven = Driven()
    id = entered(driven)
    (before,) = driven.history()
    stay = say(driven, Correct(WHO, id, OTHER, "30F-999.99")).stay
    assert stay is not None
    assert (stay.event_id, stay.vehicle.plate_id, stay.plate_view) == (id, OTHER, "30F-999.99")
    assert driven.open(direction="EXIT")["error"]["code"] == "not_inside"
    driven.wait(HOUR_S)
    assert left(driven, OTHER)["event_id"] == id
    driven.step()
    (row,) = driven.history()
    assert (row["id"], row["event_id"], row["plate_id"]) == (before["id"], id, OTHER)
    assert (row["status"], row["remarks"]) == ("OUT", "CORRECTED")


def test_the_answer_to_a_repeated_exit_of_a_corrected_stay_is_the_same() -> None:
    driven = Driven()
    id = entered(driven)
    say(driven, Correct(WHO, id, OTHER, OTHER))
    first = driven.open(plate_id=OTHER, direction="EXIT", request_id="r1")
    again = driven.open(plate_id=OTHER, direction="EXIT", request_id="r1")
    assert first == again
    assert first["event_id"] == id


def test_a_correction_of_a_forced_exit_ends_the_ghost_that_it_left() -> None:
    driven = Driven()
    ghost = entered(driven)
    driven.wait(HOUR_S)
    out = driven.open(plate_id=OTHER, direction="EXIT", force=True, reason="misread")["event_id"]
    stay = say(driven, Correct(WHO, out, PLATE, PLATE)).stay
    assert stay is not None
    assert (stay.event_id, stay.closed_by) == (ghost, ClosedBy.EXIT)


def test_a_stay_closed_by_hand_is_over_with_its_fee() -> None:
    driven = Driven()
    id = entered(driven)
    driven.wait(2 * HOUR_S)
    stay = say(driven, Close(WHO, id, driven.wall_ms - HOUR_S * 1000, 30_000)).stay
    assert stay is not None
    assert (stay.closed_by, stay.fee, stay.duration_s) == (ClosedBy.CORRECTION, 30_000, HOUR_S)
    assert refused(driven, Close(WHO, id)) == "not_open"
    assert driven.open(direction="EXIT")["error"]["code"] == "not_inside"
    assert driven.open(direction="ENTRY")["success"]


def test_what_is_told_afterwards_moves_no_clock_and_stands_at_its_time() -> None:
    driven = Driven()
    driven.wait(3 * HOUR_S)
    said = say(driven, Enter(WHO, PLATE, "29A-123.45", T0_MS, "car"))
    assert (said.recorded.timestamp, said.recorded.order) == (T0_MS, T0_MS)
    assert said.stay is not None
    assert said.stay.remarks == (Remark.ENTERED_BY_HAND,)
    fee = left(driven)["fee"]
    assert fee == 4 * 25_000, "three hours and a second"


def test_an_entry_by_hand_before_an_unmatched_exit_makes_a_stay_of_both() -> None:
    driven = Driven()
    driven.wait(HOUR_S)
    driven.open(direction="EXIT", force=True, reason="no entry known")
    stay = say(driven, Enter(WHO, PLATE, PLATE, T0_MS, "car")).stay
    assert stay is not None
    assert stay.closed_by is ClosedBy.EXIT


def test_a_void_entry_has_no_stay_and_a_void_void_brings_it_back() -> None:
    driven = Driven()
    id = entered(driven)
    voided = say(driven, Void(WHO, id))
    assert voided.stay is None
    assert driven.history() == []
    assert refused(driven, Void(WHO, id)) == "void"
    void_id = voided.recorded.event_id
    assert void_id is not None
    say(driven, Void(WHO, void_id))
    assert [row["event_id"] for row in driven.history()] == [id]


def test_a_void_exit_opens_the_stay_again() -> None:
    driven = Driven()
    id = entered(driven)
    driven.wait(60)
    left(driven)
    stay = say(driven, Void(WHO, id, exit=True)).stay
    assert stay is not None
    assert stay.closed_by is None
    assert refused(driven, Void(WHO, id, exit=True)) == "not_over"
    assert left(driven)["success"]


def test_a_void_exit_opens_the_stay_of_a_corrected_vehicle_again() -> None:
    driven = Driven()
    id = entered(driven)
    say(driven, Correct(WHO, id, OTHER, OTHER))
    driven.wait(60)
    left(driven, OTHER)
    driven.step()
    stay = say(driven, Void(WHO, id, exit=True)).stay
    assert stay is not None
    assert (stay.vehicle.plate_id, stay.closed_by) == (OTHER, None)
    driven.step()
    assert [row["status"] for row in driven.history()] == ["IN"]


def test_charges_add_up_beside_the_fee() -> None:
    driven = Driven()
    id = entered(driven)
    driven.wait(60)
    left(driven)
    say(driven, Charge(WHO, id, 10_000))
    stay = say(driven, Charge(WHO, id, -35_000)).stay
    assert stay is not None
    assert (stay.fee, stay.adjusted) == (25_000, -25_000)
    assert driven.history()[0]["adjusted"] == -25_000


@pytest.mark.parametrize(
    ("deed", "code"),
    [
        (Correct(WHO, "central-1_1_29A12345", OTHER, OTHER), "unknown_event"),
        (Close(WHO, "nonsense"), "unknown_event"),
        (Void(WHO, "central-1_1817300000000001_1"), "unknown_event"),
        (Enter(WHO, PLATE, PLATE, T0_MS + 10**9, "car"), "bad_request"),
        (Enter(WHO, PLATE, PLATE, T0_MS + 500, "car"), "already_inside"),
    ],
)
def test_what_can_not_be_meant_is_refused(deed: Deed, code: str) -> None:
    driven = Driven()
    entered(driven)
    driven.wait(1)
    assert refused(driven, deed) == code


def test_a_correction_to_what_it_is_already_is_refused() -> None:
    driven = Driven()
    id = entered(driven)
    assert refused(driven, Correct(WHO, id, PLATE, PLATE)) == "no_change"
    say(driven, Correct(WHO, id, OTHER, OTHER))
    assert refused(driven, Correct(WHO, id, OTHER, OTHER)) == "no_change"
    stay = say(driven, Correct(WHO, id, PLATE, PLATE)).stay
    assert stay is not None
    assert stay.vehicle.plate_id == PLATE


def test_an_exit_that_names_its_entry_is_not_corrected_by_itself() -> None:
    driven = Driven()
    id = entered(driven)
    driven.wait(60)
    left(driven)
    exit_id = driven.last().event_id
    assert exit_id is not None
    assert refused(driven, Correct(WHO, exit_id, OTHER, OTHER)) == "not_an_entry"
    assert id in str(driven.step(Correct(WHO, exit_id, OTHER, OTHER)).outcomes[0])


def test_with_a_staff_list_only_who_is_on_it_may() -> None:
    driven = Driven()
    id = entered(driven)
    driven.step(ImportStaff(read_staff([{"staff_id": "nv02", "name": "B"}])))
    assert refused(driven, Void(WHO, id)) == "not_staff"
    say(driven, Void(Teller("nv02", "mine"), id))


def test_corrections_on_both_sides_of_a_cut_come_to_the_same() -> None:
    one, two = pair()
    id = entered(one)
    meet(one, two)
    say(one, Correct(WHO, id, OTHER, OTHER))
    say(one, Charge(WHO, id, 5_000))
    two.wait(10)
    left(two)
    say(two, Correct(WHO, id, "51G12345", "51G-123.45"))
    meet(one, two)
    shared = [
        [{k: v for k, v in row.items() if k not in ("id", "sync_status")} for row in it.history()]
        for it in (one, two)
    ]
    assert shared[0] == shared[1]
    (row,) = shared[0]
    assert (row["plate_id"], row["status"], row["adjusted"]) == ("51G12345", "OUT", 5_000)
    assert one.kinds().count(Kind.CORRECTED) == 2
