"""A plate that was misread at the exit: which stays it may be of, and who leaves."""

import pytest

from tests.support.centrals import HOUR_S, SITE_TIME, Driven, code, meet, pair
from zparkd.core.events.event import VehicleKey
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


# --- an exit that names the stay it ends -------------------------------------------------------


def exit_of(central: Driven, event_id: object, plate: str | None = READ, **fields: object):
    """The answer to an exit that names a stay."""
    return central.open("out-1", plate, event_id=event_id, **fields)


def test_an_exit_that_names_a_stay_is_that_vehicles_whatever_was_read() -> None:
    central = inside("29A12345", "30F99999")
    central.wait(HOUR_S)
    event_id = central.events()[0].event_id
    answer = exit_of(central, event_id, request_id="o-1", plate_view="29A-I23.45")
    assert (answer["action"], answer["event_id"], answer["fee"]) == ("EXIT", event_id, 50_000)
    assert (answer["plate_id"], answer["plate_read"]) == ("29A12345", READ)
    assert "unmatched" not in answer
    out = central.last()
    assert out.vehicle == VehicleKey("car", "29A12345")
    assert out.personal is not None
    assert (out.personal.plate_read, out.personal.plate_view) == (READ, "29A-I23.45")
    assert [row["status"] for row in central.history()] == ["OUT", "IN"]


def test_its_plate_may_be_left_out_where_nothing_could_be_read() -> None:
    central = inside("29A12345")
    event_id = central.events()[0].event_id
    answer = exit_of(central, event_id, None, request_id="o-1")
    assert (answer["action"], answer["event_id"]) == ("EXIT", event_id)
    assert "plate_read" not in answer
    assert exit_of(central, event_id, None, request_id="o-1") == answer


@pytest.mark.parametrize(
    "event_id", ["central-1_1_29A12345", "central-9_1764646200000_29A12345", "x_1_ABC"]
)
def test_one_that_nobody_knows_is_not_inside(event_id: str) -> None:
    central = inside("29A12345")
    assert code(exit_of(central, event_id)) == "not_inside"
    assert len(central.events()) == 1


def test_one_that_has_ended_is_not_inside_until_it_is_forced() -> None:
    central = inside("29A12345")
    event_id = central.events()[0].event_id
    assert exit_of(central, event_id)["success"]
    assert code(exit_of(central, event_id, request_id="o-2")) == "not_inside"
    forced = exit_of(central, event_id, request_id="o-3", force=True, reason="lost")
    assert (forced["unmatched"], forced["fee"]) == (True, 0)
    assert forced["event_id"].endswith(READ)


@pytest.mark.parametrize(
    ("lane", "fields", "said"),
    [
        (Lane("out-1"), {"direction": "ENTRY"}, "direction must be EXIT"),
        (Lane("out-1", direction=Direction.ENTRY), {}, "direction must be EXIT"),
        (Lane("out-1", camera_type="motorbike"), {}, "is the stay of a car"),
        (Lane("out-1"), {"camera_type": "truck"}, "is the stay of a car"),
        (Lane("out-1"), {"event_id": "29A12345"}, "must be <central>_<ms>_<plate_id>"),
    ],
)
def test_what_ends_no_such_stay_is_a_bad_request(
    lane: Lane, fields: dict[str, object], said: str
) -> None:
    central = inside("29A12345", central=Driven(lanes=[lane]))
    asked = {"event_id": central.events()[0].event_id} | fields
    answer = central.open("out-1", READ, **asked)
    assert code(answer) == "bad_request"
    assert said in answer["error"]["message"]


def test_a_retry_compares_what_was_read() -> None:
    central = inside("29A12345")
    event_id = central.events()[0].event_id
    answer = exit_of(central, event_id, request_id="o-1")
    assert exit_of(central, event_id, request_id="o-1") == answer
    assert central.open("out-1", READ, request_id="o-1") == answer
    assert code(central.open("out-1", "29A12345", request_id="o-1")) == "bad_request"
    assert code(exit_of(central, event_id, "29A12346", request_id="o-1")) == "bad_request"
    assert len(central.events()) == 2


def test_an_open_without_a_request_id_is_repeated_by_what_was_read() -> None:
    central = inside("29A12345")
    event_id = central.events()[0].event_id
    answer = exit_of(central, event_id)
    central.wait(5)
    assert exit_of(central, event_id) == answer
    assert len(central.events()) == 2


def test_the_id_of_a_superseded_entry_names_the_stay_that_counts() -> None:
    one, two = pair()
    inside("29A12345", central=one)
    two.wait(1)
    inside("29A12345", central=two)
    later = two.last().event_id
    meet(one, two)
    answer = exit_of(two, later)
    assert answer["event_id"] == one.events()[0].event_id


# --- a misread plate that is accepted ---------------------------------------------------------


def accepting(*plates: str, central: Driven | None = None) -> Driven:
    """The same as `inside`, where the policy says to accept."""
    central = inside(*plates, central=central)
    central.central.reference.set_policy(central.now, {"exit": {"misread": "accept"}})
    central.step()
    return central


def test_exactly_one_strong_candidate_leaves_as_that_vehicle() -> None:
    central = accepting("29A12345", "29A12346")
    answer = central.open("out-1", READ, direction="EXIT", request_id="o-1")
    assert (answer["plate_id"], answer["plate_read"]) == ("29A12345", READ)
    assert central.open("out-1", READ, direction="EXIT", request_id="o-1") == answer
    assert [row["status"] for row in central.history()] == ["OUT", "IN"]
    assert code(central.open("out-1", READ, direction="EXIT")) == "not_inside"


def test_a_force_that_was_not_needed_does_not_leave_a_ghost_inside() -> None:
    central = accepting("29A12345")
    answer = central.open("out-1", READ, direction="EXIT", force=True, reason="let him out")
    assert answer["plate_id"] == "29A12345"
    assert "unmatched" not in answer


@pytest.mark.parametrize(
    ("plates", "read", "fields"),
    [
        (("29A12345", "29AL2345"), READ, {"direction": "EXIT"}),  # two that are strong
        (("29A12345",), "29A12346", {"direction": "EXIT"}),  # none that is
        (("29A12345",), READ, {"direction": "EXIT", "camera_type": "motorbike"}),
        (("29A12345",), READ, {"direction": "EXIT", "edge_id": "bikes"}),
    ],
)
def test_all_else_is_refused(plates: tuple[str, ...], read: str, fields: dict[str, object]) -> None:
    lanes = [Lane("edge-1"), Lane("out-1"), Lane("bikes", camera_type="motorbike")]
    central = accepting(*plates, central=Driven(lanes=lanes))
    assert code(central.open(**({"edge_id": "out-1", "plate_id": read} | fields))) == "not_inside"


def test_nothing_is_accepted_while_a_peer_may_know_better() -> None:
    one, two = pair()
    accepting("29A12345", central=one)
    meet(one, two)
    assert two.open("out-1", "Z9A12345", direction="EXIT")["success"]
    inside("29A12345", central=two)
    meet(one, two)
    two.wait(60)
    two.step()
    answer = two.open("out-1", READ, direction="EXIT")
    assert code(answer) == "not_inside"
    assert answer["incomplete"] == ["central-1"]


def test_an_entry_is_never_taken_for_another() -> None:
    central = accepting("29A12345")
    assert central.open(plate_id=READ)["action"] == "ENTRY"
