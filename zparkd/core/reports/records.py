"""What a report is calculated from, and which reports there are. Values only; times in ms."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from enum import StrEnum
from typing import Any, NamedTuple


class Name(StrEnum):
    """Which report."""

    INSIDE = "inside"
    OCCUPANCY = "occupancy"
    TRAFFIC = "traffic"
    REVENUE = "revenue"
    EXCEPTIONS = "exceptions"
    SHIFT = "shift"


class By(StrEnum):
    """What a row is of."""

    GATE = "gate"
    TYPE = "type"
    DAY = "day"
    HOUR = "hour"
    STAFF = "staff"


_EVERY = tuple(By)
# By what each can be counted; None: the one row, or a row each. The first is what is meant unsaid.
COUNTED_BY: Mapping[Name, tuple[By | None, ...]] = {
    Name.INSIDE: (None, By.GATE, By.TYPE, By.DAY),
    Name.OCCUPANCY: (By.HOUR, By.DAY, By.TYPE),
    Name.TRAFFIC: (By.HOUR, By.DAY, By.GATE, By.TYPE, By.STAFF),
    Name.REVENUE: (By.TYPE, By.GATE, By.DAY, By.HOUR, By.STAFF),
    Name.EXCEPTIONS: (None, *_EVERY),
    Name.SHIFT: (None, By.TYPE, By.GATE, By.STAFF),
}


class Stay(NamedTuple):
    """A stay that counts; gates are `<central>/<edge>`.

    `ended_ms` is when it was over, also where it was not by an exit, never before `entry_ms`;
    `left_ms` the time of what ended it by exit or by hand, as it is shown. The staff are known
    where they were asked for alone.
    """

    event_id: str
    plate_id: str | None
    plate_view: str | None
    camera_type: str
    entry_gate: str
    entry_ms: int
    closed_by: str | None
    ended_ms: int | None
    left_gate: str | None
    left_ms: int | None
    fee: int | None
    currency: str | None
    entry_staff: str | None = None
    left_staff: str | None = None


class Paid(NamedTuple):
    """Money beside the fees of stays: of an exit that ended nothing, or charged afterwards."""

    time_ms: int
    camera_type: str
    gate: str | None
    amount: int
    currency: str
    staff: str | None


class Exceptional(NamedTuple):
    """What a person should know of a time: what did not fit, and what people did."""

    time_ms: int
    kind: str
    plate_id: str | None
    camera_type: str | None
    gate: str | None
    who: str | None
    why: str | None
    fee: int | None
    event_id: str | None


@dataclass(frozen=True, slots=True)
class Records:
    """All that a report of a time needs; each may be gone through once.

    `stays` are those that touch the time, `unmatched` the exits in it that ended nothing, `charges`
    what was charged in it afterwards.
    """

    stays: Iterable[Stay] = ()
    unmatched: Iterable[Paid] = ()
    charges: Iterable[Paid] = ()
    exceptions: Iterable[Exceptional] = ()
    capacity: Mapping[str, int] = field(default_factory=dict)


class Asked(NamedTuple):
    """Which report of which time: from `since_ms` to before `until_ms`, in the zone of the site."""

    name: Name
    by: By | None
    since_ms: int
    until_ms: int
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class Table:
    """A report: the names of its columns, its rows, and sums where they are of use."""

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    totals: list[dict[str, Any]] = field(default_factory=list)
