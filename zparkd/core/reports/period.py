"""The time that a report is of, as people write it, and up to when it is complete."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from zparkd.core import limits
from zparkd.core.replication.limits import SYNC_STATE_FLUSH_MS, SYNC_STATE_IDLE_MS
from zparkd.core.reports.records import Asked, Table

_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M")
_DAY_MS = 86_400_000
# How late it is written down how far a peer was heard, where nothing happens.
_LATE_MS = SYNC_STATE_IDLE_MS + 3 * SYNC_STATE_FLUSH_MS


class BadPeriod(ValueError):
    """What was said is no time, or no period. The text says what to write."""


class Complete(NamedTuple):
    """Up to when the events of all centrals are here, 0 for never, and whose are not."""

    until_ms: int
    missing: list[str]


def period(since: str | None, until: str | None, zone: tzinfo, now_ms: int) -> tuple[int, int]:
    """From when to before when, in ms: today up to now where nothing is said.

    A day as the end means its end, any other moment itself: so shifts that follow one another share
    nothing. Raises BadPeriod.
    """
    until_ms = now_ms if until is None else moment_ms(until, zone, end=True)
    if since is None:
        since_ms = day_ms(datetime.fromtimestamp(max(0, until_ms - 1) / 1000, zone), zone)
    else:
        since_ms = moment_ms(since, zone)
    if since_ms > until_ms:
        raise BadPeriod("from is after to; write the earlier of the two first")
    if until_ms - since_ms > limits.REPORT_DAYS * _DAY_MS:
        raise BadPeriod(f"a report is of at most {limits.REPORT_DAYS} days")
    return since_ms, until_ms


def moment_ms(text: str, zone: tzinfo, *, end: bool = False) -> int:
    """A moment of site time as ms; a day means its beginning, or with `end` its end.

    Raises BadPeriod.
    """
    try:
        day = datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        return _ms(_moment(text), zone)
    try:
        return day_ms(day + timedelta(days=1) if end else day, zone)
    except OverflowError:
        return limits.TIME_SHOWN_MS_MAX


def _moment(text: str) -> datetime:
    for form in _FORMS:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    raise BadPeriod(
        f"{text[:40]!r} is no time; write YYYY-MM-DD or YYYY-MM-DD HH:MM[:SS], site time"
    )


def day_ms(moment: datetime, zone: tzinfo) -> int:
    """The beginning of the day of a moment of site time."""
    return _ms(moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0), zone)


def _ms(moment: datetime, zone: tzinfo) -> int:
    try:
        found = round(moment.replace(tzinfo=zone).timestamp() * 1000)
    except (OverflowError, ValueError):  # at the ends of the calendar
        found = 0 if moment.year < 1970 else limits.TIME_SHOWN_MS_MAX
    return min(max(found, 0), limits.TIME_SHOWN_MS_MAX)


def iso(ms: int, zone: tzinfo) -> str | None:
    """A time as ISO 8601 with the offset of the site; None for never."""
    if ms <= 0:
        return None
    return datetime.fromtimestamp(ms / 1000, zone).isoformat(timespec="seconds")


def complete(
    peers: Iterable[str], synced_ms: Mapping[str, int], until_ms: int, now_ms: int
) -> Complete:
    """How complete what is held is up to a moment, by how far each peer was heard."""
    upto_ms = min(until_ms, now_ms)
    missing = [id for id in peers if synced_ms.get(id, 0) < upto_ms - _LATE_MS]
    return Complete(min([upto_ms, *(synced_ms.get(id, 0) for id in missing)]), missing)


def told(asked: Asked, found: Table, state: Complete) -> dict[str, Any]:
    """A report, with up to when it is complete and whose events are missing in it."""
    return {
        "success": True,
        "report": asked.name,
        "from": iso(asked.since_ms, asked.zone),
        "to": iso(asked.until_ms, asked.zone),
        "by": asked.by,
        "rows": found.rows,
        "totals": found.totals,
        "complete_until": iso(state.until_ms, asked.zone),
        "missing": state.missing,
    }
