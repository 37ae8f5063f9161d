"""Answering what peers ask: events, heads, digests of ranges. Reads only."""

from zparkd.core.clock import Now
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Stream
from zparkd.core.limits import SEQ_MAX
from zparkd.core.log import Log
from zparkd.core.replication import encoding, limits, range_digests, sync_pages, wire
from zparkd.core.replication.peers import Peers
from zparkd.core.replication.signatures import Signatures
from zparkd.core.replication.wire import Ask, Compare, Digests, Page
from zparkd.core.site import Settings


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
        heads, more = sync_pages.vector_part(self._log.heads, self._signatures.unsigned, ask)
        page = sync_pages.contents(self._log, ask, signed=self._signatures.signer is not None)
        self._note_corrupt(page)
        body, packed = encoding.pack(encoding.write_body(page.events))
        data = Page(self._settings.site, ask.id, now.wall_ms, packed, heads, more)
        return self._signatures.page(data, ask, page, self._settings.id), body

    def _note_corrupt(self, page: sync_pages.Contents) -> None:
        """Remember what our own disk gave back otherwise than it was written, and what not."""
        for end in page.ends:
            if end.seq >= self.corrupt.get(end.stream, SEQ_MAX + 1):
                del self.corrupt[end.stream]
        for position in page.corrupt:
            if len(self.corrupt) < limits.REFUSALS_OF_A_PEER:
                self.corrupt[position.stream] = position.seq
