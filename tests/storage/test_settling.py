"""What a merge leaves to be settled: told as a sum, until a charge on the stay settled it."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.centrals import HOUR_S, PLATE, Driven, meet
from zparkd.core.gate.by_hand import Charge, Teller
from zparkd.storage.readers.conflicts import conflicts
from zparkd.storage.readers.connection import read_only
from zparkd.storage.readers.settling import add_due


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Driven, Driven]:
    """Two centrals that are cut off from each other."""
    return (
        Driven("central-1", peers=["central-2"], path=tmp_path / "one.db"),
        Driven("central-2", peers=["central-1"], path=tmp_path / "two.db"),
    )


def dues(driven: Driven) -> dict[str, Any]:
    """What is still to be taken or given back, by the kind of conflict."""
    driven.step()
    with closing(read_only(driven.path)) as connection:
        rows = conflicts(connection, all=True)
        add_due(connection, rows, driven.settings.zone)
    return {row["kind"]: row["due"] for row in rows}


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
