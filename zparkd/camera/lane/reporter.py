"""Tells every central how the lanes are: a thread of its own, in which nobody waits.

A central shows what it was told last, so each of them is told; one that does not answer is left out
for a while.
"""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

from zparkd.camera.lane.asking import Centrals, NoAnswer
from zparkd.camera.lane.lane import Lane
from zparkd.client import edge_file

EVERY_S = 5.0
_AWAY_S = 30.0
_log = logging.getLogger("zparkd.camera")


Where = tuple[str, str | None]  # a central's address, and its key where it has one


class Reporter:
    """Says of each lane what `status` shows of it."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = lanes
        self._over = threading.Event()
        self._away: dict[str, float] = {}  # until when a central is left out, by its address
        self._asking: dict[tuple[str, Where], Centrals] = {}  # by lane and central
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End after the report under way."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                for lane in self._lanes:
                    try:
                        self._tell(lane)
                    except (OSError, ValueError):
                        continue  # its key is not to be had: the lane says so itself
                    except Exception:
                        _log.exception("%s: can't be told of", lane.config.name)
                self._over.wait(EVERY_S)
        finally:
            for alone in self._asking.values():
                alone.close()

    def _tell(self, lane: Lane) -> None:
        name, centrals = lane.config.name, _centrals(lane)
        for gone in [it for it in self._asking if it[0] == name and it[1] not in centrals]:
            self._asking.pop(gone).close()
        for number, where in enumerate(centrals):
            if self._over.is_set() or self._away.get(where[0], 0) > time.monotonic():
                continue
            if (name, where) not in self._asking:
                self._asking[name, where] = Centrals(lane.config, only=number)
            try:
                self._asking[name, where].ask("PING", {"lane": report(lane.shown())})
            except NoAnswer:
                self._away[where[0]] = time.monotonic() + _AWAY_S


def _centrals(lane: Lane) -> list[Where]:
    """The centrals of a lane as they are now. Raises OSError and ValueError."""
    config = lane.config
    known = edge_file.kept(config.joined) if config.joined is not None else config
    keys = known.public_keys or (None,) * len(known.centrals)
    return list(zip(known.centrals, keys, strict=True))


def report(shown: dict[str, Any]) -> dict[str, Any]:
    """What is said of a lane, of all that it shows."""
    said = {
        name: shown[name]
        for name in (
            *("last_event_ms", "reads", "misreads", "opened", "open_p50_ms", "open_p95_ms"),
            *("waiting", "silent"),
        )
    }
    fault = shown["barrier_fault"] or shown["ledger_fault"]
    return said | {"fault": "".join(filter(str.isprintable, fault))[:200] if fault else None}
