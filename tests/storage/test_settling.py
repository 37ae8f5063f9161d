"""What a merge leaves to be settled: told as a sum, until a charge on the stay settled it."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.centrals import HOUR_S, PLATE, Driven, meet
from zparkd.core.events.payloads import Acknowledged
from zparkd.core.gate.deeds import (
    Charge,
    Teller,
)
from zparkd.core.turn import Acknowledge
from zparkd.storage.readers.conflicts import conflicts, find
from zparkd.storage.readers.connection import read_only


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Driven, Driven]:
    """Two centrals that are cut off from each other."""
    return (
        Driven("central-1", peers=["central-2"], path=tmp_path / "one.db"),
        Driven("central-2", peers=["central-1"], path=tmp_path / "two.db"),
    )


def listed(driven: Driven) -> list[dict[str, Any]]:
    """The open conflicts, as a reader sees them."""
    driven.step()
    with closing(read_only(driven.path)) as connection:
        return conflicts(connection, driven.settings.zone)


def dues(driven: Driven) -> dict[str, Any]:
    """What is still to be taken or given back, by the kind of conflict that is open."""
    return {row["kind"]: row["due"] for row in listed(driven)}


def charge(driven: Driven, event_id: str | None, amount: int) -> None:
    assert event_id is not None
    driven.step(Charge(Teller("nv01", "settled"), event_id, amount))


def wait(pair: tuple[Driven, Driven], hours: float) -> None:
    for driven in pair:
        driven.wait(hours * HOUR_S)


def test_a_stay_that_began_earlier_than_its_exit_knew_paid_too_little(
    pair: tuple[Driven, Driven],
) -> None:
    one, two = pair
    one.open(direction="ENTRY")
    stay = one.last().event_id
    wait(pair, 2)
    two.open(direction="ENTRY")
    wait(pair, 1)
    assert two.open("out", direction="EXIT")["fee"] == 25_000
    meet(one, two)
    for driven in pair:
        assert dues(driven) == {"SUPERSEDED": None, "OTHER_ENTRY": 50_000}
    charge(one, stay, 30_000)
    meet(one, two)
    assert [dues(driven).get("OTHER_ENTRY") for driven in pair] == [20_000, 20_000]
    charge(two, stay, 20_000)
    meet(one, two)
    assert [dues(driven).get("OTHER_ENTRY") for driven in pair] == [None, None]


def test_what_was_charged_in_part_stays_open_until_nothing_is_left_or_it_is_acknowledged(
    pair: tuple[Driven, Driven],
) -> None:
    one, two = pair
    one.open(direction="ENTRY")
    stay = one.last().event_id
    wait(pair, 2)
    two.open(direction="ENTRY")
    wait(pair, 1)
    two.open("out", direction="EXIT")
    meet(one, two)
    id = next(row["id"] for row in listed(one) if row["kind"] == "OTHER_ENTRY")
    # Charged so far, then what is left of the 50,000: below 0 it was too much.
    for amount, left in ((30_000, 20_000), (30_000, -10_000), (-10_000, None), (5_000, -5_000)):
        charge(one, stay, amount)
        meet(one, two)
        for driven in pair:
            assert dues(driven) == {"SUPERSEDED": None} | (
                {"OTHER_ENTRY": left} if left is not None else {}
            )
            assert driven.store.open_conflicts() == len(listed(driven))
            found = find(driven.store.connection, driven.settings.zone, id)
            assert found is not None
            assert found.open is (left is not None)
    said = Acknowledged("OTHER_ENTRY", tuple(found.about), "seen", "nv01")
    two.step(Acknowledge(said))
    meet(one, two)
    for driven in pair:
        assert dues(driven) == {"SUPERSEDED": None}
        assert driven.store.open_conflicts() == 1


def test_a_charge_settles_a_stay_that_was_ended_by_force_of_which_no_sum_is_known(
    pair: tuple[Driven, Driven],
) -> None:
    one, _ = pair
    one.open(direction="ENTRY")
    stay = one.last().event_id
    wait(pair, 1)
    one.open(direction="ENTRY", force=True, reason="it left unseen")
    assert dues(one) == {"FORCED": None}
    charge(one, stay, 5_000)
    assert dues(one) == {}
    assert one.store.open_conflicts() == 0


def test_who_paid_at_two_gates_paid_too_much(pair: tuple[Driven, Driven]) -> None:
    one, two = pair
    one.open(direction="ENTRY")
    stay = one.last().event_id
    meet(one, two)
    wait(pair, 1)
    for driven in pair:
        assert driven.open("out", direction="EXIT")["success"]
        driven.wait(1)
    meet(one, two)
    first = dues(one)
    assert first == dues(two)
    assert first["ENDED_NOTHING"] == -50_000
    charge(one, stay, -50_000)
    meet(one, two)
    assert dues(two)["ENDED_NOTHING"] is None


def test_what_was_taken_by_hand_for_a_stay_that_came_to_be_known_is_held_against_it(
    pair: tuple[Driven, Driven],
) -> None:
    one, two = pair
    one.open(direction="ENTRY")
    wait(pair, 1)
    two.open("out", direction="EXIT", force=True, reason="no ticket", fee=40_000)
    meet(one, two)
    assert dues(one)["OTHER_ENTRY"] == -15_000


def test_an_exit_of_nobody_that_is_known_is_owed_nothing(pair: tuple[Driven, Driven]) -> None:
    one, _ = pair
    one.open("out", direction="EXIT", force=True, reason="no ticket", fee=40_000)
    assert dues(one) == {"UNMATCHED": None}
    assert PLATE in str(one.last().event_id)
