"""`GET /api/events`: the events that arrived here last, in the form in which `stream` tells them.

So a page that is opened shows what one that was open all the time shows.
"""

import functools

from starlette.requests import Request
from starlette.responses import Response

from zparkd.core import limits
from zparkd.storage.readers import arrivals
from zparkd.web.api.stream import shown
from zparkd.web.backend.database import Database
from zparkd.web.forms.answers import Events
from zparkd.web.http import asked
from zparkd.web.http.answers import answer

_ROWS = 50


async def events(request: Request) -> Response:
    """The newest arrivals, the newest first."""
    limit = asked.whole(request, "limit", _ROWS, 1, limits.WEB_EVENTS_RESUMED)
    database: Database = request.app.state.database
    zone = request.app.state.site.zone
    rows = await database.read(functools.partial(arrivals.arrived_last, limit=limit))
    return answer(Events(events=[shown(*row, zone) for row in rows]))
