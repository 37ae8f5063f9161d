"""An exit of which no entry is known: what a person says of it is what it costs."""

from typing import Any

import pytest

from tests.support.centrals import HOUR_S, T0_MS, Driven, code, meet, pair
from zparkd.core.events.payloads import Pass
from zparkd.core.gate.charges import computed_again
from zparkd.core.tariff.pricing import BUILT_IN

FORCE = {"direction": "EXIT", "force": True, "reason": "no ticket"}
LOST = {
    "rate": [
        {
            "camera_type": "car",
            "lost_ticket": 50_000,
            "step": [{"every_minutes": 60, "amount": 10_000}],
        }
    ]
}


def leave(central: Driven, **fields: Any) -> dict[str, Any]:
    return central.open("out-1", **{**FORCE, **fields})


def facts_of(central: Driven):
    facts = central.last().facts
    assert facts is not None
    return facts


def under(document: dict[str, object]) -> Driven:
    central = Driven()
    central.central.reference.set_tariff(central.now, document)
    central.step()
    return central


def test_what_was_taken_by_hand_is_its_fee() -> None:
    central = Driven()
    answer = leave(central, fee=30_000, request_id="o-1")
    assert (answer["fee"], answer["currency"], answer["unmatched"]) == (30_000, "VND", True)
    assert answer["duration_s"] == 0
    facts = facts_of(central)
    assert (facts.fee, facts.by_hand, facts.names) == (30_000, True, None)
    assert leave(central, fee=30_000, request_id="o-1") == answer
    assert computed_again(facts, T0_MS, BUILT_IN, central.settings.zone) is None


def test_what_was_taken_counts_also_where_the_entry_is_known() -> None:
    central = Driven()
    central.open(direction="ENTRY")
    central.wait(HOUR_S)
    answer = leave(central, fee=20_000)
    assert (answer["fee"], answer["duration_s"]) == (20_000, HOUR_S)
    assert "unmatched" not in answer
    assert facts_of(central).by_hand


@pytest.mark.parametrize("entry_time", ["2025-12-02 08:30:00", "2025-12-02 08:30"])
def test_it_is_priced_from_the_entry_that_a_person_says(entry_time: str) -> None:
    central = Driven()
    answer = leave(central, entry_time=entry_time)
    assert (answer["fee"], answer["duration"], answer["unmatched"]) == (
        50_000,
        "2 giờ 0 phút",
        True,
    )
    assert answer["duration_s"] == 2 * HOUR_S
    facts = facts_of(central)
    assert (facts.names, facts.entry_ms) == (None, T0_MS - 2 * HOUR_S * 1000)
    again = computed_again(facts, central.last().timestamp, BUILT_IN, central.settings.zone)
    assert again == 50_000


def test_a_known_entry_counts_before_one_that_is_said() -> None:
    central = Driven()
    central.open(direction="ENTRY")
    central.wait(HOUR_S)
    answer = leave(central, entry_time="2025-11-02 08:30:00")
    assert (answer["fee"], answer["duration_s"]) == (25_000, HOUR_S)


@pytest.mark.parametrize(
    ("fields", "fee"),
    [
        ({}, 50_000),
        ({"entry_time": "2025-12-02 08:30:00"}, 70_000),
        ({"fee": 5_000}, 5_000),
    ],
)
def test_a_lost_ticket_costs_what_the_tariff_says(fields: dict[str, object], fee: int) -> None:
    central = under(LOST)
    answer = leave(central, lost_ticket=True, **fields)
    assert answer["fee"] == fee
    lines = facts_of(central).breakdown or ()
    assert sum(int(line["amount"]) for line in lines) in (fee, 0)
    assert leave(central, plate_id="29A12346")["fee"] == 0, "a ticket that was not lost"


def test_a_pass_pays_for_it() -> None:
    central = Driven()
    held = Pass("29A12345", "car", "2025-12-01", "2025-12-31", "B")
    central.central.reference.import_passes(central.now, [held])
    central.step()
    answer = leave(central, entry_time="2025-12-02 08:30:00")
    assert (answer["fee"], answer["pass"]["holder"]) == (0, "B")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"fee": -1}, "fee: must be a whole number"),
        ({"fee": 1.5}, "fee: must be a whole number"),
        ({"fee": True}, "fee: must be a whole number"),
        ({"fee": "5000"}, "fee: must be a whole number"),
        ({"entry_time": "yesterday"}, "entry_time: must be site time"),
        ({"entry_time": "2025-13-02 08:30:00"}, "entry_time: must be site time"),
        ({"entry_time": "0001-01-01 00:00"}, "entry_time: must be site time"),
        ({"entry_time": 5}, "entry_time: must be a string"),
        ({"entry_time": "2025-12-02 10:30:01"}, "is later than now"),
        ({"fee": 0, "entry_time": "2025-12-02 08:30"}, "leave one of them out"),
    ],
)
def test_what_can_not_be_is_refused(fields: dict[str, object], said: str) -> None:
    central = Driven()
    answer = leave(central, **fields)
    assert code(answer) == "bad_request"
    assert said in answer["error"]["message"]
    assert central.events() == []


def test_a_camera_that_repeats_what_it_was_told_is_not_believed() -> None:
    central = Driven()
    central.open(direction="ENTRY")
    central.wait(HOUR_S)
    told = {"fee": 1, "entry_time": "2099-01-01 00:00:00", "direction": "EXIT"}
    assert central.open("out-1", **told)["fee"] == 25_000


def test_nobody_else_leaves_for_one_of_whom_a_person_says_what_was_paid() -> None:
    central = Driven()
    central.central.reference.set_policy(central.now, {"exit": {"misread": "accept"}})
    central.open(plate_id="29A12345", direction="ENTRY")
    for told in ({"fee": 5_000}, {"entry_time": "2025-12-02 08:30:00"}):
        assert leave(central, plate_id="29AI2345", **told)["unmatched"]
    assert [row["status"] for row in central.history()] == ["IN"]


def test_after_a_heal_it_ends_the_stay_with_what_was_paid() -> None:
    one, two = pair()
    one.open(direction="ENTRY")
    one.wait(HOUR_S)
    two.wait(HOUR_S)
    leave(two, fee=12_000)
    meet(one, two)
    for driven in (one, two):
        [row] = driven.history()
        assert (row["status"], row["fee"], row["duration_s"]) == ("OUT", 12_000, HOUR_S)
        assert row["remarks"] == "OTHER_ENTRY,FORCED"
