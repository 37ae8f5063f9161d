"""`GET /api/parking/traffic`: how many came and went, and what they paid, by hour, gate or type.

The numbers are those of the stays that count; exits that ended none stand beside them. What a
central that is away has recorded is not in them yet: the answer says up to when they are complete,
and who is missing.
"""

import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, tzinfo

from starlette.requests import Request
from starlette.responses import Response

from zparkd.core.clock import site_time
from zparkd.storage.readers import figures
from zparkd.storage.readers.connection import Connection
from zparkd.storage.readers.reports.traffic import QUARTER_MS, By
from zparkd.storage.readers.reports.traffic import Traffic as Found
from zparkd.storage.readers.reports.traffic import traffic as read_traffic
from zparkd.web import limits
from zparkd.web.backend.database import Database
from zparkd.web.backend.site import Site
from zparkd.web.forms.answers import Traffic, TrafficRow
from zparkd.web.http import asked
from zparkd.web.http.answers import answer, bad

_LATE_MS = 15_000  # what peers hold is written down every few seconds


@dataclass(slots=True)
class _Row:
    """One row of the answer, still being counted."""

    entries: int = 0
    exits: int = 0
    revenue: int = 0
    unmatched_exits: int = 0
    unmatched: int = 0


_Rows = dict[tuple[str, str | None], _Row]


async def traffic(request: Request) -> Response:
    """The rows of a time, oldest or first in the alphabet first."""
    site: Site = request.app.state.site
    database: Database = request.app.state.database
    zone = site.zone
    now_ms = time.time_ns() // 1_000_000
    by = asked.choice(request, "by", *By) or By.HOUR
    until_ms = asked.until(request, "to", zone) or now_ms
    since_ms = asked.since(request, "from", zone)
    if since_ms is None:
        since_ms = _midnight_ms(min(until_ms, now_ms), zone)
    if not 0 <= until_ms - since_ms <= limits.TRAFFIC_DAYS * 86_400_000:
        raise bad(f"from, to: must be in this order and at most {limits.TRAFFIC_DAYS} days apart")
    peers = [peer.id for peer in site.config.peers]

    def read(connection: Connection) -> tuple[_Rows, dict[str, int]]:
        rows = _counted(read_traffic(connection, By(by), since_ms, until_ms), zone)
        peers = figures.sync_state(connection)
        return rows, {peer["peer_central_id"]: peer["last_sync_timestamp"] for peer in peers}

    rows, synced = await database.read(read)
    upto_ms = min(until_ms, now_ms)
    missing = [id for id in peers if synced.get(id, 0) < upto_ms - _LATE_MS]
    complete_ms = min([upto_ms, *(synced.get(id, 0) for id in missing)])
    return answer(
        Traffic(
            rows=[_said(key, currency, row) for (key, currency), row in sorted_rows(rows)],
            complete_until=site_time(complete_ms, zone) if complete_ms > 0 else None,
            missing=missing,
        )
    )


def sorted_rows(rows: _Rows) -> list[tuple[tuple[str, str | None], _Row]]:
    """By key, then by currency."""
    return sorted(rows.items(), key=lambda item: (item[0][0], item[0][1] or ""))


def _said(key: str, currency: str | None, row: _Row) -> TrafficRow:
    return TrafficRow(
        key=key,
        entries=row.entries,
        exits=row.exits,
        revenue=row.revenue,
        unmatched_exits=row.unmatched_exits,
        unmatched=row.unmatched,
        currency=currency,
    )


def _counted(found: Found, zone: tzinfo) -> _Rows:
    """The rows by key and currency; what has none is in the row of the key's first currency."""
    rows: _Rows = defaultdict(_Row)
    for exits in found.exits:
        row = rows[_key(exits.key, zone), exits.currency]
        row.exits += exits.number
        row.revenue += exits.revenue
    first = {key: currency for (key, currency), _ in reversed(sorted_rows(rows))}
    for entries in found.entries:
        key = _key(entries.key, zone)
        rows[key, first.get(key)].entries += entries.number
    for unmatched in found.unmatched:
        row = rows[_key(unmatched.key, zone), first.get(_key(unmatched.key, zone))]
        row.unmatched_exits += unmatched.number
        row.unmatched += unmatched.paid
    return rows


def _key(found: str | int, zone: tzinfo) -> str:
    """The key of a row: an hour of site time is `YYYY-MM-DD HH:00`."""
    if isinstance(found, int):
        return f"{site_time(found * QUARTER_MS, zone)[:13]}:00"
    return str(found)


def _midnight_ms(ms: int, zone: tzinfo) -> int:
    """The beginning of a day of site time."""
    moment = datetime.fromtimestamp(max(0, ms - 1) / 1000, zone)
    begun = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return round(begun.timestamp() * 1000)
