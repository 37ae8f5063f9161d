"""Messages as frames: what is written is read again, and what is none is a ProtocolError alone."""

import json
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.vehicles import T0_MS, Book, lived
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, Position, Stream, read
from zparkd.core.limits import BUS_FRAME_BYTES, EPOCH_MAX, SEQ_MAX, TEXT_CHARACTERS
from zparkd.core.replication import limits
from zparkd.core.replication.encoding import pack, write_body, write_header, write_heads
from zparkd.core.replication.wire import (
    TOPIC_EVENTS,
    TOPIC_HEARTBEAT,
    VERSION,
    Ask,
    Beat,
    Live,
    Message,
    MessageType,
    Page,
    read_heads,
    read_message,
    read_positions,
    split_body,
    unpack,
)
from zparkd.core.site import CENTRAL_ID

Data = Live | Beat | Ask | Page

ids = st.from_regex(CENTRAL_ID, fullmatch=True)
numbers = st.integers(0, 2**53 - 1)
walls = st.integers(-(2**53), 2**53)
# Surrogates are no text in UTF-8.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=TEXT_CHARACTERS)
heads = st.tuples(ids, st.integers(1, EPOCH_MAX), st.integers(0, SEQ_MAX))
head_lists = st.lists(heads, max_size=8)
datas: st.SearchStrategy[Data] = st.one_of(
    st.builds(Live, texts),
    st.builds(Beat, texts, texts, texts, walls, st.lists(ids, max_size=4), head_lists, texts),
    st.builds(Ask, texts, numbers, head_lists, st.none() | st.tuples(texts, numbers).map(tuple)),
    st.builds(
        Page,
        texts,
        numbers,
        walls,
        st.booleans(),
        st.none() | head_lists,
        st.booleans(),
        st.none() | texts,
    ),
)


def header(**other: object) -> bytes:
    """A header as another program might write it; None leaves a member out."""
    members: dict[str, Any] = {
        "v": VERSION,
        "type": "EVENTS",
        "source_central": "central-1",
        "timestamp": T0_MS,
        "data": {"site": "lot-a"},
    }
    return json.dumps({k: v for k, v in (members | other).items() if v is not None}).encode()


def body_of(events: list[Event]) -> bytes:
    return write_body((event.skeleton, event.personal_part) for event in events)


def some_events() -> list[Event]:
    book = Book()
    entry = book.entry("central-1", 0)
    book.confirm("central-1", 5, entry)
    book.exit("central-2", 60, names=entry)
    return book.events


# --- headers ----------------------------------------------------------------------------------


@given(ids, walls, datas, st.none() | st.binary(max_size=20))
def test_a_message_is_read_as_it_was_written(
    source: str, timestamp: int, data: Data, body: bytes | None
) -> None:
    frames = [write_header(source, timestamp, data), *([body] if body is not None else [])]
    assert read_message(frames) == Message(source, timestamp, data, body)


@given(ids, walls, datas)
def test_a_header_is_json_with_the_five_members(source: str, timestamp: int, data: Data) -> None:
    members = json.loads(write_header(source, timestamp, data))
    assert list(members) == ["v", "type", "source_central", "timestamp", "data"]
    assert members["v"] == VERSION
    assert members["type"] in MessageType.__members__
    assert members["data"]["site"] == data.site


def test_a_topic_names_the_version_and_what_follows() -> None:
    assert f"zparkd.{VERSION}.events".encode() == TOPIC_EVENTS
    assert f"zparkd.{VERSION}.heartbeat".encode() == TOPIC_HEARTBEAT


def test_members_that_are_not_known_are_ignored() -> None:
    message = read_message([header(signed="…", data={"site": "lot-a", "colour": "red"})])
    assert message == Message("central-1", T0_MS, Live("lot-a"), None)


@pytest.mark.parametrize("version", [0, 2, 99, -1])
def test_another_version_is_refused_and_named(version: int) -> None:
    with pytest.raises(ProtocolError, match=f"protocol {version}; this central speaks {VERSION}"):
        read_message([header(v=version)])


