"""What a stay costs: docs/tariffs.md, block by block, from the document as it was set."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

MINUTE_MS = 60_000
DAY_MIN = 24 * 60
MOST_DAYS = 3_660


def price(
    document: dict[str, Any] | None,
    camera_type: str,
    entry_ms: int,
    until_ms: int,
    zone: tzinfo,
    *,
    lost_ticket: bool,
) -> tuple[int, str]:
    """Fee and currency. `document` None is the built-in tariff; `zone` is the site's,
    whose clocks nobody sets during a stay."""
    rate = rate_of(document, camera_type)
    stay_ms = min(max(0, until_ms - entry_ms), MOST_DAYS * DAY_MIN * MINUTE_MS)
    minutes = max(1, (stay_ms + MINUTE_MS - 1) // MINUTE_MS)
    fee = 0
    if minutes > rate.get("free_minutes", 0):
        fee = _charged(rate, entry_ms, stay_ms, minutes, _ahead_ms(entry_ms, zone))
    if lost_ticket:
        fee += rate.get("lost_ticket", 0)
    return fee, rate.get("currency", "VND")


def _ahead_ms(ms: int, zone: tzinfo) -> int:
    shown = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=ms // 1000)).astimezone(zone)
    return shown.utcoffset() // timedelta(milliseconds=1)


def rate_of(document: dict[str, Any] | None, camera_type: str) -> dict[str, Any]:
    """The rate of a type of vehicle, or the one that there is without a tariff."""
    for rate in (document or {}).get("rate", ()):
        if rate["camera_type"] == camera_type:
            return rate
    hourly = 25_000 if camera_type == "car" else 5_000
    return {"step": [{"every_minutes": 60, "amount": hourly}]}


def _charged(rate: dict[str, Any], entry_ms: int, stay_ms: int, minutes: int, ahead_ms: int) -> int:
    by_day: dict[int, int] = {}  # of the 24 hours since the entry
    at = 0
    for step in rate.get("step", ()):
        until = min(minutes, step.get("until_minutes", minutes))
        while at < until:
            day = at // DAY_MIN
            by_day[day] = by_day.get(day, 0) + step["amount"]
            at += step["every_minutes"]
        at = max(0, until)
    for window in rate.get("window", ()):
        for touched_ms in _touched(window, entry_ms, max(1, stay_ms), ahead_ms):
            day = (touched_ms - entry_ms) // (DAY_MIN * MINUTE_MS)
            by_day[day] = by_day.get(day, 0) + window["amount"]
    most = rate.get("cap_24h")
    total = sum(min(amount, most) if most is not None else amount for amount in by_day.values())
    return total + -total % rate.get("round_to", 1)


def _touched(window: dict[str, Any], entry_ms: int, stay_ms: int, ahead_ms: int) -> list[int]:
    """When the stay is first in each occurrence of the window that it touches."""
    day_ms = DAY_MIN * MINUTE_MS
    begins, ends = (_minutes(window[name]) * MINUTE_MS for name in ("from", "to"))
    if ends <= begins:
        ends += day_ms
    found = []
    day = (entry_ms + ahead_ms) // day_ms - 2
    while True:
        first = day * day_ms + begins - ahead_ms
        if first >= entry_ms + stay_ms:
            return found
        if day * day_ms + ends - ahead_ms > entry_ms:
            found.append(max(first, entry_ms))
        day += 1


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
