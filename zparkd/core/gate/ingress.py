"""What edges are answered: a request is read, resolved, decided, recorded, told."""

from zparkd.core.clock import Clock, Now
from zparkd.core.gate.edge_state import EdgeStates
from zparkd.core.gate.gate import Record, decide
from zparkd.core.gate.recording import Recorder
from zparkd.core.gate.requests import Code, Refusal, read_request, request_id_in
from zparkd.core.gate.resolve import Resolver
from zparkd.core.gate.responses import refusal, response
from zparkd.core.gate.untaken import Untaken
from zparkd.core.gate.watched import Watched
from zparkd.core.log import Log
from zparkd.core.replication.own_stream import OwnStream
from zparkd.core.replication.peers import Peers
from zparkd.core.site import Settings
from zparkd.core.turn import FromEdge


class Ingress:
    """The gates of one central. All within the caller's transaction."""

    def __init__(
        self, settings: Settings, log: Log, own_stream: OwnStream, clock: Clock, peers: Peers
    ) -> None:
        self.edges = EdgeStates()
        self.recorder = Recorder(log, own_stream, clock, self.edges)
        self.watched = Watched()
        self._untaken = Untaken(log, self.recorder)
        self._log = log
        self._peers = peers
        self._resolver = Resolver(settings, log, clock, self.edges, peers)

    def configure(self, settings: Settings) -> None:
        """Take over new settings."""
        self._resolver.configure(settings)
        self._untaken.configure(settings)

    def turn(self, now: Now) -> None:
        """What happens at the gates where nobody asks anything."""
        self._untaken.turn(now)

    def forget(self) -> None:
        """A transaction was undone: what was recorded in it may never have been."""
        self.edges.forget_opens(self._log.heads)
        self._untaken.forget()

    def answer(self, now: Now, asked: FromEdge) -> bytes:
        """What an edge is answered, once what it asked for is recorded."""
        try:
            request = read_request(asked.body, asked.speaker, asked.by)
        except Refusal as no:
            return refusal(no, request_id_in(asked.body))
        found = self._resolver.resolve(now, request)
        decision = decide(found)
        if found.watch is not None:
            self.watched.saw(found, now.mono_ms)
        event = self.recorder.record(now, found, decision)
        if event is not None and isinstance(decision, Record) and found.lane.reports_close:
            self._untaken.opened(event, now)
        incomplete: list[str] = []
        if decision.rests_on_what_is_inside:
            incomplete = self._peers.incomplete(self._log.heads, now.mono_ms)
        return response(found, decision, event, incomplete, self._log)


def not_recorded(request: FromEdge) -> bytes:
    """The answer to a request that could not be recorded."""
    message = "the disk can't be written; nothing was recorded, ask again or elsewhere"
    no = Refusal(Code.STORAGE_UNAVAILABLE, message)
    return refusal(no, request_id_in(request.body))
