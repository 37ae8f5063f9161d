"""The outbox's own thread: what no central answered is told in order, and only as seen.

A request whose `captured_ms` lies more than 30 s back opens nothing: a central records it as
seen. So each message waits until it is that old by the central's clock, too.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from zparkd.camera.lane.album import Album
from zparkd.camera.lane.asking import Centrals, NoAnswer
from zparkd.camera.lane.lane import NOTHING_RECORDED, Lane, now_ms
from zparkd.camera.lane.ledger import Ledger, Waiting
from zparkd.core.gate.limits import CAPTURE_AGE_MS

_MARGIN_MS = 1_000
_CLOCKS_APART_MS = 60_000  # a central that just started may not know the time yet
_CLOCKS_AWAITED_MS = 3_600_000  # then it may be our own that is wrong
_CLOCKS_APART = "outbox: waits, as a central's clock and this machine's are over a minute apart"
_LOOK_S = 0.25
_PAUSE_S = 1.0  # after no central answered; grows
_PAUSE_MOST_S = 15.0
_TIDY_S = 600.0
_log = logging.getLogger("zparkd.camera")


class Postman:
    """Tells what waits, lane by lane, while the lanes go on."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        ledger: Ledger,
        album: Album,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._lanes = lanes
        self._ledger = ledger
        self._album = album
        self._tidied = -_TIDY_S
        self._clock = clock
        self._over = threading.Event()
        self._not_before: dict[str, float] = {}
        self._pause_s: dict[str, float] = {}
        self._centrals: dict[str, Centrals] = {}
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End after the message under way."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while not self._over.wait(_LOOK_S):
                self._tidy()
                for lane in self._lanes:
                    try:
                        self._tell(lane)
                    except Exception:
                        _log.exception("%s: the outbox can't go on", lane.config.name)
                        self._later(lane)
        finally:
            for centrals in self._centrals.values():
                centrals.close()

    def _tidy(self) -> None:
        """Now and then, what is old goes."""
        if time.monotonic() - self._tidied >= _TIDY_S:
            self._ledger.tidy()
            self._album.tidy()
            self._tidied = time.monotonic()

    def _tell(self, lane: Lane) -> None:
        """Tell what waits of one lane, the oldest first, as far as it goes now."""
        name = lane.config.name
        while not self._over.is_set() and self._not_before.get(name, 0) <= time.monotonic():
            waiting = self._ledger.first(name)
            if waiting is None or self._age_ms(waiting, self._clock()) <= 0:
                return
            try:
                if name not in self._centrals:
                    self._centrals[name] = Centrals(lane.config)
                centrals = self._centrals[name]
                their_ms = centrals.time_ms()
                if self._clocks_differ(waiting, their_ms):
                    lane.figures.note("last_fault", _CLOCKS_APART)
                    self._later(lane)
                    return
                too_young_ms = -self._age_ms(waiting, their_ms)
                if too_young_ms >= 0:
                    self._not_before[name] = time.monotonic() + too_young_ms / 1000 + 0.1
                    return
                answer = centrals.ask("BARRIER_OPEN", waiting.fields)
            except NoAnswer:
                self._later(lane)
                return
            self._pause_s.pop(name, None)
            code = (answer.get("error") or {}).get("code")
            if code in NOTHING_RECORDED:
                self._later(lane)
                return
            self._ledger.told(waiting.request_id)
            lane.figures.count("told" if code in (None, "too_late") else "given_up")
            if code not in (None, "too_late"):
                lane.figures.note("last_fault", f"outbox: {code}: {answer['error'].get('message')}")

    def _age_ms(self, waiting: Waiting, at_ms: int) -> int:
        """How far past the age at which nothing opens any more; above 0 it may be told."""
        return at_ms - waiting.captured_ms - CAPTURE_AGE_MS - _MARGIN_MS

    def _clocks_differ(self, waiting: Waiting, their_ms: int) -> bool:
        """Whether to wait until a central knows the time: without it, it judges no read as late,
        and would take what waited for an entry."""
        now_ms = self._clock()
        apart = abs(their_ms - now_ms) > _CLOCKS_APART_MS
        return apart and now_ms - waiting.captured_ms < _CLOCKS_AWAITED_MS

    def _later(self, lane: Lane) -> None:
        name = lane.config.name
        pause_s = self._pause_s.get(name, _PAUSE_S)
        self._not_before[name] = time.monotonic() + pause_s
        self._pause_s[name] = min(_PAUSE_MOST_S, pause_s * 2)
