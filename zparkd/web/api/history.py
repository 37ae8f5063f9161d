"""`GET /api/parking/history`: stays, newest entry first, as JSON or CSV.

What a stay is has been decided where it was recorded; here rows are only picked and shown.
"""

import csv
import functools
import io
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from zparkd.core import limits
from zparkd.core.plates import normalise_plate
from zparkd.web.backend.database import Database
from zparkd.web.http import asked
from zparkd.web.http.answers import answer, bad

COLUMNS = (
    *("id", "event_id", "source_central", "edge_id", "sync_status", "plate_id", "plate_view"),
    *("camera_type", "camera_name", "confidence", "status", "confirmed", "closed_by"),
    *("entry_time", "exit_time", "entry_ms", "exit_ms", "exit_central", "exit_edge_id", "fee"),
    *("duration", "duration_s", "remarks"),
)
_ROWS = 50
_PART = 1000  # rows of a CSV file read at a time
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would compute


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which stays: conditions in the words of the view `history`, and their values by name."""

    conditions: tuple[str, ...]
    values: dict[str, object]

    @property
    def where(self) -> str:
        """The conditions as SQL has them."""
        return f"WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


def wanted(request: Request, zone: tzinfo) -> Wanted:
    """The stays that a request is about. Raises Problem."""
    found: list[tuple[str, str, object]] = []
    match = asked.choice(request, "match", "exact", "partial")
    plate = asked.text(request, "plate")
    if plate is not None and match == "partial":
        found.append(("plate_id LIKE :plate", "plate", f"%{part_of_plate(plate)}%"))
    elif plate is not None:
        found.append(("plate_id = :plate", "plate", plate_id(plate)))
    if (type_ := asked.text(request, "type")) is not None:
        found.append(("camera_type = :type", "type", type_))
    if (central := asked.text(request, "central")) is not None:
        found.append(("(source_central = :central OR exit_central = :central)", "central", central))
    if (edge := asked.text(request, "edge")) is not None:
        found.append(("(edge_id = :edge OR exit_edge_id = :edge)", "edge", edge))
    if (first := asked.since(request, "from", zone)) is not None:
        found.append(("entry_ms >= :since", "since", first))
    if (last := asked.until(request, "to", zone)) is not None:
        found.append(("entry_ms < :until", "until", last))
    inside = ("status = 'IN'",) if asked.flag(request, "inside") else ()
    return Wanted(
        (*(condition for condition, _, _ in found), *inside),
        {name: value for _, name, value in found},
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


def page(
    connection: sqlite3.Connection, which: Wanted, limit: int, offset: int
) -> list[dict[str, Any]]:
    """Rows of the view `history`, newest entry first."""
    query = (
        f"SELECT {', '.join(COLUMNS)} FROM history {which.where}"
        " ORDER BY entry_ms DESC, id DESC LIMIT :limit OFFSET :offset"
    )
    values = {**which.values, "limit": limit, "offset": offset}
    return [dict(row) for row in connection.execute(query, values)]


_BELOW = {"status = 'IN'": "closed_by IS NULL"}
_JOINS = (
    (("plate_id", "camera_type"), " JOIN vehicles v ON v.no = s.vehicle"),
    (
        ("central",),
        " JOIN (SELECT no, origin AS source_central FROM streams) e ON e.no = s.entry >> 40"
        " LEFT JOIN (SELECT no, origin AS exit_central FROM streams) x ON x.no = s.closer >> 40",
    ),
)


def total(connection: sqlite3.Connection, which: Wanted) -> int:
    """How many stays there are. Asked of the tables below the view: only what counts is read."""
    below = [_BELOW.get(condition, condition) for condition in which.conditions]
    joins = "".join(
        join for words, join in _JOINS if any(word in c for c in below for word in words)
    )
    where = f"WHERE {' AND '.join(below)}" if below else ""
    query = f"SELECT count(*) FROM sessions s{joins} {where}"
    return int(connection.execute(query, which.values).fetchone()[0])


async def history(request: Request) -> Response:
    """The stays asked for, and how many there are in all."""
    database: Database = request.app.state.database
    which = wanted(request, request.app.state.site.zone)
    if asked.choice(request, "format", "json", "csv") == "csv":
        return StreamingResponse(
            _csv(database, which),
            media_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": 'attachment; filename="history.csv"',
                "Cache-Control": "no-store",
            },
        )
    limit = asked.whole(request, "limit", _ROWS, 0, limits.WEB_ROWS) or limits.WEB_ROWS
    offset = asked.whole(request, "offset", 0, 0, 2**53)

    def read(connection: sqlite3.Connection) -> tuple[list[dict[str, Any]], int]:
        return page(connection, which, limit, offset), total(connection, which)

    rows, count = await database.read(read)
    return answer({"success": True, "history": rows, "total": count})


async def _csv(database: Database, which: Wanted) -> AsyncIterator[bytes]:
    """All the stays, a part at a time. Begins with the mark by which a spreadsheet sees UTF-8."""
    yield _lines([COLUMNS], mark="\ufeff")
    rows: list[dict[str, Any]] = []
    for _ in range(limits.WEB_CSV_PARTS):
        part = which
        if rows:  # what comes in meanwhile shifts nothing
            last = {"last_ms": rows[-1]["entry_ms"], "last_id": rows[-1]["id"]}
            before = "(entry_ms, id) < (:last_ms, :last_id)"
            part = Wanted((*which.conditions, before), which.values | last)
        rows = await database.read(functools.partial(page, which=part, limit=_PART, offset=0))
        if rows:
            yield _lines([tuple(row[column] for column in COLUMNS) for row in rows])
        if len(rows) < _PART:
            return


def _lines(rows: list[tuple[object, ...]], mark: str = "") -> bytes:
    out = io.StringIO()
    out.write(mark)
    csv.writer(out).writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue().encode()


def _cell(value: object) -> object:
    """A value as a spreadsheet shows it, and never computes it."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
