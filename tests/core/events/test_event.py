"""An event as bytes: what is written, what is read, and what is refused."""

import hashlib
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.vehicles import T0_MS, Book
from zparkd.core import limits
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, Facts, Kind, Personal, Position, VehicleKey, read, write
from zparkd.core.plates import PLATE_ID
from zparkd.core.site import CAMERA_TYPE, CENTRAL_ID, EDGE_ID, Direction

SALT = "00"
_MEMBERS = (Kind.DISOWNED, Kind.RESTORED, Kind.ADMITTED)
_ROSTER = (
    *(Kind.REMOVED, Kind.INVITED, Kind.JOINED),
    *(Kind.CHANGED, Kind.EDGE_REMOVED, Kind.JOIN_REFUSED),
)
_LISTS = (Kind.ERASED, Kind.TARIFF, Kind.POLICY, Kind.PASS, Kind.STAFF, Kind.ACKNOWLEDGED)
_OTHER = (*_LISTS, *_MEMBERS, *_ROSTER)
GATE_KINDS = [kind for kind in Kind if kind not in _OTHER]
Fields = dict[str, Any]


def blake2b(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def skeleton(personal: bytes, data: object, **other: object) -> bytes:
    """A skeleton as another program might write it; `other` fields take the place of ours."""
    envelope: Fields = {
        "v": 1,
        "type": "VEHICLE_ENTRY_PENDING",
        "source_central": "central-1",
        "epoch": 7,
        "seq": 1,
        "timestamp": T0_MS,
        "order": T0_MS,
        "prev": "",
        "sealed": blake2b(personal),
        "data": data,
    }
    return json.dumps(envelope | other).encode()


def made(data: Fields | None = None, personal: Fields | None = None, **other: object) -> Event:
    """An entry as another program might write it, with these fields in place of ours."""
    sealed = json.dumps({"salt": SALT, "plate_id": "29A12345"} | (personal or {})).encode()
    facts = {"edge_id": "edge-1", "camera_type": "car"} | (data or {})
    return read(skeleton(sealed, facts, **other), sealed)


# --- round trip -------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
WHOLES = st.integers(0, limits.TIME_SHOWN_MS_MAX)
POSITIONS = st.builds(
    Position,
    st.from_regex(CENTRAL_ID, fullmatch=True),
    st.integers(1, limits.EPOCH_MAX),
    st.integers(1, limits.SEQ_MAX),
)
FACTS = st.builds(
    Facts,
    edge_id=st.from_regex(EDGE_ID, fullmatch=True),
    request_id=st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    camera_type=st.from_regex(CAMERA_TYPE, fullmatch=True),
    direction=st.none() | st.sampled_from(Direction),
    confidence=st.none() | st.floats(0, 1),
    captured_ms=st.none() | WHOLES,
    names=POSITIONS,
    entry_ms=WHOLES,
    fee=st.integers(0, limits.FEE_MAX),
    currency=TEXTS,
    duration_s=st.none() | WHOLES,
    forced=st.booleans(),
    marked=st.booleans(),
    by_hand=st.booleans(),
    over_capacity=st.booleans(),
    amount=st.integers(-limits.FEE_MAX, limits.FEE_MAX),
    staff_id=st.none() | TEXTS,
    reason=st.none() | TEXTS,
)
PERSONAL = st.builds(
    Personal,
    salt=TEXTS,
    plate_id=st.from_regex(PLATE_ID, fullmatch=True),
    plate_view=st.none() | TEXTS,
    plate_read=st.none() | st.from_regex(PLATE_ID, fullmatch=True),
    entry_plate=st.none() | st.from_regex(PLATE_ID, fullmatch=True),
    staff_id=st.none() | TEXTS,
    reason=st.none() | TEXTS,
    image=st.none() | TEXTS,
)


@given(
    position=POSITIONS,
    kind=st.sampled_from(GATE_KINDS),
    timestamp=WHOLES,
    above=st.integers(0, 2**50),
    prev=st.binary().map(blake2b) | st.just(""),
    facts=FACTS,
    personal=PERSONAL,
)
def test_what_is_written_is_read_again(
    position: Position,
    kind: Kind,
    timestamp: int,
    above: int,
    prev: str,
    facts: Facts,
    personal: Personal,
) -> None:
    written = write(
        position,
        kind,
        timestamp=timestamp,
        order=min(timestamp + above, limits.TIME_SHOWN_MS_MAX),
        prev=prev,
        facts=facts,
        personal=personal,
    )
    assert read(written.skeleton, written.personal_part) == written
    assert (written.facts, written.personal) == (facts, personal)


def test_the_skeleton_is_the_documented_json() -> None:
    event = Book().exit("central-1", 1, names=Position("central-2", 3, 4), act=("e", "r"), fee=5)
    assert json.loads(event.skeleton) == {
        "v": 1,
        "type": "VEHICLE_EXIT",
        "source_central": "central-1",
        "epoch": 1,
        "seq": 1,
        "timestamp": T0_MS + 1000,
        "order": T0_MS + 1000,
        "prev": "",
        "sealed": blake2b(event.personal_part),
        "data": {
            "edge_id": "e",
            "request_id": "r",
            "camera_type": "car",
            "confidence": 0.51,
            "names": ["central-2", 3, 4],
            "entry_ms": T0_MS,
            "fee": 5,
            "currency": "VND",
        },
    }


def test_no_personal_data_is_in_the_skeleton() -> None:
    event = Book().entry("a", 0, forced=True)
    assert event.personal is not None
    for text in (event.personal.plate_id, event.personal.plate_view, event.personal.reason):
        assert text is not None
        assert text.encode() in event.personal_part
        assert text.encode() not in event.skeleton


def test_each_skeleton_hashes_the_one_before_it() -> None:
    book = Book()
    first, second = book.entry("a", 0), book.exit("a", 1)
    assert first.prev == ""
    assert second.prev == first.hash == blake2b(first.skeleton)
    assert read(second.skeleton, second.personal_part).hash == blake2b(second.skeleton)


def test_who_speaks_of_which_vehicle_and_which_entry() -> None:
    event = made({"names": ["b", 2, 3]})
    assert event.position == Position("central-1", 7, 1)
    assert event.key == (T0_MS, "central-1", 7, 1)
    assert event.vehicle == VehicleKey("car", "29A12345")
    assert event.names == Position("b", 2, 3)
    assert event.event_id == f"central-1_{T0_MS}_29A12345"


# --- refused ----------------------------------------------------------------------------------


def test_a_personal_part_that_is_not_the_sealed_one_is_refused() -> None:
    event = Book().entry("a", 0)
    with pytest.raises(ProtocolError, match="seals"):
        read(event.skeleton, event.personal_part.replace(b"29A12345", b"29A12346"))


@pytest.mark.parametrize("part", ["skeleton", "personal_part"])
def test_an_event_longer_than_the_limit_is_refused(part: str) -> None:
    longer = b" " * limits.EVENT_BYTES
    event = Book().entry("a", 0)
    parts = {"skeleton": event.skeleton, "personal_part": event.personal_part}
    parts[part] += longer
    with pytest.raises(ProtocolError, match="longer"):
        read(**parts)


@pytest.mark.parametrize(
    "wrong",
    [
        {"v": 0},
        {"v": "1"},
        {"type": ""},
        {"type": "x" * 65},
        {"source_central": "Central 1"},
        {"source_central": "a\n"},
        {"epoch": 0},
        {"epoch": 2**53},
        {"seq": 0},
        {"seq": 2**40},
        {"seq": 1.5},
        {"seq": True},
        {"timestamp": -1},
        {"order": 2**53},
        {"prev": "ab"},
        {"prev": "AB" * 32},
    ],
)
def test_a_skeleton_that_holds_no_position_is_refused(wrong: Fields) -> None:
    with pytest.raises(ProtocolError):
        made(**wrong)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def understood_or_refused(skeleton: bytes, sealed: bytes) -> None:
    try:
        event = read(skeleton, sealed)
    except ProtocolError:
        return
    assert (event.skeleton, event.personal_part) == (skeleton, sealed)
    assert (event.facts is None) is (event.personal is None)


@examples(120)
@given(st.binary(max_size=300), st.binary(max_size=100))
def test_garbage_is_refused_and_nothing_else_happens(skeleton: bytes, sealed: bytes) -> None:
    understood_or_refused(skeleton, sealed)


@examples(200)
@given(st.binary(max_size=60), JSON, st.sampled_from(list(Kind)), st.data())
@example(sealed=b'{"salt":"\xff"}', data={"edge_id": "e"}, kind=Kind.MANUAL, draw=None)
def test_any_content_is_kept_or_refused_and_nothing_else_happens(
    sealed: bytes, data: object, kind: Kind, draw: st.DataObject | None
) -> None:
    whole = skeleton(sealed, data, type=kind.value)
    if draw is not None:
        at = draw.draw(st.integers(0, len(whole)))
        whole = whole[:at] + draw.draw(st.binary(max_size=3)) + whole[at + 1 :]
    understood_or_refused(whole, sealed)


@examples(120)
@given(st.data())
def test_an_event_with_any_bytes_changed_is_kept_or_refused(draw: st.DataObject) -> None:
    event = Book().exit("a", 1, names=Position("b", 2, 3), act=("e", "r"))
    sealed = bytearray(event.personal_part)
    for at in draw.draw(st.lists(st.integers(0, len(sealed) - 1), max_size=3)):
        sealed[at] = draw.draw(st.integers(0, 255))
    changed = bytearray(event.skeleton.replace(blake2b(event.personal_part).encode(), b"%s"))
    for at in draw.draw(st.lists(st.integers(0, len(changed) - 1), max_size=3)):
        changed[at] = draw.draw(st.integers(0, 255))
    whole = bytes(changed).replace(b"%s", blake2b(bytes(sealed)).encode())
    understood_or_refused(whole, bytes(sealed))


# --- kept, and not understood -----------------------------------------------------------------


def not_understood(event: Event) -> None:
    assert (event.facts, event.personal) == (None, None)
    assert (event.vehicle, event.names, event.event_id) == (None, None, None)
    assert event.position == Position("central-1", 7, 1)
    assert event.hash == blake2b(event.skeleton)


@pytest.mark.parametrize(
    "other",
    [
        {"type": "VEHICLE_TOWED"},
        {"v": 2},
        {"timestamp": T0_MS + 1},
        {"timestamp": limits.TIME_SHOWN_MS_MAX + 1, "order": limits.TIME_SHOWN_MS_MAX + 1},
    ],
)
def test_an_unknown_kind_format_or_form_is_kept(other: Fields) -> None:
    not_understood(made(**other))


@pytest.mark.parametrize(
    "data",
    [
        {"edge_id": None},
        {"edge_id": "edge 1"},
        {"edge_id": "edge-1\n"},
        {"camera_type": None},
        {"camera_type": "Car"},
        {"request_id": ""},
        {"request_id": "x" * 257},
        {"confidence": 1.1},
        {"names": ["b", 2]},
        {"names": ["B", 2, 3]},
        {"names": ["b", 0, 3]},
        {"names": ["b", 2, 2**40]},
        {"fee": -1},
        {"fee": 0.5},
        {"direction": "UP"},
        {"forced": 1},
    ],
)
def test_bad_facts_are_kept_and_not_understood(data: Fields) -> None:
    not_understood(made(data))


@pytest.mark.parametrize(
    "personal", [{"plate_id": None}, {"plate_id": "29a"}, {"plate_id": "29A-1"}, {"salt": None}]
)
def test_a_bad_personal_part_is_kept_and_not_understood(personal: Fields) -> None:
    not_understood(made(personal=personal))


@pytest.mark.parametrize("data", [None, [], "", 1])
def test_data_that_is_no_object_is_kept_and_not_understood(data: object) -> None:
    not_understood(read(skeleton(b"{}", data), b"{}"))


@pytest.mark.parametrize("sealed", [b"", b"[]", b"\xff", b'{"salt":"\xff"}', b"nul", b"false"])
def test_a_personal_part_that_is_no_text_is_kept_and_not_understood(sealed: bytes) -> None:
    facts = {"edge_id": "edge-1", "camera_type": "car"}
    not_understood(read(skeleton(sealed, facts, type="BARRIER_MANUAL_OPEN"), sealed))


def test_a_personal_part_of_null_is_understood_and_says_nothing_of_a_person() -> None:
    facts = {"edge_id": "edge-1", "camera_type": "car"}
    event = read(skeleton(b"null", facts, type="BARRIER_MANUAL_OPEN"), b"null")
    assert event.facts is not None
    assert event.personal == Personal(salt="")
    assert (event.vehicle, event.event_id) == (None, None)


NAMED = {"names": ["b", 2, 3], "entry_ms": 1}
CHARGED = {"fee": 0, "currency": "VND"}


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("VEHICLE_EXIT", NAMED),
        ("VEHICLE_EXIT", {"fee": 0}),
        ("VEHICLE_EXIT", {"currency": "VND"}),
        ("VEHICLE_EXIT", CHARGED | {"names": ["b", 2, 3]}),
        ("VEHICLE_ENTRY_CONFIRMED", {}),
        ("VEHICLE_ENTRY_CONFIRMED", {"names": ["b", 2, 3]}),
        ("VEHICLE_ENTRY_NOT_TAKEN", {"entry_ms": 1}),
        ("VEHICLE_ENTRY_NOT_TAKEN", {"names": ["b", 2, 3]}),
        ("STAY_CLOSED", {"names": ["b", 2, 3]}),
        ("STAY_CLOSED", NAMED | {"fee": 5}),
        ("VEHICLE_CORRECTED", {}),
        ("EVENT_VOIDED", {}),
    ],
)
def test_an_event_that_does_not_say_what_its_kind_must_is_not_understood(
    kind: str, data: Fields
) -> None:
    not_understood(made(data, type=kind))
    assert made(data | NAMED | CHARGED, type=kind).facts is not None


