"""What a lane shows of itself: figures since the start, and what happened last."""

import threading
from collections import Counter, deque
from statistics import quantiles
from typing import Any

_LATENCIES = 512  # of the newest opens
_TEXT = 200


class Figures:
    """The figures of one lane, for all threads of the process. Times are ms since 1970 UTC."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._open_ms: deque[float] = deque(maxlen=_LATENCIES)
        self._last: dict[str, int | str | None] = {
            "last_event_ms": None,
            "clock_offset_ms": None,
            "own_clock_offset_ms": None,
            "last_fault": None,
            "barrier_fault": None,
        }

    def count(self, name: str, more: int = 1) -> None:
        """Add to a figure."""
        with self._lock:
            self._counts[name] += more

    def refused(self, code: str) -> None:
        """Note a refusal by its code."""
        with self._lock:
            self._refused[code] += 1

    def opened(self, latency_s: float) -> None:
        """Note how long it took from the read to the end of the barrier's command."""
        with self._lock:
            self._counts["opened"] += 1
            self._open_ms.append(latency_s * 1000)
            self._last["barrier_fault"] = None

    def note(self, name: str, value: int | str | None) -> None:
        """Note what happened last; None that it is over."""
        with self._lock:
            self._last[name] = value[:_TEXT] if isinstance(value, str) else value

    def shown(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        with self._lock:
            times = sorted(self._open_ms)
            p50, p95 = None, None
            if len(times) == 1:
                p50 = p95 = times[0]
            elif times:
                cuts = quantiles(times, n=20, method="inclusive")
                p50, p95 = cuts[9], cuts[18]
            return {
                **self._last,
                **{name: self._counts[name] for name in NAMES},
                "refused": dict(self._refused),
                "open_p50_ms": None if p50 is None else round(p50, 1),
                "open_p95_ms": None if p95 is None else round(p95, 1),
            }


NAMES = (
    "messages",  # all that came in for the lane
    "reads",  # of plates among them
    "misreads",  # vehicles without a readable plate
    "unreadable",  # messages that are none of the format
    "denied",  # messages from who may not send any
    "busy",  # messages that came while too many waited
    "passages",  # vehicles asked for
    "opened",
    "barrier_faults",
    "unanswered",  # asked for, and no central answered in time
    "seen",  # put into the outbox to be recorded as seen
    "late",  # reads too old to open for
    "ahead",  # reads from the future
    "repeated",  # reads that the camera sent again
    "corrected",  # better reads of a vehicle that was let through already
    "told",  # messages of the outbox that a central has
    "given_up",  # messages of the outbox that a central refused for what they say
)
