"""Whether another process runs under this central's id, by mistake.

Two under one id write two epochs, so nothing is corrupted. But peers hear one of them only, what
the other records may reach nobody, and each shows the other's gates as its own. So it is found
out: an event of our id in a stream that is not ours may be our past, lost here and fetched from a
peer; one stamped after this run began can't be.

What a clock that ran ahead stamped in an earlier run is beyond now, and no proof. An alarm stands
for a while after the last proof, and ends by itself once the other was stopped.
"""

from collections.abc import Mapping

from zparkd.core import limits
from zparkd.core.clock import Clock, Now
from zparkd.core.events.event import Event, Stream
from zparkd.core.replication.peers import Peers


class DuplicateId:
    """What was seen of another process under our id."""

    def __init__(self, own: Stream, started: Now) -> None:
        """`own` is the stream of this run."""
        self._own = own
        self._started = started
        self._stamps: list[int] = []
        self._seen_ms: int | None = None

    def took(self, event: Event) -> None:
        """An event that a peer sent was appended."""
        position = event.position
        if position.origin == self._own.origin and position.stream != self._own:
            self._stamps.append(event.timestamp)

    def forget(self) -> None:
        """The transaction in which events were taken was rolled back: they come again."""
        self._stamps.clear()

    def judge(self, clock: Clock, now: Now) -> None:
        """Look at what was taken since the last time. Our start is by the clock as it is now."""
        if not self._stamps:
            return
        stamp_ms = clock.read(now).ms
        began_ms = stamp_ms - (now.mono_ms - self._started.mono_ms)
        bound_ms = limits.CLOCK_BOUND_MS
        if any(began_ms + bound_ms < ms <= stamp_ms + bound_ms for ms in self._stamps):
            self._seen_ms = now.mono_ms
        self._stamps.clear()

    def is_there(self, now: Now) -> bool:
        """Whether there was proof lately."""
        seen_ms = self._seen_ms
        return seen_ms is not None and now.mono_ms - seen_ms <= limits.DUPLICATE_ID_SHOWN_MS


def overtaken_by(peers: Peers, ours: Mapping[Stream, int]) -> list[str]:
    """The peers that hold more of the stream that only we write: nobody ever should.

    A machine that is set back while it runs, memory and all, goes on in its stream from an
    earlier position, which is the one way to use a position twice.
    """
    head = ours.get(peers.own, 0)
    states = peers.states.values()
    return [
        peer.id for peer in states if peer.sync.heads and peer.sync.heads.get(peers.own, 0) > head
    ]