@pytest.mark.parametrize("data", [{}, {"currency": "VND"}, {"amount": -5}, {"amount": 0.5}])
def test_a_charge_says_how_much_of_which_currency(data: Fields) -> None:
    not_understood(made(NAMED | data, type="STAY_CHARGED"))
    paid = made(NAMED | {"amount": -5_000, "currency": "VND"}, type="STAY_CHARGED")
    assert paid.facts is not None
    assert paid.facts.amount == -5_000


def test_an_exit_of_another_plate_keeps_what_was_read() -> None:
    event = made(CHARGED, {"plate_read": "29A12346"}, type="VEHICLE_EXIT")
    assert event.vehicle == VehicleKey("car", "29A12345")
    assert event.personal is not None
    assert event.personal.plate_read == "29A12346"
    not_understood(made(CHARGED, {"plate_read": "29A-123.46"}, type="VEHICLE_EXIT"))


def test_who_said_a_correction_and_why_outlives_the_personal_part() -> None:
    said = {"staff_id": "nv01", "reason": "misread", "names": ["b", 2, 3]}
    event = made(said, type="EVENT_VOIDED")
    assert event.facts is not None
    assert (event.facts.staff_id, event.facts.reason) == ("nv01", "misread")
    assert b"misread" in event.skeleton


