"""One module for each format that cameras send, each with a `decode` that makes it a `Message`.

`decode(body, content_type, at)` is pure: bytes in, a `Message` out, `Unreadable` for everything
that is none. `at` says how a time without a zone is to be read.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum

from zparkd.camera.read import At, Message
from zparkd.camera.sources import dahua, hikvision, platerecognizer, rekor

Decode = Callable[[bytes, str, At], Message]


class Source(StrEnum):
    """What a lane's camera speaks, as its file says it."""

    HIKVISION = "hikvision"
    DAHUA = "dahua"
    PLATERECOGNIZER = "platerecognizer"
    REKOR = "rekor"
    FRIGATE = "frigate"
    JSON = "json"


# Those of Source.JSON and Source.FRIGATE are made of what the lane's file says.
DECODERS: Mapping[Source, Decode] = {
    Source.HIKVISION: hikvision.decode,
    Source.DAHUA: dahua.decode,
    Source.PLATERECOGNIZER: platerecognizer.decode,
    Source.REKOR: rekor.decode,
}
