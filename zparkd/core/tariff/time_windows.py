"""Windows of a tariff: hours of the day, each occurrence of which is charged once.

An occurrence is the part of time in which site clocks show from `since` up to but not including
`to`, on one date; a window that ends at or before its beginning goes over midnight. Where clocks
are set forward, hours that they skip are in no window; where they are set back, an occurrence may
be in two pieces, and is still one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from zparkd.core import limits

_MINUTE_MS = 60_000
_DAY_MS = 24 * 60 * _MINUTE_MS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_LAST_MS = limits.TIME_SHOWN_MS_MAX - 3 * _DAY_MS  # so that its date is one in every zone


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
    since, to = _of_day(window.since), _of_day(window.to)
    if to <= since:
        to += _DAY_MS
    touched: dict[int, int] = {}  # by the number of the day on which the occurrence began
    for begin, end, ahead in _parts(entry_ms, exit_ms, zone):
        first_day = (begin + ahead - to) // _DAY_MS + 1
        last_day = (end - 1 + ahead - since) // _DAY_MS
        for day in range(first_day, last_day + 1):
            touched.setdefault(day, max(begin, day * _DAY_MS + since - ahead))
    return list(touched.values())


def _parts(begin_ms: int, end_ms: int, zone: tzinfo) -> Iterator[tuple[int, int, int]]:
    """A time in parts (begin, end, how far site clocks are ahead of UTC), all in ms.

    They are looked at once a day: no zone sets its clocks twice in one.
    """
    begin, at, ahead = begin_ms, begin_ms, _ahead(begin_ms, zone)
    while at < end_ms:
        later = min(at + _DAY_MS, end_ms)
        then = _ahead(later, zone)
        if then != ahead:
            turn = _turn(at, later, zone, ahead)
            if turn < end_ms:
                yield begin, turn, ahead
                begin, ahead = turn, then
        at = later
    yield begin, end_ms, ahead


def _turn(low: int, high: int, zone: tzinfo, ahead: int) -> int:
    """The first moment, after `low`, at which site clocks are not `ahead` by so much any more."""
    while high - low > 1:
        middle = (low + high) // 2
        if _ahead(middle, zone) == ahead:
            low = middle
        else:
            high = middle
    return high


def _ahead(ms: int, zone: tzinfo) -> int:
    offset = (_EPOCH + ms * _MS).astimezone(zone).utcoffset()
    assert offset is not None
    return offset // _MS


def _of_day(clock: str) -> int:
    """Ms since midnight, by the clock."""
    return (int(clock[:2]) * 60 + int(clock[3:])) * _MINUTE_MS
