"""What each peer holds, what of that is missing here, and whether the peer is there.

A peer that has an event serves it, whoever its origin is. What to ask of whom, `asking` decides.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from zparkd.core.clock import Now
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Position, Stream
from zparkd.core.events.heads import HeadVector, count_missing, only_in
from zparkd.core.limits import TIME_SHOWN_MS_MAX
from zparkd.core.members.admission import Admission
from zparkd.core.reference.fetch_turn import Fetcher
from zparkd.core.replication import limits
from zparkd.core.replication.ingest import Taken
from zparkd.core.replication.peer_state import Asked, PeerState
from zparkd.core.replication.wire import Beat, Page, PeerMessage


@dataclass(slots=True)
class Peers:
    """All configured peers of a central. `own` is the stream that only we write."""

    own: Stream
    admission: Admission | None = None  # whose events are taken in; those of all where None
    timeout_ms: int = 0
    states: dict[str, PeerState] = field(default_factory=dict)

    def configure(self, ids: Iterable[str], timeout_ms: int) -> None:
        """Take over who belongs to the site; what is known of those that stay is kept."""
        self.timeout_ms = timeout_ms
        self.states = {id: self.states.get(id) or PeerState(id) for id in ids}

    # --- what they tell ----------------------------------------------------------------------

    def beat(self, peer: PeerState, told: PeerMessage, us: str, now: Now, held: int = 0) -> None:
        """A heartbeat of this peer, to who holds so many streams.

        Raises ProtocolError where those of them that can't be had from it are too many.
        """
        beat = told.data
        assert isinstance(beat, Beat)
        assert told.heads is not None
        peer.link.heard = now
        if 0 < told.timestamp <= TIME_SHOWN_MS_MAX:
            peer.clock.beat_ms = told.timestamp
        peer.link.hears_us = us in beat.hears
        peer.clock.timezone = beat.timezone
        peer.version = beat.version
        if beat.fetched_ms != peer.fetched_ms:
            peer.fetched_ms, peer.fetch_noticed_ms = beat.fetched_ms, now.mono_ms
        peer.keys.identity = beat.identity or None
        listed = told.heads
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

    def learn(
        self, peer: PeerState, told: PeerMessage, taken: Taken, ours: Mapping[Stream, int], now: Now
    ) -> tuple[Asked | None, ProtocolError | None]:
        """What a peer holds by a message with events, of which so much was taken.

        The request under way that it answers, None where it answers none; and what is wrong with
        the part of its vector that came along. From then on that request is under way no more.
        """
        asked, fault = None, None
        if isinstance(told.data, Page):
            asked = self._answered(peer, told.data, now)
            if asked is not None and told.heads is not None:
                fault = self._vector(peer, told, now, len(ours))
        for stream, head in taken.sent.items():
            if peer.sync.heads is not None and peer.sync.heads.get(stream, 0) < head:
                self._says(peer, stream, head)
        for stream in {event.position.stream for event in taken.events}:
            for other in self.states.values():
                if stream in other.sync.ahead:
                    self._count(other, stream, ours.get(stream, 0))
        if taken.judge_again:
            self.judge_again()
        self.lacking(peer, ours)
        return asked, fault

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
            peer.requests.refusals.taken(stream)

    def _answered(self, peer: PeerState, page: Page, now: Now) -> Asked | None:
        asked = peer.requests.under_way
        if asked is None or asked.id != page.id:
            return None
        peer.requests.under_way = None
        peer.link.replied_ms = now.mono_ms
        round_trip_ms = peer.link.round_trip_ms = now.mono_ms - asked.at.mono_ms
        if round_trip_ms <= limits.OFFSET_FROM_ROUND_TRIP_MS:
            peer.clock.offset_ms = page.wall_ms - (now.mono_ms - round_trip_ms // 2)
        return asked

    def _vector(
        self, peer: PeerState, told: PeerMessage, now: Now, held: int
    ) -> ProtocolError | None:
        """The next part of the vector of this peer, as it answered, to who holds so many streams.

        Of a vector that names many more than those the first are enough for now: the rest is asked
        for once they are here. What is wrong where it does not go on as asked for.
        """
        part, page = told.heads, told.data
        assert part is not None
        assert isinstance(page, Page)
        if part and peer.sync.arriving and min(part) <= max(peer.sync.arriving):
            peer.sync.arriving = HeadVector()
            return ProtocolError("its vector does not go on where it was asked to")
        peer.sync.arriving.update(part)
        goes_on = bool(page.more and part)
        if goes_on and len(peer.sync.arriving) <= held + limits.STREAMS_OF_A_PEER:
            return None
        before = HeadVector() if peer.sync.heads is None else peer.sync.heads
        peer.sync.heads, peer.sync.arriving = peer.sync.arriving, HeadVector()
        moved = peer.sync.heads.items() ^ before.items()
        for stream in sorted({stream for stream, _ in moved}):
            peer.sync.unjudged[stream] = peer.sync.unsaved[stream] = None
            if not goes_on and peer.sync.heads.get(stream, 0) < before.get(stream, 0):
                peer.requests.refusals.taken(stream)
        peer.sync.verified = None
        peer.sync.part_ms = now.mono_ms if goes_on else None
        peer.sync.wants_vector = goes_on
        return None

    @staticmethod
    def _forget_heads(peer: PeerState) -> None:
        for stream in peer.sync.heads or ():
            peer.sync.unjudged[stream] = peer.sync.unsaved[stream] = None
        peer.sync.heads, peer.sync.arriving = None, HeadVector()
        peer.sync.verified, peer.sync.part_ms, peer.sync.wants_vector = None, None, True

    def link(self, peer_id: str, fault: str | None) -> None:
        """Why there is no connection to a peer; None where there is."""
        peer = self.states.get(peer_id)
        if peer is not None:
            peer.link.fault = fault

    def judge_again(self) -> None:
        """Whom we take in changed: look at all that they have."""
        for peer in self.states.values():
            peer.sync.unjudged.update(dict.fromkeys(peer.sync.heads or ()))

    def forget(self, moved: Collection[Stream] | None = None) -> None:
        """Our own heads went back, those of all streams where none are named."""
        for peer in self.states.values():
            again = (peer.sync.heads or ()) if moved is None else moved
            peer.sync.unjudged.update(dict.fromkeys(again))
            peer.sync.unsaved.update(peer.sync.saving)
            peer.sync.synced_saved_ms = None

    # --- whether they are there --------------------------------------------------------------

    def fresh(self, peer: PeerState, mono_ms: int) -> bool:
        """Whether the peer was heard lately."""
        return peer.link.heard is not None and mono_ms - peer.link.heard.mono_ms <= self.timeout_ms

    def connected(self, peer: PeerState, mono_ms: int) -> bool:
        """Whether the peer was heard lately, and hears us."""
        return self.fresh(peer, mono_ms) and peer.link.hears_us

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

    def answering(self, mono_ms: int) -> list[str]:
        """The peers that answered a request lately."""
        return [
            peer.id
            for peer in self.states.values()
            if (at_ms := peer.link.replied_ms) is not None and mono_ms - at_ms <= self.timeout_ms
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

    # --- what they hold ----------------------------------------------------------------------

    def behind(self, peer: PeerState, ours: Mapping[Stream, int]) -> int | None:
        """How many events the peer has that are not here.

        The other branch of a stream that its origin forked is not missed: it can't be had.
        """
        if peer.sync.heads is None:
            return None
        lacking = self.lacking(peer, ours)
        return peer.sync.missing - sum(
            lacking.get(stream, 0) for stream in peer.requests.refusals.forked
        )

    def look(self, ours: Mapping[Stream, int]) -> None:
        """Have all that is told of peers in order for `asking`: what each lacks or is ahead in."""
        for peer in self.states.values():
            self.lacking(peer, ours)

    def lacking(self, peer: PeerState, ours: Mapping[Stream, int]) -> Mapping[Stream, int]:
        """The streams that a peer has more of than we do, and by how many events.

        Our own of this run is never one.
        """
        for stream in peer.sync.unjudged:
            self._judge(peer, stream, ours.get(stream, 0))
        peer.sync.unjudged.clear()
        return peer.sync.ahead

    def _judge(self, peer: PeerState, stream: Stream, held: int) -> None:
        """Look whether a peer has more of a stream than the `held` that we do."""
        theirs = peer.sync.heads.get(stream, 0) if peer.sync.heads is not None else 0
        wanted = theirs > held and stream != self.own
        if wanted and self.admission is not None:
            wanted = self.admission.takes(stream.origin)
        self._count(peer, stream, held if wanted else theirs)

    @staticmethod
    def _count(peer: PeerState, stream: Stream, held: int) -> None:
        """Count what a peer has of a stream beyond `held`."""
        theirs = peer.sync.heads.get(stream, 0) if peer.sync.heads is not None else 0
        more = max(0, theirs - held)
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
            (peer.sync.heads, peer.requests.refusals.forked)
            for peer in self.states.values()
            if peer.sync.heads
        ]
        count = only_in(ours, [heads for heads, _ in known])
        for stream, seq in forks.items():
            head = ours.get(stream, 0)
            said, shared = 0, 0
            for heads, forked in known:
                theirs = heads.get(stream, 0)
                said = max(said, theirs)
                shared = max(shared, min(theirs, seq - 1) if stream in forked else theirs)
            count += max(0, head - shared) - max(0, head - said)
        return count

    def hold(self, id: str, position: Position) -> bool:
        """Whether a central is a peer that is known to hold an event."""
        peer = self.states.get(id)
        heads = peer.sync.heads if peer is not None else None
        return heads is not None and heads.get(position.stream, 0) >= position.seq

    def overtaken_by(self, ours: Mapping[Stream, int]) -> list[str]:
        """The peers that hold more of the stream that only we write: nobody ever should.

        A machine that is set back while it runs, memory and all, goes on in its stream from an
        earlier position, which is the one way to use a position twice.
        """
        head = ours.get(self.own, 0)
        return [
            peer.id
            for peer in self.states.values()
            if peer.sync.heads is not None and peer.sync.heads.get(self.own, 0) > head
        ]

    def incomplete(self, ours: Mapping[Stream, int], mono_ms: int) -> list[str]:
        """The peers that are unheard, or known to have events that are not here."""
        return [
            peer.id
            for peer in self.states.values()
            if not self.fresh(peer, mono_ms) or self.behind(peer, ours) != 0
        ]

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