def test_an_unknown_type_is_refused_and_named() -> None:
    with pytest.raises(ProtocolError, match="unknown type 'GOSSIP'"):
        read_message([header(type="GOSSIP")])


@pytest.mark.parametrize("count", [0, 3, 8])
def test_a_message_is_one_frame_or_two(count: int) -> None:
    with pytest.raises(ProtocolError, match=f"{count} frames"):
        read_message([header()] * count)


@pytest.mark.parametrize(
    "other",
    [
        *({name: None} for name in ("v", "type", "source_central", "timestamp", "data")),
        {"v": "1"},
        {"v": True},
        {"source_central": "Central-1"},
        {"source_central": "central-1\n"},
        {"source_central": ""},
        {"source_central": "c" * 33},
        {"timestamp": 2**53 + 1},
        {"timestamp": "1733140800000"},
        {"timestamp": 1.5},
        {"data": []},
        {"data": {}},
        {"data": {"site": 7}},
        {"data": {"site": "s" * (TEXT_CHARACTERS + 1)}},
        {"type": "HEARTBEAT"},
        {"type": "SYNC_REQUEST"},
        {"type": "SYNC_RESPONSE"},
    ],
    ids=str,
)
def test_a_header_that_is_not_of_its_form_is_refused(other: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        read_message([header(**other)])


def ask(**other: object) -> bytes:
    return header(type="SYNC_REQUEST", data={"site": "lot-a", "id": 1, "after": []} | other)


@pytest.mark.parametrize(
    "other",
    [
        {"id": -1},
        {"id": 2**53},
        {"after": {}},
        {"after": [["central-1", 1]]},
        {"after": [["central-1", 1, 1, 1]]},
        {"after": [["central-1", 0, 1]]},
        {"after": [["central-1", 1, -1]]},
        {"after": [["central-1", EPOCH_MAX + 1, 1]]},
        {"after": [["central-1", 1, SEQ_MAX + 1]]},
        {"after": [["Central 1", 1, 1]]},
        {"after": [["central-1", "1", 1]]},
        {"after": [["central-1", n + 1, 0] for n in range(limits.STREAMS_PER_REQUEST + 1)]},
        {"vector": True},
        {"vector": ["central-1"]},
        {"vector": ["central-1", -1]},
    ],
    ids=lambda other: str(other)[:60],
)
def test_a_sync_request_that_is_not_of_its_form_is_refused(other: dict[str, object]) -> None:
    assert isinstance(read_message([ask()]).data, Ask)
    with pytest.raises(ProtocolError):
        read_message([ask(**other)])


def test_a_sync_request_may_name_as_many_streams_as_the_limit_says() -> None:
    after = [["central-1", n + 1, 0] for n in range(limits.STREAMS_PER_REQUEST)]
    data = read_message([ask(after=after)]).data
    assert isinstance(data, Ask)
    assert len(data.after) == limits.STREAMS_PER_REQUEST


def test_a_vector_has_a_limit() -> None:
    page = {"site": "lot-a", "id": 1, "wall_ms": 0}
    vector = [["central-1", n + 1, 1] for n in range(limits.STREAMS_PER_VECTOR + 1)]
    full = header(type="SYNC_RESPONSE", data={**page, "heads": vector[:-1]})
    assert len(full) < BUS_FRAME_BYTES
    assert isinstance(read_message([full]).data, Page)
    with pytest.raises(ProtocolError):
        read_message([header(type="SYNC_RESPONSE", data={**page, "heads": vector})])


# --- heads and positions ----------------------------------------------------------------------


@given(st.dictionaries(st.builds(Stream, ids, st.integers(1, 9)), st.integers(0, 99)))
def test_heads_are_read_as_they_were_written(vector: dict[Stream, int]) -> None:
    written = write_heads(vector.items())
    assert written == sorted(written)
    assert read_heads(written) == vector


@given(head_lists)
def test_positions_are_read_as_they_were_written(after: list[tuple[str, int, int]]) -> None:
    positions = read_positions(after)
    assert [tuple(position) for position in positions] == after
    assert all(isinstance(position, Position) for position in positions)


# --- bodies -----------------------------------------------------------------------------------


def read_body(body: bytes) -> list[Event]:
    """All events in a body."""
    return [read(*parts) for parts in split_body(body)]


@given(lived())
def test_events_in_a_body_are_the_bytes_of_their_origin(events: list[Event]) -> None:
    body = body_of(events)
    assert read_body(body) == events
    assert body_of(read_body(body)) == body


def test_a_body_may_be_empty() -> None:
    assert write_body([]) == b"[]"
    assert read_body(b"[]") == []


def test_white_space_between_events_is_no_part_of_them() -> None:
    events = some_events()
    parts = [part for event in events for part in (event.skeleton, event.personal_part)]
    assert read_body(b" [ " + b" ,\n ".join(parts) + b" ] ") == events


def test_white_space_within_an_event_is_kept_as_its_origin_wrote_it() -> None:
    [event] = some_events()[:1]
    spaced = event.skeleton.replace(b'":', b'" : ')
    [got] = read_body(write_body([(spaced, event.personal_part)]))
    assert got.skeleton == spaced
    assert got.hash != event.hash
    assert got.facts == event.facts


def test_an_event_that_is_none_leaves_the_others_of_its_body_readable() -> None:
    first, second, third = some_events()
    parts = [(e.skeleton, e.personal_part) for e in (first, second, third)]
    parts[1] = (parts[1][0], third.personal_part)
    split = split_body(write_body(parts))
    assert [read(*split[0]), read(*split[2])] == [first, third]
    with pytest.raises(ProtocolError, match="seals"):
        read(*split[1])


def test_a_body_of_more_values_than_any_has_is_refused_unread() -> None:
    with pytest.raises(ProtocolError, match="values"):
        read_body(b"[" + b"1," * limits.BODY_COMMAS + b"1,1]")


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[", b"[1", b"7", b"null", b"[{}]", b"[{},{},{}]", b"[1,2]", b"[[],[]]"]
)
def test_what_is_no_body_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_body(body)


# --- pages ------------------------------------------------------------------------------------


@given(st.binary(max_size=100), st.integers(0, 100))
def test_a_page_is_unpacked_as_it_was_packed(seed: bytes, times: int) -> None:
    body = seed * times
    sent, packed = pack(body)
    assert packed is (len(body) >= limits.COMPRESS_FROM_BYTES)
    assert (unpack(sent) if packed else sent) == body


def test_a_short_page_is_not_packed() -> None:
    body = b"x" * (limits.COMPRESS_FROM_BYTES - 1)
    assert pack(body) == (body, False)
    assert pack(body + b"x")[1]


def test_a_page_as_long_as_allowed_is_unpacked() -> None:
    body = b"x" * limits.PAGE_INFLATED_BYTES
    assert unpack(zlib.compress(body)) == body


def test_a_decompression_bomb_is_refused_without_being_inflated() -> None:
    layer = zlib.compressobj(9)
    bomb = b"".join(layer.compress(bytes(1 << 20)) for _ in range(64)) + layer.flush()
    assert len(bomb) < BUS_FRAME_BYTES
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="more than"):
            unpack(bomb)
        assert tracemalloc.get_traced_memory()[1] < 4 * limits.PAGE_INFLATED_BYTES
    finally:
        tracemalloc.stop()


def test_a_page_one_byte_too_long_is_refused() -> None:
    with pytest.raises(ProtocolError):
        unpack(zlib.compress(bytes(limits.PAGE_INFLATED_BYTES + 1)))


def test_a_page_that_is_cut_off_is_refused() -> None:
    packed = zlib.compress(body_of(some_events()))
    for end in range(len(packed)):
        with pytest.raises(ProtocolError):
            unpack(packed[:end])


def test_no_bit_of_a_packed_page_can_turn_without_being_noticed() -> None:
    events = some_events()
    packed = zlib.compress(body_of(events))
    for at in range(2, len(packed)):  # the first two bytes say how it was packed
        damaged = bytearray(packed)
        damaged[at] ^= 1
        with pytest.raises(ProtocolError):
            unpack(bytes(damaged))


# --- garbage ----------------------------------------------------------------------------------

DEEP = b"[" * 100_000
NO_UTF8 = b"\xff\xfe"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


def refused_or_read(reader: Callable[[bytes], object], garbage: bytes) -> None:
    """Whatever comes in, nothing but a ProtocolError comes out."""
    with suppress(ProtocolError):
        reader(garbage)


def read_header(frame: bytes) -> object:
    return read_message([frame])


def read_events(body: bytes) -> object:
    return read_body(body)


READERS = pytest.mark.parametrize("reader", [read_header, read_events, unpack])


@READERS
@given(st.binary(max_size=200))
@example(b"")
@example(NO_UTF8)
@example(DEEP)
@example(b'{"data":' + DEEP)
@example(b'{"v":1e999}')
@example(b'{"v":' + b"9" * 5000 + b"}")
@example(b"[" + DEEP + b"]" * 100_001 + b",{}]")
def test_any_bytes_are_read_or_refused(reader: Callable[[bytes], object], garbage: bytes) -> None:
    refused_or_read(reader, garbage)


@given(st.lists(st.binary(max_size=50), max_size=4))
def test_any_frames_are_read_or_refused(frames: list[bytes]) -> None:
    with suppress(ProtocolError):
        read_message(frames)


@given(json_values)
def test_any_json_is_read_or_refused(value: object) -> None:
    text = json.dumps(value).encode()
    refused_or_read(read_header, text)
    refused_or_read(read_events, text)
    refused_or_read(read_events, b"[" + text + b"," + text + b"]")


@given(st.sampled_from(["v", "type", "source_central", "timestamp", "data"]), json_values)
def test_any_value_of_a_member_is_read_or_refused(name: str, value: object) -> None:
    for kind in MessageType:
        refused_or_read(read_header, header(**{"type": kind, name: value}))


@given(datas, st.data())
def test_a_damaged_header_is_read_or_refused(data: Data, choices: st.DataObject) -> None:
    frame = bytearray(write_header("central-1", T0_MS, data))
    for _ in range(choices.draw(st.integers(1, 3))):
        frame[choices.draw(st.integers(0, len(frame) - 1))] = choices.draw(st.integers(0, 255))
    refused_or_read(read_header, bytes(frame))
    refused_or_read(read_header, bytes(frame[: choices.draw(st.integers(0, len(frame)))]))


@given(st.data())
def test_a_damaged_body_is_read_or_refused(choices: st.DataObject) -> None:
    body = bytearray(body_of(some_events()))
    for _ in range(choices.draw(st.integers(1, 3))):
        body[choices.draw(st.integers(0, len(body) - 1))] = choices.draw(st.integers(0, 255))
    refused_or_read(read_events, bytes(body))


@pytest.mark.parametrize("member", ["type", "source_central", "data", "more"])
def test_text_that_is_not_utf8_is_refused(member: str) -> None:
    value = b'{"site":"\xff"}' if member == "data" else b'"\xff"'
    name = json.dumps(member).encode()
    frame = header(**{member: None})[:-1] + b"," + name + b":" + value + b"}"
    refused_or_read(read_header, frame)


@pytest.mark.parametrize("part", [0, 1])
def test_an_event_with_text_that_is_not_utf8_is_read_or_refused(part: int) -> None:
    [event] = some_events()[:1]
    parts = [event.skeleton, event.personal_part]
    parts[part] = parts[part].replace(b"edge-1", b"edge-\xff").replace(b"view", b"\xff")
    refused_or_read(read_events, write_body([(parts[0], parts[1])]))


def test_an_event_whose_data_is_not_utf8_holds_its_place() -> None:
    [event] = some_events()[:1]
    assert b"edge-1" in event.skeleton
    [got] = read_body(
        write_body([(event.skeleton.replace(b"edge-1", b"e\xffge-1"), event.personal_part)])
    )
    assert got.position == event.position
    assert got.facts is None
    assert got == read(got.skeleton, got.personal_part)
