"""What events say of the roster: who is invited, who joined, what changed, who was turned away.

    MEMBER_INVITED       whoever proves to have the one-time key may become this member
    MEMBER_JOINED        this is a member from now on, under this number, by this key
    MEMBER_CHANGED       its address, ports or key are others now
    EDGE_REMOVED         the membership of an edge has ended; that of a central ends by votes
    MEMBER_JOIN_REFUSED  somebody came with an invitation that did not let it in

What they come to is in `roster`. Public keys are written in Z85.
"""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from zparkd.core import limits
from zparkd.core.keys import key_bytes
from zparkd.core.principal import Principal
from zparkd.core.site import CAMERA_TYPE, CENTRAL_ID, EDGE_ID, Direction

_Id = Annotated[str, Meta(pattern=f"^{EDGE_ID.pattern}\\Z")]  # those of centrals are edge ids too
_Origin = Annotated[str, Meta(pattern=f"^{CENTRAL_ID.pattern}\\Z")]
_Number = Annotated[int, Meta(ge=1, le=limits.VERSION_MAX)]
_Epoch = Annotated[int, Meta(ge=1, le=limits.EPOCH_MAX)]
_Seq = Annotated[int, Meta(ge=1, le=limits.SEQ_MAX)]
_Ms = Annotated[int, Meta(ge=0, le=limits.TIME_MS_MAX)]
_Key = Annotated[str, Meta(min_length=40, max_length=40)]
_Host = Annotated[str, Meta(pattern=r"^[0-9A-Za-z][0-9A-Za-z.:%_-]{0,252}\Z|^::[0-9A-Fa-f:.]*\Z")]
_Port = Annotated[int, Meta(ge=1, le=65535)]
_Type = Annotated[str, Meta(pattern=f"^{CAMERA_TYPE.pattern}\\Z")]
_Text = Annotated[str, Meta(max_length=limits.TEXT_CHARACTERS)]


class Role(StrEnum):
    """What a member is."""

    CENTRAL = "central"
    EDGE = "edge"


class Invited(Struct, frozen=True, omit_defaults=True):
    """The `data` of MEMBER_INVITED. `key` is the public half of the one-time key."""

    role: Role
    member: _Id
    number: _Number
    key: _Key
    expires_ms: _Ms
    direction: Direction | None = None
    camera_type: _Type | None = None
    by: Principal | None = None


class Joined(Struct, frozen=True, omit_defaults=True):
    """The `data` of MEMBER_JOINED.

    `invitation` is the position of the event by which it was let in; none for those who were
    configured by hand before. A central has address and ports, and streams of epochs from
    `from_epoch` on are of this membership.
    """

    role: Role
    member: _Id
    number: _Number
    public_key: _Key
    address: _Host | None = None
    bus_port: _Port | None = None
    sync_port: _Port | None = None
    edge_port: _Port | None = None
    from_epoch: _Epoch = 1
    direction: Direction | None = None
    camera_type: _Type | None = None
    reports_close: bool = False
    invitation: tuple[_Origin, _Epoch, _Seq] | None = None
    came_from: _Text | None = None
    by: Principal | None = None


class Changed(Struct, frozen=True, omit_defaults=True):
    """The `data` of MEMBER_CHANGED: what is said replaces what was, in this membership.

    A `next_public_key` that is empty takes the announced one back.
    """

    role: Role
    member: _Id
    number: _Number
    address: _Host | None = None
    bus_port: _Port | None = None
    sync_port: _Port | None = None
    edge_port: _Port | None = None
    public_key: _Key | None = None
    next_public_key: Annotated[str, Meta(max_length=40)] | None = None
    by: Principal | None = None


class EdgeRemoved(Struct, frozen=True, omit_defaults=True):
    """The `data` of EDGE_REMOVED: the membership of this number, and those before, have ended."""

    member: _Id
    number: _Number
    by: Principal | None = None


class JoinRefused(Struct, frozen=True, omit_defaults=True):
    """The `data` of MEMBER_JOIN_REFUSED; `public_key` is what it said to have, if that was one."""

    role: Role
    member: _Id
    why: _Text
    came_from: _Text
    invitation: tuple[_Origin, _Epoch, _Seq]
    public_key: _Key | None = None


RosterSaid = Invited | Joined | Changed | EdgeRemoved | JoinRefused


def fits_its_role(said: RosterSaid) -> bool:
    """Whether ids and keys are such, and a central that joined can be reached."""
    role = Role.EDGE if isinstance(said, EdgeRemoved) else said.role
    if role is Role.CENTRAL and CENTRAL_ID.fullmatch(said.member) is None:
        return False
    match said:
        case Invited():
            return _is_key(said.key)
        case Joined():
            reached = None not in (said.address, said.bus_port, said.sync_port)
            return _is_key(said.public_key) and (reached or role is Role.EDGE)
        case Changed():
            keys = (said.public_key, said.next_public_key or None)
            return all(key is None or _is_key(key) for key in keys)
        case JoinRefused():
            return said.public_key is None or _is_key(said.public_key)
    return True


def _is_key(text: str) -> bool:
    try:
        key_bytes(text)
    except ValueError:
        return False
    return True
