"""What cameras of each make send: a read of a plate as the bytes of a message.

Written from the same documents as the messages in `captured/`, and used by the simulator. Nothing
of `zparkd.camera` is used here: what it reads is judged by what this writes.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000") + bytes(900) + b"\xff\xd9"
MQTT = "mqtt"  # in place of a path: it goes to the broker


@dataclass(frozen=True, slots=True)
class Shot:
    """What a camera saw: of which the confidence is 0 to 1, and the time its own clock's."""

    plate: str | None
    at_ms: int
    confidence: float
    number: int
    leaving: bool = False
    again: bool = False  # sent once more, from the camera's memory


@dataclass(frozen=True, slots=True)
class Sent:
    """A message: its bytes, its type, and what follows the lane's path."""

    body: bytes
    content_type: str
    path: str = ""


def _local(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, ZONE)


def _json(said: object) -> bytes:
    return json.dumps(said).encode()


def hikvision(shot: Shot) -> Sent:
    when = _local(shot.at_ms).isoformat(timespec="milliseconds")
    way = "reverse" if shot.leaving else "forward"
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
<EventNotificationAlert version="2.0" xmlns="http://www.isapi.org/ver20/XMLSchema">
<ipAddress>127.0.0.1</ipAddress><channelID>1</channelID><dateTime>{when}</dateTime>
<activePostCount>1</activePostCount><eventType>ANPR</eventType><eventState>active</eventState>
<ANPR><licensePlate>{shot.plate or "unknown"}</licensePlate><line>1</line>
<direction>{way}</direction><confidenceLevel>{round(shot.confidence * 100)}</confidenceLevel>
</ANPR><UUID>{shot.number:032x}</UUID><picNum>1</picNum>
<isDataRetransmission>{str(shot.again).lower()}</isDataRetransmission>
</EventNotificationAlert>"""
    return Sent(text.encode(), 'application/xml; charset="UTF-8"')


def hikvision_pictures(shot: Shot) -> Sent:
    xml = hikvision(shot).body
    parts = (("anpr.xml", "text/xml", xml), ("detectionPicture.jpg", "image/jpeg", JPEG))
    body = b"".join(
        f'--bound\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        f"Content-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n".encode()
        + data
        + b"\r\n"
        for name, kind, data in parts
    )
    return Sent(body + b"--bound--\r\n", "multipart/form-data; boundary=bound")


def dahua(shot: Shot) -> Sent:
    when = _local(shot.at_ms).strftime("%Y-%m-%d %H:%M:%S.") + f"{shot.at_ms % 1000:03d}"
    plate = {"PlateNumber": shot.plate or "", "IsExist": shot.plate is not None}
    plate["Confidence"] = round(shot.confidence * 100)
    said = {
        "Picture": {
            "NormalPic": {
                "Content": base64.b64encode(JPEG).decode(),
                "PicName": f"{shot.number}.jpg",
            },
            "Plate": plate,
            "SnapInfo": {
                "AccurateTime": when,
                "DeviceID": "sim",
                "Direction": "Reverse" if shot.leaving else "Obverse",
            },
        }
    }
    return Sent(_json(said), "application/json", "/NotificationInfo/TollgateInfo")


def dahua_event(shot: Shot) -> Sent:
    seconds, ms = divmod(shot.at_ms, 1000)
    data = {
        "Code": "TrafficJunction",
        "RealUTC": seconds,
        "UTC": seconds + 7 * 3600,
        "UTCMS": ms,
        "LocaleTime": _local(shot.at_ms).strftime("%Y-%m-%d %H:%M:%S"),
        "GroupID": shot.number,
        "Object": {"Text": shot.plate or "", "Confidence": round(shot.confidence * 255)},
        "TrafficCar": {
            "PlateNumber": shot.plate or "",
            "DrivingDirection": ["Leave" if shot.leaving else "Approach", "", ""],
        },
    }
    return Sent(_json({"Action": "Pulse", "Code": "TrafficJunction", "Data": data}), "text/plain")


def _stream(shot: Shot) -> dict[str, object]:
    when = datetime.fromtimestamp(shot.at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    results = []
    if shot.plate is not None:
        results = [
            {
                "plate": shot.plate.lower(),
                "score": round(shot.confidence, 3),
                "dscore": 0.8,
                "direction": 0 if shot.leaving else 180,
                "vehicle": {"type": "Sedan", "score": 0.7},
            }
        ]
    name = f"sim/{shot.number}.jpg"
    data = {"camera_id": "sim", "filename": name, "timestamp": when, "results": results}
    return {"hook": {"event": "recognition", "id": "sim", "filename": name}, "data": data}


def stream(shot: Shot) -> Sent:
    return Sent(_json(_stream(shot)), "application/json")


def stream_form(shot: Shot) -> Sent:
    text = f"json={quote(_json(_stream(shot)).decode())}"
    return Sent(text.encode(), "application/x-www-form-urlencoded")


def rekor(shot: Shot) -> Sent:
    said = {
        "data_type": "alpr_group",
        "epoch_start": shot.at_ms - 400,
        "epoch_end": shot.at_ms,
        "best_plate_number": shot.plate or "",
        "best_confidence": shot.confidence * 100,
        "best_uuid": f"sim-{shot.number}",
        "travel_direction": 4.0 if shot.leaving else 176.0,
        "best_plate": {"plate": shot.plate or "", "confidence": shot.confidence * 100},
    }
    return Sent(_json(said), "application/json")


def frigate(shot: Shot) -> Sent:
    said = {
        "type": "lpr",
        "id": f"{shot.number}-sim",
        "camera": "gate",
        "name": None,
        "plate": shot.plate or "",
        "score": shot.confidence,
        "timestamp": shot.at_ms / 1000,
    }
    return Sent(_json(said), "application/json", MQTT)


def other(shot: Shot) -> Sent:
    seen = {"lp": shot.plate, "sure": round(shot.confidence * 10, 2), "at": shot.at_ms}
    return Sent(_json({"seen": [seen | {"way": "out" if shot.leaving else "in"}]}), "text/json")


# What the file of a lane says besides, and which source it names.
OTHER_MAPPING = (
    '[json]\nplate = "seen.0.lp"\nconfidence = "seen.0.sure"\nconfidence_top = 10\n'
    'time = "seen.0.at"\ndirection = "seen.0.way"\nforward = ["in"]\nreverse = ["out"]\n'
)
FORMATS: Mapping[str, tuple[str, Callable[[Shot], Sent]]] = {
    "hikvision": ("hikvision", hikvision),
    "hikvision-pictures": ("hikvision", hikvision_pictures),
    "dahua": ("dahua", dahua),
    "dahua-event": ("dahua", dahua_event),
    "platerecognizer": ("platerecognizer", stream),
    "platerecognizer-form": ("platerecognizer", stream_form),
    "rekor": ("rekor", rekor),
    "json": ("json", other),
    "frigate": ("frigate", frigate),
}
NOISE: Mapping[str, bytes] = {
    "hikvision": b"<EventNotificationAlert><eventType>videoloss</eventType>"
    b"<eventState>inactive</eventState></EventNotificationAlert>",
    "dahua": b'{"Active": "keepAlive", "DeviceID": "sim"}',
    "platerecognizer": b'{"hook": {"event": "heartbeat"}}',
    "rekor": b'{"data_type": "heartbeat"}',
    "json": b'{"hello": "world"}',
    "frigate": b'{"type": "description", "id": "1"}',
}
