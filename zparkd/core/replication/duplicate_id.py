"""Whether another process runs under this central's id, by mistake.

Two under one id write two epochs, so nothing is corrupted. But peers hear one of them only, what
the other records may reach nobody, and each shows the other's gates as its own. So it is found
out: an event of our id in a stream that is not ours may be our past, lost here and fetched from a
peer; one stamped after this run began can't be.

What a clock that ran ahead stamped in an earlier run is beyond now, and no proof. An alarm stands
for a while after the last proof, and ends by itself once the other was stopped.
"""

from collections.abc import Iterable

from zparkd.core.clock import Clock, Now
from zparkd.core.events.event import Event, Stream
from zparkd.core.limits import CLOCK_BOUND_MS
from zparkd.core.replication import limits


class DuplicateId:
    """What was seen of another process under our id."""

    def __init__(self, own: Stream, started: Now) -> None:
        """`own` is the stream of this run."""
        self._own = own
        self._started = started
        self._seen_ms: int | None = None

    def judge(self, taken: Iterable[Event], clock: Clock, now: Now) -> None:
        """Look at what peers sent in a turn. Our start is by the clock as it is now."""
        own = self._own
        stamps = [
            event.timestamp
            for event in taken
            if event.position.origin == own.origin and event.position.stream != own
        ]
        if not stamps:
            return
        stamp_ms = clock.read(now).ms
        began_ms = stamp_ms - (now.mono_ms - self._started.mono_ms)
        bound_ms = CLOCK_BOUND_MS
        if any(began_ms + bound_ms < ms <= stamp_ms + bound_ms for ms in stamps):
            self._seen_ms = now.mono_ms

    def is_there(self, now: Now) -> bool:
        """Whether there was proof lately."""
        seen_ms = self._seen_ms
        return seen_ms is not None and now.mono_ms - seen_ms <= limits.DUPLICATE_ID_SHOWN_MS
