"""Bundles: events in a file, for a central that nobody reaches, carried by hand.

    zparkd bundle 1\\n
    {"site": ..., "made_by": ..., "made_ms": ..., "signed": ..., "sealed_for": ...}\\n
    chunk, chunk, ...        each its length (4 bytes, big endian) and so many bytes
    end                      a length of 0, and the number of chunks (4 bytes)

A chunk is a page as a peer answers with (see `wire`): the length of its header (4 bytes), header,
body. Where the bundle is for one central, each chunk is in a sealed box of libsodium to the key of
that central. The label is believed of nobody: what is in the pages is judged as any peer's page is,
by chain and signatures. Only that nothing of an origin is taken in that is not known here already.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Struct, structs

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Position, Stream, link
from zparkd.core.limits import TEXT_CHARACTERS, TIME_MS_MAX
from zparkd.core.log import Log, ServedLog
from zparkd.core.members.admission import Admission
from zparkd.core.replication import encoding, limits, serving, wire
from zparkd.core.replication.ingest import Taken
from zparkd.core.replication.peer_state import PeerState
from zparkd.core.replication.signatures import Signatures
from zparkd.core.replication.wire import Ask, Page, Parts, PeerMessage
from zparkd.core.site import CENTRAL_ID

MAGIC = b"zparkd bundle 1\n"
_LABEL_BYTES = 4 * 1024
_CHUNK_BYTES = limits.PAGE_INFLATED_BYTES + 64 * 1024
_LENGTH_BYTES = 4
_NOT_READABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_Id = Annotated[str, Meta(pattern=f"^{CENTRAL_ID.pattern}\\Z")]
_Text = Annotated[str, Meta(max_length=TEXT_CHARACTERS)]

Read = Callable[[int], bytes]  # so many bytes, fewer at the end


class BadBundle(Exception):
    """The file is no bundle, or not a whole one. The text says what is wrong."""


class Label(Struct, frozen=True):
    """What a bundle says of itself: `sealed_for` is who alone can open it, None for everybody."""

    site: _Text
    made_by: _Id
    made_ms: Annotated[int, Meta(ge=0, le=TIME_MS_MAX)]
    signed: bool
    sealed_for: _Id | None = None


_encode = msgspec.json.Encoder().encode
_read_label = msgspec.json.Decoder(Label).decode


def write_label(label: Label) -> bytes:
    """The beginning of a bundle."""
    return MAGIC + _encode(label) + b"\n"


def write_chunk(chunk: bytes) -> bytes:
    """A chunk as it stands in the file."""
    return len(chunk).to_bytes(_LENGTH_BYTES) + chunk


def write_end(chunks: int) -> bytes:
    """The end of a bundle of so many chunks."""
    return bytes(_LENGTH_BYTES) + chunks.to_bytes(_LENGTH_BYTES)


def join_page(header: bytes, body: bytes) -> bytes:
    """A page as a chunk."""
    return len(header).to_bytes(_LENGTH_BYTES) + header + body


def split_page(chunk: bytes) -> list[bytes]:
    """The frames of the page in a chunk. Raises ProtocolError where it is none."""
    end = _LENGTH_BYTES + int.from_bytes(chunk[:_LENGTH_BYTES])
    if not _LENGTH_BYTES < end <= len(chunk):
        raise ProtocolError("a chunk that holds no page")
    return [chunk[_LENGTH_BYTES:end], chunk[end:]]


def read_bundle(read: Read) -> tuple[Label, Iterator[bytes]]:
    """The label of a bundle, and its chunks one after the other.

    Raises BadBundle; the chunks do so where the file is cut off or goes on after its end.
    """
    if read(len(MAGIC)) != MAGIC:
        raise BadBundle("is no bundle of zparkd, or one of another version")
    line = bytearray()
    while (byte := read(1)) != b"\n":
        line += byte
        if not byte or len(line) > _LABEL_BYTES:
            raise BadBundle("is cut off, or its label is broken")
    try:
        label = _read_label(bytes(line))
    except _NOT_READABLE as fault:
        raise BadBundle(f"its label is broken: {fault}") from None
    return label, _chunks(read)


def _chunks(read: Read) -> Iterator[bytes]:
    count = 0
    while size := _number(read, count):
        if size > _CHUNK_BYTES:
            raise BadBundle(f"is broken after {count} pages")
        chunk = read(size)
        if len(chunk) < size:
            raise BadBundle(f"is cut off after {count} pages")
        count += 1
        yield chunk
    if _number(read, count) != count:
        raise BadBundle(f"has {count} pages, and says that it has others")
    if read(1):
        raise BadBundle("goes on after its end")


def _number(read: Read, count: int) -> int:
    found = read(_LENGTH_BYTES)
    if len(found) < _LENGTH_BYTES:
        raise BadBundle(f"is cut off after {count} pages")
    return int.from_bytes(found)


# --- what goes out -------------------------------------------------------------------------------


class OutPage(NamedTuple):
    """A page of a bundle, and how many events it holds."""

    chunk: bytes
    events: int


@dataclass(slots=True)
class Pages:
    """What a log holds beyond some heads, page by page.

    `left_out` says of streams that can't be sent how many events that are: nobody signed them,
    where the bundle is signed, or the disk gives them back otherwise than they were written.
    """

    log: ServedLog
    label: Label
    beyond: Mapping[Stream, int]
    left_out: dict[Stream, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many events there are beyond these heads."""
        heads = self.log.heads.items()
        return sum(max(0, head - self.beyond.get(stream, 0)) for stream, head in heads)

    def __iter__(self) -> Iterator[OutPage]:
        """All pages; those of a stream in the order of its events."""
        left = {
            stream: self.beyond.get(stream, 0)
            for stream, head in sorted(self.log.heads.items())
            if head > self.beyond.get(stream, 0)
        }
        number = 0
        while left:
            asked = [(*stream, after) for stream, after in left.items()]
            ask = Ask(self.label.site, number, asked[: limits.STREAMS_PER_REQUEST])
            page = serving.contents(self.log, ask, signed=self.label.signed)
            self._go_on(left, ask, page)
            if page.events:
                yield self._written(number, page)
                number += 1

    def _go_on(self, left: dict[Stream, int], ask: Ask, page: serving.Contents) -> None:
        """Note how far a page has come: what was passed over on its way can't be sent."""
        ends = {end.stream: end.seq for end in page.ends}
        corrupt = {position.stream for position in page.corrupt}
        looked_at = [Position(*after).stream for after in ask.after]
        last = max((looked_at.index(stream) for stream in ends), default=-1)
        for at, stream in enumerate(looked_at):
            if stream in ends:
                left[stream] = ends[stream]
            elif at > last and ends:
                break
            if stream in corrupt or stream not in ends:
                self.left_out[stream] = self.log.heads[stream] - left.pop(stream)
            elif left[stream] >= self.log.heads[stream]:
                del left[stream]

    def _written(self, number: int, page: serving.Contents) -> OutPage:
        body, packed = encoding.pack(encoding.write_body(page.events))
        said = Page(self.label.site, number, self.label.made_ms, packed)
        if self.label.signed:
            said = structs.replace(
                said,
                signed=encoding.write_signed(page.signed),
                certificates=encoding.write_certificates(page.certificates),
            )
        header = encoding.write_header(self.label.made_by, self.label.made_ms, said)
        return OutPage(join_page(header, body), len(page.events))


