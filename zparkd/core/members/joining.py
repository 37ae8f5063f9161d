"""The exchange with whoever comes with an invitation: one JOIN, one answer, as JSON.

    {"type": "JOIN", "v": 1, "public_key": Z85, "signature": hex,
     "address": A, "bus_port": N, "sync_port": N, "edge_port": N}

An edge says neither address nor ports. What may be read is bounded, and how often. All that is
known of who sends it is the one-time key that it came with; the id is that of the invitation,
whatever it says.
"""

from collections import deque
from contextlib import suppress
from typing import Annotated, Any

import msgspec
import orjson
from msgspec import Meta

from zparkd.core import limits
from zparkd.core.clock import Now
from zparkd.core.events import xeddsa
from zparkd.core.keys import key_bytes
from zparkd.core.members import limits as member_limits
from zparkd.core.members.roster import Invitation, Member
from zparkd.core.members.roster_acts import Join
from zparkd.core.members.roster_changes import Refused, RosterChanges
from zparkd.core.members.roster_words import Joined, JoinRefused, Role, fits_its_role
from zparkd.core.members.token import join_text

VERSION = 1


class _Join(msgspec.Struct):
    type: str
    v: int
    public_key: Annotated[str, Meta(min_length=40, max_length=40)]
    signature: Annotated[str, Meta(pattern="^[0-9a-f]{128}\\Z")]
    address: Annotated[str, Meta(min_length=1, max_length=253)] | None = None
    bus_port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    sync_port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    edge_port: Annotated[int, Meta(ge=1, le=65535)] | None = None


_read = msgspec.json.Decoder(_Join).decode


def write_join(
    public_key: str,
    signature: bytes,
    address: str | None = None,
    ports: tuple[int | None, int | None, int | None] = (None, None, None),
) -> bytes:
    """A JOIN, as it is sent."""
    said = {"type": "JOIN", "v": VERSION, "public_key": public_key, "signature": signature.hex()}
    where = dict(zip(("bus_port", "sync_port", "edge_port"), ports, strict=True))
    return orjson.dumps(said | ({"address": address, **where} if address is not None else {}))


