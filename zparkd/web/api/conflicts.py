"""`GET /api/conflicts`: what a person should look at, as `zparkctl conflicts` lists it."""

from datetime import tzinfo
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from zparkd.core import limits
from zparkd.storage.readers.conflicts import conflicts as read_conflicts
from zparkd.storage.readers.connection import Connection
from zparkd.storage.readers.settling import add_due
from zparkd.web.backend.database import Database
from zparkd.web.forms.answers import Conflicts
from zparkd.web.http import asked
from zparkd.web.http.answers import answer

_ROWS = 200


async def conflicts(request: Request) -> Response:
    """The newest conflicts, the newest first."""
    limit = asked.whole(request, "limit", _ROWS, 1, limits.WEB_ROWS)
    database: Database = request.app.state.database
    zone: tzinfo = request.app.state.site.zone

    def read(connection: Connection) -> list[dict[str, Any]]:
        rows = read_conflicts(connection, limit=limit)
        add_due(connection, rows, zone)
        return rows

    return answer(Conflicts(conflicts=await database.read(read)))