def test_fields_of_a_later_version_are_passed_over() -> None:
    event = made({"weight_kg": [1, {"a": None}]}, {"colour": "red"}, signed="xyz")
    assert event.vehicle == VehicleKey("car", "29A12345")


def nested(depth: int) -> Any:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def at_stack_depth(depth: int, do: Callable[[], Event]) -> Event:
    return do() if depth == 0 else at_stack_depth(depth - 1, do)


@pytest.mark.parametrize("part", ["data", "personal"])
@pytest.mark.parametrize("depth", [20, 40, 300, 500, 800, 900])
def test_whether_an_event_is_understood_does_not_hang_on_who_reads_it(
    part: str, depth: int
) -> None:
    more = {part: {"more": nested(depth)}}
    sealed = json.dumps({"salt": "", "plate_id": "29A12345"} | more.get("personal", {})).encode()
    facts = {"edge_id": "edge-1", "camera_type": "car"} | more.get("data", {})
    whole = skeleton(sealed, facts)

    def outcome(stack: int) -> object:
        try:
            return at_stack_depth(stack, lambda: read(whole, sealed)).facts
        except ProtocolError as fault:
            return str(fault)

    assert outcome(0) == outcome(sys.getrecursionlimit() // 2)


def test_brackets_in_texts_are_no_nesting() -> None:
    view = '["\\[{' * 50
    event = made({"request_id": view, "more": [[]] * 99}, {"plate_view": view})
    assert event.personal is not None
    assert event.personal.plate_view == view
    with pytest.raises(ProtocolError, match="deeper than 32"):
        made({"more": nested(31)})
