"""`GET /api/parking/vehicles/{plate_id}`: a vehicle's whole story, oldest first.

Its stays, and below them all that was ever recorded of it: what each event came to, and for
which stay it counts. That was decided by the rules of the stays; here it is only looked up.
"""

import sqlite3
from datetime import tzinfo
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from zparkd.core import limits
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, Kind, Position, read
from zparkd.web.api.history import COLUMNS, plate_id
from zparkd.web.api.stream import site_time_or_none
from zparkd.web.backend.database import Database
from zparkd.web.http.answers import Problem, answer

_EVENTS = (
    "SELECT e.at, e.skeleton, e.sealed, d.verdict, d.instead"
    " FROM events e LEFT JOIN verdicts d ON d.at = e.at"
    " WHERE e.vehicle IN (SELECT no FROM vehicles WHERE plate_id = ?)"
    " ORDER BY e.place DESC, e.timestamp DESC LIMIT ?"
)
_STAYS = (
    f"SELECT {', '.join(COLUMNS)} FROM history WHERE plate_id = ? ORDER BY entry_ms DESC LIMIT ?"
)
_COUNTING = (
    "SELECT s.entry, s.closer, eo.origin || '_' || s.entry_ms || '_' || v.plate_id"
    " FROM sessions s JOIN vehicles v ON v.no = s.vehicle JOIN streams eo ON eo.no = s.entry >> 40"
    " WHERE v.plate_id = ?"
)
_STEPS = 4  # an entry that does not count leads to the one that does in fewer
_SEQ_BITS = 40


async def vehicle(request: Request) -> Response:
    """The story of the vehicles with one plate."""
    plate = plate_id(request.path_params["plate_id"])
    zone: tzinfo = request.app.state.site.zone
    database: Database = request.app.state.database
    stays, events = await database.read(lambda connection: _story(connection, plate, zone))
    if not events:
        message = f"{plate}: no vehicle with this plate was ever here"
        raise Problem(HTTPStatus.NOT_FOUND, "unknown_plate", message)
    return answer({"success": True, "plate_id": plate, "stays": stays, "events": events})


def _story(
    connection: sqlite3.Connection, plate: str, zone: tzinfo
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    limit = limits.WEB_STORY_EVENTS
    stays = [dict(row) for row in connection.execute(_STAYS, (plate, limit))]
    rows = connection.execute(_EVENTS, (plate, limit)).fetchall()
    counting = _Counting(connection, plate, {row["at"]: row["instead"] for row in rows})
    events = []
    for row in rows:
        try:
            event = read(row["skeleton"], row["sealed"])
        except ProtocolError:  # kept for other readers
            continue
        events.append(_shown(event, row["verdict"], counting.stay(row["at"], event), zone))
    return stays[::-1], events[::-1]


class _Counting:
    """For which stay each event of a vehicle counts. Events are known by their keys here."""

    def __init__(
        self, connection: sqlite3.Connection, plate: str, instead: dict[int, int | None]
    ) -> None:
        self._instead = instead
        self._opened: dict[int, str] = {}
        self._ended: dict[int, str] = {}
        for entry, closer, stay in connection.execute(_COUNTING, (plate,)):
            self._opened[entry] = stay
            if closer is not None:
                self._ended[closer] = stay
        self._streams = {
            (origin, epoch): no
            for no, origin, epoch in connection.execute("SELECT no, origin, epoch FROM streams")
        }

    def stay(self, at: int, event: Event) -> str | None:
        """The readable id of the stay; None where it counts for none."""
        if event.kind == Kind.CONFIRM and event.names is not None:
            return self._of_entry(self._at(event.names))
        if event.kind == Kind.ENTRY:
            return self._of_entry(at)
        return self._ended.get(at) or self._ended.get(self._instead.get(at) or -1)

    def _of_entry(self, at: int | None) -> str | None:
        for _ in range(_STEPS):
            if at is None or at in self._opened:
                break
            at = self._instead.get(at)
        return self._opened.get(at) if at is not None else None

    def _at(self, position: Position) -> int | None:
        number = self._streams.get((position.origin, position.epoch))
        return number << _SEQ_BITS | position.seq if number is not None else None


def _shown(event: Event, verdict: str | None, stay: str | None, zone: tzinfo) -> dict[str, Any]:
    facts, personal = event.facts, event.personal
    return {
        "event_id": event.event_id,
        "kind": event.kind,
        "central": event.position.origin,
        "edge_id": facts.edge_id if facts is not None else None,
        "time": site_time_or_none(event.timestamp, zone),
        "time_ms": event.timestamp,
        "camera_type": facts.camera_type if facts is not None else None,
        "plate_view": personal.plate_view if personal is not None else None,
        "fee": facts.fee if facts is not None else None,
        "verdict": verdict,
        "counts_for": stay,
        "forced": facts is not None and facts.forced,
        "reason": personal.reason if personal is not None else None,
        "staff_id": personal.staff_id if personal is not None else None,
        "by": str(facts.by) if facts is not None and facts.by is not None else None,
    }
