"""Inviting, letting in, changing and removing members, as events of this central.

All within the caller's transaction: that a member joined, and that its invitation is used, is one
event. What may not be is refused by `Refused`, whose text is for people.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from zparkd.core.clock import Clock, Now, site_time
from zparkd.core.events.event import Event, Kind, Personal
from zparkd.core.keys import fingerprint, key_bytes
from zparkd.core.log import Log
from zparkd.core.members import limits
from zparkd.core.members.roster import Invitation, Member, RosterState
from zparkd.core.members.roster_acts import Amend, Here, Invite, Remove
from zparkd.core.members.roster_words import (
    Changed,
    EdgeRemoved,
    Invited,
    Joined,
    JoinRefused,
    Role,
    RosterSaid,
)
from zparkd.core.members.words import MemberRemoved, cut_at
from zparkd.core.principal import Principal
from zparkd.core.replication.own_stream import OwnStream
from zparkd.core.site import Settings


class Refused(Exception):
    """The answer is no: a code for programs, and why, for people."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


_KIND: Mapping[type, Kind] = {
    Invited: Kind.INVITED,
    Joined: Kind.JOINED,
    Changed: Kind.CHANGED,
    EdgeRemoved: Kind.EDGE_REMOVED,
    JoinRefused: Kind.JOIN_REFUSED,
    MemberRemoved: Kind.REMOVED,
}


