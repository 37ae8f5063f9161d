"""What each peer holds, whether it is there, and what to ask it for next.

One state of need a peer: at most one sync request is under way to each, and a stream is asked
of one peer at a time. A peer that has an event serves it, whoever its origin is.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType

from msgspec import UNSET

from zparkd.core import limits
from zparkd.core.clock import Now
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Position, Stream
from zparkd.core.events.heads import Heads, HeadVector, count_missing, only_in
from zparkd.core.members.admission import Admission
from zparkd.core.reference.fetch_turn import Fetcher
from zparkd.core.replication.peer_state import Asked, PeerState
from zparkd.core.replication.refusals import Refusal, Refused, Why
from zparkd.core.replication.wire import Ask, Beat, Page, read_heads, write_heads

_REST_OF_VECTOR_MS = 60_000  # after a part of it, though not all that it names is here
_PROBE_EVERY_MS = 5_000
_MEASURE_EVERY_MS = 1_000
_RETRY_MS = 100
_REST_MS = 1_000
_LOST_MS = 250
_OFFSET_FROM_ROUND_TRIP_MS = 1_000


@dataclass(slots=True)
class Peers:
    """All configured peers of a central. `own` is the stream that only we write."""

    site: str
    own: Stream
    timeout_ms: int = 0
    states: dict[str, PeerState] = field(default_factory=dict)
    admission: Admission | None = None  # whose events are taken in; those of all where None
    _next_ask: int = 1
    _on_its_way: dict[Stream, tuple[int, int]] = field(default_factory=dict)

    def configure(self, ids: Iterable[str], timeout_ms: int) -> None:
        """Take over who belongs to the site; what is known of those that stay is kept."""
        self.timeout_ms = timeout_ms
        self.states = {id: self.states.get(id) or PeerState(id) for id in ids}

    # --- what they tell ----------------------------------------------------------------------

    def beat(
        self, peer: PeerState, beat: Beat, timestamp: int, us: str, now: Now, held: int = 0
    ) -> None:
        """A heartbeat of this peer, to who holds so many streams.

        Raises ProtocolError where those of them that can't be had from it are too many.
        """
        hears_us = us in beat.hears
        if not self.fresh(peer, now.mono_ms) or (hears_us and not peer.link.hears_us):
            self._is_back(peer, now)
        peer.link.heard = now
        if 0 < timestamp <= limits.TIME_SHOWN_MS_MAX:
            peer.clock.beat_ms = timestamp
        if hears_us and not peer.link.hears_us:
            peer.sync.probed_ms = None  # what it said of us before may be over: ask it now
        peer.link.hears_us = hears_us
        peer.clock.timezone = beat.timezone
        peer.version = beat.version
        expected_ms = now.mono_ms + (
            peer.clock.offset_ms if peer.clock.offset_ms is not None else beat.wall_ms
        )
        if abs(beat.wall_ms - expected_ms) > limits.CLOCK_STEP_MS:
            self.measure(peer, now)  # its clock was set
        if beat.fetched_ms != peer.fetched_ms:
            peer.fetched_ms, peer.fetch_noticed_ms = beat.fetched_ms, now.mono_ms
        peer.keys.identity = beat.identity or None
        listed = read_heads(beat.heads)
        said = (beat.older, frozenset(listed))
        if said != peer.sync.verified:
            known = HeadVector() if peer.sync.heads is None else peer.sync.heads
            if known.digest(listed.keys() & known.keys()) == beat.older:
                peer.sync.heads, peer.sync.verified = known, said
                peer.sync.part_ms, peer.sync.wants_vector = None, False
            else:
                peer.sync.wants_vector = True
        if peer.sync.heads is not None:
            for stream, head in listed.items():
                self._says(peer, stream, head)
            if len(peer.sync.heads) > held + 2 * limits.STREAMS_OF_A_PEER:
                self._forget_heads(peer)
                raise ProtocolError(
                    f"names more than {2 * limits.STREAMS_OF_A_PEER} streams that are not here"
                )

    @staticmethod
    def _says(peer: PeerState, stream: Stream, head: int) -> None:
        """A peer holds a stream up to this head.

        Where that is less than it was, it has another disk: what was wrong with it may be over.
        """
        assert peer.sync.heads is not None
        before = peer.sync.heads.get(stream)
        if before != head:
            peer.sync.heads[stream] = head
            peer.sync.unjudged[stream] = peer.sync.unsaved[stream] = None
        if before is not None and head < before:
            peer.sync.refusals.taken(stream)

    @staticmethod
    def _is_back(peer: PeerState, now: Now) -> None:
        """A link works again: what went under way before is lost, and there is no cause to rest."""
        if peer.sync.asked is not None and now.mono_ms - peer.sync.asked.at.mono_ms > _LOST_MS:
            peer.sync.asked = None
            peer.sync.timeouts += 1
        peer.sync.rest_until_ms = 0
        peer.keys.certified_by = None  # it may have started anew, and have made certificates
        peer.sync.refusals.peer_is_back()  # and its disk may have been mended

    def vector(self, peer: PeerState, page: Page, now: Now, held: int = 0) -> None:
        """The next part of the vector of this peer, as it answered, to who holds so many streams.

        Of a vector that names many more than those the first are enough for now: the rest is asked
        for once they are here. Raises ProtocolError where it does not go on as asked for.
        """
        assert page.heads is not None
        part = read_heads(page.heads)
        if part and peer.sync.arriving and min(part) <= max(peer.sync.arriving):
            peer.sync.arriving = HeadVector()
            raise ProtocolError("its vector does not go on where it was asked to")
        peer.sync.arriving.update(part)
        goes_on = bool(page.more and page.heads)
        if goes_on and len(peer.sync.arriving) <= held + limits.STREAMS_OF_A_PEER:
            return
        before = HeadVector() if peer.sync.heads is None else peer.sync.heads
        peer.sync.heads, peer.sync.arriving = peer.sync.arriving, HeadVector()
        moved = peer.sync.heads.items() ^ before.items()
        for stream in sorted({stream for stream, _ in moved}):
            peer.sync.unjudged[stream] = peer.sync.unsaved[stream] = None
            if not goes_on and peer.sync.heads.get(stream, 0) < before.get(stream, 0):
                peer.sync.refusals.taken(stream)
        peer.sync.verified = None
        peer.sync.part_ms = now.mono_ms if goes_on else None
        peer.sync.wants_vector = goes_on

    @staticmethod
    def _forget_heads(peer: PeerState) -> None:
        for stream in peer.sync.heads or ():
            peer.sync.unjudged[stream] = peer.sync.unsaved[stream] = None
        peer.sync.heads, peer.sync.arriving = None, HeadVector()
        peer.sync.verified, peer.sync.part_ms, peer.sync.wants_vector = None, None, True

    def answered(self, peer: PeerState, page: Page, now: Now) -> Asked | None:
        """The request that this page answers; None where it answers none that is under way."""
        asked = peer.sync.asked
        if asked is None or asked.id != page.id:
            return None
        peer.sync.asked = None
        peer.sync.timeouts = 0
        peer.link.replied_ms = now.mono_ms
        peer.keys.certified_by = asked.certificates_by or peer.keys.certified_by
        round_trip_ms = peer.link.round_trip_ms = now.mono_ms - asked.at.mono_ms
        if round_trip_ms <= _OFFSET_FROM_ROUND_TRIP_MS:
            peer.clock.offset_ms = page.wall_ms - (now.mono_ms - round_trip_ms // 2)
        return asked

    def rest(self, peer: PeerState, now: Now) -> None:
        """The peer's answer was of no use: ask others first, and it again later."""
        peer.sync.rest_until_ms = now.mono_ms + _REST_MS
        peer.sync.timeouts += 1

    def answer_taken(
        self,
        peer: PeerState,
        asked: Asked,
        sent: Collection[Stream],
        refused: Collection[Stream],
        ours: Mapping[Stream, int],
        now: Now,
    ) -> None:
        """What could be was taken of a page with events of the streams `sent`, the rest `refused`.

        A page holds streams in the order in which they were asked for, until it is full. One that
        did not go on, though others after it did, or though there was nothing else to send, is
        not there as the peer said.
        """
        peer.sync.refusals.readable()
        streams = sorted(asked.after)  # as they were asked for
        last = max((n for n, stream in enumerate(streams) if stream in sent), default=len(streams))
        lacking = self._lacking(peer, ours)
        for stream in streams[: last + 1]:
            held = asked.after[stream]
            if ours.get(stream, 0) > held:
                peer.sync.refusals.taken(stream)
            elif stream in lacking and stream not in refused:
                refusal = Refusal(Why.WITHHELD, "does not send what it says that it holds")
                peer.sync.refusals.refuse(stream, refusal, held, now.mono_ms)
                peer.sync.wants_vector = peer.sync.wants_vector or not asked.vector

    def unreadable(self, peer: PeerState, asked: Asked, reason: str, now: Now) -> None:
        """A page can't be read as a whole: ask for less, until the stream at fault is found."""
        if not peer.sync.refusals.unreadable(asked.after, reason, now.mono_ms):
            self.rest(peer, now)

    def ask_again(self) -> None:
        """Whom we believe changed: what was refused may be taken now."""
        for peer in self.states.values():
            peer.sync.refusals.ask_again()

    def judge_again(self) -> None:
        """Whom we take in changed: look at all that they have."""
        for peer in self.states.values():
            peer.sync.unjudged.update(dict.fromkeys(peer.sync.heads or ()))

    def sees(self, peer: PeerState, stream: Stream, head: int) -> None:
        """A peer sent an event: it holds the stream at least up to there."""
        if peer.sync.heads is not None and peer.sync.heads.get(stream, 0) < head:
            self._says(peer, stream, head)

    def took(self, position: Position) -> None:
        """An event that a peer sent is held here now."""
        for peer in self.states.values():
            if position.stream in peer.sync.ahead:
                self._judge(peer, position.stream, position.seq)

    def forget(self, moved: Collection[Stream] | None = None) -> None:
        """Our own heads went back, those of all streams where none are named: ask in a while."""
        for peer in self.states.values():
            asked_ms = peer.sync.asked.at.mono_ms if peer.sync.asked is not None else 0
            peer.sync.rest_until_ms = max(asked_ms, peer.link.replied_ms or 0) + _REST_MS
            peer.sync.asked = None
            again = (peer.sync.heads or ()) if moved is None else moved
            peer.sync.unjudged.update(dict.fromkeys(again))
            peer.sync.unsaved.update(peer.sync.saving)
            peer.sync.synced_saved_ms = None

    # --- what to ask -------------------------------------------------------------------------

    def next_asks(self, ours: Mapping[Stream, int], now: Now) -> list[tuple[str, Ask]]:
        """The sync requests to send now, and to whom; they count as under way from here on."""
        for peer in self.states.values():
            if peer.sync.asked and now.mono_ms - peer.sync.asked.at.mono_ms > limits.ASK_TIMEOUT_MS:
                self.rest(peer, now)
                peer.sync.asked = None
        busy = {
            s for peer in self.states.values() if peer.sync.asked for s in peer.sync.asked.after
        }
        asks = []
        for peer in sorted(self.states.values(), key=lambda peer: (peer.sync.timeouts, peer.id)):
            if peer.sync.asked is not None or now.mono_ms < peer.sync.rest_until_ms:
                continue
            after = {}
            if self._reachable(peer, now.mono_ms):
                wanted = (
                    stream
                    for stream in self._lacking(peer, ours)
                    if stream not in busy
                    and not peer.sync.refusals.put_off(stream, now.mono_ms)
                    and not self._may_be_on_its_way(peer, stream, ours.get(stream, 0), now)
                )
                after = {s: ours.get(s, 0) for s in islice(wanted, peer.sync.refusals.at_once)}
            ask = self._ask(peer, after, now)
            if ask is not None:
                busy |= after.keys()
                asks.append((peer.id, ask))
        return asks

    def _ask(self, peer: PeerState, after: Heads, now: Now) -> Ask | None:
        wanted = peer.sync.wants_vector
        if peer.sync.part_ms is not None and peer.sync.missing:  # what is known of it comes first
            wanted = wanted and now.mono_ms - peer.sync.part_ms >= _REST_OF_VECTOR_MS
        due = peer.sync.probed_ms is None or now.mono_ms - peer.sync.probed_ms >= _PROBE_EVERY_MS
        if not (due or after or (wanted and self._reachable(peer, now.mono_ms))):
            return None
        peer.sync.probed_ms = now.mono_ms
        new = peer.keys.identity if peer.keys.identity != peer.keys.certified_by else None
        peer.sync.asked = Asked(self._next_ask, now, after, wanted, new)
        vector = max(peer.sync.arriving, default=Stream("", 0)) if wanted else None
        self._next_ask += 1
        certificates = True if new is not None else UNSET
        return Ask(self.site, peer.sync.asked.id, write_heads(after.items()), vector, certificates)

    def _may_be_on_its_way(self, peer: PeerState, stream: Stream, held: int, now: Now) -> bool:
        """Whether a stream that a third party is ahead in may still come from its origin."""
        origin = self.states.get(stream.origin)
        if stream.origin == peer.id or origin is None or not self.fresh(origin, now.mono_ms):
            return False
        if origin.sync.heads is not None and stream.epoch < origin.sync.heads.newest_epoch(
            origin.id
        ):
            return False  # it publishes its newest run alone
        since = self._on_its_way.get(stream)
        if since is None or held > since[0]:
            self._on_its_way[stream] = (held, now.mono_ms)
            return True
        if now.mono_ms - since[1] < limits.THIRD_PARTY_GRACE_MS:
            return True
        del self._on_its_way[stream]
        return False

    def measure(self, peer: PeerState, now: Now) -> None:
        """Ask this peer for its clock in the next turn, unless it was measured just now."""
        if (
            peer.link.replied_ms is not None
            and now.mono_ms - peer.link.replied_ms >= _MEASURE_EVERY_MS
        ):
            peer.sync.probed_ms = None

    def link(self, peer_id: str, fault: str | None, *, is_new: bool = False) -> None:
        """Why there is no connection to a peer; None where there is, and whether it was just made.

        A peer that started anew is not always missed: it may be back before it counts as silent.
        """
        peer = self.states.get(peer_id)
        if peer is not None:
            peer.link.fault = fault
            if is_new:
                peer.sync.refusals.peer_is_back()

    def probe(self, peer_id: str) -> None:
        """Ask this peer at once, whatever it was asked or answered before."""
        peer = self.states.get(peer_id)
        if peer is not None:
            peer.sync.probed_ms = None
            peer.sync.rest_until_ms = 0

    def not_sent(self, peer_id: str) -> None:
        """The request could not be sent: the peer is not there, and another one waits for it."""
        peer = self.states.get(peer_id)
        if peer is not None and peer.sync.probed_ms is not None:
            peer.sync.asked = None
            peer.sync.probed_ms += _RETRY_MS - _PROBE_EVERY_MS

    def out_of_touch(self, mono_ms: int, changing: Collection[str] = ()) -> list[str]:
        """The peers to connect to anew, as nothing came on one of the two ways for long.

        A peer that is `changing` its key is dialled with the other one as soon as it is unheard.
        """
        found = []
        long_ms = max(limits.REDIAL_MS, 2 * self.timeout_ms)
        for peer in self.states.values():
            if peer.link.dialled_ms is None:
                peer.link.dialled_ms = mono_ms
            heard_ms = (
                peer.link.heard.mono_ms if peer.link.heard is not None else peer.link.dialled_ms
            )
            replied_ms = (
                peer.link.replied_ms if peer.link.replied_ms is not None else peer.link.dialled_ms
            )
            silent_ms = mono_ms - max(peer.link.dialled_ms, min(heard_ms, replied_ms))
            unheard_ms = mono_ms - max(peer.link.dialled_ms, heard_ms)
            if silent_ms > long_ms or (peer.id in changing and unheard_ms > self.timeout_ms):
                peer.link.dialled_ms = mono_ms
                found.append(peer.id)
        return found

    def _reachable(self, peer: PeerState, mono_ms: int) -> bool:
        replied_ms = peer.link.replied_ms
        return self.fresh(peer, mono_ms) or (
            replied_ms is not None and mono_ms - replied_ms <= self.timeout_ms
        )

    # --- what is known -----------------------------------------------------------------------

    def fresh(self, peer: PeerState, mono_ms: int) -> bool:
        """Whether the peer was heard lately."""
        return peer.link.heard is not None and mono_ms - peer.link.heard.mono_ms <= self.timeout_ms

    def connected(self, peer: PeerState, mono_ms: int) -> bool:
        """Whether the peer was heard lately, and hears us."""
        return self.fresh(peer, mono_ms) and peer.link.hears_us

    def fetchers(self, mono_ms: int) -> list[Fetcher]:
        """The connected peers that have the external API configured."""
        return [
            Fetcher(peer.id, peer.fetch_noticed_ms)
            for peer in self.states.values()
            if peer.fetched_ms is not None and self.connected(peer, mono_ms)
        ]

    def hears(self, mono_ms: int) -> list[str]:
        """The peers heard lately."""
        return [peer.id for peer in self.states.values() if self.fresh(peer, mono_ms)]

    def behind(self, peer: PeerState, ours: Mapping[Stream, int]) -> int | None:
        """How many events the peer has that are not here.

        The other branch of a stream that its origin forked is not missed: it can't be had.
        """
        if peer.sync.heads is None:
            return None
        lacking = self._lacking(peer, ours)
        return peer.sync.missing - sum(
            lacking.get(stream, 0) for stream in peer.sync.refusals.forked
        )

    def to_be_had(self, peer: PeerState, ours: Mapping[Stream, int]) -> bool:
        """Whether the peer has events that are not here, and that it did not fail to send."""
        lacking = self._lacking(peer, ours)
        return peer.sync.heads is None or any(
            peer.sync.refusals.of(stream) is None for stream in lacking
        )

    def stuck(self, peer: PeerState, ours: Mapping[Stream, int]) -> dict[Stream, Refused]:
        """The streams that the peer has more of, and could not continue."""
        lacking = self._lacking(peer, ours)
        return {stream: refused for stream, refused in peer.sync.refusals if stream in lacking}

    def _lacking(self, peer: PeerState, ours: Mapping[Stream, int]) -> Mapping[Stream, int]:
        """The streams that a peer has more of than we do. Our own of this run is never one."""
        for stream in peer.sync.unjudged:
            self._judge(peer, stream, ours.get(stream, 0))
        peer.sync.unjudged.clear()
        return peer.sync.ahead

    def _judge(self, peer: PeerState, stream: Stream, held: int) -> None:
        """Look whether a peer has more of a stream than the `held` that we do."""
        theirs = peer.sync.heads.get(stream, 0) if peer.sync.heads is not None else 0
        more = max(0, theirs - held) if stream != self.own else 0
        if more and self.admission is not None and not self.admission.takes(stream.origin):
            more = 0
        peer.sync.missing += more - peer.sync.ahead.get(stream, 0)
        if more:
            peer.sync.ahead[stream] = more
        else:
            peer.sync.ahead.pop(stream, None)

    def lag(self, peer: PeerState, ours: Mapping[Stream, int]) -> int | None:
        """How many events are here that the peer lacks."""
        return None if peer.sync.heads is None else count_missing(peer.sync.heads, ours)

    def only_here(
        self, ours: Mapping[Stream, int], forks: Mapping[Stream, int] = MappingProxyType({})
    ) -> int:
        """How many events are on no other central, as far as is known.

        `forks` are streams that their origin forked, and where: who has the other branch has none
        of ours from there on.
        """
        known = [
            (peer.sync.heads, peer.sync.refusals)
            for peer in self.states.values()
            if peer.sync.heads
        ]
        count = only_in(ours, [heads for heads, _ in known])
        for stream, seq in forks.items():
            head = ours.get(stream, 0)
            said, shared = 0, 0
            for heads, refusals in known:
                theirs = heads.get(stream, 0)
                said = max(said, theirs)
                shared = max(shared, min(theirs, seq - 1) if stream in refusals.forked else theirs)
            count += max(0, head - shared) - max(0, head - said)
        return count

    def incomplete(self, ours: Mapping[Stream, int], mono_ms: int) -> list[str]:
        """The peers that are unheard, or known to have events that are not here."""
        return [
            peer.id
            for peer in self.states.values()
            if not self.fresh(peer, mono_ms) or self.behind(peer, ours) != 0
        ]

    def offset_ms(self, peer: PeerState, now: Now) -> int | None:
        """How far the wall clock of a peer is ahead of ours; None where that is not known now."""
        if peer.clock.offset_ms is None or not self.fresh(peer, now.mono_ms):
            return None
        return peer.clock.offset_ms + now.mono_ms - now.wall_ms

    def offsets(self, now: Now) -> list[int]:
        """How far the wall clocks of the peers heard now are from ours."""
        offsets = (self.offset_ms(peer, now) for peer in self.states.values())
        return [offset_ms for offset_ms in offsets if offset_ms is not None]

    def note_synced(self, ours: Mapping[Stream, int]) -> None:
        """Note the time up to which all of a peer's events are held here.

        It is the peer's own, and goes back with the peer's clock.
        """
        for peer in self.states.values():
            known = (
                peer.clock.beat_ms and peer.sync.heads is not None and not peer.sync.wants_vector
            )
            if known and self.behind(peer, ours) == 0:
                peer.sync.synced_ms = peer.clock.beat_ms
