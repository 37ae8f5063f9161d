"""`GET /api/conflicts`: what a person should look at, as `zparkctl conflicts` lists it."""

import functools

from starlette.requests import Request
from starlette.responses import Response

from zparkd.core import limits
from zparkd.storage.readers.conflicts import conflicts as read_conflicts
from zparkd.web.backend.database import Database
from zparkd.web.forms.answers import Conflicts
from zparkd.web.http import asked
from zparkd.web.http.answers import answer

_ROWS = 200


async def conflicts(request: Request) -> Response:
    """The newest conflicts, the newest first."""
    limit = asked.whole(request, "limit", _ROWS, 1, limits.WEB_ROWS)
    database: Database = request.app.state.database
    rows = await database.read(functools.partial(read_conflicts, limit=limit))
    return answer(Conflicts(conflicts=rows))