class Joining:
    """Answers JOINs. Within the caller's transaction."""

    def __init__(self, changes: RosterChanges) -> None:
        self._changes = changes
        self._asked: dict[bytes, deque[int]] = {}
        self._noted: dict[bytes, set[tuple[str, str]]] = {}

    def answer(self, now: Now, asking: Join) -> bytes | None:
        """The answer; None for whoever asks too often, or with a key that is of no invitation."""
        invitation = self._changes.admitted(now).get(asking.key)
        if invitation is None or not self._in_time(asking.key, now):
            return None
        try:
            joining = self._judged(invitation, asking)
            by_hand = {key for peer in self._changes.settings.peers for key in peer.public_keys}
            by_hand |= {key for lane in self._changes.settings.lanes for key in lane.public_keys}
            by_hand -= self._keys_of(invitation)
            self._changes.joined(now, invitation, joining, frozenset(by_hand | {asking.own_key}))
        except Refused as no:
            self._note(now, invitation, asking, no)
            return orjson.dumps({"success": False, "error": {"code": no.code, "message": str(no)}})
        return orjson.dumps(self._welcome(invitation))

    def _in_time(self, key: bytes, now: Now) -> bool:
        asked = self._asked.setdefault(key, deque(maxlen=member_limits.JOINS_A_MINUTE))
        if len(asked) == member_limits.JOINS_A_MINUTE and now.mono_ms - asked[0] < 60_000:
            return False
        asked.append(now.mono_ms)
        many = member_limits.INVITATIONS_OPEN + member_limits.INVITATIONS_CLOSED
        if len(self._asked) > 2 * many:
            del self._asked[next(iter(self._asked))]
        return True

    def _keys_of(self, invitation: Invitation) -> set[str]:
        """The keys that whoever is invited has in files of the roster, and nobody else has."""
        said = invitation.said
        held = self._changes.state.members.get((said.role, said.member))
        return set(held.public_keys) if held is not None else set()

    def _judged(self, invitation: Invitation, asking: Join) -> Joined:
        """What it says of itself, proved. Raises Refused."""
        said = invitation.said
        try:
            if len(asking.body) > member_limits.JOIN_BYTES:
                raise ValueError(f"a JOIN has at most {member_limits.JOIN_BYTES} bytes")
            join = _read(asking.body)
            new_key = key_bytes(join.public_key)
            if (join.type, join.v) != ("JOIN", VERSION):
                raise ValueError("not a JOIN of a version that is known here")
            joining = Joined(
                said.role,
                said.member,
                said.number,
                join.public_key,
                invitation=invitation.position,
                came_from=asking.came_from[: limits.TEXT_CHARACTERS],
                direction=said.direction,
                camera_type=said.camera_type,
            )
            if said.role is Role.CENTRAL:
                joining = msgspec.structs.replace(
                    joining,
                    address=join.address,
                    bus_port=join.bus_port,
                    sync_port=join.sync_port,
                    edge_port=join.edge_port,
                )
            # Once more as bytes: only what other centrals can read is recorded.
            joining = msgspec.json.decode(msgspec.json.encode(joining), type=Joined)
            if not fits_its_role(joining):
                raise ValueError("a central says its address and its ports")
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as fault:
            raise Refused("bad_request", f"no JOIN: {fault}") from None
        text = join_text(
            site=self._changes.settings.site,
            role=said.role,
            member=said.member,
            number=said.number,
            inviter_key=key_bytes(asking.own_key),
            onetime_key=asking.key,
            address=join.address,
            ports=(join.bus_port, join.sync_port, join.edge_port),
        )
        if not xeddsa.verify(new_key, text, bytes.fromhex(join.signature)):
            raise Refused(
                "forged", "not signed by the key that it names, for this site, id and address"
            )
        return joining

    def _note(self, now: Now, invitation: Invitation, asking: Join, no: Refused) -> None:
        """Record each way of being turned away once, and not without end."""
        noted = self._noted.setdefault(asking.key, set())
        what = (no.code, asking.came_from)
        if what in noted or len(noted) >= member_limits.JOINS_REFUSED_RECORDED:
            return
        noted.add(what)
        key = None
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, ValueError):
            key = _read(asking.body[: member_limits.JOIN_BYTES]).public_key
            key_bytes(key)
        refusal = JoinRefused(
            invitation.said.role,
            invitation.said.member,
            str(no)[: limits.TEXT_CHARACTERS],
            asking.came_from[: limits.TEXT_CHARACTERS],
            invitation.position,
            key,
        )
        if not fits_its_role(refusal):
            refusal = msgspec.structs.replace(refusal, public_key=None)
        self._changes.refused(now, refusal)

    def _welcome(self, invitation: Invitation) -> dict[str, Any]:
        """The answer to whoever is let in, also when it asks again."""
        settings, state, said = self._changes.settings, self._changes.state, invitation.said
        edges = state.active(Role.EDGE) if said.role is Role.CENTRAL else []
        return {
            "success": True,
            "site": settings.site,
            "timezone": settings.timezone,
            "role": said.role,
            "member": said.member,
            "number": said.number,
            "inviter": settings.id,
            "roster": [as_row(member) for member in (*state.active(Role.CENTRAL), *edges)],
        }


def as_row(member: Member) -> dict[str, Any]:
    """A member, as answers have it."""
    return {
        "role": member.role,
        "id": member.id,
        "number": member.number,
        "public_key": member.public_key,
        "next_public_key": member.next_public_key,
        "address": member.address,
        "bus_port": member.bus_port,
        "sync_port": member.sync_port,
        "edge_port": member.edge_port,
        "direction": member.direction,
        "camera_type": member.camera_type,
        "reports_close": member.reports_close,
    }
