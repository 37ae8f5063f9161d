"""What a request may look like: its fields, their limits, and that nothing else disturbs a central.

The last tests ask anything at all, and hold that each answer is one of those that there are.
"""

import json
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.centrals import PLATE, T0_MS, Answer, Driven, code, success
from tests.support.examples import examples
from zparkd.core.gate.requests import Code, Refusal, read_request

LONGEST = 256


@pytest.fixture
def central() -> Driven:
    return Driven()


def bad_field(answer: Answer, name: str) -> bool:
    return code(answer) == "bad_request" and answer["error"]["message"].startswith(f"{name}: ")


# --- the frame --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"PING",
        b"{",
        b"null",
        b"7",
        b'"PING"',
        b"[]",
        b"{}",
        b'[{"type": "PING", "edge_id": "e"}]',
        b'{"type": "PING", "edge_id": "e"} {}',
        b'{"type": "PING", "edge_id": "e\xff"}',
        b'{"type": "PING", "edge_id": "e", "x": "\\ud800"}',
        b'{"type": "PING", "edge_id": "e", "x": NaN}',
        b'\xef\xbb\xbf{"type": "PING", "edge_id": "e"}',
        '{"type": "PING", "edge_id": "e"}'.encode("utf-16"),
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"[" * 60_000,
    ],
)
def test_what_is_no_json_object_of_utf_8_is_bad(central: Driven, body: bytes) -> None:
    (answer,) = central.ask_bytes(body)
    assert code(answer) == "bad_request"
    assert answer["request_id"] is None


def test_a_malformed_request_disturbs_no_other_of_its_turn(central: Driven) -> None:
    entry = b'{"type": "BARRIER_OPEN", "edge_id": "e", "plate_id": "29A12345"}'
    answers = central.ask_bytes(b"\xff", entry, b"[" * 60_000)
    assert [success(answer) for answer in answers] == [False, True, False]


def test_unknown_fields_are_ignored(central: Driven) -> None:
    fields: dict[str, Any] = {"x": [1, {"y": None}], "entry_time": 5, "": "", "fee": -1}
    assert central.open(**fields)["action"] == "ENTRY"


def test_null_is_as_good_as_left_out(central: Driven) -> None:
    names = (
        "request_id plate_view camera_type direction confidence captured_ms staff_id image"
        " force reason event_id"
    )
    assert central.open(**dict.fromkeys(names.split()))["action"] == "ENTRY"
    assert central.close(plate_id=None, event_id=None)["action"] == "ENTRY_CONFIRMED"


def test_a_ping_needs_no_other_field_to_be_right(central: Driven) -> None:
    assert success(central.ask("PING", plate_id=7, force="x", confidence="high"))


# --- fields -----------------------------------------------------------------------------------


@pytest.mark.parametrize("type", [None, 7, [], {}, True])
def test_a_type_that_is_no_string_is_bad(central: Driven, type: Any) -> None:
    assert bad_field(central.ask(type), "type")


@pytest.mark.parametrize("type", ["", "ping", "PING ", "OPEN", "__members__", "HEARTBEAT"])
def test_a_type_that_is_unknown_is_unsupported(central: Driven, type: str) -> None:
    assert code(central.ask(type)) == "unsupported_type"


@pytest.mark.parametrize("edge_id", ["e", "E", "7", "edge-1", "a._-Z", "x" * 64])
def test_an_edge_id_is_1_to_64_of_letters_digits_and_marks(central: Driven, edge_id: str) -> None:
    assert success(central.ask("PING", edge_id))


@pytest.mark.parametrize(
    "edge_id", ["", ".e", "-e", "_e", "e e", "é", "e/1", "e\n", "x" * 65, None, 7, ["e"]]
)
def test_any_other_edge_id_is_bad(central: Driven, edge_id: Any) -> None:
    assert bad_field(central.ask("PING", edge_id), "edge_id")


def test_a_request_without_an_edge_id_is_bad(central: Driven) -> None:
    (answer,) = central.ask_bytes(b'{"type": "PING", "request_id": "r"}')
    assert bad_field(answer, "edge_id")
    assert answer["request_id"] == "r"


@pytest.mark.parametrize("camera_type", ["car", "a", "a_1", "xe_may", "x" * 32])
def test_a_camera_type_is_lower_case(central: Driven, camera_type: str) -> None:
    central.open(camera_type=camera_type)
    assert central.history()[0]["camera_type"] == camera_type


@pytest.mark.parametrize(
    "camera_type", ["", "Car", "1car", "_car", "xe-may", "xe máy", "car\n", "x" * 33, 7, []]
)
def test_any_other_camera_type_is_bad(central: Driven, camera_type: Any) -> None:
    assert bad_field(central.open(camera_type=camera_type), "camera_type")


