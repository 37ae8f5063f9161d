"""What `zparkctl status` is told: the state of a central in the words of its protocol.

Reads only, and decides nothing; how it is shown is the reader's business.
"""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import Any

from msgspec.structs import asdict

from zparkd import __version__
from zparkd.core import limits
from zparkd.core.clock import Now
from zparkd.core.gate.lane_report import LaneReport
from zparkd.core.site import Peer
from zparkd.core.view import PeerView, View
from zparkd.daemon.problems import Faults, SecurityState, problems
from zparkd.daemon.problems_of_lanes import problems_of_lanes
from zparkd.storage.store import Store

_PLAIN = SecurityState()
SCHEMA = "zparkctl.status/1"


def status(
    view: View,
    store: Store,
    started: Now,
    faults: Faults,
    *,
    security: SecurityState = _PLAIN,
    catching_up: Mapping[str, int] = MappingProxyType({}),
    external_api: dict[str, Any] | None = None,
    uplink: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The whole answer to the command `status`.

    `catching_up` are the peers that came back, and how many events they had beyond us then.
    """
    settings = view.settings
    rows = [
        _peer(view, peer, view.peers[peer.id], catching_up.get(peer.id, 0))
        for peer in settings.peers
    ]
    return {
        "success": True,
        "schema": SCHEMA,
        "this_central": settings.id,
        "site": settings.site,
        "version": __version__,
        "running": True,
        "uptime_s": (view.now.mono_ms - started.mono_ms) // 1000,
        "standalone_mode": not rows,
        "total_peers": len(rows),
        "connected_peers": sum(row["connected"] for row in rows),
        "messages_sent": view.counters.messages_sent,
        "messages_received": view.counters.messages_received,
        "vehicles_inside": store.vehicles_inside(),
        "events": sum(store.heads.values()),
        "only_here": view.only_here,
        "open_conflicts": store.open_conflicts(),
        "config_error": faults.config,
        "security_mode": security.mode,
        "fingerprint": security.fingerprint,
        "problems": [
            *problems(
                view,
                store,
                faults,
                security=security,
                external_api=external_api,
                uplink=uplink,
            ),
            *problems_of_lanes(view),
        ],
        "reference": _reference(store),
        "external_api": external_api,
        "uplink": uplink,
        "edges": _edges(view),
        "peers": rows,
    }


def _edges(view: View) -> list[dict[str, Any]]:
    """Each configured edge, heard or not, and each other one that was heard in the last month."""
    settings = view.settings
    configured = {lane.id for lane in settings.lanes}
    seen, reports = view.edges_seen, view.lane_reports
    since_ms = view.time_ms - limits.EDGE_SHOWN_MS
    lately = {edge_id for edge_id, seen_ms in seen.items() if seen_ms > since_ms}
    shown = configured | reports.keys() | lately
    return [
        {
            "edge_id": edge_id,
            "last_seen": iso(seen[edge_id], settings.zone) if edge_id in seen else None,
            "configured": edge_id in configured,
            "lane": _lane(*reports[edge_id], settings.zone) if edge_id in reports else None,
        }
        for edge_id in sorted(shown)
    ]


def _lane(said: LaneReport, told_ms: int, zone: tzinfo) -> dict[str, Any]:
    """What the controller of a lane last said of it, and when."""
    shown = asdict(said)
    last_ms = shown.pop("last_event_ms")
    last_event = iso(last_ms, zone) if last_ms is not None else None
    return {"told": iso(told_ms, zone), "last_event": last_event, **shown}


def _reference(store: Store) -> dict[str, Any]:
    """Which tariff and policy count, since when, and how many passes and staff there are."""
    held, policy = store.reference.tariff(), store.reference.policy()
    return {
        "tariff_version": held.tariff.version if held is not None else None,
        "tariff_set_ms": held.set_ms if held is not None else None,
        "policy_version": policy.version if policy is not None else None,
        "policy_set_ms": policy.set_ms if policy is not None else None,
        **store.reference.counts(),
    }


def iso(ms: int, zone: tzinfo) -> str:
    """A time in ms as ISO 8601 with the site's offset."""
    return datetime.fromtimestamp(ms / 1000, zone).isoformat(timespec="milliseconds")


def _peer(view: View, peer: Peer, seen: PeerView, had_more: int) -> dict[str, Any]:
    behind, lag, heard_ms = seen.behind, seen.lag, seen.heard_ms
    now_known = seen.fresh and not (seen.says_more and behind == 0)
    catching_up = had_more > 0 and bool(behind) and seen.connected
    return {
        "peer_id": peer.id,
        "peer_ip": peer.address,
        "peer_port": peer.bus_port,
        "connected": seen.connected,
        "last_ping_time": iso(heard_ms, view.settings.zone) if heard_ms is not None else None,
        "behind": behind if now_known else None,
        "lag": lag if now_known else None,
        "behind_when_heard": behind,
        "lag_when_heard": lag,
        "clock_offset_ms": seen.offset_ms,
        "version": seen.version,
        "error": seen.error,
        "state": _progress(had_more, behind) if catching_up else _state(seen),
        "catching_up": {"missing": behind, "of": had_more} if catching_up else None,
    }


def _progress(had_more: int, behind: int | None) -> str:
    """How far catching up with a peer has come, in words."""
    return f"catching up, {100 * (had_more - (behind or 0)) // had_more} %"


def _state(seen: PeerView) -> str:
    """How it is with a peer, in words."""
    if seen.connected:
        return "connected"
    if seen.fresh:
        return "does not hear us"
    if seen.heard_ms is not None:
        return "not heard"
    return "not heard yet" if seen.is_known else "never heard"
