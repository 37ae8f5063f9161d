"""`GET /metrics`: how a central is, in the text form of Prometheus; alert rules are in `etc/`.

Base units, counters end in `_total`, times of events and never ages; no plate and no event id is
ever a label, and what an edge or a peer calls itself is one a bounded number of times.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from zparkd import __version__
from zparkd.storage.readers import figures
from zparkd.storage.readers.connection import Connection
from zparkd.web import limits
from zparkd.web.backend.daemon import Daemon
from zparkd.web.backend.database import Database
from zparkd.web.backend.site import Site
from zparkd.web.http.answers import Problem

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_Sample = tuple[Mapping[str, str], float]


def _family(name: str, kind: str, help: str, samples: Iterable[_Sample]) -> str:
    """One metric and all its samples; nothing where there are none."""
    lines = []
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines.append(
            f"zparkd_{name}{{{inside}}} {value:.17g}" if inside else f"zparkd_{name} {value:.17g}"
        )
    if not lines:
        return ""
    head = [f"# HELP zparkd_{name} {help}", f"# TYPE zparkd_{name} {kind}"]
    return "\n".join([*head, *lines, ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _one(value: float | None) -> list[_Sample]:
    return [] if value is None else [({}, value)]


async def metrics(request: Request) -> Response:
    """All metrics: of the daemon where it answers, and of the database where it can be read."""
    state = request.app.state
    daemon: Daemon = state.daemon
    database: Database = state.database
    site: Site = state.site
    status: dict[str, Any] | None = None
    with suppress(Problem):
        status = await daemon.status()
    families = list(_of_gateway(site, status is not None, state.stream.open))
    if status is not None:
        families += _of_daemon(status)
    with suppress(Problem):
        families += await database.read(lambda connection: list(_of_database(connection)))
    families.append(_size(site.config.storage_path))
    return Response(
        "".join(families), media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"}
    )


def _of_gateway(site: Site, up: bool, pages: int) -> Iterator[str]:
    config = site.config
    labels = {"version": __version__, "central": config.central_id, "site": config.site}
    yield _family("build_info", "gauge", "What runs here; always 1.", [(labels, 1)])
    yield _family("up", "gauge", "Whether the daemon answers.", _one(up))
    yield _family("web_pages", "gauge", "Pages that are open now.", _one(pages))


def _of_daemon(status: Mapping[str, Any]) -> Iterator[str]:
    began = time.time() - status["uptime_s"]
    yield _family("start_time_seconds", "gauge", "When the daemon started.", _one(round(began)))
    yield _family(
        "config_last_reload_successful",
        "gauge",
        "Whether the configuration, as its files are now, is in effect.",
        _one(status["config_error"] is None),
    )
    inside, open = _one(status["vehicles_inside"]), _one(status["open_conflicts"])
    yield _family("vehicles_inside", "gauge", "Stays that are open.", inside)
    yield _family("conflicts_open", "gauge", "Conflicts that wait for a person.", open)
    only_here = _one(status["only_here"])
    yield _family("events_only_here", "gauge", "Events that no other central has yet.", only_here)
    uplink = status.get("uplink") or {}
    yield _family(
        "uplink_up", "gauge", "Whether zparkd-uplink runs here.", _one(uplink.get("running"))
    )
    yield _family(
        "uplink_lag_events",
        "gauge",
        "Events of the site that the fleet lacks; where this central sends them.",
        _one(uplink.get("lag")),
    )
    yield _family(
        "uplink_events_sent_total",
        "counter",
        "Events sent to the fleet, since the start of zparkd-uplink.",
        _one(uplink.get("events_sent")),
    )
    for way in ("sent", "received"):
        name, help = f"messages_{way}_total", f"Messages {way}, since the daemon's start."
        yield _family(name, "counter", help, _one(status[f"messages_{way}"]))
    codes = sorted({problem["code"] for problem in status["problems"]})
    yield _family("problems", "gauge", "What is wrong now, by its code.", _labelled("code", codes))
    yield from _of_peers(status["peers"])
    heard = [edge for edge in status["edges"] if edge["last_seen"] is not None]
    never = [edge["edge_id"] for edge in status["edges"] if edge["last_seen"] is None]
    yield _family(
        "edge_never_seen", "gauge", "Configured, and never heard.", _labelled("edge", never)
    )
    yield _family(
        "edge_last_seen_timestamp_seconds",
        "gauge",
        "When each edge was last heard.",
        [
            ({"edge": edge["edge_id"]}, _seconds(edge["last_seen"]))
            for edge in sorted(heard, key=lambda it: it["last_seen"], reverse=True)
        ][: limits.METRICS_OF_EDGES],
    )
    yield from _of_lanes([edge for edge in status["edges"] if edge.get("lane") is not None])


def _of_lanes(edges: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What the controllers of lanes say of them, each since its own start."""
    edges = edges[: limits.METRICS_OF_EDGES]

    def each(value: Callable[[Mapping[str, Any]], float | None]) -> list[_Sample]:
        told = [({"edge": edge["edge_id"]}, value(edge["lane"])) for edge in edges]
        return [(labels, said) for labels, said in told if said is not None]

    def event_s(lane: Mapping[str, Any]) -> float | None:
        return _seconds(lane["last_event"]) if lane["last_event"] is not None else None

    def open_s(lane: Mapping[str, Any]) -> float | None:
        return lane["open_p50_ms"] / 1000 if lane["open_p50_ms"] is not None else None

    yield _family(
        "lane_last_event_timestamp_seconds", "gauge", "The camera's last event.", each(event_s)
    )
    yield _family("lane_reads_total", "counter", "Plates read.", each(lambda it: it["reads"]))
    yield _family(
        "lane_misreads_total",
        "counter",
        "Vehicles without a plate that could be read.",
        each(lambda it: it["misreads"]),
    )
    yield _family("lane_open_median_seconds", "gauge", "From a frame to the open.", each(open_s))
    yield _family(
        "lane_silent", "gauge", "Whether its camera is silent.", each(lambda it: int(it["silent"]))
    )
    yield _family(
        "lane_fault", "gauge", "Whether anything is wrong.", each(lambda it: int(bool(it["fault"])))
    )