@pytest.mark.parametrize("plate_id", ["", "A1", "29A_1", "x" * 13, "29A\t123", 2912345, ["29A1"]])
@pytest.mark.parametrize("type", ["DETECTION", "BARRIER_OPEN", "BARRIER_CLOSE"])
def test_a_plate_that_is_none_is_bad(central: Driven, type: str, plate_id: Any) -> None:
    assert bad_field(central.ask(type, plate_id=plate_id), "plate_id")


@pytest.mark.parametrize("type", ["DETECTION", "BARRIER_OPEN"])
def test_a_request_without_the_plate_it_needs_is_bad(central: Driven, type: str) -> None:
    assert bad_field(central.ask(type), "plate_id")


@pytest.mark.parametrize("direction", ["", "entry", "IN", "ENTRY ", 1, True, ["ENTRY"]])
def test_a_direction_is_entry_or_exit(central: Driven, direction: Any) -> None:
    assert bad_field(central.open(direction=direction), "direction")


@pytest.mark.parametrize("confidence", [0, 1, 0.0, 1.0, 0.95, 1e-300])
def test_confidence_is_0_to_1(central: Driven, confidence: float) -> None:
    central.open(confidence=confidence)
    assert central.history()[0]["confidence"] == confidence


@pytest.mark.parametrize("confidence", [-0.001, 1.001, 95, "0.9", True, [0.5], 10**30])
def test_any_other_confidence_is_bad(central: Driven, confidence: Any) -> None:
    body = {"type": "BARRIER_OPEN", "edge_id": "e", "plate_id": PLATE, "confidence": confidence}
    (answer,) = central.ask_bytes(json.dumps(body).encode())  # orjson writes no 10**30
    assert bad_field(answer, "confidence")


@pytest.mark.parametrize("captured_ms", [-1, 1.5, "1", True, 10**15, [T0_MS]])
def test_captured_ms_is_a_time_in_ms(central: Driven, captured_ms: Any) -> None:
    assert bad_field(central.open(captured_ms=captured_ms), "captured_ms")
    assert bad_field(central.detect(captured_ms=captured_ms), "captured_ms")


def test_captured_ms_may_be_1970(central: Driven) -> None:
    assert code(central.open(captured_ms=0)) == "too_late"


STRINGS = ("request_id", "plate_view", "staff_id", "image", "reason")


@pytest.mark.parametrize("name", STRINGS)
def test_a_string_has_at_most_256_characters(central: Driven, name: str) -> None:
    assert success(central.open(force=True, **{"reason": "x", name: "Đ" * LONGEST}))
    answer = central.open(force=True, **{"reason": "x", name: "x" * (LONGEST + 1)})
    assert bad_field(answer, name)


@pytest.mark.parametrize("name", STRINGS)
@pytest.mark.parametrize("char", ["\0", "\n", "\t", "\x1b", "\x7f", "\x85"])
def test_a_string_holds_no_control_characters(central: Driven, name: str, char: str) -> None:
    answer = central.open(force=True, **{"reason": "x", name: f"a{char}b"})
    assert bad_field(answer, name)


@pytest.mark.parametrize("name", STRINGS)
@pytest.mark.parametrize("value", [7, True, ["x"], {"x": "y"}, 0.5])
def test_a_string_is_a_string(central: Driven, name: str, value: Any) -> None:
    answer = central.open(force=True, **{"reason": "x", name: value})
    assert bad_field(answer, name)


def test_an_empty_request_id_is_bad(central: Driven) -> None:
    assert bad_field(central.ask("PING", request_id=""), "request_id")


@pytest.mark.parametrize("request_id", ["x" * (LONGEST + 1), "a\nb", ""])
def test_a_request_id_that_is_bad_is_repeated_too(central: Driven, request_id: str) -> None:
    assert central.ask("PING", request_id=request_id)["request_id"] == request_id


def test_a_message_names_what_was_sent(central: Driven) -> None:
    answer = central.open(force="yes", reason="x")
    assert answer["error"]["message"] == "force: must be true or false, not a string"
    answer = central.open(plate_view=7)
    assert answer["error"]["message"] == "plate_view: must be a string, not a number"


# --- anything at all --------------------------------------------------------------------------

ANSWERED = {
    "PING": {"central_id", "time_ms"},
    "DETECTION": {"vehicle_info"},
    "ENTRY": {"action", "event_id", "history_id"},
    "EXIT": {"action", "event_id", "fee", "currency", "duration", "duration_s"},
    "ENTRY_CONFIRMED": {"action", "event_id"},
    "NONE": {"action"},
    "MANUAL": {"action"},
}


def is_legal(answer: Answer, type: object = None) -> None:
    if not answer["success"]:
        assert code(answer) in set(Code)
        return
    sort = answer.get("action", type)
    assert answer.keys() - {"unmatched"} == {"success", "request_id"} | ANSWERED[sort]


