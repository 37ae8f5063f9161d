"""What centrals say to each other, as frames.

    on the bus   [topic, header] or [topic, header, body]     PUB to SUB
    for sync     [header] or [header, body]                   DEALER to ROUTER and back

A header is a JSON object with `v`, `type`, `source_central`, `timestamp` (ms) and `data`; a
body is a JSON array of events, each as two elements: skeleton, personal part. The events in
it are the bytes of their origin.

The forms stand here, and how they are read; `encoding` writes them.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from zparkd.core.errors import Misconfigured, ProtocolError
from zparkd.core.events.event import Event, Position, Stream, link, read
from zparkd.core.events.heads import Heads
from zparkd.core.events.signing import Certificate, SignedHead
from zparkd.core.limits import EPOCH_MAX, SEQ_MAX, TEXT_CHARACTERS
from zparkd.core.replication import limits
from zparkd.core.site import CENTRAL_ID

VERSION = 1
TOPIC_EVENTS = b"zparkd.1.events"
TOPIC_HEARTBEAT = b"zparkd.1.heartbeat"


class MessageType(StrEnum):
    """What a message of a peer is."""

    EVENTS = "EVENTS"
    HEARTBEAT = "HEARTBEAT"
    SYNC_REQUEST = "SYNC_REQUEST"
    SYNC_RESPONSE = "SYNC_RESPONSE"
    DIGEST_REQUEST = "DIGEST_REQUEST"
    DIGEST_RESPONSE = "DIGEST_RESPONSE"


_Id = Annotated[str, Meta(pattern=f"^{CENTRAL_ID.pattern}\\Z")]
_Number = Annotated[int, Meta(ge=0, le=2**53 - 1)]
_Wall = Annotated[int, Meta(ge=-(2**53), le=2**53)]
_Head = tuple[
    _Id,
    Annotated[int, Meta(ge=1, le=EPOCH_MAX)],
    Annotated[int, Meta(ge=0, le=SEQ_MAX)],
]
_Seq = Annotated[int, Meta(ge=1, le=SEQ_MAX)]
_Range = tuple[_Id, Annotated[int, Meta(ge=1, le=EPOCH_MAX)], _Seq, _Seq]
Parts = tuple[bytes, bytes]
_Text = Annotated[str, Meta(max_length=TEXT_CHARACTERS)]


_Key = Annotated[bytes, Meta(min_length=32, max_length=32)]
_Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
_Most = Meta(max_length=limits.SIGNATURES_PER_MESSAGE)
SignedHeads = Annotated[
    list[
        tuple[
            _Id,
            Annotated[int, Meta(ge=1, le=EPOCH_MAX)],
            Annotated[int, Meta(ge=1, le=SEQ_MAX)],
            _Signature,
        ]
    ],
    _Most,
]
Certificates = Annotated[
    list[tuple[_Id, Annotated[int, Meta(ge=1, le=EPOCH_MAX)], _Key, _Key, _Signature]],
    _Most,
]


class Header(Struct, frozen=True):
    """The first frame of every message."""

    v: int
    type: str
    source_central: _Id
    timestamp: _Wall
    data: Raw


class Live(Struct, frozen=True):
    """`data` of EVENTS: the body holds what was just committed.

    Where centrals have keys, `signed` are heads in it, the last of each stream among them, and
    `certificates` say whose keys signed them.
    """

    site: _Text
    signed: SignedHeads | UnsetType = UNSET
    certificates: Certificates | UnsetType = UNSET


class Beat(Struct, frozen=True, omit_defaults=True):
    """`data` of HEARTBEAT.

    `wall_ms` is the uncorrected wall clock; `hears` are the centrals heard lately; `heads` are
    those of the newest epochs of each origin, and `older` is the digest over all others.
    `fetched_ms` is when the sender last got all of the external API's documents, 0 for never;
    it is left out where the sender has none configured.
    `identity` is the key by which its streams are certified.
    """

    site: _Text
    timezone: _Text
    version: _Text
    wall_ms: _Wall
    hears: Annotated[list[_Id], Meta(max_length=1024)]
    heads: Annotated[list[_Head], Meta(max_length=limits.STREAMS_PER_VECTOR)]
    older: _Text
    fetched_ms: _Number | None = None
    identity: _Key | UnsetType = UNSET


class Ask(Struct, frozen=True):
    """`data` of SYNC_REQUEST: the events after these positions.

    `vector`, where it is given, asks for the heads of all streams after that one too; the
    beginning is `["", 0]`. `certificates` asks for those of all streams of who is asked.
    """

    site: _Text
    id: _Number
    after: Annotated[list[_Head], Meta(max_length=limits.STREAMS_PER_REQUEST)]
    vector: tuple[_Text, _Number] | None = None
    certificates: bool | UnsetType = UNSET


class Page(Struct, frozen=True):
    """`data` of SYNC_RESPONSE: the body holds events; `packed` says that it is deflated.

    `heads` are the heads that were asked for, and `more` says that others follow after them;
    `error` says why there is no answer. `signed` and `certificates` as in EVENTS.
    """

    site: _Text
    id: _Number
    wall_ms: _Wall
    packed: bool = False
    heads: Annotated[list[_Head], Meta(max_length=limits.STREAMS_PER_VECTOR)] | None = None
    more: bool = False
    error: _Text | None = None
    signed: SignedHeads | UnsetType = UNSET
    certificates: Certificates | UnsetType = UNSET


class Compare(Struct, frozen=True):
    """`data` of DIGEST_REQUEST: digests of what is held at these positions, see `range_digests`.

    `of` says of what; a range is a stream with its first and last seq.
    """

    site: _Text
    id: _Number
    of: _Text
    ranges: Annotated[list[_Range], Meta(max_length=limits.RANGES_PER_REQUEST)]


class Digests(Struct, frozen=True):
    """`data` of DIGEST_RESPONSE: one digest a range, of the first ranges that were asked for.

    `held` is the digest over the heads of all streams at the moment of the answer.
    """

    site: _Text
    id: _Number
    digests: Annotated[list[_Text], Meta(max_length=limits.RANGES_PER_REQUEST)]
    held: _Text = ""
    error: _Text | None = None


Data = Live | Beat | Ask | Page | Compare | Digests
_read_header = msgspec.json.Decoder(Header).decode
_read_array = msgspec.json.Decoder(list[Raw]).decode
_read_data: dict[MessageType, Callable[[Raw], Data]] = {
    MessageType.EVENTS: msgspec.json.Decoder(Live).decode,
    MessageType.HEARTBEAT: msgspec.json.Decoder(Beat).decode,
    MessageType.SYNC_REQUEST: msgspec.json.Decoder(Ask).decode,
    MessageType.SYNC_RESPONSE: msgspec.json.Decoder(Page).decode,
    MessageType.DIGEST_REQUEST: msgspec.json.Decoder(Compare).decode,
    MessageType.DIGEST_RESPONSE: msgspec.json.Decoder(Digests).decode,
}


class Message(Struct, frozen=True):
    """A message as read: who says it sent it, its time stamp, its data and the raw body."""

    source: str
    timestamp: int
    data: Data
    body: bytes | None


class Broken(NamedTuple):
    """What stands in the place of an event and is none; `reason` follows the name of a peer.

    `stream` is the one that it names, else that of the event before it; None for neither.
    """

    stream: Stream | None
    reason: str


class PeerMessage(Struct, frozen=True):
    """All that a message of a peer says of events and heads, read once and not believed yet.

    `signed` are heads and `certificates` who vouches for their keys. `heads` are those that a
    heartbeat lists, or that a page was asked for. `unreadable` says why the events of a page can't
    be told apart: then there are none.
    """

    data: Beat | Live | Page
    timestamp: int
    events: Sequence[Event | Broken] = ()
    signed: Mapping[Stream, Sequence[SignedHead]] = {}
    certificates: Mapping[Stream, Certificate] = {}
    heads: Heads | None = None
    unreadable: str | None = None


def read_message(frames: Sequence[bytes]) -> Message:
    """The message in these frames, topic left out. Raises ProtocolError where there is none."""
    if not 1 <= len(frames) <= 2:
        raise ProtocolError(f"a message of {len(frames)} frames")
    try:
        header = _read_header(frames[0])
        if header.v != VERSION:
            raise ProtocolError(f"speaks protocol {header.v}; this central speaks {VERSION}")
        if header.type not in MessageType.__members__:
            raise ProtocolError(f"a message of unknown type {header.type[:40]!r}")
        data = _read_data[MessageType(header.type)](header.data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as fault:
        raise ProtocolError(f"no message: {fault}") from None
    body = frames[1] if len(frames) == 2 else None
    return Message(header.source_central, header.timestamp, data, body)


def read_published(frames: Sequence[bytes], peer_id: str, site: str) -> PeerMessage:
    """What a peer published, topic left out: a heartbeat, or events.

    Raises ProtocolError where it is neither, Misconfigured where it is not this peer that speaks,
    or one of another site.
    """
    message = _of_peer(frames, peer_id, site)
    match message.data:
        case Beat():
            return PeerMessage(
                message.data, message.timestamp, heads=read_heads(message.data.heads)
            )
        case Live() if message.body is not None:
            return with_events(message, message.data, split_body(message.body))
    raise ProtocolError("published what is not for the bus")


def read_page(frames: Sequence[bytes], peer_id: str, site: str) -> PeerMessage:
    """What a peer answered to a sync request of ours: a page. Raises as `read_published` does."""
    message = _of_peer(frames, peer_id, site)
    page = message.data
    if not isinstance(page, Page):
        raise ProtocolError("answered with what is no page")
    if page.error is not None:
        return PeerMessage(page, message.timestamp)
    heads = read_heads(page.heads) if page.heads is not None else None
    body = message.body or b"[]"
    try:
        parts = split_body(unpack(body) if page.packed else body)
    except ProtocolError as fault:
        return PeerMessage(page, message.timestamp, heads=heads, unreadable=f"sent {fault}")
    return with_events(message, page, parts, heads)


def _of_peer(frames: Sequence[bytes], peer_id: str, site: str) -> Message:
    """The message of a peer that is who we think it is."""
    message = read_message(frames)
    if message.source != peer_id:
        raise Misconfigured(f"answers as {message.source}")
    if message.data.site != site:
        raise Misconfigured(f"site {message.data.site}")
    return message


def with_events(
    message: Message, data: Live | Page, parts: Sequence[Parts], heads: Heads | None = None
) -> PeerMessage:
    """All of a message whose body holds these parts.

    No page has more events than one may, and what is left of what a peer published is asked for.
    """
    return PeerMessage(
        data,
        message.timestamp,
        read_events(parts[: limits.PAGE_EVENTS]),
        _read_signed(data),
        _read_certificates(data),
        heads,
    )


def read_events(parts: Iterable[Parts]) -> list[Event | Broken]:
    """The events of a body, each read by itself."""
    found: list[Event | Broken] = []
    before: Position | None = None
    for skeleton, personal_part in parts:
        try:
            event = read(skeleton, personal_part)
        except ProtocolError as fault:
            named = link(skeleton)
            before = named.position if named is not None else before
            stream = before.stream if before is not None else None
            found.append(Broken(stream, f"sent {fault}"))
        else:
            before = event.position
            found.append(event)
    return found


def unpack(body: bytes) -> bytes:
    """A deflated body. Raises ProtocolError where it is none, or too long a one."""
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(body, limits.PAGE_INFLATED_BYTES)
    except zlib.error as fault:
        raise ProtocolError(f"a page that can't be unpacked: {fault}") from None
    if not inflate.eof:
        raise ProtocolError(f"a page of more than {limits.PAGE_INFLATED_BYTES} bytes, or cut off")
    return plain


def split_body(body: bytes) -> list[Parts]:
    """The skeletons and personal parts in a body, none of them judged: each is read by itself.

    Raises ProtocolError where they can't be told apart.
    """
    if body.count(b",") > limits.BODY_COMMAS:
        raise ProtocolError(f"a body of more than {limits.BODY_COMMAS} values")
    try:
        parts = _read_array(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as fault:
        raise ProtocolError(f"no array of events: {fault}") from None
    if len(parts) % 2:
        raise ProtocolError("an event without its personal part")
    return [(bytes(parts[i]), bytes(parts[i + 1])) for i in range(0, len(parts), 2)]


def _read_signed(data: Live | Page) -> dict[Stream, list[SignedHead]]:
    found: dict[Stream, list[SignedHead]] = {}
    for origin, epoch, seq, signature in data.signed or ():
        head = SignedHead(Position(origin, epoch, seq), signature)
        found.setdefault(Stream(origin, epoch), []).append(head)
    return found


def _read_certificates(data: Live | Page) -> dict[Stream, Certificate]:
    return {
        Stream(origin, epoch): Certificate(Stream(origin, epoch), *rest)
        for origin, epoch, *rest in data.certificates or ()
    }


def read_heads(heads: Iterable[tuple[str, int, int]]) -> Heads:
    """Heads as they stand in a message, by stream."""
    return {Stream(origin, epoch): head for origin, epoch, head in heads}


def read_positions(after: Iterable[tuple[str, int, int]]) -> list[Position]:
    """The positions that an `Ask` names; seq 0 stands for the beginning."""
    return [Position(*position) for position in after]