class RosterChanges:
    """Records what changes of the roster here."""

    def __init__(self, log: Log, own_stream: OwnStream, clock: Clock, settings: Settings) -> None:
        self.settings = settings
        self._log = log
        self._own_stream = own_stream
        self._clock = clock
        self._ends_mono_ms: dict[str, int] = {}

    def configure(self, settings: Settings) -> None:
        """Take over new settings."""
        self.settings = settings

    @property
    def state(self) -> RosterState:
        """The roster as it is known here."""
        return self._log.members.roster

    # --- invitations --------------------------------------------------------------------------

    def act(self, now: Now, act: Invite | Remove | Amend) -> Invitation | Member:
        """Record what somebody wants. Raises Refused."""
        self._record_those_by_hand(now, act.here, act.by)
        match act:
            case Invite():
                return self._invite(now, act)
            case Remove():
                return self._remove(now, act)
            case Amend():
                return self._amend(now, act)

    def _invite(self, now: Now, act: Invite) -> Invitation:
        self._may_be_invited(act.role, act.member, replace=act.replace)
        if len(self._own_invitations(now).open) >= limits.INVITATIONS_OPEN:
            raise Refused(
                "too_many",
                f"{limits.INVITATIONS_OPEN} invitations of {self.settings.id} are open; wait until"
                " one is used or over, or invite at another central",
            )
        ends_ms = self._clock.read(now).ms + act.valid_ms
        number = self.state.next_number(act.role, act.member)
        lane = (act.direction, act.camera_type)
        self._record(now, Invited(act.role, act.member, number, act.key, ends_ms, *lane, by=act.by))
        self._ends_mono_ms[act.key] = now.mono_ms + act.valid_ms
        return self.state.invitations[act.key]

    def _may_be_invited(self, role: Role, member: str, *, replace: bool) -> None:
        held = self.state.members.get((role, member))
        there = held is not None and not held.removed
        if role is Role.CENTRAL and member == self.settings.id:
            raise Refused("own", f"{member} is this central")
        if there and not replace:
            raise Refused(
                "exists",
                f"{member} is a member already; for a new machine or key in its place: --replace",
            )
        if replace and held is None:
            raise Refused("unknown_member", f"{member} is no member; leave out --replace")
        by_hand = any(lane.id == member for lane in self.settings.lanes)
        if role is Role.EDGE and held is None and by_hand:
            raise Refused(
                "exists", f"{member} has a file by hand in edges.d; remove that, then invite it"
            )

    def _record_those_by_hand(self, now: Now, here: Here, by: Principal | None) -> None:
        """Record this central and the peers of its files, where the roster lacks them.

        Raises Refused where this central itself is removed.
        """
        own = self.state.members.get((Role.CENTRAL, self.settings.id))
        if own is not None and own.removed:
            raise Refused("removed", f"{self.settings.id} was removed: what it records is void")
        if (Role.CENTRAL, self.settings.id) in {
            (role, id) for role, id, key in self.state.lost if key == here.public_key
        }:
            raise Refused("id_taken", f"another machine is {self.settings.id}; see zparkctl status")
        self._counts_here()
        if own is None:
            self._record(
                now,
                Joined(
                    Role.CENTRAL,
                    self.settings.id,
                    1,
                    here.public_key,
                    here.address,
                    here.bus_port,
                    here.sync_port,
                    here.edge_port,
                    by=by,
                ),
            )
        for peer in self.settings.peers:
            if (Role.CENTRAL, peer.id) not in self.state.members and peer.public_key is not None:
                where = (peer.public_key, peer.address, peer.bus_port, peer.sync_port)
                self._record(now, Joined(Role.CENTRAL, peer.id, 1, *where, by=by))

    def _counts_here(self) -> None:
        """Raise Refused where what is recorded here means nothing."""
        stream = self._own_stream.stream
        if self._log.heads.get(stream, 0) >= self._log.members.verdicts.up_to(stream):
            raise Refused(
                "disowned",
                f"{self.settings.id} was disowned by other centrals: what it records is void; use"
                " another central",
            )

    def admitted(self, now: Now) -> dict[bytes, Invitation]:
        """The one-time keys that are let in to say JOIN, as 32 bytes."""
        own = self._own_invitations(now)
        return {key_bytes(one.said.key): one for one in (*own.open, *own.closed)}

    def _own_invitations(self, now: Now) -> "_Own":
        at_ms = self._clock.read(now).ms
        own = [
            one
            for one in self.state.invitations.values()
            if one.position.origin == self.settings.id
            and at_ms <= one.said.expires_ms + limits.INVITATION_SHOWN_MS
        ]
        own.sort(key=lambda one: one.position, reverse=True)
        opened = [one for one in own if one.used is None and not self.is_over(one, now)]
        closed = [one for one in own if one not in opened]
        return _Own(opened[: limits.INVITATIONS_OPEN], closed[: limits.INVITATIONS_CLOSED])

    def is_over(self, invitation: Invitation, now: Now) -> bool:
        """Whether its time has passed, by whichever of the clocks says later."""
        at_ms, said = self._clock.read(now).ms, invitation.said
        ends = self._ends_mono_ms.setdefault(said.key, now.mono_ms + said.expires_ms - at_ms)
        return at_ms >= said.expires_ms or now.mono_ms >= ends

    # --- joining ------------------------------------------------------------------------------

    def joined(
        self, now: Now, invitation: Invitation, joining: Joined, by_hand: frozenset[str]
    ) -> None:
        """Record that a member joined, where it may; the same again records nothing.

        `joining` is what it said of itself; `by_hand` are keys that are given to others by files.
        Raises Refused.
        """
        self._counts_here()
        used = invitation.used
        if used is not None and used.public_key != joining.public_key:
            where = f" from {used.came_from}" if used.came_from else ""
            at = site_time(used.at_ms, self.settings.zone)
            raise Refused("used", f"used by {fingerprint(used.public_key)}{where} at {at}")
        said = invitation.said
        held = self.state.members.get((said.role, said.member))
        if used is not None:
            if held is None or held.number != said.number or held.removed:
                raise Refused("ended", f"the membership of {said.member} by this ended since")
            return
        if self.is_over(invitation, now):
            at = site_time(said.expires_ms, self.settings.zone)
            raise Refused("expired", f"over since {at}; have a new one made: zparkctl invite")
        if self.state.next_number(said.role, said.member) != said.number:
            raise Refused(
                "taken", f"{said.member} joined by another invitation since; have a new one made"
            )
        self._none_else_has(joining, by_hand)
        # Whoever had its key before may have invented streams far ahead; no run of ours is there.
        newest = self._log.heads.newest_epoch(said.member) + 1
        from_epoch = min(newest, (self._clock.read(now).ms // 1000) << 20)
        self._record(now, msgspec.structs.replace(joining, from_epoch=from_epoch))

    def _none_else_has(self, joining: Joined, by_hand: frozenset[str]) -> None:
        """Raise Refused where a key or an address and port are those of another member."""
        key = joining.public_key
        for member in self.state.members.values():
            itself = (member.role, member.id) == (joining.role, joining.member)
            if key in member.public_keys and (not itself or member.removed):
                was = ", which was removed" if member.removed else ""
                raise Refused(
                    "key_taken", f"the key is that of {member.id}{was}; move its file away and join"
                )
            if itself or member.removed or joining.role is Role.EDGE or member.role is Role.EDGE:
                continue
            theirs = {member.bus_port, member.sync_port, member.edge_port} - {None}
            mine = {joining.bus_port, joining.sync_port, joining.edge_port} - {None}
            if member.address == joining.address and theirs & mine:
                port = min(port for port in theirs & mine if port is not None)
                raise Refused(
                    "address_taken",
                    f"{joining.address}:{port} is that of {member.id}; say its own: --address A",
                )
        ever = {one for some in self.state.keys.values() for one in some}
        if key in ever | by_hand and key not in self.state.keys.get(joining.member, frozenset()):
            raise Refused("key_taken", "the key is another's; move its file away and join")

    def refused(self, now: Now, refusal: JoinRefused) -> None:
        """Record that somebody was turned away, for the audit."""
        self._record(now, refusal)

    # --- changes ------------------------------------------------------------------------------

    def member(self, role: Role, id: str) -> Member:
        """A member whose membership has not ended. Raises Refused."""
        held = self.state.members.get((role, id))
        if held is None or held.removed:
            known = ", ".join(member.id for member in self.state.active(role)) or "none"
            raise Refused("unknown_member", f"{id} is no member; members are {known}")
        return held

    def _remove(self, now: Now, act: Remove) -> Member:
        id = act.member
        held = self.member(act.role, id)
        if act.role is Role.EDGE:
            self._record(now, EdgeRemoved(id, held.number, act.by))
            return held
        if id == self.settings.id:
            raise Refused("own", f"{id} is this central; remove it at another one")
        heads = {stream.epoch: head for stream, head in self._log.heads.items() if stream[0] == id}
        self._record(now, MemberRemoved(id, held.number, *cut_at(heads), by=act.by))
        return held

    def _amend(self, now: Now, act: Amend) -> Member:
        held = self.member(act.role, act.member)
        if act.public_key is not None and act.public_key == held.public_key:
            return held
        if act.next_public_key is not None and act.next_public_key == held.next_public_key:
            return held
        self._none_else_may_have(held, act)
        self._record(
            now,
            Changed(
                act.role,
                act.member,
                held.number,
                address=act.address,
                public_key=act.public_key,
                next_public_key="" if act.public_key is not None else act.next_public_key,
                by=act.by,
            ),
        )
        return self.member(act.role, act.member)

    def _none_else_may_have(self, held: Member, act: Amend) -> None:
        """Raise Refused where a key or an address and port are those of another member."""
        for other in self.state.members.values():
            if (other.role, other.id) == (held.role, held.id):
                continue
            for key in (act.public_key, act.next_public_key):
                if key is not None and key in other.public_keys:
                    raise Refused("key_taken", f"the key is that of {other.id}")
            there = (other.address, other.sync_port) == (act.address, held.sync_port)
            if act.address is not None and there and not other.removed:
                raise Refused(
                    "address_taken", f"{act.address}:{held.sync_port} is that of {other.id}"
                )

    def _record(self, now: Now, said: RosterSaid | MemberRemoved) -> Event:
        stamp = self._clock.read(now)
        kind = _KIND[type(said)]
        event = self._own_stream.record(kind, stamp.ms, stamp.ms, said, Personal(""))
        self._clock.stamped(stamp.ms, now)
        return event


class _Own(NamedTuple):
    """Invitations of this central, the newest first."""

    open: list[Invitation]
    closed: list[Invitation]
