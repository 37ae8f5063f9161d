"""Rekor Scout and OpenALPR: the webhook JSON of groups (`alpr_group`) and alerts."""

from zparkd.camera.read import (
    At,
    Message,
    Unreadable,
    confidence_of,
    read_of,
    time_of,
    travel_of_degrees,
)
from zparkd.camera.sources.json_object import member, object_of, picture_of

_OTHERS = ("heartbeat", "alpr_results", "vehicle")


def decode(body: bytes, content_type: str, at: At) -> Message:  # noqa: ARG001 - it is always JSON
    """The read of a group, or of the group in an alert; heartbeats have none."""
    found = object_of(body)
    kind = found.get("data_type")
    if kind in _OTHERS:
        return Message(about=f"event {kind}")
    if kind not in ("alpr_group", "alpr_alert"):
        raise Unreadable("data_type is neither alpr_group nor alpr_alert")
    inner = found.get("group") if kind == "alpr_alert" else found
    group = inner if isinstance(inner, dict) else {}
    plate = group.get("best_plate_number") or member(group, "best_plate", "plate")
    sure = group.get("best_confidence", member(group, "best_plate", "confidence"))
    when = group.get("epoch_end") or group.get("epoch_start") or found.get("epoch_time")
    read = read_of(
        plate or found.get("plate_number"),
        captured_ms=time_of(when, at),
        confidence=confidence_of(sure, 100),
        travel=travel_of_degrees(group.get("travel_direction")),
        uid=group.get("best_uuid"),
        raw={
            "time": when,
            "confidence": sure,
            "direction": group.get("travel_direction"),
            "region": group.get("best_region"),
        },
    )
    crop = member(group, "best_plate", "plate_crop_jpeg")
    return Message((read,), tuple(picture_of("plate", crop)))
