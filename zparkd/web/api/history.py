"""`GET /api/parking/history`: stays, newest entry first, as JSON or CSV.

What a stay is has been decided where it was recorded; here rows are only picked and shown.
"""

import functools
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import tzinfo
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from zparkd.core.plates import normalise_plate
from zparkd.core.reports import sheet
from zparkd.storage.readers.connection import Connection
from zparkd.storage.readers.stays import COLUMNS, StayFilter, count_stays, stays
from zparkd.web import limits
from zparkd.web.backend.database import Database
from zparkd.web.forms.answers import History
from zparkd.web.http import asked
from zparkd.web.http.answers import answer, bad

_ROWS = 50
_PART = 1000  # rows of a CSV file read at a time


def wanted(request: Request, zone: tzinfo) -> StayFilter:
    """The stays that a request is about. Raises Problem."""
    partial = asked.choice(request, "match", "exact", "partial") == "partial"
    plate = asked.text(request, "plate")
    return StayFilter(
        plate_id=plate_id(plate) if plate is not None and not partial else None,
        plate_part=part_of_plate(plate) if plate is not None and partial else None,
        camera_type=asked.text(request, "type"),
        central=asked.text(request, "central"),
        edge_id=asked.text(request, "edge"),
        since_ms=asked.since(request, "from", zone),
        until_ms=asked.until(request, "to", zone),
        inside=bool(asked.flag(request, "inside")),
    )


def plate_id(text: str) -> str:
    """A plate as its key, however it is written. Raises Problem."""
    try:
        return normalise_plate(text)
    except ValueError as fault:
        raise bad(f"plate: {fault}") from None


def part_of_plate(text: str) -> str:
    """A part of a plate as it stands in keys. Raises Problem."""
    for filler in ("", "XX"):  # a key has three characters at least
        try:
            return normalise_plate(filler + text)[len(filler) :]
        except ValueError:
            continue
    raise bad(f"plate: {text[:40]!r} is no part of a plate: 1 to 12 letters and digits")


async def history(request: Request) -> Response:
    """The stays asked for, and how many there are in all."""
    database: Database = request.app.state.database
    which = wanted(request, request.app.state.site.zone)
    if asked.choice(request, "format", "json", "csv") == "csv":
        most = asked.whole(request, "limit", 0, 0, limits.CSV_PARTS * _PART)
        skipped = asked.whole(request, "offset", 0, 0, 2**53)
        return StreamingResponse(
            _csv(database, which, most or limits.CSV_PARTS * _PART, skipped),
            media_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": 'attachment; filename="history.csv"',
                "Cache-Control": "no-store",
            },
        )
    limit = asked.whole(request, "limit", _ROWS, 0, limits.ROWS) or limits.ROWS
    offset = asked.whole(request, "offset", 0, 0, 2**53)

    def read(connection: Connection) -> tuple[list[dict[str, Any]], int]:
        return stays(connection, which, limit, offset), count_stays(connection, which)

    rows, count = await database.read(read)
    return answer(History(history=rows, total=count))


async def _csv(
    database: Database, which: StayFilter, most: int, skipped: int
) -> AsyncIterator[bytes]:
    """At most so many of the stays, a part at a time, after those that are skipped.

    Begins with the mark by which a spreadsheet sees UTF-8.
    """
    yield sheet.lines([COLUMNS], mark=sheet.MARK)
    while most > 0:
        wanted = min(most, _PART)
        rows = await database.read(
            functools.partial(stays, which=which, limit=wanted, offset=skipped)
        )
        if rows:
            yield sheet.lines([tuple(row[column] for column in COLUMNS) for row in rows])
        if len(rows) < wanted:
            return
        # What comes in meanwhile shifts nothing.
        which = replace(which, after=(rows[-1]["entry_ms"], rows[-1]["id"]))
        most, skipped = most - wanted, 0
