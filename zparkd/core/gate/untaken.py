"""Entries that nobody drove in on: no close came in time, at a lane that reports each.

Only the origin of an entry says so, by its monotonic clock. A restart begins anew: how long the
barrier was up before is not known then. Nor is it of an entry that counts again, once its central
is disowned no more.
"""

from collections.abc import Iterable

from zparkd.core.clock import Now
from zparkd.core.events.event import Event, Kind, Position
from zparkd.core.gate.recording import Recorder
from zparkd.core.log import Log
from zparkd.core.members.votes import Verdicts
from zparkd.core.policy import Policy
from zparkd.core.site import Settings


class Untaken:
    """The entries of this central that wait for a close. All within the caller's transaction."""

    def __init__(self, log: Log, recorder: Recorder) -> None:
        self._log = log
        self._recorder = recorder
        self._own = ""
        self._lanes: frozenset[str] = frozenset()
        self._since: dict[Position, int] = {}  # in monotonic ms, who waits for longest first
        self._is_known = False
        self._verdicts: Verdicts | None = None

    def configure(self, settings: Settings) -> None:
        """Take over new settings."""
        lanes = frozenset(lane.id for lane in settings.lanes if lane.reports_close)
        if (settings.id, lanes) != (self._own, self._lanes):
            self._own, self._lanes = settings.id, lanes
            self._is_known = False

    def forget(self) -> None:
        """A transaction was undone: what waits is read again; what waited, has waited so long."""
        self._is_known = False

    def opened(self, event: Event, now: Now) -> None:
        """An event was recorded for a lane that reports each close."""
        if event.kind == Kind.ENTRY:
            self._since[event.position] = now.mono_ms

    def turn(self, now: Now) -> None:
        """End the stays of those entries that waited for too long."""
        verdicts = self._log.members.verdicts
        if verdicts is not self._verdicts and not self._log.unsettled:
            self._verdicts, self._is_known = verdicts, False
        if not self._is_known:
            self._is_known = True
            self._wait_for(self._log.unconfirmed(self._own, self._lanes), now)
        while self._since:
            entry, since_ms = next(iter(self._since.items()))
            if now.mono_ms - since_ms < self._after_s() * 1000:
                return
            del self._since[entry]
            self._end(entry, now)

    def _after_s(self) -> int:
        held = self._log.reference.policy()
        return (held.policy if held is not None else Policy()).not_taken_after_s

    def _wait_for(self, entries: Iterable[Position], now: Now) -> None:
        since = {entry: self._since.get(entry, now.mono_ms) for entry in entries}
        self._since = dict(sorted(since.items(), key=lambda it: it[1]))

    def _end(self, entry: Position, now: Now) -> None:
        """Record that nobody drove in on an entry, if it still counts and no close came."""
        held = self._log.stay_of(entry)
        if held is None or held.stay.entry != entry:
            return
        if held.stay.closed_by is None and not held.stay.confirmed:
            self._recorder.not_taken(now, held.stay)
