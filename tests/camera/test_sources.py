"""Each format of the cameras: its captured messages, and whatever else may come."""

import contextlib
import re
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.camera.rig import CAPTURED, captured
from tests.support.examples import examples
from zparkd.camera.read import At, Message, Read, Travel, Unreadable
from zparkd.camera.sources import DECODERS, Decode, Source
from zparkd.camera.sources.frigate import of_camera
from zparkd.camera.sources.mapped import Mapping, place_of

# Half past ten and five seconds, in Vietnam, on a day in 2026.
CAPTURED_MS = 1_795_231_805_123
AT = At(ZoneInfo("Asia/Ho_Chi_Minh"), CAPTURED_MS + 400)
MULTIPART = "multipart/form-data; boundary=boundary"
VERKADA = Mapping(
    plate=place_of("data.license_plate_number"),
    confidence=place_of("data.confidence"),
    time=place_of("data.detected"),
    uid=place_of("webhook_id"),
)
ALL: dict[str, Decode] = {
    **{str(source): decode for source, decode in DECODERS.items()},
    "frigate": of_camera("gate"),
    "json": VERKADA.decode,
}


def decoded(name: str, content_type: str = "", **of: Any) -> Message:
    source = name.partition("-")[0].partition(".")[0]
    return ALL.get(source, VERKADA.decode)(captured(name), content_type, AT)


def test_every_source_has_a_decoder() -> None:
    assert set(ALL) == {str(source) for source in Source}


@pytest.mark.parametrize(
    ("name", "confidence", "travel", "ms"),
    [
        ("hikvision-anpr.xml", 0.97, Travel.FORWARD, 123),
        ("dahua-tollgate.json", 0.92, Travel.FORWARD, 123),
        ("dahua-junction.json", 0.8, Travel.FORWARD, 123),
        ("platerecognizer.json", 0.839, Travel.FORWARD, 123),
        ("rekor-group.json", 0.94969917297363, Travel.FORWARD, 123),
        ("rekor-alert.json", 0.94969917297363, Travel.FORWARD, 123),
        ("frigate-lpr.json", 0.95, Travel.UNKNOWN, 123),
        ("frigate-event.json", 0.92, Travel.UNKNOWN, 123),
        ("verkada.json", 0.9630414285714286, Travel.UNKNOWN, 123),
    ],
)
def test_a_captured_message_is_one_read_of_the_plate(
    name: str, confidence: float, travel: Travel, ms: int
) -> None:
    [read] = decoded(name).reads
    assert read.plate == "29A12345"
    assert read.confidence == pytest.approx(confidence)
    assert read.travel is travel
    assert read.captured_ms == CAPTURED_MS - 123 + ms
    assert not read.repeated
    assert read.uid


def test_the_pictures_of_a_multipart_message_come_with_its_read() -> None:
    found = decoded("hikvision-multipart.bin", MULTIPART)
    assert [read.plate for read in found.reads] == ["29A12345"]
    names = [picture.name for picture in found.pictures]
    assert names == ["licensePlatePicture.jpg", "detectionPicture.jpg"]
    assert found.pictures[1].data.endswith(b"\xff\xd92")


@pytest.mark.parametrize("name", ["dahua-tollgate.json", "rekor-group.json"])
def test_a_picture_in_base64_comes_with_its_read(name: str) -> None:
    assert all(it.data.startswith(b"\xff\xd8\xff") for it in decoded(name).pictures)
    assert decoded(name).pictures


def test_what_the_camera_sends_again_says_so() -> None:
    [read] = decoded("hikvision-again.xml").reads
    assert read.repeated


def test_a_vehicle_without_a_plate_is_a_read_without_one() -> None:
    [read] = decoded("hikvision-unknown.xml").reads
    assert (read.plate, read.view, read.travel) == (None, None, Travel.UNKNOWN)


@pytest.mark.parametrize("name", ["hikvision-heartbeat.xml", "dahua-keepalive.json"])
def test_a_heartbeat_is_no_read(name: str) -> None:
    found = decoded(name)
    assert found.reads == ()
    assert found.about.startswith("event ")


def test_raw_values_are_kept() -> None:
    [read] = decoded("hikvision-anpr.xml").reads
    assert read.raw["confidence"] == "97"
    assert read.raw["direction"] == "forward"
    assert read.raw["time"] == "2026-11-21T10:30:05.123+07:00"


def test_the_local_clock_that_dahua_calls_utc_is_not_believed() -> None:
    text = captured("dahua-junction.json").replace(b'"RealUTC"', b'"Other"')
    [read] = DECODERS[Source.DAHUA](text, "", AT).reads
    assert read.captured_ms == CAPTURED_MS - 123


def test_another_camera_of_the_same_frigate_is_not_the_lane_s() -> None:
    found = of_camera("yard")(captured("frigate-lpr.json"), "", AT)
    assert found.reads == ()