LARGEST = 2**64 - 1
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), LARGEST) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
PLATES = st.sampled_from([PLATE, "29a-123.45", "30F 999.99", "30F99999"])
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(["DETECTION", "BARRIER_OPEN", "BARRIER_CLOSE", "PING"]),
    "edge_id": st.sampled_from(["edge-1", "edge-2"]),
    "request_id": st.sampled_from(["r1", "r2", "r3"]),
    "plate_id": PLATES,
    "plate_view": st.text(max_size=5),
    "camera_type": st.sampled_from(["car", "motorbike"]),
    "direction": st.sampled_from(["ENTRY", "EXIT"]),
    "confidence": st.floats(0, 1),
    "captured_ms": st.integers(T0_MS - 60_000, T0_MS + 60_000),
    "staff_id": st.text(max_size=5),
    "image": st.text(max_size=5),
    "force": st.booleans(),
    "reason": st.text(max_size=5),
    "event_id": st.builds("central-1_{}_{}".format, st.integers(T0_MS, T0_MS + 9), PLATES),
}
NEEDED = {"type": LIKELY["type"], "edge_id": LIKELY["edge_id"]}
REQUESTS = st.fixed_dictionaries(
    NEEDED, optional={name: value for name, value in LIKELY.items() if name not in NEEDED}
)
ANY_FIELDS = st.fixed_dictionaries({}, optional={name: LIKELY[name] | JSON for name in LIKELY})


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_answered_with_bad_request(central: Driven, body: bytes) -> None:
    (answer,) = central.ask_bytes(body)
    assert code(answer) == "bad_request"
    assert central.events() == []


@given(st.lists(REQUESTS | ANY_FIELDS, min_size=1, max_size=8))
def test_any_fields_get_a_legal_answer_that_repeats_the_request_id(
    requests: list[dict[str, Any]],
) -> None:
    central = Driven()
    for asked in requests:
        (answer,) = central.ask_bytes(orjson.dumps(asked))
        is_legal(answer, asked.get("type"))
        request_id = asked.get("request_id")
        assert answer["request_id"] == (request_id if isinstance(request_id, str) else None)
        central.wait(1)


@given(LIKELY["type"], st.sampled_from(sorted(LIKELY.keys() - {"type"})), JSON)
def test_any_value_in_any_field_is_bad_or_fine(type: str, name: str, value: Any) -> None:
    central = Driven()
    asked = {"type": type, "edge_id": "edge-1", "plate_id": PLATE, name: value}
    (answer,) = central.ask_bytes(orjson.dumps(asked))
    is_legal(answer, type)
    if not success(answer):
        assert code(answer) in ("bad_request", "too_late")


@given(st.lists(REQUESTS, max_size=12))
def test_whatever_is_asked_a_plate_has_no_stamp_twice_and_each_event_reads_as_written(
    requests: list[dict[str, Any]],
) -> None:
    central = Driven()
    central.ask_bytes(*map(orjson.dumps, requests))
    events = central.events()
    ids = [event.event_id for event in events if event.event_id is not None]
    assert len(set(ids)) == len(ids)
    assert all(event.facts is not None for event in events)


@given(REQUESTS)
def test_a_request_with_an_id_asked_twice_at_once_records_at_most_once(
    asked: dict[str, Any],
) -> None:
    central = Driven()
    body = orjson.dumps(asked | {"request_id": "r"})
    first, second = central.ask_bytes(body, body)
    assert first == second
    assert len(central.events()) <= 1


def _read(body: bytes) -> Any:
    """What comes of a request, or the words of its refusal."""
    try:
        return read_request(body, "edge-1")
    except Refusal as no:
        return no.code, no.message


_TEXTS = ["", " ", "\x7f", "\x85", "\n", "Đ", "29a-123.45", "x" * 256, "x" * 257, "ENTRY ", "car\n"]
_NUMBERS = [0, -0.0, -1, 1, 2, 1.0, 0.5, 1e300, 2**53, 4_102_444_800_000, 4_102_444_800_001]
EDGY = st.sampled_from([*_TEXTS, *_NUMBERS, True, None, [], {}])
EDGY_FIELDS = st.fixed_dictionaries(
    {}, optional={name: value | EDGY for name, value in LIKELY.items()} | {"x": EDGY}
)


@given(REQUESTS | ANY_FIELDS | EDGY_FIELDS)
@examples(300)
def test_what_a_request_comes_to_does_not_depend_on_how_it_is_spaced(
    asked: dict[str, Any],
) -> None:
    # What is printable ASCII on one line may be read in one step, all else field by field.
    body = json.dumps(asked).encode()
    assert _read(body) == _read(body + b"\n")