# --- what comes in -------------------------------------------------------------------------------


class PageTaken(NamedTuple):
    """What became of a page: events that are new here, that were held already, what was left out.

    `left_out` says of each stream why.
    """

    events: int
    known: int
    left_out: list[str]


class InPage(NamedTuple):
    """A page as read: what of it may be judged, and what is to be said of the rest."""

    bearer: PeerState
    told: PeerMessage
    known: int
    left_out: list[str]


class Bundles:
    """Reads the pages of bundles for one central."""

    def __init__(self, log: Log, admission: Admission, signatures: Signatures, site: str) -> None:
        self._log = log
        self._admission = admission
        self._signatures = signatures
        self._site = site

    def read(self, frames: list[bytes]) -> InPage:
        """A page, of which nothing is believed yet. Raises ProtocolError where it is none."""
        message = wire.read_message(frames)
        data = message.data
        if not isinstance(data, Page):
            raise ProtocolError("holds what is no page")
        if data.site != self._site:
            raise ProtocolError(f"is of site {data.site!r}; this central is of {self._site}")
        body = message.body or b"[]"
        parts = wire.split_body(wire.unpack(body) if data.packed else body)
        if len(parts) > limits.PAGE_EVENTS:
            raise ProtocolError(f"has a page of more than {limits.PAGE_EVENTS} events")
        return self._sorted(message, data, parts)

    def _sorted(self, message: wire.Message, data: Page, parts: list[Parts]) -> InPage:
        """Leave out what is of origins that are not known, and what follows on what is not held."""
        taken: list[Parts] = []
        known = 0
        first: dict[Stream, int] = {}
        strangers: dict[str, None] = {}
        for skeleton, personal_part in parts:
            found = link(skeleton)
            if found is not None:
                stream, seq = found.position.stream, found.position.seq
                if not self._knows(stream.origin):
                    strangers[stream.origin] = None
                    continue
                first.setdefault(stream, seq)
                known += seq <= self._log.heads.get(stream, 0)
            taken.append((skeleton, personal_part))
        left_out = [
            f"{origin} is not known here; zparkctl member admit {origin} makes it so"
            for origin in strangers
        ]
        for stream, seq in first.items():
            held = self._log.heads.get(stream, 0)
            if seq > held + 1:
                left_out.append(
                    f"of {stream.origin}/{stream.epoch} the events {held + 1} to {seq - 1} are"
                    " missing here and in the bundle; have one made without --for"
                )
        told = wire.with_events(message, data, taken)
        return InPage(PeerState(message.source), told, known, left_out)

    def _knows(self, origin: str) -> bool:
        """Whether an origin is known here, and its key where centrals have keys."""
        if not self._admission.knows(origin):
            return False
        return not self._signatures.required or self._signatures.knows(origin)

    def told(self, page: InPage, taken: Taken) -> PageTaken:
        """What became of a page, once it was taken in."""
        refused = [
            f"{stream.origin}/{stream.epoch}: the bundle {refusal.reason}"
            for stream, refusal in taken.refused.items()
        ]
        return PageTaken(len(taken.events), page.known, page.left_out + refused)
