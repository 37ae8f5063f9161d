"""What comes into a turn of a central, and what goes out of it: values.

`Central.step` takes a batch of `Incoming` and returns an `Output`; nothing else reaches the rules.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event
from zparkd.core.events.payloads import Acknowledged, Pass, Staff
from zparkd.core.events.signing import Identity
from zparkd.core.gate import deeds, old_stays
from zparkd.core.gate.old_stays import OldStay
from zparkd.core.members.roster import Invitation, Member
from zparkd.core.members.roster_acts import RosterAct
from zparkd.core.members.roster_changes import Refused
from zparkd.core.principal import Principal
from zparkd.core.reference.changes import Imported, NotCounting
from zparkd.core.replication.bundles import PageTaken
from zparkd.core.site import Settings
from zparkd.core.tariff.fields import BadDocument

Frames = list[bytes]
Token = tuple[bytes, ...]

# --- what edges and peers send -------------------------------------------------------------------


class FromEdge(Struct, frozen=True):
    """A request of an edge; `token` is where its answer goes.

    `speaker` is the edge whose key it came with, None where no keys are in use. `by` is who asked
    in its name over the control socket.
    """

    token: Token
    body: bytes
    speaker: str | None = None
    by: Principal | None = None


class FromBus(Struct, frozen=True):
    """What a peer published."""

    peer_id: str
    frames: Frames


class SyncAnswer(Struct, frozen=True):
    """What a peer answered to our sync request."""

    peer_id: str
    frames: Frames


class SyncRequest(Struct, frozen=True):
    """What a peer asks us; `token` is where the page goes.

    `speaker` is the central whose key it came with, None where no keys are in use.
    """

    token: Token
    frames: Frames
    speaker: str | None = None


# --- what became of links, and of what was to be sent ---------------------------------------------


@dataclass(frozen=True, slots=True)
class LinkState:
    """How the connections to a peer are: `fault` says why there is none, None where there is.

    `is_new` says that one was made since the last of these: there may be another process.
    """

    peer_id: str
    fault: str | None
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class NotSent:
    """A sync request could not be sent: the peer is not there, and another one waits for it."""

    peer_id: str


# --- what people and the external API want --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SetTariff:
    """Make a document the site's tariff. Comes to its version."""

    document: Any
    by: Principal | None = None


@dataclass(frozen=True, slots=True)
class SetPolicy:
    """Make a document the site's policy. Comes to its version."""

    document: Any
    by: Principal | None = None


@dataclass(frozen=True, slots=True)
class ImportPasses:
    """Make these the passes of the site, as far as one turn goes. Comes to what was changed."""

    entries: Sequence[Pass]
    by: Principal | None = None


@dataclass(frozen=True, slots=True)
class ImportStaff:
    """Make these the staff of the site, as far as one turn goes. Comes to what was changed."""

    entries: Sequence[Staff]
    by: Principal | None = None


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Say of a conflict that a person has looked at it. Comes to when that was, in ms."""

    said: Acknowledged


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Record these stays of the earlier system. Comes to how many were new."""

    stays: Sequence[OldStay]


@dataclass(frozen=True, slots=True)
class TakePage:
    """Take in a page of a bundle. Comes to what became of it, or why it is none."""

    frames: Frames


@dataclass(frozen=True, slots=True)
class Disown:
    """Disown a central: what is held of it counts, or what it recorded before `since_ms`."""

    member: str
    since_ms: int | None = None
    by: Principal | None = None


@dataclass(frozen=True, slots=True)
class Restore:
    """Deny that a central is disowned."""

    member: str
    by: Principal | None = None


@dataclass(frozen=True, slots=True)
class Admit:
    """Take in what a central records that is not configured."""

    member: str
    by: Principal | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask a peer at once, whatever it was asked or answered before."""

    peer_id: str


Change = (
    SetTariff
    | SetPolicy
    | ImportPasses
    | ImportStaff
    | Acknowledge
    | TakeOver
    | TakePage
    | deeds.Deed
    | Disown
    | Restore
    | Admit
    | Probe
    | RosterAct
)
# What a change comes to; None where there is nothing to say of it, or why it was not made.
Outcome = (
    int
    | Imported
    | old_stays.Taken
    | PageTaken
    | ProtocolError
    | deeds.Done
    | deeds.NotDone
    | None
    | NotCounting
    | BadDocument
    | bytes
    | Invitation
    | Member
    | Refused
)


@dataclass(frozen=True, slots=True)
class Configure:
    """Take over new settings."""

    settings: Settings


@dataclass(frozen=True, slots=True)
class Identify:
    """Sign as this identity from now on, our own past too; with None nothing is signed."""

    identity: Identity | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """When all of the external API came last, in ms: 0 for never, None where there is none."""

    at_ms: int | None


@dataclass(frozen=True, slots=True)
class WriteNotes:
    """Write down what is known of peers and edges, where it is time; `at_end` of a run, all."""

    at_end: bool = False


Incoming = (
    FromEdge
    | FromBus
    | SyncAnswer
    | SyncRequest
    | LinkState
    | NotSent
    | Configure
    | Identify
    | Change
    | Fetched
    | WriteNotes
)


def one_of_each(batch: Sequence[Incoming]) -> list[Incoming]:
    """A batch with one message of each peer before the second of any: none waits for another's."""
    before: Counter[str] = Counter()
    turns: list[tuple[int, Incoming]] = []
    for message in batch:
        match message:
            case FromBus(peer_id) | SyncAnswer(peer_id):
                turns.append((before[peer_id], message))
                before[peer_id] += 1
            case _:
                turns.append((0, message))
    return [message for _, message in sorted(turns, key=lambda turn: turn[0])]


@dataclass(slots=True)
class Counters:
    """What happened since the start."""

    messages_sent: int = 0
    messages_received: int = 0
    faults: int = 0
    unreadable: int = 0
    unprojected: int = 0


@dataclass(slots=True)
class Output:
    """What is to be sent once the turn is committed, in this order; `recorded` are our events.

    `left` are messages of peers that the turn had no room for: they belong to the next one.
    `redials` are the peers to connect to anew. `outcomes` are those of the batch's changes, in its
    order. `notes_due` says that it is time for WriteNotes, in a transaction of its own.
    """

    replies: list[tuple[Token, bytes]] = field(default_factory=list)
    published: list[Frames] = field(default_factory=list)
    asks: list[tuple[str, Frames]] = field(default_factory=list)
    to_serve: list[SyncRequest] = field(default_factory=list)
    recorded: list[Event] = field(default_factory=list)
    left: list[FromBus | SyncAnswer] = field(default_factory=list)
    redials: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    notes_due: bool = False
