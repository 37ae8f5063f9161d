"""Hikvision ISAPI: `EventNotificationAlert`, as XML alone or as multipart with pictures."""

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
from zparkd.camera.sources.json_object import is_picture
from zparkd.camera.sources.multipart import Part, is_multipart, parts_of
from zparkd.camera.sources.xml_texts import Texts, texts_of

_ROOT = "EventNotificationAlert"
_TRAVEL = {"forward": Travel.FORWARD, "reverse": Travel.REVERSE}
_XML = ("text/xml", "application/xml")


def decode(body: bytes, content_type: str, at: At) -> Message:
    """The read of an ANPR event; other events and heartbeats are messages without reads."""
    if not is_multipart(content_type):
        return _event(texts_of(body), (), at)
    parts = parts_of(body, content_type)
    xml = [part for part in parts if _is_xml(part)]
    if not xml:
        raise Unreadable("no part of the message is XML")
    pictures = [Picture(part.name, part.data) for part in parts if is_picture(part.data)]
    return _event(texts_of(xml[0].data), tuple(pictures[:PICTURES]), at)


def _is_xml(part: Part) -> bool:
    return part.content_type in _XML or part.data.lstrip()[:1] == b"<"


def _event(texts: Texts, pictures: tuple[Picture, ...], at: At) -> Message:
    def text(*path: str) -> str:
        return texts.get((_ROOT, *path), "")

    if (_ROOT,) not in texts:
        raise Unreadable(f"the XML is no {_ROOT}")
    kind = text("eventType")
    if kind.upper() not in ("ANPR", "VEHICLEDETECTION"):
        return Message(about=f"event {kind[:40] or 'without a type'}")
    direction = text("ANPR", "direction").lower()
    again = text("isDataRetransmission") or text("ANPR", "isDataRetransmission")
    read = read_of(
        text("ANPR", "licensePlate") or text("ANPR", "originalLicensePlate"),
        captured_ms=time_of(text("dateTime") or None, at),
        confidence=confidence_of(text("ANPR", "confidenceLevel"), 100),
        travel=_TRAVEL.get(direction, Travel.UNKNOWN),
        repeated=again.lower() in ("true", "1"),
        uid=text("UUID"),
        raw={
            "time": text("dateTime"),
            "confidence": text("ANPR", "confidenceLevel"),
            "direction": text("ANPR", "direction"),
            "original": text("ANPR", "originalLicensePlate"),
            "vehicle": text("ANPR", "vehicleType"),
            "list": text("ANPR", "vehicleListName") or text("ANPR", "listType"),
        },
    )
    return Message((read,), pictures)
