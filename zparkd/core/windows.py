"""Windows of a tariff: hours of the clock on the wall, each occurrence of which costs once.

An occurrence is the part of time in which site clocks show from `since` up to but not including
`to`, on one date; a window that ends at or before its beginning goes over midnight. Where clocks
are set forward, hours that they skip are in no window; where they are set back, an occurrence may
be in two pieces, and is still one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from zparkd.core import limits

_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1)  # without zone, like all local times here
_MS = timedelta(milliseconds=1)
_LAST_MS = limits.TIME_SHOWN_MS_MAX - 3 * 24 * 3600 * 1000  # so that a day later is still a date


@dataclass(frozen=True, slots=True)
class Window:
    """`amount` for each occurrence of [`since`, `to`), two times `HH:MM`; `to` may be `24:00`."""

    since: str
    to: str
    amount: int


def first_touches(window: Window, entry_ms: int, exit_ms: int, zone: tzinfo) -> list[int]:
    """When a stay first touched each occurrence that it did, in ms; the oldest first.

    The moment of leaving is not part of a stay, but the moment of entry is, whatever its length.
    """
    entry_ms = min(entry_ms, _LAST_MS)
    exit_ms = min(max(exit_ms, entry_ms + 1), _LAST_MS + 1)
    day = _local(entry_ms, zone).date() - _DAY
    last = _local(exit_ms, zone).date()
    touched = []
    while day <= last:
        for begin, end in _pieces(window, day, zone):
            if begin < exit_ms and end > entry_ms:
                touched.append(max(begin, entry_ms))
                break
        day += _DAY
    return touched


def _pieces(window: Window, day: date, zone: tzinfo) -> Iterator[tuple[int, int]]:
    """The pieces of time in ms, [begin, end), in which clocks show the window of a date."""
    since = _on(day, window.since)
    to = _on(day, window.to)
    if to <= since:
        to += _DAY
    before, after = _offset_ms(since, zone, fold=0), _offset_ms(to, zone, fold=1)
    if before == after:
        yield _ms(since) - before, _ms(to) - before
        return
    turn = _turn(_ms(since) - before, _ms(to) - after, zone, before)
    pieces = (
        (_ms(since) - before, min(_ms(to) - before, turn)),
        (max(_ms(since) - after, turn), _ms(to) - after),
    )
    yield from ((begin, end) for begin, end in pieces if begin < end)


def _turn(first_ms: int, last_ms: int, zone: tzinfo, before: int) -> int:
    """The moment at which the offset of the zone stops being `before`, around these moments."""
    day_ms = 24 * 3600 * 1000
    low, high = min(first_ms, last_ms) - day_ms, max(first_ms, last_ms) + day_ms
    while high - low > 1:
        middle = (low + high) // 2
        if _ms(_local(middle, zone)) - middle == before:
            low = middle
        else:
            high = middle
    return high


def _on(day: date, clock: str) -> datetime:
    if clock == "24:00":
        return datetime.combine(day, time()) + _DAY
    return datetime.combine(day, time(int(clock[:2]), int(clock[3:])))


def _local(ms: int, zone: tzinfo) -> datetime:
    """What site clocks show, without zone."""
    shown = (datetime(1970, 1, 1, tzinfo=UTC) + ms * _MS).astimezone(zone)
    return shown.replace(tzinfo=None, fold=0)


def _offset_ms(local: datetime, zone: tzinfo, fold: int) -> int:
    """How far site clocks are ahead of UTC when they show this, the first or second time."""
    offset = local.replace(tzinfo=zone, fold=fold).utcoffset()
    assert offset is not None
    return offset // _MS


def _ms(local: datetime) -> int:
    return (local - _EPOCH) // _MS
