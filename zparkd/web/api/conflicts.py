"""`GET /api/conflicts`: what a person should look at, as `zparkctl conflicts` lists it."""

import sqlite3
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from zparkd.core import limits
from zparkd.web.backend.database import Database
from zparkd.web.http import asked
from zparkd.web.http.answers import answer

COLUMNS = (
    *("kind", "plate_id", "camera_type", "event_id", "stay"),
    *("central", "edge_id", "time", "fee"),
)
_ROWS = 200


async def conflicts(request: Request) -> Response:
    """The newest conflicts, the newest first."""
    limit = asked.whole(request, "limit", _ROWS, 1, limits.WEB_ROWS)
    database: Database = request.app.state.database

    def read(connection: sqlite3.Connection) -> list[dict[str, Any]]:
        query = (
            f"SELECT {', '.join(COLUMNS)} FROM conflicts"
            " ORDER BY time_ms DESC, event_id, kind LIMIT ?"
        )
        return [dict(row) for row in connection.execute(query, (limit,))]

    return answer({"success": True, "conflicts": await database.read(read)})
