"""Reading JSON that anybody may have sent: its object, and members of members that may lack."""

import base64
import binascii
from typing import Any

import orjson

from zparkd.camera.read import MESSAGE_BYTES, PICTURES, Picture, Unreadable
from zparkd.camera.sources.multipart import is_multipart, parts_of


def object_of(body: bytes) -> dict[str, Any]:
    """The JSON object that a message is. Raises Unreadable."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise Unreadable(f"no JSON: {fault}") from None
    if not isinstance(found, dict):
        raise Unreadable("the JSON is no object")
    return found


def object_and_pictures(body: bytes, content_type: str) -> tuple[dict[str, Any], list[Picture]]:
    """The JSON object of a message, alone or in a form beside pictures. Raises Unreadable."""
    if not is_multipart(content_type):
        return object_of(body), []
    parts = parts_of(body, content_type)
    texts = [part.data for part in parts if part.data.lstrip()[:1] == b"{"]
    if not texts:
        raise Unreadable("no part of the message is JSON")
    pictures = [Picture(part.name, part.data) for part in parts if is_picture(part.data)]
    return object_of(texts[0]), pictures[:PICTURES]


def member(table: object, *names: str | int) -> Any:
    """What stands at this place, None where the way there ends before."""
    for name in names:
        if isinstance(table, dict) and isinstance(name, str):
            table = table.get(name)
        elif isinstance(table, list) and isinstance(name, int) and 0 <= name < len(table):
            table = table[name]
        else:
            return None
    return table


def picture_of(name: str, text: object) -> list[Picture]:
    """The picture that a string in base64 holds; none where it holds none."""
    if not isinstance(text, str) or not 0 < len(text) <= MESSAGE_BYTES:
        return []
    try:
        data = base64.b64decode(text.partition("base64,")[2] or text, validate=True)
    except (binascii.Error, ValueError):
        return []
    return [Picture(name, data)] if is_picture(data) else []


def is_picture(data: bytes) -> bool:
    """Whether these bytes begin as JPEG or PNG do."""
    return data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))
