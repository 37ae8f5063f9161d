"""What we say to other centrals, as frames: the other way of `wire`, which has all forms."""

import zlib
from collections.abc import Collection, Iterable

import msgspec
from msgspec import Raw

from zparkd.core.events.event import Stream
from zparkd.core.events.heads import HeadVector
from zparkd.core.events.signing import Certificate, SignedHead
from zparkd.core.replication import limits
from zparkd.core.replication.wire import (
    TOPIC_EVENTS,
    VERSION,
    Ask,
    Beat,
    Certificates,
    Compare,
    Data,
    Digests,
    Header,
    Live,
    MessageType,
    Page,
    SignedHeads,
)

_NONE = HeadVector()
_encode = msgspec.json.Encoder().encode
_TYPE_OF: dict[type, MessageType] = {
    Live: MessageType.EVENTS,
    Beat: MessageType.HEARTBEAT,
    Ask: MessageType.SYNC_REQUEST,
    Page: MessageType.SYNC_RESPONSE,
    Compare: MessageType.DIGEST_REQUEST,
    Digests: MessageType.DIGEST_RESPONSE,
}


def write_header(source: str, timestamp: int, data: Data) -> bytes:
    """The header frame of a message."""
    return _encode(
        Header(VERSION, _TYPE_OF[type(data)].value, source, timestamp, Raw(_encode(data)))
    )


def write_live(
    source: str,
    timestamp: int,
    site: str,
    events: Iterable[tuple[bytes, bytes]],
    signed: Iterable[SignedHead],
    certificate: Certificate | None,
) -> list[bytes]:
    """What was just recorded, to be published: skeletons and personal parts, and who signed them.

    Without keys there is no `certificate`.
    """
    live = Live(site)
    if certificate is not None:
        live = Live(site, write_signed(signed), write_certificates([certificate]))
    return [TOPIC_EVENTS, write_header(source, timestamp, live), write_body(events)]


def write_body(events: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The body frame that holds these skeletons and personal parts."""
    return b"[" + b",".join(part for event in events for part in event) + b"]"


def pack(body: bytes) -> tuple[bytes, bool]:
    """A body as it goes out for sync, and whether it was deflated."""
    if len(body) < limits.COMPRESS_FROM_BYTES:
        return body, False
    return zlib.compress(body, 1), True


def write_signed(heads: Iterable[SignedHead]) -> SignedHeads:
    """Signed heads as they stand in a message: a signature in base64."""
    return [(*head.position, head.signature) for head in heads]


def write_certificates(certificates: Iterable[Certificate]) -> Certificates:
    """Certificates as they stand in a message: keys and signature in base64."""
    return [(*certificate.stream, *certificate[1:]) for certificate in certificates]


def write_heads(heads: Iterable[tuple[Stream, int]]) -> list[tuple[str, int, int]]:
    """Heads as they stand in a message."""
    return sorted((stream.origin, stream.epoch, head) for stream, head in heads)


def beat_heads(
    ours: HeadVector, first: Collection[str] = (), hidden: HeadVector = _NONE
) -> tuple[list[tuple[str, int, int]], str]:
    """What a heartbeat says of our own heads: the newest one by one, and a digest of the rest.

    Nothing is said of the `hidden` ones.
    """
    listed = ours.newest(first, hidden)
    return write_heads((stream, ours[stream]) for stream in listed), ours.digest(listed, hidden)
