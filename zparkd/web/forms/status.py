"""What `zparkctl status --json` says, as types; the gateway passes it on as the daemon says it."""

from typing import Any

from msgspec import Struct

from zparkd.web.forms.answers import Always, Yes


class StatusProblem(Struct, kw_only=True):
    """Something that a person should know, and what to do about it."""

    code: str
    message: str
    hint: str


class StatusLane(Struct, kw_only=True):
    """What the controller of a lane last said of it, and when."""

    told: str
    last_event: str | None
    reads: int
    misreads: int
    opened: int
    open_p50_ms: float | None
    open_p95_ms: float | None
    waiting: int
    silent: bool
    fault: str | None


class StatusEdge(Struct, kw_only=True):
    """A camera that is configured, or was heard in the last month."""

    edge_id: str
    last_seen: str | None
    configured: bool
    lane: StatusLane | None


class CatchingUp(Struct, kw_only=True):
    """How far catching up with a peer has come, in events."""

    missing: int | None
    of: int


class StatusPeer(Struct, kw_only=True):
    """How it is with a peer."""

    peer_id: str
    peer_ip: str
    peer_port: int
    connected: bool
    last_ping_time: str | None
    behind: int | None
    lag: int | None
    behind_when_heard: int | None
    lag_when_heard: int | None
    clock_offset_ms: float | None
    version: str | None
    error: str | None
    state: str
    catching_up: CatchingUp | None


class StatusReference(Struct, kw_only=True):
    """Which tariff and policy count, and how many passes and staff there are."""

    tariff_version: int | None
    tariff_set_ms: int | None
    policy_version: int | None
    policy_set_ms: int | None
    passes: int
    passes_changed_ms: int | None
    staff: int
    staff_changed_ms: int | None


class Status(Yes, kw_only=True):
    """What `zparkctl status --json` says; a daemon of another version may say more or less."""

    schema: str
    this_central: str
    site: str
    version: str
    running: Always
    uptime_s: int
    standalone_mode: bool
    total_peers: int
    connected_peers: int
    messages_sent: int
    messages_received: int
    vehicles_inside: int
    events: int
    only_here: int
    open_conflicts: int
    config_error: str | None
    security_mode: str
    fingerprint: str | None
    problems: list[StatusProblem]
    reference: StatusReference
    external_api: dict[str, Any] | None
    uplink: dict[str, Any] | None
    edges: list[StatusEdge]
    peers: list[StatusPeer]
