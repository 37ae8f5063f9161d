"""What edges are answered: the fields of every answer, and each refusal."""

import orjson
import pytest

from tests.support.centrals import (
    HOUR_S,
    PLATE,
    SITE_TIME,
    T0_MS,
    Driven,
    code,
    meet,
    pair,
    success,
)
from zparkd.core.events.event import Kind
from zparkd.core.turn import FromBus, FromEdge

ENTRY_ID = f"central-1_{T0_MS}_{PLATE}"


@pytest.fixture
def central() -> Driven:
    return Driven()


# --- answers ----------------------------------------------------------------------------------


def test_a_ping_tells_who_answers_and_what_time_it_is(central: Driven) -> None:
    assert central.ask("PING", request_id="p") == {
        "success": True,
        "request_id": "p",
        "central_id": "central-1",
        "time_ms": T0_MS,
    }


def test_a_detection_of_a_vehicle_that_is_not_inside_says_so(central: Driven) -> None:
    assert central.detect(plate_id="29a-123.45", request_id="d") == {
        "success": True,
        "request_id": "d",
        "vehicle_info": {"already_inside": False, "plate_id": PLATE},
    }


def test_a_detection_of_a_vehicle_that_is_inside_says_what_it_would_pay_now(
    central: Driven,
) -> None:
    central.open()
    central.wait(HOUR_S + 180)
    assert central.detect("edge-2")["vehicle_info"] == {
        "already_inside": True,
        "plate_id": PLATE,
        "event_id": ENTRY_ID,
        "entry_time": SITE_TIME,
        "source_central": "central-1",
        "fee": 50_000,
        "duration": "1 giờ 3 phút",
    }


def test_a_detection_records_nothing(central: Driven) -> None:
    central.detect(request_id="d")
    assert central.events() == []


def test_an_open_of_a_vehicle_that_is_not_inside_is_its_entry(central: Driven) -> None:
    answer = central.open(request_id="o")
    (row,) = central.history()
    assert answer == {
        "success": True,
        "request_id": "o",
        "action": "ENTRY",
        "event_id": ENTRY_ID,
        "history_id": row["id"],
    }
    assert (row["event_id"], row["status"], row["confirmed"]) == (ENTRY_ID, "IN", 0)


def test_an_open_of_a_vehicle_that_is_inside_is_its_exit(central: Driven) -> None:
    central.open()
    central.wait(HOUR_S)
    assert central.open("edge-2", request_id="o") == {
        "success": True,
        "request_id": "o",
        "action": "EXIT",
        "event_id": ENTRY_ID,
        "fee": 25_000,
        "currency": "VND",
        "duration": "1 giờ 0 phút",
        "duration_s": HOUR_S,
    }
    (row,) = central.history()
    assert (row["status"], row["fee"], row["exit_edge_id"]) == ("OUT", 25_000, "edge-2")


def test_an_exit_charges_what_a_detection_just_before_it_said(central: Driven) -> None:
    central.open(camera_type="motorbike")
    central.wait(2 * HOUR_S + 1)
    said = central.detect("edge-2")["vehicle_info"]
    taken = central.open("edge-2")
    assert said["fee"] == taken["fee"] == 15_000
    assert said["duration"] == taken["duration"] == "2 giờ 0 phút"


def test_a_close_confirms_the_entry(central: Driven) -> None:
    central.open()
    assert central.close(request_id="c") == {
        "success": True,
        "request_id": "c",
        "action": "ENTRY_CONFIRMED",
        "event_id": ENTRY_ID,
    }
    assert central.history()[0]["confirmed"] == 1


def test_a_close_with_nothing_to_confirm_is_none(central: Driven) -> None:
    assert central.close(request_id="c") == {
        "success": True,
        "request_id": "c",
        "action": "NONE",
    }
    assert central.events() == []


def test_an_answer_to_a_request_without_an_id_has_null_for_it(central: Driven) -> None:
    for answer in (
        central.ask("PING"),
        central.detect(),
        central.open(),
        central.close(),
        central.open(direction="ENTRY"),
        central.ask("NOPE"),
        central.ask_bytes(b"")[0],
    ):
        assert answer["request_id"] is None


