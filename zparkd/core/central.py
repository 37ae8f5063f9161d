"""A central: one turn of its life as a function of what came in.

`step` takes the time and a batch of messages, appends to the log, and returns what is to be
sent. The caller owes it an open transaction, and sends nothing before that is committed:

    begin → step → commit → replies, publications, requests → pages

Besides, `heartbeat` and `serve` say what is sent after a commit; `forget` undoes a turn.
No socket, clock, thread or randomness is known here.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from zparkd import __version__
from zparkd.core import limits
from zparkd.core.clock import Clock, Now
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, Stream
from zparkd.core.events.signing import Identity
from zparkd.core.gate.by_hand import ByHand
from zparkd.core.gate.deeds import (
    Deed,
    NotDone,
)
from zparkd.core.gate.ingress import Ingress, not_recorded
from zparkd.core.gate.old_stays import OldStays
from zparkd.core.log import Log
from zparkd.core.members.admission import Admission
from zparkd.core.members.changes import MemberChanges
from zparkd.core.members.joining import Joining
from zparkd.core.members.roster_acts import Amend, Invite, Join, Remove
from zparkd.core.members.roster_changes import Refused, RosterChanges
from zparkd.core.principal import Principal
from zparkd.core.reference.changes import Imported, NotCounting, ReferenceChanges
from zparkd.core.replication import encoding, peer_notes, wire
from zparkd.core.replication.asking import Asking
from zparkd.core.replication.bundles import Bundles
from zparkd.core.replication.exchange import Exchange
from zparkd.core.replication.ingest import Intake, Taken
from zparkd.core.replication.limits import SYNC_STATE_FLUSH_MS
from zparkd.core.replication.own_stream import DuplicateId, OwnStream
from zparkd.core.replication.peer_state import PeerNote
from zparkd.core.replication.peers import Peers
from zparkd.core.replication.serving import Serving
from zparkd.core.replication.signatures import Signatures
from zparkd.core.replication.wire import Ask, Beat, Digests, Page
from zparkd.core.site import Settings
from zparkd.core.tariff.fields import BadDocument
from zparkd.core.turn import (
    Acknowledge,
    Admit,
    Change,
    Configure,
    Disown,
    Fetched,
    Frames,
    FromBus,
    FromEdge,
    Identify,
    ImportPasses,
    ImportStaff,
    Incoming,
    LinkState,
    NotSent,
    Outcome,
    Output,
    Probe,
    Restore,
    SetPolicy,
    SetTariff,
    SyncAnswer,
    SyncRequest,
    TakeOver,
    TakePage,
    WriteNotes,
    one_of_each,
)


@dataclass(slots=True)
class _Turn:
    """One turn while it lasts: what is to be sent, and the events of peers that came in.

    `read` is how many of those were looked at, `taken` are the ones that are stored. With `apart`
    one that can't be projected is stored without.
    """

    now: Now
    apart: bool
    output: Output = field(default_factory=Output)
    read: int = 0
    taken: list[Event] = field(default_factory=list)

    def took(self, taken: Taken) -> None:
        """So much of a message was taken."""
        self.read += taken.read
        self.taken += taken.events


class Central:
    """The rules of one central, over one log."""

    def __init__(
        self,
        settings: Settings,
        log: Log,
        stream: Stream,
        secret: bytes,
        last_ms: int,
        now: Now,
        *,
        identity: Identity | None = None,
    ) -> None:
        """Start a run that writes `stream`, a new one. What it writes at once is to be committed.

        `last_ms` is the time stamp of this central's newest event, 0 for none; `secret` 32
        random bytes. With an `identity` all is signed, and nothing else is taken from peers.
        """
        self.log = log
        self.clock = Clock(last_ms, now)
        self.admission = Admission(log, settings.id)
        self.peers = Peers(stream, self.admission)
        self.asking = Asking(settings.site, self.peers)
        self.fetched_ms: int | None = None  # see `Fetched`
        self._own_stream = OwnStream(log, stream, secret)
        self.reference = ReferenceChanges(log, self._own_stream, self.clock)
        self.members = MemberChanges(log, self._own_stream, self.clock)
        self.roster = RosterChanges(log, self._own_stream, self.clock, settings)
        self._joining = Joining(self.roster)
        self.old_stays = OldStays(log, self._own_stream)
        self._by_hand = ByHand(log, self._own_stream, self.clock)
        self.ingress = Ingress(settings, log, self._own_stream, self.clock, self.peers)
        self.edges = self.ingress.edges
        self.duplicate_id = DuplicateId(stream, now)
        self._started = now
        self._wall_ahead_ms = now.wall_ms - now.mono_ms
        self._edges_flushed_ms = now.mono_ms
        self._wall_was_set = False
        self._next_measure_ms = 0
        self._next_beat_ms = now.mono_ms
        self._next_flush_ms = now.mono_ms
        self.signatures = Signatures(log, self._own_stream, settings.site)
        self._intake = Intake(log, stream, self.signatures, settings.site, self.admission)
        self._exchange = Exchange(settings, log, self.peers, self.asking, self._intake)
        self.counters = self._exchange.counters
        self._bundles = Bundles(log, self.admission, self.signatures, settings.site)
        self.serving = Serving(log, self.peers, self.signatures)
        self.signatures.identify(settings, identity)
        self._configure(settings)

    def _configure(self, settings: Settings) -> None:
        """Take over new settings."""
        self.settings = settings
        self.roster.configure(settings)
        self.ingress.configure(settings)
        self._exchange.configure(settings)
        self.peers.configure((peer.id for peer in settings.peers), settings.peer_timeout_ms)
        self._changing_keys = {p.id for p in settings.peers if len(p.public_keys) > 1}
        self._next_flush_ms = 0  # peers that came or went are written down at once
        self._next_beat_ms = 0  # and told at once, in the new rhythm

        self.signatures.configure(settings)
        known = {peer.id for peer in settings.peers} | set(settings.known_keys)
        self.admission.configure(known, keyed=self.signatures.required)
        self.peers.judge_again()
        self.serving.configure(settings)
        self.asking.ask_again()

    def _admit(self, now: Now, member: str, by: Principal | None = None) -> None:
        """Take in what a central records that is not configured, one that was removed too."""
        self.members.admit(now, member, by)
        self.log.signed.taken_back(member)
        self.admission.refresh()
        self.peers.judge_again()
        self.asking.ask_again()

    def over_quota(self, now: Now) -> list[str]:
        """The origins that record more than is accepted in an hour; the rest waits."""
        return self._intake.quotas.over(now)

    def restore(self, peers: Iterable[PeerNote], edges: Iterable[tuple[str, int]]) -> None:
        """Take up what an earlier run wrote down: of peers, and when which edge was heard."""
        peer_notes.restore(self.peers.states, peers)
        self.ingress.edges.restore(edges)

    # --- one turn ----------------------------------------------------------------------------

    def step(self, now: Now, batch: Sequence[Incoming], *, apart: bool = False) -> Output:
        """Take in a batch, and say what is to be sent. Peers first: what they know counts.

        With `apart`, an event of a peer on which the rules blow up is kept without its meaning.
        """
        turn = _Turn(now, apart)
        output = turn.output
        self.peers.note_synced(self.log.heads)
        for message in one_of_each([it for it in batch if not isinstance(it, FromEdge)]):
            self._take_in(turn, message)
        self._learn_the_time(now)
        self._by_hand.name_forgotten(now)
        self._by_hand.erase_old(now, self._is_first(now))
        self.log.settle(limits.EVENTS_FOLDED_PER_TURN)
        in_step = not self.log.unsettled  # else more is left than a turn may look at
        self.ingress.turn(now)
        for message in batch:
            if isinstance(message, FromEdge):
                # Who is inside depends on what was recorded just now.
                if in_step and self.log.unsettled:
                    self.log.settle(limits.EVENTS_FOLDED_PER_TURN)
                    in_step = not self.log.unsettled
                output.replies.append((message.token, self.answer(now, message)))
            elif isinstance(message, Change):
                output.outcomes.append(self._change(turn, message))
        self.duplicate_id.judge(turn.taken, self.clock, now)
        self._publish(now, output)
        self._ask(now, output)
        output.redials = self.peers.out_of_touch(now.mono_ms, self._changing_keys)
        output.notes_due = self._peers_due(now) or self._edges_due(now)
        self.counters.messages_sent += len(output.published) + len(output.asks)
        return output

    def _is_first(self, now: Now) -> bool:
        """Whether no central with a lower id is connected."""
        peers = self.peers.states.values()
        return not any(
            peer.id < self.settings.id and self.peers.connected(peer, now.mono_ms) for peer in peers
        )

    def _take_in(self, turn: _Turn, message: Incoming) -> None:
        """All but what edges and people want, which waits until the rest is known."""
        match message:
            case SyncRequest():
                turn.output.to_serve.append(message)
            case FromBus() | SyncAnswer() if turn.read >= limits.EVENTS_PER_TURN:
                turn.output.left.append(message)
            case FromBus():
                turn.took(self._exchange.published(turn.now, message, apart=turn.apart))
            case SyncAnswer():
                turn.took(self._exchange.answered(turn.now, message, apart=turn.apart))
            case LinkState(peer_id, fault, is_new):
                self.peers.link(peer_id, fault)
                if is_new:
                    self.asking.linked_anew(peer_id)
            case NotSent(peer_id):
                self.asking.not_sent(peer_id)
            case Configure(settings):
                self._configure(settings)
            case Identify(identity):
                self.signatures.identify(self.settings, identity)
            case Fetched(at_ms):
                self.fetched_ms = at_ms
            case WriteNotes(at_end):
                self._note_peers(turn.now, at_end=at_end)
                self._note_edges(turn.now, at_end=at_end)

    def _change(self, turn: _Turn, change: Change) -> Outcome:
        """What a change comes to that people or the external API want."""
        now = turn.now
        try:
            match change:
                case SetTariff() | SetPolicy() | ImportPasses() | ImportStaff() | Acknowledge():
                    return self._set(now, change)
                case TakeOver(stays):
                    return self.old_stays.take(stays, self.settings.zone)
                case _ if isinstance(change, Deed):
                    return self._by_hand.do(now, change)
                case TakePage(frames):
                    page = self._bundles.read(frames)
                    taken = self._exchange.take(page.bearer, page.told, now, apart=turn.apart)
                    self.peers.learn(page.bearer, page.told, taken, self.log.heads, now)
                    turn.took(taken)
                    self.log.settle(limits.EVENTS_FOLDED_PER_TURN)
                    return self._bundles.told(page, taken)
                case Disown(member, since_ms, by):
                    self.members.disown(now, member, since_ms, by)
                case Restore(member, by):
                    self.members.restore(now, member, by)
                case Admit(member, by):
                    self._admit(now, member, by)
                case Probe(peer_id):
                    self.asking.probe(peer_id)
                case Join():
                    return self._joining.answer(now, change)
                case Invite() | Remove() | Amend():
                    return self.roster.act(now, change)
        except (NotCounting, BadDocument, Refused, ProtocolError, NotDone) as refused:
            return refused
        return None

    def _set(
        self, now: Now, change: SetTariff | SetPolicy | ImportPasses | ImportStaff | Acknowledge
    ) -> int | Imported:
        """What a change of reference data comes to. Raises NotCounting, BadDocument or Refused."""
        match change:
            case SetTariff(document, by):
                return self.reference.set_tariff(now, document, by)
            case SetPolicy(document, by):
                return self.reference.set_policy(now, document, by)
            case ImportPasses(passes, by):
                return self.reference.import_passes(now, passes, by)
            case ImportStaff(staff, by):
                return self.reference.import_staff(now, staff, by)
            case Acknowledge(said):
                return self.reference.acknowledge(now, said)

    def _learn_the_time(self, now: Now) -> None:
        """Judge the wall clock by those of the peers; where it was set just now, ask them anew."""
        set_by_ms = now.wall_ms - now.mono_ms - self._wall_ahead_ms
        self._wall_ahead_ms += set_by_ms
        self._wall_was_set |= abs(set_by_ms) > limits.CLOCK_STEP_MS
        # Not in every turn: a clock that runs wild is set all the time.
        if self._wall_was_set and now.mono_ms >= self._next_measure_ms:
            self._wall_was_set = False
            self._next_measure_ms = now.mono_ms + limits.CLOCK_STEP_MS
            self.asking.measure(now)
        self.clock.learn(now, self.peers.offsets(now))

    def answer(self, now: Now, asked: FromEdge) -> bytes:
        """What an edge is answered, once what it asked for is recorded."""
        return self.ingress.answer(now, asked)

    def refused(self, request: FromEdge) -> bytes:
        """The answer to a request that could not be recorded."""
        return not_recorded(request)

    def forget(self, moved: Collection[Stream] | None = None) -> None:
        """The transaction of the last step was rolled back: forget what it noted of it.

        `moved` are the streams whose heads went back; None where it may be any.
        """
        self._own_stream.forget()
        self.admission.refresh()
        self.signatures.forget()
        self.ingress.forget()
        self.peers.forget(moved)
        self.asking.forget()

    def wake_in_ms(self, now: Now) -> int:
        """How long the next step may wait where nothing comes in."""
        if self.log.unsettled:
            return 0
        if any(peer.requests.under_way for peer in self.peers.states.values()):
            return min(50, max(0, self._next_beat_ms - now.mono_ms))
        return min(limits.TURN_AT_LEAST_MS, max(0, self._next_beat_ms - now.mono_ms))

    def up_ms(self, now: Now) -> int:
        """How long this run has lasted."""
        return now.mono_ms - self._started.mono_ms

    def serves_edges(self, now: Now) -> bool:
        """Whether edges are answered: after a start, once caught up with the peers that are there.

        A central that was away must not call a vehicle unknown that its peers know; but it
        must not stand still for peers that are not there either. After an upgrade it first reads
        what the version before could not.
        """
        up_ms = self.up_ms(now)
        if self.log.rereading:
            return False  # what is held says more than is known of it yet
        if up_ms >= limits.START_CATCH_UP_MS:
            return True
        states = self.peers.states.values()
        answered = [peer for peer in states if peer.link.replied_ms is not None]
        if len(answered) < len(states) and up_ms < limits.START_HELLO_MS:
            return False
        return not any(self.asking.to_be_had(peer, self.log.heads) for peer in answered)

    def _ask(self, now: Now, output: Output) -> None:
        """Ask peers for what is missing, by all that is known of them now."""
        heads, peers = self.log.heads, self.peers
        peers.look(heads)
        heard, answering = set(peers.hears(now.mono_ms)), set(peers.answering(now.mono_ms))
        for peer_id, ask in self.asking.next_asks(heads, now, heard, answering):
            output.asks.append((peer_id, [self._header(now, ask)]))

    def _publish(self, now: Now, output: Output) -> None:
        """Tell peers what was recorded, all of the turn in one message."""
        output.recorded, signed, certificate = self._own_stream.take_recorded()
        if output.recorded:
            id, site, stamp = self.settings.id, self.settings.site, self.clock.read(now)
            events = [(event.skeleton, event.personal_part) for event in output.recorded]
            message = encoding.write_live(id, stamp.ms, site, events, signed, certificate)
            output.published.append(message)

    def heartbeat(self, now: Now) -> Frames | None:
        """What tells peers that we are alive, and what is committed here; None where none is due.

        It needs no transaction: a central whose disk is full lives all the same.
        """
        if now.mono_ms < self._next_beat_ms:
            return None
        self._next_beat_ms = now.mono_ms + self.settings.heartbeat_ms
        first = {self.settings.id, *self.peers.states}
        heads, older = encoding.beat_heads(self.log.heads, first, self.signatures.unsigned)
        beat = Beat(
            self.settings.site,
            self.settings.timezone,
            __version__,
            now.wall_ms,
            self.peers.hears(now.mono_ms),
            heads,
            older,
            self.fetched_ms,
            self.signatures.identity_key,
        )
        self.counters.messages_sent += 1
        return [wire.TOPIC_HEARTBEAT, self._header(now, beat)]

    def _header(self, now: Now, data: Beat | Ask | Page | Digests) -> bytes:
        return encoding.write_header(self.settings.id, self.clock.read(now).ms, data)

    def _peers_due(self, now: Now) -> bool:
        return now.mono_ms >= self._next_flush_ms or peer_notes.is_first(self.peers.states)

    def _note_peers(self, now: Now, *, at_end: bool) -> None:
        """Write down what each peer holds, so that the next run knows it."""
        if at_end:
            peer_notes.note_all(self.peers.states)
        elif not self._peers_due(now):
            return
        self._next_flush_ms = now.mono_ms + SYNC_STATE_FLUSH_MS
        notes = peer_notes.to_note(self.peers.states, now)
        self.log.note_peers(self.peers.states, notes, now.wall_ms)

    def _edges_due(self, now: Now) -> bool:
        new = self.edges.any_new()
        every_ms = limits.EDGES_NEW_FLUSH_MS if new else limits.EDGES_FLUSH_MS
        return now.mono_ms - self._edges_flushed_ms >= every_ms

    def _note_edges(self, now: Now, *, at_end: bool) -> None:
        """Write down when edges were heard."""
        if not (at_end or self._edges_due(now)):
            return
        self._edges_flushed_ms = now.mono_ms  # first: a disk that is full is not tried all the time
        seen = self.edges.unwritten()
        if seen:
            self.log.note_edges(seen)
            self.edges.written(seen)

    # --- what peers ask ----------------------------------------------------------------------

    def serve(self, now: Now, request: SyncRequest) -> Frames | None:
        """What answers a request of a peer; None where there is nobody to answer.

        Reads only, and is called after the commit, so that edges are answered first.
        """
        self.counters.messages_received += 1
        answer = self.serving.answer(now, request.frames, request.speaker)
        if answer is None:
            self.counters.faults += 1
            return None
        self.counters.messages_sent += 1
        data, *body = answer
        return [self._header(now, data), *body]
