"""The external API in the loop: when to look, whose turn it is, and what comes of what was brought.

A look is made in a thread of its own; the loop only starts one, takes what it brought, and records
the differences, as many a turn as edges can wait for. What can't be had or used changes nothing:
the data held goes on counting, and `status` says how old it is.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from zparkd.config.load import ExternalApi
from zparkd.core import limits
from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.core.reference.changes import Imported, NotCounting
from zparkd.core.reference.fetch_turn import is_our_turn
from zparkd.core.tariff.fields import BadDocument
from zparkd.core.turn import (
    Change,
    Fetched,
    ImportPasses,
    ImportStaff,
    Incoming,
    Outcome,
    SetTariff,
)
from zparkd.core.view import View
from zparkd.daemon.control.reference_commands import remedy
from zparkd.logs.messages import Message, say
from zparkd.transport.bus import Bus

FEES, PASSES, STAFF = NAMES = ("fee-config", "subscriptions", "staff")


class Document(NamedTuple):
    """A good document as it came last: a tariff's plain value, or a list of entries."""

    value: Any
    etag: str | None


class Look(NamedTuple):
    """What one look brought: the good documents by name, and what was wrong with the others."""

    documents: dict[str, Document]
    faults: list[str]


@dataclass(slots=True)
class ExternalData:
    """What is known of the external API. `bus` is woken where a look ended.

    `known` are the good documents as they came last, `left` the names of those whose differences
    are not all recorded yet, and `held` is how often reference data had changed when all were.
    """

    central: Central
    bus: Bus
    api: ExternalApi | None = None
    known: dict[str, Document] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    failures: int = 0
    due_ms: int = 0
    held: int = -1
    _news: list[Incoming] = field(default_factory=list)
    _thread: threading.Thread | None = None
    _brought: SimpleQueue[tuple[ExternalApi, Look]] = field(default_factory=SimpleQueue)

    def configure(self, api: ExternalApi | None) -> None:
        """Take over another address, or none; what was fetched from the last is forgotten."""
        if api == self.api:
            return
        self.api = api
        self.known, self.left, self.faults = {}, [], []
        self.failures, self.due_ms, self.held = 0, 0, -1
        self._news = [Fetched(0 if api is not None else None)]

    def turn(self, now: Now) -> list[Incoming]:
        """Go on, and say what the central is to be told: at most one change of the site's data."""
        self._take(now)
        self._look(now)
        told, self._news = self._news, []
        return [*told, self._change()] if self.left else told

    def _look(self, now: Now) -> None:
        """Begin a look, where it is time."""
        if self.api is None or now.mono_ms < self.due_ms or not self._is_our_turn(now):
            return
        if self._thread is None or not self._thread.is_alive():
            self._begin(self.api)
            self.due_ms = now.mono_ms + self._pause_ms(self.api)

    def _change(self) -> Change:
        """What makes the site's data what was brought, as far as one turn goes."""
        name = self.left[0]
        value = self.known[name].value
        if name == FEES:
            return SetTariff(value)
        return ImportPasses(value) if name == PASSES else ImportStaff(value)

    def recorded(self, outcomes: Sequence[Outcome]) -> None:
        """What the change came to that the last turn wanted; of none there is nothing to say."""
        for outcome in outcomes:
            if isinstance(outcome, NotCounting):
                self.faults = [*self.faults, f"{outcome}; {remedy(outcome.outranked)}"]
            elif isinstance(outcome, BadDocument):
                self.faults = [*self.faults, str(outcome)]
            if not (isinstance(outcome, Imported) and outcome.left):
                self.left = self.left[1:]
            self.held = self.central.log.reference.changes

    def undone(self) -> None:
        """The disk refused what the last turn wanted: the next look brings it again."""
        self.left, self.held = [], -1

    def _is_our_turn(self, now: Now) -> bool:
        assert self.api is not None
        view = View(self.central, now)
        if view.peers and view.is_settling_in:
            return False  # too early to say who is there
        others = view.fetchers
        interval_ms = round(self.api.interval_s * 1000)
        return is_our_turn(view.settings.id, others, interval_ms, now.mono_ms)

    def _begin(self, api: ExternalApi) -> None:
        """Look, off the loop."""
        known = dict(self.known)

        def work() -> None:
            # Only here: who has no such API pays no memory for an HTTP library.
            from zparkd.daemon.external_api import look  # noqa: PLC0415

            self._brought.put((api, look(api, known)))
            with suppress(OSError):  # the loop has ended, or its wake-up is full: it is awake
                self.bus.wake()

        self._thread = threading.Thread(target=work, name="external-api", daemon=True)
        self._thread.start()

    def _pause_ms(self, api: ExternalApi) -> int:
        """Until the next look: longer from failure to failure."""
        factor = min(1 << min(16, max(0, self.failures - 1)), limits.API_BACK_OFF)
        return round(api.interval_s * 1000 * factor)

    def _take(self, now: Now) -> None:
        """Take over what a look brought."""
        try:
            api, brought = self._brought.get_nowait()
        except Empty:
            return
        if api is not self.api:
            return  # from an address that is not asked any more
        others = self.central.log.reference.changes != self.held  # changed by somebody else
        new = {
            name
            for name, document in brought.documents.items()
            if others or name not in self.known or self.known[name].value != document.value
        }
        self.known |= brought.documents
        self.left = [name for name in NAMES if name in new or name in self.left]
        if brought.faults:
            self.failures += 1
            if brought.faults != self.faults:
                say(Message.EXTERNAL_API_FAILED, reason="; ".join(brought.faults))
        else:
            if self.faults:
                say(Message.EXTERNAL_API_BACK)
            self.failures = 0
            self._news.append(Fetched(self.central.clock.read(now).ms))
        self.faults = brought.faults
        self.due_ms = now.mono_ms + self._pause_ms(api)

    # --- for status --------------------------------------------------------------------------

    def state(self, now: Now) -> dict[str, Any] | None:
        """What `status` says of it; None where none is configured."""
        if self.api is None:
            return None
        zone = self.central.settings.zone
        last_ms = View(self.central, now).fetched_ms
        age_ms = max(0, self.central.clock.read(now).ms - last_ms) if last_ms else None
        good = datetime.fromtimestamp(last_ms / 1000, zone) if last_ms else None
        return {
            "url": self.api.url,
            "fetches": self._is_our_turn(now),
            "last_good": good.isoformat(timespec="milliseconds") if good is not None else None,
            "age_s": age_ms // 1000 if age_ms is not None else None,
            "last_fault": "; ".join(self.faults) or None,
        }