@pytest.mark.parametrize(
    ("type", "fields"),
    [
        ("PING", {}),
        ("DETECTION", {"plate_id": PLATE}),
        ("DETECTION", {}),
        ("BARRIER_OPEN", {"plate_id": PLATE}),
        ("BARRIER_OPEN", {"plate_id": PLATE, "direction": "EXIT"}),
        ("BARRIER_CLOSE", {}),
        ("BARRIER_CLOSE", {"event_id": "no id"}),
        ("NOPE", {}),
    ],
)
def test_every_answer_repeats_the_request_id(
    central: Driven, type: str, fields: dict[str, object]
) -> None:
    assert central.ask(type, request_id="một 1", **fields)["request_id"] == "một 1"


def test_each_request_of_a_turn_sees_what_those_before_it_did(central: Driven) -> None:
    body = b'{"type": "BARRIER_OPEN", "edge_id": "edge-%d", "plate_id": "29A12345"}'
    first, second = central.ask_bytes(body % 1, body % 2)
    assert (first["action"], second["action"]) == ("ENTRY", "EXIT")


def test_what_an_open_says_is_kept_in_its_event(central: Driven) -> None:
    central.open(
        plate_view="29A-123.45",
        confidence=0.95,
        captured_ms=T0_MS - 500,
        staff_id="nv01",
        image="cam/1.jpg",
        request_id="r",
    )
    event = central.last()
    assert event.facts is not None
    assert event.personal is not None
    assert (event.facts.confidence, event.facts.captured_ms) == (0.95, T0_MS - 500)
    assert (event.facts.edge_id, event.facts.request_id) == ("edge-1", "r")
    assert event.personal.plate_view == "29A-123.45"
    assert (event.personal.staff_id, event.personal.image) == ("nv01", "cam/1.jpg")


# --- refusals ---------------------------------------------------------------------------------


def test_a_refusal_says_which_field_and_why(central: Driven) -> None:
    assert central.open(plate_id="29A-12", request_id="r", direction="OUT") == {
        "success": False,
        "request_id": "r",
        "error": {
            "code": "bad_request",
            "message": "direction: must be ENTRY or EXIT, not 'OUT'",
        },
    }


def test_an_unknown_type_is_unsupported(central: Driven) -> None:
    answer = central.ask("HELLO")
    assert code(answer) == "unsupported_type"
    assert "HELLO" in answer["error"]["message"]


def test_a_request_of_64_kib_is_read_and_one_byte_more_is_too_large(central: Driven) -> None:
    body = b'{"type": "PING", "edge_id": "edge-1", "request_id": "r"}'
    fits, long, huge = central.ask_bytes(
        body.ljust(64 * 1024), body.ljust(64 * 1024 + 1), body.ljust(1024 * 1024)
    )
    assert success(fits)
    assert code(long) == code(huge) == "too_large"
    assert long["request_id"] == huge["request_id"] == "r"


def test_a_too_large_request_that_is_no_json_is_too_large(central: Driven) -> None:
    (answer,) = central.ask_bytes(b"[" * (64 * 1024 + 1))
    assert code(answer) == "too_large"
    assert answer["request_id"] is None


def test_an_entry_of_a_vehicle_that_is_inside_is_already_inside(central: Driven) -> None:
    central.open()
    answer = central.open("edge-2", direction="ENTRY")
    assert code(answer) == "already_inside"
    assert ENTRY_ID in answer["error"]["message"]
    assert SITE_TIME in answer["error"]["message"]
    assert central.kinds() == [Kind.ENTRY]


def test_an_exit_of_a_vehicle_that_is_not_inside_is_not_inside(central: Driven) -> None:
    answer = central.open(direction="EXIT")
    assert code(answer) == "not_inside"
    assert answer["error"]["message"].startswith("plate_id: ")
    assert central.events() == []


def test_a_refusal_is_no_end_a_right_request_after_it_is_answered(central: Driven) -> None:
    assert code(central.open(direction="EXIT", request_id="r")) == "not_inside"
    assert central.open(direction="ENTRY", request_id="r")["action"] == "ENTRY"


def test_a_request_that_could_not_be_recorded_is_told_so(central: Driven) -> None:
    body = b'{"type": "BARRIER_OPEN", "edge_id": "e", "plate_id": "29A12345", "request_id": "r"}'
    answer = orjson.loads(central.central.refused(FromEdge((b"1",), body)))
    assert code(answer) == "storage_unavailable"
    assert answer["request_id"] == "r"


