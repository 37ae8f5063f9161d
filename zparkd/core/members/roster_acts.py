"""What people and machines want of the roster, as values that come into a turn.

`here` is how this central is known and reached: it is recorded where the roster lacks it.
"""

from dataclasses import dataclass
from typing import NamedTuple

from zparkd.core.members.roster_words import Role
from zparkd.core.principal import Principal
from zparkd.core.site import Direction


class Here(NamedTuple):
    """How this central is known and reached: its public key as Z85, one address, three ports."""

    public_key: str
    address: str
    bus_port: int
    sync_port: int
    edge_port: int


@dataclass(frozen=True, slots=True)
class Join:
    """A JOIN as it came: with which one-time key (32 bytes), from which address.

    `own_key` is the public key of this central, as Z85. Comes to the answer, as bytes; None for
    who is not answered.
    """

    key: bytes
    body: bytes
    came_from: str
    own_key: str


@dataclass(frozen=True, slots=True)
class Invite:
    """Invite somebody; `key` is the public half of the one-time key. Comes to the invitation."""

    here: Here
    role: Role
    member: str
    key: str
    valid_ms: int
    replace: bool = False
    direction: Direction | None = None
    camera_type: str | None = None
    by: Principal | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    """End a membership. Comes to the member that it was."""

    here: Here
    role: Role
    member: str
    by: Principal | None = None


@dataclass(frozen=True, slots=True)
class Amend:
    """Record another address or key of a member, where it differs. Comes to the member."""

    here: Here
    role: Role
    member: str
    address: str | None = None
    public_key: str | None = None
    next_public_key: str | None = None
    by: Principal | None = None


RosterAct = Join | Invite | Remove | Amend
