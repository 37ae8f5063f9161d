"""What `zparkctl status` is told: the state of a central in the words of its protocol.

Reads only, and decides nothing; how it is shown is the reader's business.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import Any

from zparkd import __version__
from zparkd.core import limits
from zparkd.core.central import Central
from zparkd.core.clock import Now, site_time
from zparkd.core.keys import fingerprint
from zparkd.core.replication.duplicate_id import overtaken_by
from zparkd.core.replication.peer_state import PeerState
from zparkd.core.site import Peer
from zparkd.daemon.control.uplink_report import problems_of_uplink
from zparkd.daemon.problems import (
    Problem,
    problems_of_disk,
    problems_of_events,
    problems_of_quotas,
    problems_of_streams,
)
from zparkd.daemon.problems import problem as _problem
from zparkd.storage.store import Store
from zparkd.transport.floods import Flood
from zparkd.transport.socket_options import Domain

SCHEMA = "zparkctl.status/1"
_REFUSED_SHOWN = 5


@dataclass(slots=True)
class Faults:
    """What is wrong with this daemon's surroundings now; None where nothing is."""

    config: str | None = None
    storage: str | None = None
    set_aside: int = 0  # messages that could not be handled, since the start


@dataclass(frozen=True, slots=True)
class SecurityState:
    """How this central is protected, who was turned away in the last minute, who is kept out."""

    mode: str = "plain"
    fingerprint: str | None = None
    allow_insecure: bool = False
    refused: Sequence[str] = ()
    floods: Sequence[Flood] = ()


