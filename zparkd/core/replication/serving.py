"""Answering what peers ask: pages of events, heads, digests of ranges. Reads only.

A page holds events of whatever origin, as they are held. It ends with the event that passes a
limit. Where centrals have keys it ends with a signed head of each stream, so that who gets it needs
to check one signature a stream, and stores nothing that is not signed. An origin signs often enough
for that: see `limits.SIGNED_EVENTS`.

What the disk gives back otherwise than it was written is not sent, nor what follows it in its
stream; all else is.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest

from msgspec import structs

from zparkd.core.clock import Now
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Link, Position, Stream, link
from zparkd.core.events.signing import Certificate, SignedHead
from zparkd.core.limits import SEQ_MAX
from zparkd.core.log import Log, ServedLog
from zparkd.core.replication import encoding, limits, range_digests, wire
from zparkd.core.replication.peers import Peers
from zparkd.core.replication.signatures import Signatures
from zparkd.core.replication.wire import Ask, Compare, Digests, Page
from zparkd.core.site import Settings


@dataclass(slots=True)
class Contents:
    """What a page holds: events as they are written, and who vouches for them.

    `ends` is the last position of each stream in it, `corrupt` the first that can't be sent of
    those that have such.
    """

    events: list[tuple[bytes, bytes]] = field(default_factory=list)
    signed: list[SignedHead] = field(default_factory=list)
    certificates: list[Certificate] = field(default_factory=list)
    ends: list[Position] = field(default_factory=list)
    corrupt: list[Position] = field(default_factory=list)


class Serving:
    """What a central says to those of its peers that ask."""

    def __init__(self, log: Log, peers: Peers, signatures: Signatures) -> None:
        self._log = log
        self._peers = peers
        self._signatures = signatures
        self.corrupt: dict[Stream, int] = {}  # what can't be sent: the first seq of a stream

    def configure(self, settings: Settings) -> None:
        """Take over new settings."""
        self._settings = settings

    def answer(
        self, now: Now, frames: list[bytes], speaker: str | None
    ) -> tuple[Page | Digests] | tuple[Page, bytes] | None:
        """`data` and body of the answer; None where there is nobody to answer.

        `speaker` is the central whose key the request came with, None where no keys are in use.
        """
        try:
            message = wire.read_message(frames)
        except ProtocolError:
            return None
        ask, source, site = message.data, message.source, self._settings.site
        if not isinstance(ask, Ask | Compare):
            return None
        error = None
        if ask.site != site:
            error = f"site {site}"
        elif speaker not in (None, source):
            error = f"comes with the key of {speaker}, and says it is {source}"
        elif source not in self._peers.states:
            error = f"does not know {source}; add it to its peers.d"
        if isinstance(ask, Compare):
            refused = Digests(site, ask.id, [], error=error)
            return (range_digests.answer(self._log, site, ask) if error is None else refused,)
        if error is not None:
            return (Page(site, ask.id, now.wall_ms, error=error),)
        return self._page(now, ask)

    def _page(self, now: Now, ask: Ask) -> tuple[Page, bytes]:
        heads, more = vector_part(self._log.heads, self._signatures.unsigned, ask)
        page = contents(self._log, ask, signed=self._signatures.signer is not None)
        self._note_corrupt(page)
        body, packed = encoding.pack(encoding.write_body(page.events))
        data = Page(self._settings.site, ask.id, now.wall_ms, packed, heads, more)
        if self._signatures.required:
            if ask.certificates is True:
                page.certificates += own_certificates(self._log, self._settings.id)
            signed = encoding.write_signed(page.signed)
            certificates = encoding.write_certificates(page.certificates)
            data = structs.replace(data, signed=signed, certificates=certificates)
        return data, body

    def _note_corrupt(self, page: Contents) -> None:
        """Remember what our own disk did not give back as it was written, and what it did."""
        for end in page.ends:
            if end.seq >= self.corrupt.get(end.stream, SEQ_MAX + 1):
                del self.corrupt[end.stream]
        for position in page.corrupt:
            if len(self.corrupt) < limits.REFUSALS_OF_A_PEER:
                self.corrupt[position.stream] = position.seq


def contents(log: ServedLog, ask: Ask, *, signed: bool) -> Contents:
    """The events that are asked for, as many as fit; with `signed` none but those that are."""
    page = Contents()
    size = 0
    for position in wire.read_positions(ask.after):
        room = limits.PAGE_EVENTS - len(page.events)
        if room <= 0 or size >= limits.PAGE_BYTES:
            break
        stream = position.stream
        events = list(log.page(stream, position.seq, room, limits.PAGE_BYTES - size))
        sound = _sound(log, position, events)
        if sound < len(events):
            page.corrupt.append(position._replace(seq=position.seq + sound + 1))
            del events[sound:]
        if signed and events:
            certificate = log.signed.certificate(stream)
            head = log.signed.signed_head(stream, position.seq, position.seq + len(events))
            if certificate is None:
                continue
            if head is None and page.events and not page.corrupt:
                break  # the next signature may be beyond what fits: it will with the next page
            if head is None:
                continue
            del events[head.position.seq - position.seq :]
            page.signed.append(head)
            page.certificates.append(certificate)
        if events:
            page.ends.append(position._replace(seq=position.seq + len(events)))
        page.events += events
        size += sum(len(skeleton) + len(personal_part) for skeleton, personal_part in events)
    return page


def _sound(log: ServedLog, after: Position, events: Sequence[tuple[bytes, bytes]]) -> int:
    """How many of the events after a position are as they were written, up to the first that isn't.

    Each is held against its personal part and the event that follows it, or the head.
    """
    if not events:
        return 0
    stream, count = after.stream, len(events)
    links: list[Link] = []
    for skeleton, personal_part in events:
        found = link(skeleton, personal_part)
        if found is None or found.position != Position(*stream, after.seq + len(links) + 1):
            break
        links.append(found)
    # What each of them must be by what follows on it: an event, or the head.
    said = [following.prev for following in links[1:]]
    if len(links) == count:
        beyond = [link(skeleton) for skeleton, _ in log.page(stream, after.seq + count, 1, 1)]
        said += [one.prev for one in beyond if one] if beyond else [log.head_hash(stream)]
    for n, hash in enumerate(said):
        if links[n].hash != hash:
            # Where the next one is not what it must be either, that is the one that changed.
            changed = n + 1 < len(said) and links[n + 1].hash != said[n + 1]
            return n + changed
    return len(links)


def own_certificates(log: Log, origin: str) -> Iterable[Certificate]:
    """The certificates of all streams of an origin, the newest first."""
    streams = sorted((s for s in log.heads if s.origin == origin), reverse=True)
    found = (log.signed.certificate(stream) for stream in streams)
    return [one for one in found if one is not None][: limits.SIGNATURES_PER_MESSAGE]


def vector_part(
    heads: Mapping[Stream, int], hidden: Container[Stream], ask: Ask
) -> tuple[list[tuple[str, int, int]] | None, bool]:
    """The next heads of those that are asked for, and whether there are more of them."""
    if ask.vector is None:
        return None, False
    after = ask.vector
    rest = (stream for stream in heads if stream > after and stream not in hidden)
    part = nsmallest(limits.HEADS_PER_PAGE + 1, rest)
    more = len(part) > limits.HEADS_PER_PAGE
    return encoding.write_heads((s, heads[s]) for s in part[: limits.HEADS_PER_PAGE]), more
