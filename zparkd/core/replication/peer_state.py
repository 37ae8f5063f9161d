"""What is known of one peer, and asked of it: values that `peers` and `asking` keep right."""

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
class Link:
    """Whether a peer is there, on both ways. Times in ms.

    `heard` is when it published last, and `hears_us` what it said of us then; `replied_ms` is when
    it answered last, and `dialled_ms` when we connected anew. `fault` says why there is no
    connection, the others what was wrong with what came over it last; `misconfigured` that the
    last fault is one of configuration, here or there.
    """

    heard: Now | None = None
    hears_us: bool = False
    replied_ms: int | None = None
    round_trip_ms: int | None = None
    dialled_ms: int | None = None
    fault: str | None = None
    bus_fault: str | None = None
    sync_fault: str | None = None
    misconfigured: bool = False


@dataclass(slots=True)
class PeerClock:
    """What a peer's clock says: the stamp of its newest heartbeat, 0 for none, and its time zone.

    `offset_ms` is how far its wall clock is from our monotonic one, which nobody can set.
    """

    beat_ms: int = 0
    offset_ms: int | None = None
    timezone: str | None = None


@dataclass(slots=True)
class PeerKeys:
    """Who a peer is, where centrals have keys.

    `identity` is the key that it certifies its streams with, and `certified_by` the one of the
    certificates that are here; `forged` is the last that it sent and that was not by whom it said,
    at `forged_ms`.
    """

    identity: bytes | None = None
    certified_by: bytes | None = None
    forged: str | None = None
    forged_ms: int = 0


@dataclass(slots=True)
class PeerHeads:
    """What a peer holds, and what of that is missing here. Times in ms.

    `heads` is None until it is known what the peer holds, `arriving` the part that is here of a
    vector that comes in several pages, and `part_ms` when one was cut off, since it is very long;
    `verified` is what its last heartbeat said that was true of `heads`. `ahead` are the streams
    that it has more of than we do and by how many events, `missing` the sum of those; `unjudged`
    are the streams of which that is to be looked at again.
    So nothing goes through all streams to see what is missing. `unsaved` are the streams of which
    something else is written down than is known, and `saving` those that were written last.
    `synced_ms` is the time stamp of the peer's newest heartbeat all of whose events are held here,
    0 for none, and `saved` whether one was ever written down.
    """

    heads: HeadVector | None = None
    arriving: HeadVector = field(default_factory=HeadVector)
    part_ms: int | None = None
    wants_vector: bool = True
    verified: tuple[str, frozenset[Stream]] | None = None
    ahead: dict[Stream, int] = field(default_factory=dict)
    missing: int = 0
    unjudged: dict[Stream, None] = field(default_factory=dict)
    unsaved: dict[Stream, None] = field(default_factory=dict)
    saving: dict[Stream, None] = field(default_factory=dict)
    synced_ms: int = 0
    saved: bool = False
    synced_saved_ms: int | None = None


@dataclass(slots=True)
class Requests:
    """How a peer is asked. Times in ms.

    `under_way` is the request that is not answered yet, `timeouts` how many in a row were of no
    use, and `probed_ms` when one was made last. Before `rest_until_ms` there is none; `refusals`
    are the streams that the peer could not continue.
    """

    under_way: Asked | None = None
    timeouts: int = 0
    rest_until_ms: int = 0
    probed_ms: int | None = None
    refusals: Refusals = field(default_factory=Refusals)


@dataclass(slots=True)
class PeerState:
    """One peer: whether it is there, its clock, who it is, what it holds, and how it is asked.

    `fetched_ms` is what it says of the external API, see `wire.Beat`, and `fetch_noticed_ms` when
    that was last something else.
    """

    id: str
    link: Link = field(default_factory=Link)
    clock: PeerClock = field(default_factory=PeerClock)
    keys: PeerKeys = field(default_factory=PeerKeys)
    sync: PeerHeads = field(default_factory=PeerHeads)
    requests: Requests = field(default_factory=Requests)
    version: str | None = None
    fetched_ms: int | None = None
    fetch_noticed_ms: int = 0

    @property
    def error(self) -> str | None:
        """Why there is no connection, or what was wrong with what came last."""
        return self.link.fault or self.link.bus_fault or self.link.sync_fault


class PeerNote(NamedTuple):
    """What is written down of a peer: how far we hold all it has, and what it holds.

    `heads` are those that changed since the last note; one of 0 is not held any more.
    """

    peer_id: str
    synced_ms: int
    heads: list[tuple[str, int, int]]
