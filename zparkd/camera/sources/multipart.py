"""The parts of a multipart body (form-data, mixed), bounded, for the messages of cameras.

Cameras are careless: lengths that are wrong, boundaries in quotes or not, no line before the
first part. What can be told apart is; the rest is `Unreadable`.
"""

import re
from dataclasses import dataclass

from zparkd.camera.read import Unreadable

PARTS = 32
_HEADER_BYTES = 4096
_BOUNDARY = re.compile(r'boundary="?([^";,\s]{1,70})"?', re.IGNORECASE)
_NAME = re.compile(r'\b(filename|name)="?([^";\r\n]{0,128})"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its name (or file name), its type in lower case, its bytes."""

    name: str
    content_type: str
    data: bytes


def is_multipart(content_type: str) -> bool:
    """Whether the body of this type is one of parts."""
    return content_type.lstrip().lower().startswith("multipart/")


def parts_of(body: bytes, content_type: str) -> list[Part]:
    """The parts of a body. Raises Unreadable."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise Unreadable("multipart without a boundary")
    line = b"--" + found[1].encode("latin-1", "replace")
    parts: list[Part] = []
    chunks = body.split(line, PARTS + 2)
    if len(chunks) > PARTS + 2:
        raise Unreadable(f"more than {PARTS} parts")
    for chunk in chunks[1:]:
        if chunk.startswith(b"--"):
            break
        head, gap, data = chunk.lstrip(b"\r\n").partition(b"\r\n\r\n")
        if not gap:
            head, gap, data = chunk.lstrip(b"\r\n").partition(b"\n\n")
        if not gap or len(head) > _HEADER_BYTES:
            raise Unreadable("a part without an end of its headers")
        parts.append(_part(head.decode("utf-8", "replace"), _without_end(data)))
    if not parts:
        raise Unreadable("multipart without parts")
    return parts


def _part(head: str, data: bytes) -> Part:
    headers = {
        name.strip().lower(): value.strip()
        for name, colon, value in (line.partition(":") for line in head.splitlines())
        if colon
    }
    names = {
        word.lower(): name for word, name in _NAME.findall(headers.get("content-disposition", ""))
    }
    return Part(
        names.get("filename") or names.get("name") or "",
        headers.get("content-type", "").partition(";")[0].strip().lower(),
        data,
    )


def _without_end(data: bytes) -> bytes:
    if data.endswith(b"\r\n"):
        return data[:-2]
    return data.removesuffix(b"\n")
