"""What to ask of which peer next, and what follows from how it answered.

At most one sync request is under way to each peer, and a stream is asked of one peer at a time.
What a peer could not continue is asked of it again later, see `refusals`.
"""

from collections.abc import Collection, Mapping
from itertools import islice

from msgspec import UNSET

from zparkd.core.clock import Now
from zparkd.core.errors import Misconfigured, ProtocolError
from zparkd.core.events.event import Stream
from zparkd.core.events.heads import Heads
from zparkd.core.limits import CLOCK_STEP_MS
from zparkd.core.replication import limits
from zparkd.core.replication.ingest import Taken
from zparkd.core.replication.peer_state import Asked, PeerState
from zparkd.core.replication.peers import Peers
from zparkd.core.replication.refusals import Refusal, Refused, Why
from zparkd.core.replication.wire import Ask, Beat, Page, PeerMessage


class Asking:
    """The sync requests of a central to its peers."""

    def __init__(self, site: str, peers: Peers) -> None:
        self._site = site
        self._peers = peers
        self._next_id = 1
        self._on_its_way: dict[Stream, tuple[int, int]] = {}

    # --- how they answer ---------------------------------------------------------------------

    def beats(self, peer: PeerState, beat: Beat, us: str, now: Now, *, fresh: bool) -> None:
        """A heartbeat came that `peers` has not taken in yet: whether to ask its peer anew.

        It is `fresh` where it was heard a moment ago too.
        """
        begins_to_hear = us in beat.hears and not peer.link.hears_us
        if begins_to_hear or not fresh:
            self._is_back(peer, now)
        if begins_to_hear:
            peer.requests.probed_ms = None  # what it said of us before may be over: ask it now
        expected_ms = now.mono_ms + (
            peer.clock.offset_ms if peer.clock.offset_ms is not None else beat.wall_ms
        )
        if abs(beat.wall_ms - expected_ms) > CLOCK_STEP_MS:
            self._measure(peer, now)  # its clock was set

    @staticmethod
    def _is_back(peer: PeerState, now: Now) -> None:
        """A link works again: what went under way before is lost, and there is no cause to rest."""
        asked = peer.requests.under_way
        if asked is not None and now.mono_ms - asked.at.mono_ms > limits.LOST_MS:
            peer.requests.under_way = None
            peer.requests.timeouts += 1
        peer.requests.rest_until_ms = 0
        peer.keys.certified_by = None  # it may have started anew, and have made certificates
        peer.requests.refusals.peer_is_back()  # and its disk may have been mended

    def refused(self, peer: PeerState, taken: Taken, ours: Mapping[Stream, int], now: Now) -> None:
        """Some streams of a message could not be taken."""
        for stream, refusal in taken.refused.items():
            peer.requests.refusals.refuse(stream, refusal, ours.get(stream, 0), now.mono_ms)

    def answered(
        self,
        peer: PeerState,
        told: PeerMessage,
        asked: Asked | None,
        taken: Taken,
        ours: Mapping[Stream, int],
        now: Now,
    ) -> ProtocolError | None:
        """A page answered what was `asked`, and so much of it was taken; what is wrong with it.

        Where that is None, it answered too late.
        """
        self.refused(peer, taken, ours, now)
        page = told.data
        assert isinstance(page, Page)
        if asked is not None:
            peer.requests.timeouts = 0
            peer.keys.certified_by = asked.certificates_by or peer.keys.certified_by
        if page.error is not None:
            self.rest(peer, now)
            return Misconfigured(page.error)
        if told.unreadable is not None:
            if asked is not None:
                self._unreadable(peer, asked, told.unreadable, now)
            return ProtocolError(told.unreadable)
        if asked is not None:
            self._answer_taken(peer, asked, taken, ours, now)
        return None

    def rest(self, peer: PeerState, now: Now) -> None:
        """The peer's answer was of no use: ask others first, and it again later."""
        peer.requests.rest_until_ms = now.mono_ms + limits.REST_MS
        peer.requests.timeouts += 1

    def _answer_taken(
        self,
        peer: PeerState,
        asked: Asked,
        taken: Taken,
        ours: Mapping[Stream, int],
        now: Now,
    ) -> None:
        """What could be was taken of a page.

        A page holds streams in the order in which they were asked for, until it is full. One that
        did not go on, though others after it did, or though there was nothing else to send, is
        not there as the peer said.
        """
        refusals, sent = peer.requests.refusals, taken.sent
        refusals.readable()
        streams = sorted(asked.after)  # as they were asked for
        last = max((n for n, stream in enumerate(streams) if stream in sent), default=len(streams))
        for stream in streams[: last + 1]:
            held = asked.after[stream]
            if ours.get(stream, 0) > held:
                refusals.taken(stream)
            elif stream in peer.sync.ahead and stream not in taken.refused:
                refusal = Refusal(Why.WITHHELD, "does not send what it says that it holds")
                refusals.refuse(stream, refusal, held, now.mono_ms)
                peer.sync.wants_vector = peer.sync.wants_vector or not asked.vector

    def _unreadable(self, peer: PeerState, asked: Asked, reason: str, now: Now) -> None:
        """A page can't be read as a whole: ask for less, until the stream at fault is found."""
        if not peer.requests.refusals.unreadable(asked.after, reason, now.mono_ms):
            self.rest(peer, now)

    def not_sent(self, peer_id: str) -> None:
        """The request could not be sent: the peer is not there, and another one waits for it."""
        peer = self._peers.states.get(peer_id)
        if peer is not None and peer.requests.probed_ms is not None:
            peer.requests.under_way = None
            peer.requests.probed_ms += limits.RETRY_MS - limits.PROBE_EVERY_MS

    def linked_anew(self, peer_id: str) -> None:
        """A connection to a peer was just made: it may have another disk.

        A peer that started anew is not always missed: it may be back before it counts as silent.
        """
        peer = self._peers.states.get(peer_id)
        if peer is not None:
            peer.requests.refusals.forget_forks()

    # --- what changes whom to ask ------------------------------------------------------------

    def probe(self, peer_id: str) -> None:
        """Ask this peer at once, whatever it was asked or answered before."""
        peer = self._peers.states.get(peer_id)
        if peer is not None:
            peer.requests.probed_ms = None
            peer.requests.rest_until_ms = 0

    def measure(self, now: Now) -> None:
        """Ask the peers for their clocks in this turn, but for those measured just now."""
        for peer in self._peers.states.values():
            self._measure(peer, now)

    @staticmethod
    def _measure(peer: PeerState, now: Now) -> None:
        replied_ms = peer.link.replied_ms
        if replied_ms is not None and now.mono_ms - replied_ms >= limits.MEASURE_EVERY_MS:
            peer.requests.probed_ms = None

    def ask_again(self) -> None:
        """Whom we believe changed: what was refused may be taken now."""
        for peer in self._peers.states.values():
            peer.requests.refusals.ask_again()

    def forget(self) -> None:
        """What was taken is undone: no answer counts, and all is asked for again in a while."""
        for peer in self._peers.states.values():
            asked = peer.requests.under_way
            asked_ms = asked.at.mono_ms if asked is not None else 0
            peer.requests.rest_until_ms = max(asked_ms, peer.link.replied_ms or 0) + limits.REST_MS
            peer.requests.under_way = None

    # --- what to ask -------------------------------------------------------------------------

    def next_asks(
        self,
        ours: Mapping[Stream, int],
        now: Now,
        heard: Collection[str],
        answering: Collection[str],
    ) -> list[tuple[str, Ask]]:
        """The sync requests to send now, and to whom; they count as under way from here on.

        `heard` and `answering` are the peers that did so lately.
        """
        peers = self._peers.states.values()
        for peer in peers:
            asked = peer.requests.under_way
            if asked and now.mono_ms - asked.at.mono_ms > limits.ASK_TIMEOUT_MS:
                self.rest(peer, now)
                peer.requests.under_way = None
        busy = {s for peer in peers if (it := peer.requests.under_way) for s in it.after}
        asks = []
        for peer in sorted(peers, key=lambda peer: (peer.requests.timeouts, peer.id)):
            if peer.requests.under_way is None and now.mono_ms >= peer.requests.rest_until_ms:
                reachable = peer.id in heard or peer.id in answering
                after = self._wanted(peer, busy, ours, heard, now) if reachable else {}
                ask = self._ask(peer, after, now, reachable=reachable)
                if ask is not None:
                    busy |= after.keys()
                    asks.append((peer.id, ask))
        return asks

    def _wanted(
        self,
        peer: PeerState,
        busy: Collection[Stream],
        ours: Mapping[Stream, int],
        heard: Collection[str],
        now: Now,
    ) -> Heads:
        """The streams to ask a peer for now, and how far each is held here."""
        refusals = peer.requests.refusals
        wanted = (
            stream
            for stream in peer.sync.ahead
            if stream not in busy
            and not refusals.put_off(stream, now.mono_ms)
            and not (
                stream.origin in heard
                and self._may_be_on_its_way(peer, stream, ours.get(stream, 0), now)
            )
        )
        return {stream: ours.get(stream, 0) for stream in islice(wanted, refusals.at_once)}

    def _ask(self, peer: PeerState, after: Heads, now: Now, *, reachable: bool) -> Ask | None:
        wanted, probed_ms = peer.sync.wants_vector, peer.requests.probed_ms
        if peer.sync.part_ms is not None and peer.sync.missing:  # what is known of it comes first
            wanted = wanted and now.mono_ms - peer.sync.part_ms >= limits.REST_OF_VECTOR_MS
        due = probed_ms is None or now.mono_ms - probed_ms >= limits.PROBE_EVERY_MS
        if not (due or after or (wanted and reachable)):
            return None
        peer.requests.probed_ms = now.mono_ms
        new = peer.keys.identity if peer.keys.identity != peer.keys.certified_by else None
        id, self._next_id = self._next_id, self._next_id + 1
        peer.requests.under_way = Asked(id, now, after, wanted, new)
        return Ask(
            self._site,
            id,
            sorted((*stream, head) for stream, head in after.items()),
            max(peer.sync.arriving, default=Stream("", 0)) if wanted else None,
            True if new is not None else UNSET,
        )

    def _may_be_on_its_way(self, peer: PeerState, stream: Stream, held: int, now: Now) -> bool:
        """Whether a stream that a third party is ahead in may still come from its origin.

        That one was heard lately.
        """
        if stream.origin == peer.id:
            return False
        origin = self._peers.states[stream.origin]
        heads = origin.sync.heads
        if heads is not None and stream.epoch < heads.newest_epoch(origin.id):
            return False  # it publishes its newest run alone
        since = self._on_its_way.get(stream)
        if since is None or held > since[0]:
            self._on_its_way[stream] = (held, now.mono_ms)
            return True
        if now.mono_ms - since[1] < limits.THIRD_PARTY_GRACE_MS:
            return True
        del self._on_its_way[stream]
        return False

    # --- what can't be had -------------------------------------------------------------------

    def to_be_had(self, peer: PeerState, ours: Mapping[Stream, int]) -> bool:
        """Whether the peer has events that are not here, and that it did not fail to send."""
        lacking = self._peers.lacking(peer, ours)
        return peer.sync.heads is None or any(
            peer.requests.refusals.of(stream) is None for stream in lacking
        )

    def stuck(self, peer: PeerState, ours: Mapping[Stream, int]) -> dict[Stream, Refused]:
        """The streams that the peer has more of, and could not continue."""
        lacking = self._peers.lacking(peer, ours)
        return {stream: refused for stream, refused in peer.requests.refusals if stream in lacking}
