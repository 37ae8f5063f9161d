"""Plate Recognizer Stream: its webhook, as JSON alone or as the field `json` of a form."""

from urllib.parse import parse_qs

from zparkd.camera.read import (
    READS,
    At,
    Message,
    Read,
    Unreadable,
    confidence_of,
    read_of,
    time_of,
    travel_of_degrees,
)
from zparkd.camera.sources.json_object import member, object_and_pictures


def decode(body: bytes, content_type: str, at: At) -> Message:
    """The reads of a recognition; heartbeats and dwell messages have none."""
    if "x-www-form-urlencoded" in content_type.lower():
        body, content_type = _form_field(body), "application/json"
    found, pictures = object_and_pictures(body, content_type)
    event = member(found, "hook", "event")
    if event not in (None, "recognition", "image"):
        return Message(about=f"event {str(event)[:40]}")
    results = member(found, "data", "results")
    if not isinstance(results, list):
        raise Unreadable("no data.results; is this the webhook of Plate Recognizer Stream?")
    data = found["data"]
    when = data.get("timestamp") or data.get("timestamp_local")
    captured_ms = time_of(_as_utc(when), at) if results else 0
    filename = data.get("filename")
    reads = [
        # Of several vehicles in one picture each has a name of its own.
        _read(result, captured_ms, when, f"{filename} {number}" if filename else None)
        for number, result in enumerate(results[:READS])
    ]
    return Message(tuple(reads), tuple(pictures))


def _form_field(body: bytes) -> bytes:
    try:
        fields = parse_qs(body.decode(), max_num_fields=16)
    except ValueError:
        raise Unreadable("a form that can't be read") from None
    if "json" not in fields:
        raise Unreadable("the form has no field json")
    return fields["json"][0].encode()


def _as_utc(when: object) -> object:
    """`timestamp` is in UTC also where no zone is written."""
    if isinstance(when, str) and "+" not in when and not when.endswith("Z"):
        return f"{when.strip()}+00:00"
    return when


def _read(result: object, captured_ms: int, when: object, uid: object) -> Read:
    plate = member(result, "plate")
    if isinstance(plate, dict):  # the form with `make_model` v2: plate.props.plate[]
        best = member(plate, "props", "plate", 0)
        plate, score = member(best, "value"), member(best, "score")
    else:
        score = member(result, "score")
    return read_of(
        plate,
        captured_ms=captured_ms,
        confidence=confidence_of(score, 1),
        travel=travel_of_degrees(member(result, "direction")),
        uid=uid,
        raw={
            "time": when,
            "confidence": score,
            "direction": member(result, "direction"),
            "vehicle": member(result, "vehicle", "type"),
            "region": member(result, "region", "code"),
        },
    )
