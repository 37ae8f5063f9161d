"""`GET /api/audit`: who did what, when and why, as `zparkctl audit` lists it."""

from starlette.requests import Request
from starlette.responses import Response

from zparkd.core import limits
from zparkd.storage.readers.reports.audit import acts
from zparkd.web.backend.database import Database
from zparkd.web.forms.answers import Acts
from zparkd.web.http import asked
from zparkd.web.http.answers import answer

_ROWS = 200


async def audit(request: Request) -> Response:
    """The newest acts of people, the newest first."""
    zone = request.app.state.site.zone
    limit = asked.whole(request, "limit", _ROWS, 1, limits.WEB_ROWS)
    since_ms = asked.since(request, "since", zone) or 0
    until_ms = asked.until(request, "to", zone) or limits.TIME_SHOWN_MS_MAX + 1
    database: Database = request.app.state.database
    rows = await database.read(lambda connection: acts(connection, zone, since_ms, until_ms, limit))
    return answer(Acts(audit=rows))
