"""What a stay costs: the rules of a tariff, in whole units of its currency.

A stay of a vehicle is priced by the rate of its type, in this order:

    1  free minutes    a stay of at most so many is free; a longer one pays from its first minute
    2  steps           within each step every started block of minutes costs an amount
    3  windows         each occurrence of [from, to), site time, that the stay touches, an amount
    4  cap             no 24 hours since the entry cost more; what is over is taken off
    5  rounding        the sum, up
    6  lost ticket     added at the end, to a free stay too

Minutes are started ones, at least one, and are counted in real time; only windows look at the
clock on the wall. A block belongs to the 24 hours in which it starts, a window to those in which
it is first touched: so nothing that was once counted is ever taken back, and a fee never falls as
the stay grows. Where no rate names a type, or no tariff was set, the built-in one counts: each
started hour of a car costs 25,000 VND, of every other type 5,000 VND.
"""

import functools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import NamedTuple

from zparkd.core import limits
from zparkd.core.tariff import limits as tariff_limits
from zparkd.core.tariff.time_windows import Window, first_touches

CURRENCY = "VND"
DAY_MINUTES = 24 * 60
_MINUTE_MS = 60_000
_PER_STARTED_HOUR = {"car": 25_000}
_PER_STARTED_HOUR_OTHER = 5_000

Line = dict[str, int | str]  # of a breakdown: `rule`, `amount`, and what the rule goes by


@dataclass(frozen=True, slots=True)
class Step:
    """Up to `until_minutes` since the entry (None: for ever) each started block costs `amount`."""

    every_minutes: int
    amount: int
    until_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """What stays of one type of vehicle cost. None stands for a rule that does not apply."""

    camera_type: str
    currency: str = CURRENCY
    free_minutes: int = 0
    round_to: int | None = None
    cap_24h: int | None = None
    lost_ticket: int = 0
    steps: tuple[Step, ...] = ()
    windows: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True)
class Tariff:
    """The rates of a site by type of vehicle; `version` 0 is the built-in tariff.

    `set_by` is the position of the event that set it, as (origin, epoch, seq).
    """

    version: int = 0
    rates: Mapping[str, Rate] = field(default_factory=dict)
    set_by: tuple[str, int, int] | None = None

    def rate(self, camera_type: str) -> Rate:
        """The rate of a type of vehicle: its own, else the built-in one."""
        return self.rates.get(camera_type) or built_in(camera_type)


class Price(NamedTuple):
    """What a stay comes to. The amounts of the breakdown add up to the fee."""

    fee: int
    currency: str
    minutes: int
    breakdown: tuple[Line, ...]


BUILT_IN = Tariff()


@functools.lru_cache(maxsize=64)
def built_in(camera_type: str) -> Rate:
    """The rate of a type that no tariff names."""
    amount = _PER_STARTED_HOUR.get(camera_type, _PER_STARTED_HOUR_OTHER)
    return Rate(camera_type, steps=(Step(60, amount),))


def price(
    rate: Rate, entry_ms: int, exit_ms: int, zone: tzinfo, *, lost_ticket: bool = False
) -> Price:
    """What a stay from `entry_ms` to `exit_ms` costs; `zone` is the site's.

    One that ends before it begins is one of no length at its entry. Nothing is added after
    PRICED_DAYS_MAX days.
    """
    longest_ms = tariff_limits.PRICED_DAYS_MAX * DAY_MINUTES * _MINUTE_MS
    stay_ms = min(max(0, exit_ms - entry_ms), longest_ms)
    minutes = max(1, -(-stay_ms // _MINUTE_MS))
    lines: list[Line] = []
    if minutes <= rate.free_minutes:
        lines.append({"rule": "free", "amount": 0, "free_minutes": rate.free_minutes})
    else:
        lines += _charged(rate, entry_ms, entry_ms + stay_ms, minutes, zone)
    if lost_ticket and rate.lost_ticket:
        lines.append({"rule": "lost_ticket", "amount": rate.lost_ticket})
    fee = sum(int(line["amount"]) for line in lines)
    if fee > limits.FEE_MAX:
        lines.append({"rule": "limit", "amount": limits.FEE_MAX - fee, "limit": limits.FEE_MAX})
        fee = limits.FEE_MAX
    assert fee >= 0
    return Price(fee, rate.currency, minutes, tuple(lines))


def fee(camera_type: str, entry_ms: int, exit_ms: int) -> int:
    """The fee of a stay by the built-in tariff, in VND; it needs no wall clock."""
    return price(built_in(camera_type), entry_ms, exit_ms, UTC).fee


def _charged(rate: Rate, entry_ms: int, exit_ms: int, minutes: int, zone: tzinfo) -> Iterator[Line]:
    """Steps, windows, cap and rounding of a stay that is not free."""
    days: Counter[int] = Counter()  # the sum of each 24 h since the entry
    subtotal = 0
    for step, since, until in _spans(rate.steps, minutes):
        blocks = -((since - until) // step.every_minutes)
        if rate.cap_24h is not None and step.amount:
            _add_blocks(days, step, since, blocks)
        line: Line = {"rule": "step", "amount": blocks * step.amount}
        line |= {"from_minutes": since, "every_minutes": step.every_minutes}
        line |= {"blocks": blocks, "each": step.amount}
        subtotal += blocks * step.amount
        yield line
    for window in rate.windows:
        touched = first_touches(window, entry_ms, exit_ms, zone)
        for at_ms in touched:
            days[(at_ms - entry_ms) // (DAY_MINUTES * _MINUTE_MS)] += window.amount
        if touched:
            amount = len(touched) * window.amount
            line = {"rule": "window", "amount": amount, "from": window.since, "to": window.to}
            subtotal += amount
            yield line | {"times": len(touched), "each": window.amount}
    if rate.cap_24h is not None:
        over = {day: total - rate.cap_24h for day, total in days.items() if total > rate.cap_24h}
        if over:
            subtotal -= sum(over.values())
            line = {"rule": "cap", "amount": -sum(over.values()), "cap_24h": rate.cap_24h}
            yield line | {"days": len(over)}
    if rate.round_to is not None and subtotal % rate.round_to:
        added = -subtotal % rate.round_to
        yield {"rule": "round", "amount": added, "round_to": rate.round_to}


def _spans(steps: tuple[Step, ...], minutes: int) -> Iterator[tuple[Step, int, int]]:
    """Each step that a stay reaches, with the minutes since entry from and to which it does."""
    since = 0
    for step in steps:
        until = minutes if step.until_minutes is None else min(minutes, step.until_minutes)
        if until <= since:
            return
        yield step, since, until
        since = until


def _add_blocks(days: Counter[int], step: Step, since: int, blocks: int) -> None:
    """Add blocks that follow each other from the minute `since` to the 24 h in which they start."""
    left, at = blocks, since
    while left:
        day = at // DAY_MINUTES
        here = min(left, -((at - (day + 1) * DAY_MINUTES) // step.every_minutes))
        days[day] += here * step.amount
        at += here * step.every_minutes
        left -= here
