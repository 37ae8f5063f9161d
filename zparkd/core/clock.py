"""What time it is: a stamp for each event, whatever the wall clock does.

Two clocks come in with every turn: the wall clock, which people set, and the monotonic clock,
which only runs. Liveness uses the monotonic one alone. Stamps use the wall clock unless it is
known to be wrong:

- off by more than a bound from the median of itself and at least two peers: stamps follow that
  median, learned as an offset to the monotonic clock and kept while this central is cut off;
- before the release of the software, or behind this central's own last event without peers
  that bear it out: the last event plus the time elapsed since, and the stamp is marked.

Offsets are of uncorrected wall clocks, so no central's correction moves another's. A peer's clock
is measured against our monotonic one, and our wall clock is judged by that in every turn: so it
is found out in the turn after it was set, wrong or right.
"""

import functools
from datetime import datetime, tzinfo
from statistics import median_low
from typing import NamedTuple

from zparkd.core import limits

RELEASE_MS = 1_735_689_600_000  # 2025-01-01: older than any release, so no right clock says less
PEERS_FOR_MEDIAN = 2


class Now(NamedTuple):
    """One reading of both clocks, in ms."""

    wall_ms: int
    mono_ms: int


class Stamp(NamedTuple):
    """A time stamp in ms; `marked` where no trusted clock made it.

    `earliest_ms` is the earliest that it may be: what was seen well before that is late, whichever
    clock is right.
    """

    ms: int
    marked: bool
    earliest_ms: int


class Clock:
    """Makes the stamps of one central, in one run."""

    def __init__(self, last_event_ms: int, now: Now) -> None:
        """`last_event_ms` is the time stamp of this central's newest event; 0 for none."""
        self._last_ms = max(last_event_ms, RELEASE_MS)
        self._last_mono_ms = now.mono_ms
        self._truth_minus_mono_ms: int | None = None

    @property
    def corrected(self) -> bool:
        """Whether the wall clock is overruled by the median of the centrals."""
        return self._truth_minus_mono_ms is not None

    def learn(self, now: Now, offsets_ms: list[int]) -> None:
        """Take in how far the wall clocks of the peers heard now are from our own.

        With fewer than two peers nobody can know who is right, so nothing is learned and
        what was learned earlier stays; likewise where most clocks show an impossible time.
        """
        if len(offsets_ms) < PEERS_FOR_MEDIAN:
            return
        off_ms = median_low([0, *offsets_ms])
        truth_ms = now.wall_ms + off_ms
        if not _possible(truth_ms):
            return
        if abs(off_ms) > limits.CLOCK_BOUND_MS:
            self._truth_minus_mono_ms = truth_ms - now.mono_ms
        else:
            self._truth_minus_mono_ms = None
            self.stamped(now.wall_ms, now)  # right also where it is behind our last event

    def read(self, now: Now) -> Stamp:
        """The time to stamp an event with. May go back towards the truth, never stands still."""
        if self._truth_minus_mono_ms is not None:
            return _trusted(now.mono_ms + self._truth_minus_mono_ms)
        if _possible(now.wall_ms) and now.wall_ms >= self._last_ms - limits.CLOCK_STEP_BACK_MS:
            return _trusted(now.wall_ms)
        elapsed_ms = self._last_ms + now.mono_ms - self._last_mono_ms
        # Behind the last event either the wall clock is wrong, or that event's time was.
        earliest_ms = now.wall_ms if _possible(now.wall_ms) else elapsed_ms
        return Stamp(elapsed_ms, marked=True, earliest_ms=min(earliest_ms, elapsed_ms))

    def stamped(self, ms: int, now: Now) -> None:
        """An event was stamped with this: the base of what comes when the wall clock fails."""
        self._last_ms = ms
        self._last_mono_ms = now.mono_ms


def _trusted(ms: int) -> Stamp:
    return Stamp(ms, False, ms)  # in each turn, more than once


def _possible(ms: int) -> bool:
    """Whether a right clock can show this."""
    return RELEASE_MS <= ms <= limits.TIME_SHOWN_MS_MAX


def site_ms(when: datetime, zone: tzinfo) -> int:
    """A site time as a time stamp; of two moments that read the same, the first."""
    return int(when.replace(tzinfo=zone).timestamp() * 1000)


def site_time(ms: int, zone: tzinfo) -> str:
    """A time stamp as people of the site read it: `YYYY-MM-DD HH:MM:SS`."""
    return _site_time(ms // 1000, zone)


@functools.lru_cache(maxsize=64)  # a busy second is asked for again and again
def _site_time(s: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(s, zone).replace(tzinfo=None).isoformat(" ")
