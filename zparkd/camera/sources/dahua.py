"""Dahua ITC cameras: the JSON of `TollgateInfo` (ITSAPI push) and of `TrafficJunction` events.

Their numbers `UTC` are seconds of the local clock, whatever the name says, so they are not read;
`RealUTC` and the written times are.
"""

from typing import Any

from zparkd.camera.read import (
    PICTURES,
    At,
    Message,
    Picture,
    Travel,
    Unreadable,
    confidence_of,
    read_of,
    time_of,
)
from zparkd.camera.sources.json_object import member, object_and_pictures, picture_of

_TRAVEL = {
    "obverse": Travel.FORWARD,
    "approach": Travel.FORWARD,
    "reverse": Travel.REVERSE,
    "leave": Travel.REVERSE,
}
_CUTOUTS = ("NormalPic", "VehiclePic", "CutoutPic", "PlatePic")


def decode(body: bytes, content_type: str, at: At) -> Message:
    """The read of an ITC message; keep-alives and device messages have none."""
    found, pictures = object_and_pictures(body, content_type)
    if isinstance(found.get("Picture"), dict):
        return _tollgate(found["Picture"], pictures, at)
    event = found.get("Data") or found.get("data")
    code = found.get("Code") or found.get("code") or member(event, "Code")
    if isinstance(event, dict) and code in ("TrafficJunction", "TrafficManualSnap"):
        return _junction(event, pictures, at)
    if "Active" in found or "DeviceID" in found or code is not None:
        return Message(about=f"event {str(code or found.get('Active') or 'DeviceInfo')[:40]}")
    raise Unreadable("neither Picture nor a traffic event; is this the JSON of an ITC camera?")


def _tollgate(picture: dict[str, Any], pictures: list[Picture], at: At) -> Message:
    plate, snap = picture.get("Plate"), picture.get("SnapInfo")
    when = member(snap, "AccurateTime") or member(snap, "SnapTime")
    direction = member(snap, "Direction")
    for name in _CUTOUTS:
        pictures += picture_of(name, member(picture, name, "Content"))
    read = read_of(
        member(plate, "PlateNumber") if member(plate, "IsExist") is not False else "",
        captured_ms=time_of(when, at),
        confidence=confidence_of(member(plate, "Confidence"), 100),
        travel=_travel(direction),
        uid=_uid(picture, snap),
        raw={
            "time": when,
            "confidence": member(plate, "Confidence"),
            "direction": direction,
            "vehicle": member(picture, "Vehicle", "VehicleType"),
        },
    )
    return Message((read,), tuple(pictures[:PICTURES]))


def _uid(picture: dict[str, Any], snap: object) -> object:
    """The camera's name of the event: of its picture, which it never gives twice."""
    name = member(picture, "NormalPic", "PicName") or member(picture, "CutoutPic", "PicName")
    return name or member(snap, "SnapID")


def _junction(event: dict[str, Any], pictures: list[Picture], at: At) -> Message:
    car = event.get("TrafficCar")
    when = event.get("RealUTC")
    if isinstance(when, int) and isinstance(event.get("UTCMS"), int):
        when = when * 1000 + event["UTCMS"] % 1000
    direction = member(car, "DrivingDirection", 0) or event.get("JunctionDirection")
    sure = member(event, "Object", "Confidence")
    read = read_of(
        member(car, "PlateNumber") or member(event, "Object", "Text"),
        captured_ms=time_of(when if when is not None else event.get("LocaleTime"), at),
        confidence=confidence_of(sure, 255) if sure else None,
        travel=_travel(direction),
        uid=event.get("GroupID") or None,
        raw={
            "time": event.get("RealUTC") or event.get("LocaleTime"),
            "confidence": sure,
            "direction": direction,
            "vehicle": member(event, "Vehicle", "Category"),
        },
    )
    return Message((read,), tuple(pictures[:PICTURES]))


def _travel(direction: object) -> Travel:
    if not isinstance(direction, str):
        return Travel.UNKNOWN
    return _TRAVEL.get(direction.lower(), Travel.UNKNOWN)