@pytest.mark.parametrize(
    ("source", "old", "new"),
    [
        ("hikvision-anpr.xml", b"2026-11-21T10:30:05.123+07:00", b"yesterday"),
        ("hikvision-anpr.xml", b"2026-11-21T10:30:05.123+07:00", b""),
        ("dahua-tollgate.json", b"2026-11-21 10:30:05.123", b"21/11/2026"),
        ("platerecognizer.json", b"2026-11-21T03:30:05.123000Z", b"soon"),
        ("rekor-group.json", b"epoch_", b"when_"),
        ("frigate-lpr.json", b"timestamp", b"when"),
    ],
)
def test_a_time_that_cannot_be_read_is_never_now(source: str, old: bytes, new: bytes) -> None:
    name = source.partition("-")[0].partition(".")[0]
    body = captured(source)
    assert old in body
    with pytest.raises(Unreadable, match="time"):
        ALL[name](body.replace(old, new), "", AT)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no XML"),
        (b"<a/>", "no EventNotificationAlert"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        (b"<a>" * 50, "larger than any event"),
        (b"<a>" + b"<b/>" * 5000 + b"</a>", "larger than any event"),
    ],
)
def test_xml_that_no_camera_sends_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        DECODERS[Source.HIKVISION](body, "text/xml", AT)


@pytest.mark.parametrize(
    ("body", "content_type", "why"),
    [
        (b"--b\r\n\r\n", "multipart/form-data", "without a boundary"),
        (b"nothing", "multipart/form-data; boundary=b", "without parts"),
        (b"--b\r\nno end", "multipart/form-data; boundary=b", "end of its headers"),
        (b"--b\r\n\r\nx\r\n" * 40, "multipart/form-data; boundary=b", "more than"),
        (b"--b\r\nA: b\r\n\r\nx\r\n--b--", "multipart/mixed; boundary=b", "no part"),
    ],
)
def test_a_multipart_that_no_camera_sends_is_refused(
    body: bytes, content_type: str, why: str
) -> None:
    with pytest.raises(Unreadable, match=why):
        DECODERS[Source.HIKVISION](body, content_type, AT)


def test_a_mapping_finds_what_the_lane_s_file_says() -> None:
    mapping = Mapping(
        plate=place_of("events.0.plate"),
        confidence=place_of("events.0.sure"),
        top=10.0,
        direction=place_of("events.0.way"),
        forward=("in",),
        reverse=("out",),
    )
    body = b'{"events": [{"plate": "29A-123.45", "sure": 9, "way": "out"}]}'
    [read] = mapping.decode(body, "application/json", AT).reads
    assert (read.plate, read.view) == ("29A12345", "29A-123.45")
    assert (read.confidence, read.travel) == (0.9, Travel.REVERSE)
    assert read.captured_ms == AT.now_ms  # no time is mapped: it is taken for new


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


def holds(message: Message) -> None:
    """What is true of every message whatever it came from."""
    for read in message.reads:
        assert isinstance(read, Read)
        assert read.plate is None or re.fullmatch("[A-Z0-9]{3,12}", read.plate)
        assert read.confidence is None or 0 <= read.confidence <= 1
        assert 0 < read.captured_ms < 253_402_214_400_000
        texts = [read.view, read.uid, *read.raw.values()]
        assert all(text is None or (text.isprintable() and len(text) <= 64) for text in texts)


@pytest.mark.parametrize("source", sorted(ALL))
@examples(40)
@given(body=st.binary(max_size=400), content_type=st.sampled_from(["", MULTIPART, "text/xml"]))
@example(body=b"1" * 400, content_type="")
def test_whatever_comes_is_a_message_or_unreadable(
    source: str, body: bytes, content_type: str
) -> None:
    with contextlib.suppress(Unreadable):
        holds(ALL[source](body, content_type, AT))


@pytest.mark.parametrize("name", sorted(p.name for p in CAPTURED.iterdir() if p.suffix != ".md"))
@examples(20)
@given(data=st.data())
def test_a_captured_message_with_any_value_changed_is_a_message_or_unreadable(
    name: str, data: st.DataObject
) -> None:
    body = captured(name)
    source = name.partition("-")[0].partition(".")[0]
    decode = ALL.get(source, VERKADA.decode)
    values = list(re.finditer(rb'(?<=: )("[^"]*"|[0-9.]+|true|null)|(?<=>)[^<>]+(?=<)', body))
    if not values:
        return
    at = data.draw(st.sampled_from(values))
    if name.endswith(".json"):
        import orjson

        try:
            new = orjson.dumps(data.draw(JSON))
        except TypeError:  # an integer of more than 64 bits, a lone surrogate
            new = b"9" * 400
    else:
        new = data.draw(st.binary(max_size=40))
    changed = body[: at.start()] + new + body[at.end() :]
    with contextlib.suppress(Unreadable):
        holds(decode(changed, MULTIPART if name.endswith(".bin") else "", AT))
