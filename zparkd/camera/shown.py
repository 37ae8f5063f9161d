"""What `zparkd-camera test` and `status` print."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from zparkd.camera.config import LaneConfig
from zparkd.camera.lane.passages import Timing, request_id_of, timing
from zparkd.camera.read import Message, Read
from zparkd.core.site import Direction

_WHAT = {
    Timing.FRESH: "BARRIER_OPEN",
    Timing.LATE: "recorded as seen, nothing opens: the read is too old, or the camera's clock slow",
    Timing.AHEAD: "recorded as seen, nothing opens: the camera's clock is ahead, or its zone wrong",
    Timing.REPEATED: "recorded as seen, nothing opens: the camera sends it again",
}


def test_lines(lane: LaneConfig, found: Message, now_ms: int, *, as_json: bool) -> Iterator[str]:
    """What a captured message becomes, for people or as JSON."""
    if as_json:
        reads = [_request(lane, read, now_ms) for read in found.reads]
        shown = {"about": found.about, "pictures": len(found.pictures), "reads": reads}
        yield json.dumps(shown, indent=2, ensure_ascii=False)
        return
    if not found.reads:
        yield f"no reads in it: {found.about}; nothing is asked"
    for read in found.reads:
        yield from _read_lines(lane, read, now_ms)
    for picture in found.pictures:
        yield f"picture  {picture.name or 'without a name'}, {len(picture.data):,} bytes"


def _read_lines(lane: LaneConfig, read: Read, now_ms: int) -> Iterator[str]:
    when = datetime.fromtimestamp(read.captured_ms / 1000, UTC).astimezone(lane.zone)
    yield f"plate      {read.plate or 'none that can be read'}"
    yield f"confidence {'none' if read.confidence is None else f'{read.confidence:.2f}'}"
    yield f"direction  {read.travel}; here {_direction(lane, read) or 'left to the central'}"
    age_s = (now_ms - read.captured_ms) / 1000
    way = f"{age_s:,.1f} s ago" if age_s >= 0 else f"{-age_s:,.1f} s ahead of this clock"
    yield f"captured   {when.isoformat(sep=' ', timespec='milliseconds')}, {way}"
    if read.plate is None:
        yield "becomes    nothing: a misread, counted"
    else:
        yield f"becomes    {_WHAT[timing(read, now_ms)]}"
        yield f"           {json.dumps(_request(lane, read, now_ms)['request'])}"
    for name, value in read.raw.items():
        yield f"as it came {name} = {value}"


def _request(lane: LaneConfig, read: Read, now_ms: int) -> dict[str, Any]:
    said = {
        "type": "BARRIER_OPEN",
        "edge_id": lane.edge_id,
        "request_id": request_id_of(lane.edge_id, read),
        "plate_id": read.plate,
        "plate_view": read.view,
        "camera_type": lane.camera_type,
        "direction": _direction(lane, read),
        "confidence": read.confidence,
        "captured_ms": read.captured_ms,
    }
    request = {name: value for name, value in said.items() if value is not None}
    return {
        "request": request if read.plate is not None else None,
        "timing": str(timing(read, now_ms)),
        "raw": dict(read.raw),
    }


def _direction(lane: LaneConfig, read: Read) -> str | None:
    if lane.direction is None or isinstance(lane.direction, Direction):
        return lane.direction
    return lane.direction.get(read.travel)


def status_lines(shown: dict[str, Any], now_ms: int) -> Iterator[str]:
    """What each lane did, for people."""
    rows = [
        ("LANE", "EDGE", "LAST EVENT", "READS", "MISREADS", "OPENED", "P50", "WAITING", "FAULT")
    ]
    for lane in shown["lanes"]:
        last = lane["last_event_ms"]
        ago = "never" if last is None else f"{_span((now_ms - last) / 1000)} ago"
        p50 = lane["open_p50_ms"]
        fault = lane["barrier_fault"] or ("silent" if lane["silent"] else lane["last_fault"])
        rows.append(
            (
                lane["lane"],
                lane["edge_id"],
                ago,
                f"{lane['reads']:,}",
                f"{lane['misreads']:,}",
                f"{lane['opened']:,}",
                "none" if p50 is None else f"{p50:.0f} ms",
                f"{lane['waiting']:,}",
                fault or "none",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = zip(row, widths, strict=True)
        yield "  ".join(cell.ljust(width) for cell, width in cells).rstrip()


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{max(0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"
