"""How much is taken in of what each origin records: streams, events and bytes an hour.

Far more than a busy central comes to, and what was not fetched while nobody could is added: after
the time since the newest event that is held of an origin, and for years where none is held. So
only who records without end meets it, and what is over waits and is asked for again.
"""

from dataclasses import dataclass

from zparkd.core.clock import Now
from zparkd.core.members import limits
from zparkd.core.token_bucket import TokenBucket

_HOUR_MS = 3_600_000
_NOTHING = 1e-9  # hours: what rounding leaves of nothing


@dataclass(slots=True)
class _Left:
    """What may be taken in now, as hours' worth of each quota."""

    streams: TokenBucket
    events: TokenBucket
    bytes: TokenBucket


class Quotas:
    """What is left of the quotas of each origin."""

    def __init__(self) -> None:
        self._left: dict[str, _Left] = {}
        self._over: dict[str, int] = {}

    def knows(self, origin: str) -> bool:
        """Whether an origin was met before."""
        return origin in self._left

    def meet(self, origin: str, newest_ms: int | None, now: Now) -> None:
        """Begin with an origin whose newest event held here has this time stamp; None for none."""
        hours: float = limits.QUOTA_CREDIT_H_MAX
        if newest_ms is not None:
            away = (now.wall_ms - newest_ms) / _HOUR_MS
            hours = min(max(away, limits.QUOTA_BURST_H), limits.QUOTA_CREDIT_H_MAX)
        self._left[origin] = _Left(*(TokenBucket(hours, now.mono_ms) for _ in range(3)))

    def allows(self, origin: str, now: Now) -> bool:
        """Whether more of an origin may be taken in now."""
        left = self._left[origin]
        if min(_hours(it, now) for it in (left.streams, left.events, left.bytes)) > _NOTHING:
            return True
        self._over[origin] = now.mono_ms
        return False

    def takes(self, origin: str, *, streams: int, events: int, size: int) -> None:
        """So much of an origin was taken in."""
        left = self._left[origin]
        left.streams.take(streams / limits.QUOTA_STREAMS_PER_H)
        left.events.take(events / limits.QUOTA_EVENTS_PER_H)
        left.bytes.take(size / limits.QUOTA_BYTES_PER_H)

    def over(self, now: Now) -> list[str]:
        """The origins with events that wait, or did a moment ago."""
        shown_ms = limits.QUOTA_SHOWN_MS
        return sorted(id for id, at_ms in self._over.items() if now.mono_ms - at_ms <= shown_ms)


def _hours(left: TokenBucket, now: Now) -> float:
    """How many hours' worth is left now; what was there beyond the burst stays."""
    return left.fill(now.mono_ms, 1000 / _HOUR_MS, max(left.tokens, limits.QUOTA_BURST_H))
