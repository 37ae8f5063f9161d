"""Frigate: `tracked_object_update` of type `lpr`, and the plate in `events`, over MQTT."""

from collections.abc import Callable

from zparkd.camera.read import At, Message, Unreadable, confidence_of, read_of, time_of
from zparkd.camera.sources.json_object import member, object_of

CAMERA = "camera"  # the key of `raw` that says which camera of the Frigate it was


def decode(body: bytes, content_type: str, at: At) -> Message:  # noqa: ARG001 - it is always JSON
    """The read of an update; updates about other things have none."""
    found = object_of(body)
    kind = found.get("type")
    if isinstance(found.get("after"), dict):
        return _event(found["after"], at)
    if kind != "lpr":
        if not isinstance(kind, str):
            raise Unreadable("no type; is this a message of Frigate?")
        return Message(about=f"update {kind[:40]}")
    read = read_of(
        found.get("plate"),
        captured_ms=time_of(found.get("timestamp"), at),
        confidence=confidence_of(found.get("score"), 1),
        uid=found.get("id"),
        raw={
            "time": found.get("timestamp"),
            "confidence": found.get("score"),
            "name": found.get("name"),
            CAMERA: found.get("camera"),
        },
    )
    return Message((read,))


def _event(after: dict[str, object], at: At) -> Message:
    """An update of `frigate/events`: its plate stands there once one was read."""
    plate = after.get("recognized_license_plate")
    if not plate:
        return Message(about="event without a plate")
    known = isinstance(plate, list)  # [plate, score]
    score = member(plate, 1) if known else after.get("recognized_license_plate_score")
    read = read_of(
        member(plate, 0) if known else plate,
        captured_ms=time_of(after.get("frame_time"), at),
        confidence=confidence_of(score, 1),
        uid=after.get("id"),
        raw={
            "time": after.get("frame_time"),
            "confidence": score,
            CAMERA: after.get("camera"),
        },
    )
    return Message((read,))


def of_camera(name: str) -> Callable[[bytes, str, At], Message]:
    """A `decode` that leaves out what other cameras of the same Frigate saw."""

    def decode_own(body: bytes, content_type: str, at: At) -> Message:
        found = decode(body, content_type, at)
        if all(read.raw.get(CAMERA) == name for read in found.reads):
            return found
        return Message(about="a read of another camera")

    return decode_own
