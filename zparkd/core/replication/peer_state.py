"""What is known of one peer: values, which `peers` keeps right."""

from dataclasses import dataclass, field
from typing import NamedTuple

from zparkd.core.clock import Now
from zparkd.core.events.event import Stream
from zparkd.core.events.heads import Heads, HeadVector
from zparkd.core.replication.refusals import Refusals


@dataclass(slots=True)
class Asked:
    """A sync request under way: for the events of streams `after` what was held of them then.

    `vector` says that it asks for heads too; `certificates_by` is the identity whose certificates
    it is for.
    """

    id: int
    at: Now
    after: Heads
    vector: bool = False
    certificates_by: bytes | None = None


@dataclass(slots=True)
class PeerState:
    """One peer. Times in ms; `heads` is None until it is known what the peer holds.

    `ahead` are the streams that it has more of than we do and by how many events, `missing` the
    sum of those; `unjudged` are the streams of which that is to be looked at again. So nothing
    goes through all streams to see what is missing. `arriving` is the part that is here of a
    vector that comes in several pages; `part_ms` is when one was cut off, since it is very long.
    `unsaved` are the streams of which something else is written down than is known, and `saving`
    those that were written last.
    `clock_ms` is how far its wall clock is from our monotonic one, which nobody can set.
    `synced_ms` is the time stamp of the peer's newest heartbeat all of whose events are held
    here, 0 for none, and `saved` whether one was ever written down. `identity` is the key that it
    certifies its streams with, and `certified_by` the one of the certificates that are here;
    `forged` is the last that it sent and that was not by whom it said, at `forged_ms`.
    `misconfigured` says that its last fault is one of configuration, here or there.
    `fetched_ms` is what it says of the external API, see `wire.Beat`, and `fetch_noticed_ms` when
    that was last something else.
    """

    id: str
    heads: HeadVector | None = None
    ahead: dict[Stream, int] = field(default_factory=dict)
    missing: int = 0
    unjudged: dict[Stream, None] = field(default_factory=dict)
    unsaved: dict[Stream, None] = field(default_factory=dict)
    saving: dict[Stream, None] = field(default_factory=dict)
    arriving: HeadVector = field(default_factory=HeadVector)
    refusals: Refusals = field(default_factory=Refusals)
    heard: Now | None = None
    beat_ms: int = 0
    hears_us: bool = False
    clock_ms: int | None = None
    timezone: str | None = None
    version: str | None = None
    bus_fault: str | None = None
    sync_fault: str | None = None
    link_fault: str | None = None
    misconfigured: bool = False
    forged: str | None = None
    forged_ms: int = 0
    identity: bytes | None = None
    certified_by: bytes | None = None
    synced_ms: int = 0
    saved: bool = False
    asked: Asked | None = None
    wants_vector: bool = True
    part_ms: int | None = None
    verified: tuple[str, frozenset[Stream]] | None = None
    replied_ms: int | None = None
    round_trip_ms: int | None = None
    timeouts: int = 0
    rest_until_ms: int = 0
    probed_ms: int | None = None
    dialled_ms: int | None = None
    synced_saved_ms: int | None = None
    fetched_ms: int | None = None
    fetch_noticed_ms: int = 0

    @property
    def error(self) -> str | None:
        """Why there is no connection, or what was wrong with what came over it last."""
        return self.link_fault or self.bus_fault or self.sync_fault


class PeerNote(NamedTuple):
    """What is written down of a peer: how far we hold all it has, and what it holds.

    `heads` are those that changed since the last note; one of 0 is not held any more.
    """

    peer_id: str
    synced_ms: int
    heads: list[tuple[str, int, int]]
