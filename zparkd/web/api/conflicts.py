"""`/api/conflicts`: what a person should look at, and saying that it is dealt with."""

import functools
from datetime import tzinfo

from starlette.requests import Request
from starlette.responses import Response

from zparkd.storage.readers.conflicts import conflicts as read_conflicts
from zparkd.web import limits
from zparkd.web.auth.acting import act_as
from zparkd.web.backend.daemon import Daemon
from zparkd.web.backend.database import Database
from zparkd.web.forms.acts import ConflictAcknowledged, Conflicts
from zparkd.web.http import asked
from zparkd.web.http.answers import answer, said_no

_ROWS = 200


async def conflicts(request: Request) -> Response:
    """The newest open conflicts, the newest first; with `all` those too that are not."""
    limit = asked.whole(request, "limit", _ROWS, 1, limits.ROWS)
    all = bool(asked.flag(request, "all"))
    database: Database = request.app.state.database
    zone: tzinfo = request.app.state.site.zone
    rows = await database.read(functools.partial(read_conflicts, zone=zone, limit=limit, all=all))
    return answer(Conflicts(conflicts=rows))


async def acknowledge(request: Request) -> Response:
    """Say of the conflict with this `id` that it is dealt with, and why."""
    fields = await asked.fields(request)
    act_as(request.state.who, fields)
    daemon: Daemon = request.app.state.daemon
    done = await daemon.ask(
        "conflict.ack",
        conflict=fields.get("id"),
        staff_id=fields.get("staff_id"),
        reason=fields.get("reason"),
        by=request.state.who.by,
    )
    if done.get("success") is not True:
        raise said_no(done)
    told = {name: done[name] for name in ("kind", "already")}
    return answer(ConflictAcknowledged(id=done["conflict"], **told))
