"""What came of a time: `GET /api/reports/NAME` as `zparkctl report` tells it, `GET /api/audit`."""

import time
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from zparkd.core import limits
from zparkd.core.reports import sheet
from zparkd.core.reports.counting import report as calculate
from zparkd.core.reports.period import BadPeriod, complete, iso, period, told
from zparkd.core.reports.records import COUNTED_BY, Asked, By, Name, Table
from zparkd.storage.readers.connection import Connection, one_moment
from zparkd.storage.readers.figures import sync_state
from zparkd.storage.readers.reports.audit import acts
from zparkd.storage.readers.reports.records import records
from zparkd.web import limits as web_limits
from zparkd.web.backend.database import Database
from zparkd.web.backend.site import Site
from zparkd.web.forms.acts import Acts
from zparkd.web.http import asked as query
from zparkd.web.http.answers import Problem, answer, bad

_ROWS = 200


async def audit(request: Request) -> Response:
    """The newest acts of people, the newest first."""
    zone = request.app.state.site.zone
    limit = query.whole(request, "limit", _ROWS, 1, web_limits.ROWS)
    since_ms = query.since(request, "since", zone) or 0
    until_ms = query.until(request, "to", zone) or limits.TIME_SHOWN_MS_MAX + 1
    database: Database = request.app.state.database
    rows = await database.read(lambda connection: acts(connection, zone, since_ms, until_ms, limit))
    return answer(Acts(audit=rows))


async def report(request: Request) -> Response:
    """One report, as JSON or as CSV."""
    site: Site = request.app.state.site
    database: Database = request.app.state.database
    now_ms = time.time_ns() // 1_000_000
    asked = _asked(request, site, now_ms)
    as_csv = query.choice(request, "format", "json", "csv") == "csv"

    def read(connection: Connection) -> tuple[Table, dict[str, int]]:
        with one_moment(connection):
            found = calculate(asked, records(connection, asked))
            peers = sync_state(connection)
        return found, {peer["peer_central_id"]: peer["last_sync_timestamp"] for peer in peers}

    found, synced = await database.read(read)
    peers = (peer.id for peer in site.config.peers)
    state = complete(peers, synced, asked.until_ms, now_ms)
    if not as_csv:
        return answer(told(asked, found, state))
    rows = [[row[column] for column in found.columns] for row in found.rows]
    return Response(
        sheet.lines([found.columns, *rows], sheet.MARK),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{asked.name}.csv"',
            "Cache-Control": "no-store",
            "Zparkd-Complete-Until": iso(state.until_ms, asked.zone) or "",
            "Zparkd-Missing": ", ".join(state.missing),
        },
    )


def _asked(request: Request, site: Site, now_ms: int) -> Asked:
    """Which report is asked for. Raises Problem."""
    named = request.path_params["name"]
    if named not in set(Name):
        names = ", ".join(Name)
        raise Problem(HTTPStatus.NOT_FOUND, "unknown_report", f"no such report; there are {names}")
    name = Name(named)
    choices = [by.value for by in COUNTED_BY[name] if by is not None]
    by = query.choice(request, "by", *choices)
    try:
        since_ms, until_ms = period(
            query.text(request, "from"), query.text(request, "to"), site.zone, now_ms
        )
    except BadPeriod as fault:
        raise bad(f"from, to: {fault}") from None
    return Asked(name, By(by) if by else COUNTED_BY[name][0], since_ms, until_ms, site.zone)