def status(
    central: Central,
    store: Store,
    now: Now,
    started: Now,
    faults: Faults,
    *,
    security: SecurityState = SecurityState(),
    catching_up: Mapping[str, int] = MappingProxyType({}),
    external_api: dict[str, Any] | None = None,
    uplink: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The whole answer to the command `status`.

    `catching_up` are the peers that came back, and how many events they had beyond us then.
    """
    settings = central.settings
    peers = central.peers
    rows = [
        _peer(central, peer, peers.states[peer.id], now, catching_up.get(peer.id, 0))
        for peer in settings.peers
    ]
    return {
        "success": True,
        "schema": SCHEMA,
        "this_central": settings.id,
        "site": settings.site,
        "version": __version__,
        "running": True,
        "uptime_s": (now.mono_ms - started.mono_ms) // 1000,
        "standalone_mode": not rows,
        "total_peers": len(rows),
        "connected_peers": sum(row["connected"] for row in rows),
        "messages_sent": central.counters.messages_sent,
        "messages_received": central.counters.messages_received,
        "vehicles_inside": store.vehicles_inside(),
        "events": sum(store.heads.values()),
        "only_here": peers.only_here(store.heads, store.signed.forks()),
        "open_conflicts": store.open_conflicts(),
        "config_error": faults.config,
        "security_mode": security.mode,
        "fingerprint": security.fingerprint,
        "problems": [
            *_problems_of_security(security),
            *_problems_of_store(store),
            *problems_of_disk(store.path),
            *_problems_of_api(external_api),
            *problems_of_uplink(uplink),
            *_problems(central, now, faults),
        ],
        "reference": _reference(store),
        "external_api": external_api,
        "uplink": uplink,
        "edges": _edges(central, now),
        "peers": rows,
    }


def _edges(central: Central, now: Now) -> list[dict[str, Any]]:
    """Each configured edge, heard or not, and each other one that was heard in the last month."""
    settings = central.settings
    configured = {lane.id for lane in settings.lanes}
    seen = dict(central.edges.seen())
    since_ms = central.clock.read(now).ms - limits.EDGE_SHOWN_MS
    shown = configured | {edge_id for edge_id, seen_ms in seen.items() if seen_ms > since_ms}
    return [
        {
            "edge_id": edge_id,
            "last_seen": iso(seen[edge_id], settings.zone) if edge_id in seen else None,
            "configured": edge_id in configured,
        }
        for edge_id in sorted(shown)
    ]


def _reference(store: Store) -> dict[str, Any]:
    """Which tariff counts, since when, and how many passes and staff there are."""
    held = store.reference.tariff()
    return {
        "tariff_version": held.tariff.version if held is not None else None,
        "tariff_set_ms": held.set_ms if held is not None else None,
        **store.reference.counts(),
    }


def _problems_of_api(state: dict[str, Any] | None) -> Iterator[Problem]:
    if state is not None and state["last_fault"] is not None:
        age_s = state["age_s"]
        age = "was never whole" if age_s is None else f"was last whole {age_s} s ago"
        yield _problem(
            "EXTERNAL_API",
            f"{state['last_fault']}; what it gives {age}, and what is held goes on counting",
            "correct the server or its documents, or external_api in zparkd.toml",
        )


def iso(ms: int, zone: tzinfo) -> str:
    """A time in ms as ISO 8601 with the site's offset."""
    return datetime.fromtimestamp(ms / 1000, zone).isoformat(timespec="milliseconds")


def _peer(
    central: Central, peer: Peer, state: PeerState, now: Now, had_more: int
) -> dict[str, Any]:
    peers, heads = central.peers, central.log.heads
    behind, lag = peers.behind(state, heads), peers.lag(state, heads)
    now_known = peers.fresh(state, now.mono_ms) and not (state.wants_vector and behind == 0)
    catching_up = had_more > 0 and bool(behind) and peers.connected(state, now.mono_ms)
    heard_ms = _heard_ms(central, state, now)
    return {
        "peer_id": peer.id,
        "peer_ip": peer.address,
        "peer_port": peer.bus_port,
        "connected": peers.connected(state, now.mono_ms),
        "last_ping_time": iso(heard_ms, central.settings.zone) if heard_ms is not None else None,
        "behind": behind if now_known else None,
        "lag": lag if now_known else None,
        "behind_when_heard": behind,
        "lag_when_heard": lag,
        "clock_offset_ms": peers.offset_ms(state, now),
        "version": state.version,
        "error": state.error,
        "state": _progress(had_more, behind) if catching_up else _state(central, state, now),
        "catching_up": {"missing": behind, "of": had_more} if catching_up else None,
    }


def _heard_ms(central: Central, state: PeerState, now: Now) -> int | None:
    """When a peer was last heard in this run, by the time as it is known now."""
    if state.heard is None:
        return None
    return central.clock.read(now).ms - (now.mono_ms - state.heard.mono_ms)


def _progress(had_more: int, behind: int | None) -> str:
    """How far catching up with a peer has come, in words."""
    return f"catching up, {100 * (had_more - (behind or 0)) // had_more} %"


def _state(central: Central, state: PeerState, now: Now) -> str:
    """How it is with a peer, in words."""
    if central.peers.connected(state, now.mono_ms):
        return "connected"
    if central.peers.fresh(state, now.mono_ms):
        return "does not hear us"
    if state.heard is None and state.heads is None:
        return "never heard"
    return "not heard" if state.heard is not None else "not heard yet"


def _problems_of_store(store: Store) -> Iterator[Problem]:
    missing = store.missing()
    if missing is not None:
        yield _problem(
            "DATABASE_OLDER",
            f"the database is older than it was: of {missing.seq} events that this central recorded"
            f" in its run {missing.epoch} it holds {missing.held}",
            "peers give back what they have; the rest was on no other central",
        )


def _problems_of_security(security: SecurityState) -> Iterator[Problem]:
    if security.mode == "plain" and security.allow_insecure:
        yield _problem(
            "INSECURE",
            "mode is plain: every host that reaches these ports reads all plates and opens"
            " barriers",
            'make keys (zparkctl keygen) and write mode = "curve" in [security]',
        )
    for flood in security.floods:
        edge = flood.domain is Domain.EDGE
        yield _problem(
            "EDGE_FLOODS" if edge else "PEER_FLOODS",
            f"{flood}; it was cut off, and is kept out for"
            f" {limits.FLOOD_DENIED_MS // 60_000} minutes",
            f"take its file out of {'edges' if edge else 'peers'}.d, find out what runs there, and"
            " give it a new key",
        )
    for refused in security.refused[:_REFUSED_SHOWN]:
        yield _problem(
            "KEY_REFUSED",
            f"{refused}; it was turned away",
            "if it belongs here, compare fingerprints (zparkctl peer list) and correct its file in"
            " peers.d or edges.d; else find out who it is",
        )


def _problems(central: Central, now: Now, faults: Faults) -> Iterator[Problem]:
    if central.log.rereading:
        yield _problem(
            "REREADING",
            f"{central.log.rereading:,} events that an older version kept unread are being read",
            "edges are answered once that is done; it goes on after a restart",
        )
    if faults.storage is not None:
        yield _problem(
            "STORAGE_UNAVAILABLE",
            f"the database can't be written: {faults.storage}; edges are refused",
            "free space on its disk, or replace it",
        )
    if faults.config is not None:
        yield _problem(
            "BAD_CONFIG",
            faults.config,
            "correct the file: it is read again by itself; the last good one runs",
        )
    if central.clock.corrected:
        yield _problem(
            "CLOCK_SKEW",
            "this central's wall clock is off from the others; events are stamped with theirs",
            "set the clock (timedatectl)",
        )
    elif central.clock.read(now).marked:
        yield _problem(
            "CLOCK_SKEW",
            "this central's wall clock can't be right; events are marked",
            "set the clock (timedatectl)",
        )
    yield from _problems_of_identity(central, now)
    if central.counters.unreadable:
        yield _problem(
            "UNREADABLE_EVENTS",
            f"{central.counters.unreadable} events since the start mean nothing here; they are"
            " kept and relayed",
            "install the newest zparkd on all centrals",
        )
    yield from problems_of_events(central)
    yield from problems_of_quotas(central, now)
    if faults.set_aside:
        yield _problem(
            "SET_ASIDE",
            f"{faults.set_aside} messages since the start could not be handled",
            "they are in the table set_aside; report them with the log",
        )
    if central.signatures.unsigned:
        origins = ", ".join(sorted({stream.origin for stream in central.signatures.unsigned}))
        yield _problem(
            "UNSIGNED_PAST",
            f"what {origins} recorded without keys is here, and can't be handed on",
            "start them once with keys: each signs its own past, and hands it on itself",
        )
    for peer in central.settings.peers:
        yield from _problems_of_peer(central, peer, now)


def _problems_of_identity(central: Central, now: Now) -> Iterator[Problem]:
    if central.duplicate_id.is_there(now):
        yield _problem(
            "DUPLICATE_ID",
            f"another process records events as {central.settings.id}, since this one started",
            "stop one of the two, or give it an id and a database of its own",
        )
    overtaken = overtaken_by(central.peers, central.log.heads)
    if overtaken:
        yield _problem(
            "STREAM_OVERTAKEN",
            f"{', '.join(overtaken)} has events of this run that are not here: this machine was set"
            " back to an older state while it ran, or runs twice",
            "restart zparkd at once: it begins a new stream; what it records before that may never"
            " reach the others",
        )


def _problems_of_peer(central: Central, peer: Peer, now: Now) -> Iterator[Problem]:
    state = central.peers.states[peer.id]
    yield from problems_of_streams(central, peer)
    where = f"{peer.id} at {peer.address}"
    if state.forged is not None and now.mono_ms - state.forged_ms <= limits.FORGED_SHOWN_MS:
        yield _problem(
            "FORGED",
            f"{where} {state.forged}; that was refused, all else is taken, and peers that have it"
            " are asked for it",
            f"who has been at {peer.id}? If a central changed its key, does every peers.d have it?",
        )
    if state.error is not None:
        yield _problem("PEER_ERROR", f"{where}: {state.error}", _hint(state, peer))
    elif central.up_ms(now) < central.settings.peer_timeout_ms:
        pass  # too early to say who hears whom
    elif not central.peers.fresh(state, now.mono_ms):
        heard_ms = _heard_ms(central, state, now)
        since = "this central started"
        if heard_ms is not None:
            since = site_time(heard_ms, central.settings.zone)
        yield _problem(
            "PEER_DOWN",
            f"{where} is not heard since {since}; what it has recorded since then is not known",
            f"is zparkd running there, and port {peer.bus_port} reachable?",
        )
    elif not state.hears_us:
        yield _problem(
            "PEER_DEAF",
            f"{where} does not hear this central",
            f"does its peers.d name {central.settings.id} with the right address?",
        )
    offset_ms = central.peers.offset_ms(state, now)
    if offset_ms is not None and abs(offset_ms) > limits.CLOCK_BOUND_MS:
        yield _problem(
            "CLOCK_SKEW",
            f"the clocks of {peer.id} and this central differ by {abs(offset_ms) // 1000:,} s",
            "set the one that is wrong (timedatectl)",
        )
    if state.version not in (None, __version__):
        yield _problem(
            "VERSION_DIFFERS",
            f"{peer.id} runs zparkd {state.version}, this central {__version__}",
            "install the newer one on all centrals, one after the other; until then events that"
            " only it knows are kept, and read after the upgrade",
        )
    if state.timezone not in (None, central.settings.timezone):
        yield _problem(
            "TIMEZONE_DIFFERS",
            f"{peer.id} shows times in {state.timezone}",
            f"write central.timezone = {central.settings.timezone!r} there, or change it here",
        )


def _hint(state: PeerState, peer: Peer) -> str:
    if state.link_fault is not None and peer.public_key is not None:
        return (
            f"compare fingerprints: is the key of {peer.id}"
            f" {', '.join(map(fingerprint, peer.public_keys))} there, and is this central's key the"
            " one in its peers.d"
        )
    if state.misconfigured:
        return f"compare peers.d here and on {peer.id}"
    return f"see which zparkd runs on {peer.id}, and its log; what can be read is taken"
