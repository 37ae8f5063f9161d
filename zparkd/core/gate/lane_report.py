"""What a lane controller says of its camera and barrier, beside what it asks for.

It comes with a PING, is kept in memory, and shown: no decision rests on it, and it is not the
camera that is heard by it.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from zparkd.core import limits

_Count = Annotated[int, Meta(ge=0, le=limits.SEQ_MAX)]
_Ms = Annotated[float, Meta(ge=0, le=86_400_000)]
_Time = Annotated[int, Meta(ge=0, le=limits.TIME_SHOWN_MS_MAX)]
_Text = Annotated[str, Meta(max_length=limits.TEXT_CHARACTERS)]


class LaneReport(msgspec.Struct, frozen=True):
    """One lane since its controller started. Times in ms, `last_event_ms` since 1970 UTC.

    `misreads` are vehicles without a readable plate; `open_p50_ms` and `open_p95_ms` are from the
    camera's message to the end of the barrier's command; `waiting` is what no central has yet;
    `silent` that the camera said nothing for longer than it should; `fault` what is wrong now.
    """

    last_event_ms: _Time | None = None
    reads: _Count = 0
    misreads: _Count = 0
    opened: _Count = 0
    open_p50_ms: _Ms | None = None
    open_p95_ms: _Ms | None = None
    waiting: _Count = 0
    silent: bool = False
    fault: _Text | None = None


def read_report(value: Any) -> LaneReport:
    """The report in a request; what is not known in it is left out. Raises ValueError."""
    try:
        said = msgspec.convert(value, LaneReport)
    except msgspec.ValidationError as fault:
        raise ValueError(str(fault)) from None
    if said.fault is not None and not said.fault.isprintable():
        raise ValueError("fault: has control characters")
    return said
