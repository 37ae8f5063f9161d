"""What zparkd-uplink says of itself, kept for `status`: it is another process, and may be gone.

Nothing depends on it. What was said is believed for some intervals, in memory alone.
"""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from zparkd.config.load import Config
from zparkd.core import limits
from zparkd.core.clock import Now
from zparkd.daemon.control.commands import Answer, Command, Request, no

SILENT_INTERVALS = 3
_Text = Annotated[str, Meta(max_length=4 * limits.TEXT_CHARACTERS)]


class Report(Struct, frozen=True):
    """What it says: who sends for the site, and how many events the fleet lacks."""

    every_s: Annotated[float, Meta(gt=0, le=3600)]
    events_sent: Annotated[int, Meta(ge=0)]
    sender: _Text | None = None
    lag: Annotated[int, Meta(ge=0)] | None = None
    problem: _Text | None = None


class UplinkReport:
    """The last report."""

    def __init__(self, clocks: Callable[[], Now]) -> None:
        self._clocks = clocks
        self._since_ms = clocks().mono_ms
        self._last: tuple[int, Report] | None = None

    def commands(self) -> dict[str, Command]:
        """The command by which it comes."""
        return {"uplink.report": self._take}

    def _take(self, request: Request) -> Answer:
        try:
            report = msgspec.convert(request, Report)
        except msgspec.ValidationError as fault:
            return no("bad_request", str(fault))
        self._last = self._clocks().mono_ms, report
        return {"success": True}

    def state(self, config: Config) -> dict[str, Any] | None:
        """What `status` shows of it; None where no uplink is configured."""
        if config.uplink is None:
            return None
        at_ms, report = self._last if self._last is not None else (self._since_ms, None)
        silent_ms = self._clocks().mono_ms - at_ms
        every_s = report.every_s if report is not None else limits.UPLINK_EVERY_S
        return {
            "running": report is not None and silent_ms <= SILENT_INTERVALS * every_s * 1000,
            "silent_s": silent_ms // 1000,
            "sender": report.sender if report is not None else None,
            "sends": report is not None and report.sender == config.central_id,
            "lag": report.lag if report is not None else None,
            "events_sent": report.events_sent if report is not None else 0,
            "problem": report.problem if report is not None else None,
        }
