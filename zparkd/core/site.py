"""Who belongs to a car park: what a central knows of itself, its peers and its lanes.

Plain values only. They are read from files by `zparkd.config.load`; nothing here reads one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from enum import StrEnum

CENTRAL_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
EDGE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
CAMERA_TYPE = re.compile(r"[a-z][a-z0-9_]{0,31}")
DEFAULT_CAMERA_TYPE = "car"


class Direction(StrEnum):
    """Which way a vehicle crosses a lane."""

    ENTRY = "ENTRY"
    EXIT = "EXIT"


class Told(StrEnum):
    """What of the personal parts of its events a site tells its fleet."""

    FULL = "full"
    PSEUDONYM = "pseudonym"  # of plates a keyed hash, nothing else
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another central of the same site, and where it listens.

    `next_public_key` is as good as `public_key`, while the peer changes from one to the other.
    """

    id: str
    address: str
    bus_port: int
    sync_port: int
    public_key: str | None = None
    next_public_key: str | None = None

    @property
    def public_keys(self) -> tuple[str, ...]:
        """All keys by which it may prove who it is, the one in use first."""
        return tuple(key for key in (self.public_key, self.next_public_key) if key is not None)


@dataclass(frozen=True, slots=True)
class Lane:
    """What is configured of an edge: the lane it guards.

    `direction` and `camera_type` are None where the lane serves any; a request against a
    value that is set is refused. `reports_close` says that the lane always sends
    BARRIER_CLOSE. Keys as those of a `Peer`.
    """

    id: str
    public_key: str | None = None
    direction: Direction | None = None
    camera_type: str | None = None
    reports_close: bool = False
    next_public_key: str | None = None

    @property
    def public_keys(self) -> tuple[str, ...]:
        """All keys by which it may prove who it is, the one in use first."""
        return tuple(key for key in (self.public_key, self.next_public_key) if key is not None)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a central is told, all of it replaceable while it runs but for `id` and `site`.

    `zone` is the site's time zone, `timezone` its name. `edge_requests_per_s` 0 means no limit.
    `known_keys` are further keys by which the events of these origins are good. `keyed` says that
    nobody is let in without a key: then there are no edges but those of `lanes`.
    """

    id: str
    site: str
    timezone: str
    zone: tzinfo
    peers: tuple[Peer, ...]
    lanes: tuple[Lane, ...]
    heartbeat_ms: int
    peer_timeout_ms: int
    edge_requests_per_s: float
    known_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keyed: bool = False

    def admits(self, edge_id: str) -> bool:
        """Whether there is such an edge here."""
        return not self.keyed or any(lane.id == edge_id for lane in self.lanes)
