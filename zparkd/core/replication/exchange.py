"""What peers send: a message is read, taken, known, and asked on, each once, in that order."""

from zparkd.core.clock import Now
from zparkd.core.errors import Forged, Misconfigured, ProtocolError
from zparkd.core.log import Log
from zparkd.core.replication import wire
from zparkd.core.replication.asking import Asking
from zparkd.core.replication.ingest import Intake, Taken
from zparkd.core.replication.peer_state import PeerState
from zparkd.core.replication.peers import Peers
from zparkd.core.replication.refusals import Why
from zparkd.core.replication.wire import Beat, PeerMessage
from zparkd.core.site import Settings
from zparkd.core.turn import Counters, FromBus, SyncAnswer


class Exchange:
    """The messages of one central's peers. All within the caller's transaction."""

    def __init__(
        self, settings: Settings, log: Log, peers: Peers, asking: Asking, intake: Intake
    ) -> None:
        self.counters = Counters()
        self._log = log
        self._peers = peers
        self._asking = asking
        self._intake = intake
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take over new settings."""
        self._id, self._site = settings.id, settings.site

    def published(self, now: Now, message: FromBus, *, apart: bool) -> Taken:
        """What a peer published: its heartbeat, or the events that it just committed."""
        peer, taken = self._peers.states.get(message.peer_id), Taken()
        if peer is None:
            return taken
        self.counters.messages_received += 1
        try:
            told = wire.read_published(message.frames[1:], peer.id, self._site)
            if isinstance(told.data, Beat):
                fresh = self._peers.fresh(peer, now.mono_ms)
                self._asking.beats(peer, told.data, self._id, now, fresh=fresh)
                self._peers.beat(peer, told, self._id, now, len(self._log.heads))
            else:
                taken = self.take(peer, told, now, apart=apart)
                self._peers.learn(peer, told, taken, self._log.heads, now)
                self._asking.refused(peer, taken, self._log.heads, now)
            peer.link.bus_fault = None
        except ProtocolError as fault:
            peer.link.bus_fault = str(fault)
            self._fault(peer, fault, now)
        return taken

    def answered(self, now: Now, message: SyncAnswer, *, apart: bool) -> Taken:
        """What a peer answered to a sync request of ours: a page.

        Events count also where the page is late, or what it answers is forgotten.
        """
        peer = self._peers.states.get(message.peer_id)
        if peer is None:
            return Taken()
        self.counters.messages_received += 1
        try:
            page = wire.read_page(message.frames, peer.id, self._site)
        except ProtocolError as fault:
            self._asking.rest(peer, now)
            peer.link.sync_fault = str(fault)
            self._fault(peer, fault, now)
            return Taken()
        taken = self.take(peer, page, now, apart=apart)
        heads = self._log.heads
        asked, no_vector = self._peers.learn(peer, page, taken, heads, now)
        wrong = self._asking.answered(peer, page, asked, taken, heads, now)
        if no_vector is not None:
            self._asking.rest(peer, now)
        of_page = wrong or no_vector
        peer.link.sync_fault = str(of_page) if of_page is not None else None
        for each in (of_page, taken.forged):
            if each is not None:
                self._fault(peer, each, now)
        return taken

    def take(self, peer: PeerState, told: PeerMessage, now: Now, *, apart: bool) -> Taken:
        """Append what continues our streams, and count it."""
        taken = self._intake.take(peer, told, now, apart=apart)
        self.counters.unreadable += taken.unreadable
        self.counters.unprojected += taken.unprojected
        self.counters.faults += len(taken.refused)
        for why, reason in taken.refused.values():
            if why is Why.FORGED:
                peer.keys.forged, peer.keys.forged_ms = reason, now.mono_ms
        return taken

    def _fault(self, peer: PeerState, fault: ProtocolError, now: Now) -> None:
        self.counters.faults += 1
        peer.link.misconfigured = isinstance(fault, Misconfigured)
        if isinstance(fault, Forged):
            peer.keys.forged, peer.keys.forged_ms = str(fault), now.mono_ms