def _labelled(name: str, values: Iterable[str]) -> list[_Sample]:
    return [({name: value}, 1) for value in values]


def _of_peers(peers: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    def each(value: str, unit: float = 1) -> list[_Sample]:
        return [
            ({"peer": peer["peer_id"]}, peer[value] * unit)
            for peer in peers
            if peer[value] is not None
        ]

    yield _family("peer_up", "gauge", "Whether it is heard, and hears us.", each("connected"))
    yield _family(
        "peer_last_seen_timestamp_seconds",
        "gauge",
        "When it was last heard.",
        [
            ({"peer": peer["peer_id"]}, _seconds(peer["last_ping_time"]))
            for peer in peers
            if peer["last_ping_time"] is not None
        ],
    )
    yield _family(
        "peer_clock_offset_seconds",
        "gauge",
        "Its wall clock less ours.",
        each("clock_offset_ms", 1e-3),
    )
    yield _family("peer_lag_events", "gauge", "Events here that it lacks.", each("lag"))
    yield _family("peer_behind_events", "gauge", "Events it has that we lack.", each("behind"))


def _of_database(connection: Connection) -> Iterator[str]:
    sources = figures.events_by_central(connection, limits.METRICS_OF_CENTRALS)
    yield _family(
        "events_total",
        "counter",
        "Events held here, by the central that recorded them.",
        [({"source": origin}, count) for origin, count in sources.items()],
    )
    yield _family(
        "conflicts",
        "gauge",
        "Events that did not count, by what became of them.",
        [({"kind": verdict}, count) for verdict, count in figures.verdicts(connection).items()],
    )
    yield _family(
        "stays_remarked",
        "gauge",
        "Stays that a person should look at.",
        _one(figures.stays_remarked(connection)),
    )
    lacking = figures.oldest_lacking(connection, limits.METRICS_OF_STREAMS)
    yield _family(
        "peer_oldest_unacked_timestamp_seconds",
        "gauge",
        "When the oldest event here that a peer lacks was recorded; none where it lacks none.",
        [({"peer": peer_id}, ms / 1000) for peer_id, ms in lacking.items()],
    )


def _size(database: Path) -> str:
    size = 0
    for name in (database, f"{database}-wal"):
        with suppress(OSError):
            size += os.stat(name).st_size
    return _family("db_size_bytes", "gauge", "The database and its journal.", _one(size))


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