# --- event ids --------------------------------------------------------------------------------


def test_two_events_of_a_plate_in_one_ms_have_two_ids(central: Driven) -> None:
    first = central.open(request_id="1")["event_id"]
    central.open(request_id="2")
    second = central.open(request_id="3")["event_id"]
    assert (first, second) == (ENTRY_ID, f"central-1_{T0_MS + 2}_{PLATE}")


def test_two_types_of_vehicle_with_one_plate_in_one_ms_have_two_ids(central: Driven) -> None:
    car = central.open(camera_type="car", direction="ENTRY")["event_id"]
    bike = central.open(camera_type="motorbike", direction="ENTRY")["event_id"]
    assert (car, bike) == (ENTRY_ID, f"central-1_{T0_MS + 1}_{PLATE}")


def test_two_plates_in_one_ms_keep_their_time(central: Driven) -> None:
    central.open()
    assert central.open(plate_id="30F99999")["event_id"] == f"central-1_{T0_MS}_30F99999"


def test_an_id_is_not_used_again_after_a_restart_with_a_clock_set_back(central: Driven) -> None:
    central.open(request_id="1")
    central.open(request_id="2")
    central.start()
    central.wall_ms = T0_MS
    ids = {event.event_id for event in central.events()}
    assert central.open(request_id="3")["event_id"] not in ids


def test_the_ms_of_an_id_is_the_time_of_the_entry(central: Driven) -> None:
    central.open(request_id="1")
    central.open(request_id="2")
    entry_id = central.open(request_id="3")["event_id"]
    assert entry_id == f"central-1_{central.last().timestamp}_{PLATE}"
    assert central.history()[-1]["entry_ms"] == central.last().timestamp


# --- order ------------------------------------------------------------------------------------


def test_an_event_follows_all_of_its_vehicle_that_are_held_whatever_their_clocks_say() -> None:
    one, two = pair(wall_ms=(T0_MS, T0_MS + 60_000))
    two.open(direction="ENTRY")
    meet(one, two)
    answer = one.open(direction="EXIT")
    assert answer["action"] == "EXIT"
    assert answer["duration_s"] == 0
    entry, exit = (next(e for e in one.events() if e.kind == k) for k in (Kind.ENTRY, Kind.EXIT))
    assert exit.order > entry.order
    assert exit.timestamp < entry.timestamp


# --- what may be missing ----------------------------------------------------------------------


def test_while_a_peer_is_unheard_what_depends_on_it_is_called_incomplete() -> None:
    central = Driven(peers=["central-4", "central-2"])
    info = central.detect()["vehicle_info"]
    refused = central.open(direction="EXIT")
    assert sorted(info["incomplete"]) == ["central-2", "central-4"]
    assert refused["incomplete"] == refused["error"]["incomplete"] == info["incomplete"]
    central.open()
    assert central.open(direction="ENTRY")["incomplete"] == info["incomplete"]


def test_what_does_not_depend_on_a_peer_says_nothing_of_it() -> None:
    central = Driven(peers=["central-2"])
    for answer in (
        central.ask("PING"),
        central.open(request_id="r"),
        central.close(),
        central.open(request_id="r", direction="EXIT"),
    ):
        assert "incomplete" not in answer


def test_nothing_is_incomplete_while_all_peers_are_heard_and_not_ahead() -> None:
    one, two = pair()
    meet(one, two)
    assert "incomplete" not in one.detect()["vehicle_info"]
    assert "incomplete" not in one.open(direction="EXIT")
    one.wait(3.1)
    assert one.detect()["vehicle_info"]["incomplete"] == ["central-2"]


def test_while_a_peer_is_known_to_be_ahead_it_is_called_incomplete() -> None:
    one, two = pair()
    meet(one, two)
    two.open()
    for central in (one, two):
        central.wait(1)
    (beat,) = two.step().published
    one.step(FromBus("central-2", beat))
    assert one.open(direction="EXIT")["incomplete"] == ["central-2"]
    meet(one, two)
    assert one.open(direction="EXIT")["action"] == "EXIT"
