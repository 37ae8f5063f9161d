"""A plate that was misread at the exit: which stays it may be of, and who leaves."""

import pytest

from tests.support.centrals import SITE_TIME, Driven, code, meet, pair
from zparkd.core.site import Direction, Lane
from zparkd.core.turn import FromEdge

READ = "29AI2345"  # of 29A12345


def inside(*plates: str, central: Driven | None = None) -> Driven:
    """A central with these plates inside, a minute apart."""
    central = central or Driven()
    for plate in plates:
        assert central.open(plate_id=plate, direction="ENTRY", plate_view=plate)["success"]
        central.wait(60)
    return central


def found(central: Driven, plate: str = READ, **fields: object) -> list[str]:
    """The plates of the candidates for an exit."""
    said = {"direction": "EXIT", "edge_id": "out-1"} | fields
    info = central.detect(plate_id=plate, **said)["vehicle_info"]
    return [candidate["plate_id"] for candidate in info["candidates"]]


def test_an_exit_that_is_not_inside_is_told_which_stays_it_may_be() -> None:
    central = inside("29A12345")
    [entry] = central.events()
    info = central.detect("out-1", READ, direction="EXIT")["vehicle_info"]
    assert info["already_inside"] is False
    assert info["candidates"] == [
        {
            "plate_id": "29A12345",
            "plate_view": "29A12345",
            "camera_type": "car",
            "event_id": entry.event_id,
            "entry_time": SITE_TIME,
            "match": 0.833,
            "strong": True,
        }
    ]


def test_there_may_be_none() -> None:
    assert found(inside("30F99999")) == []


@pytest.mark.parametrize(
    ("lane", "said", "asked"),
    [
        (Direction.EXIT, None, True),
        (None, "EXIT", True),
        (None, None, False),
        (None, "ENTRY", False),
        (Direction.ENTRY, None, False),
    ],
)
def test_only_an_exit_is_told(lane: Direction | None, said: str | None, asked: bool) -> None:
    central = inside("29A12345", central=Driven(lanes=[Lane("out-1", direction=lane)]))
    info = central.detect("out-1", READ, direction=said)["vehicle_info"]
    assert ("candidates" in info) is asked


def test_one_that_is_inside_is_told_none() -> None:
    central = inside("29A12345", READ)
    assert "candidates" not in central.detect("out-1", READ, direction="EXIT")["vehicle_info"]


def test_the_best_is_first_and_of_equals_who_came_last_and_five_are_enough() -> None:
    strangers = [f"29AX{char}345" for char in "EHKMPU"]
    central = inside(*strangers, "29AXZ345", "29A1Z34")
    assert found(central, "29AX2345") == ["29AXZ345", *reversed(strangers)][:5]


def test_only_of_the_type_that_request_or_lane_say() -> None:
    lanes = [Lane("out-1"), Lane("bikes", camera_type="motorbike")]
    central = inside("29A12345", central=Driven(lanes=lanes))
    central.open(plate_id="29A12346", camera_type="motorbike", direction="ENTRY")
    assert found(central, "29A1234") == ["29A12346", "29A12345"]
    assert found(central, "29A1234", camera_type="motorbike") == ["29A12346"]
    assert found(central, "29A1234", edge_id="bikes") == ["29A12346"]
    assert found(central, "29A1234", camera_type="car") == ["29A12345"]
    assert found(central, "29A1234", camera_type="truck") == []


def test_who_left_is_none_and_who_came_back_is_one_again() -> None:
    central = inside("29A12345")
    assert found(central) == ["29A12345"]
    central.open("out-1", "29A12345", direction="EXIT")
    assert found(central) == []
    central.open(plate_id="29A12345", direction="ENTRY")
    assert found(central) == ["29A12345"]


def test_what_peers_say_counts() -> None:
    one, two = pair()
    inside("29A12345", central=one)
    assert found(two) == []
    meet(one, two)
    assert found(two) == ["29A12345"]
    two.open("out-1", "29A12345", direction="EXIT")
    meet(one, two)
    assert found(one) == []


def test_what_was_undone_is_forgotten_and_what_was_not_is_kept() -> None:
    central = inside("29A12345")
    assert found(central) == ["29A12345"]
    central.central.step(central.now, [])
    entry = central.last()
    central.store.rollback()
    central.central.forget()
    assert found(central) == ["29A12345"], entry
    inside("29A12346", central=central)
    assert found(central, "29A1Z346") == ["29A12346", "29A12345"]


def test_an_entry_that_was_rolled_back_is_no_candidate() -> None:
    central = inside("29A12345")
    assert found(central, "29A1Z346") == ["29A12345"]
    body = b'{"type":"BARRIER_OPEN","edge_id":"e","plate_id":"29A12346","direction":"ENTRY"}'
    central.central.step(central.now, [FromEdge((b"1",), body)])
    central.store.rollback()
    central.central.forget()
    assert found(central, "29A1Z346") == ["29A12345"]


def test_without_a_policy_a_misread_exit_is_refused() -> None:
    central = inside("29A12345")
    assert code(central.open("out-1", READ, direction="EXIT")) == "not_inside"
