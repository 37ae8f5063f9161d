"""The commands for the roster: inviting, and what changes of members.

    invite            {"member": ID, "role": "central" | "edge", "valid_ms": MS, "replace": BOOL,
                       "address": A or null, "direction": D or null, "camera_type": T or null}
    member.remove     {"member": ID}
    member.address    {"member": ID, "address": A}
    member.announce   {"public_key": K}    the next key of this central
    member.rotated    {"public_key": K}    it has that key now

In an invitation `address` is where this central is reached by who joins.
"""

from collections.abc import Callable
from typing import Any

import zmq

from zparkd.config.load import Config
from zparkd.config.values import as_address
from zparkd.core.central import Central
from zparkd.core.keys import key_bytes
from zparkd.core.members import limits
from zparkd.core.members.roster import Invitation, Member
from zparkd.core.members.roster_acts import Amend, Here, Invite, Remove
from zparkd.core.members.roster_changes import Refused
from zparkd.core.members.roster_words import Role
from zparkd.core.members.token import MAX_ADDRESSES, Token, encode
from zparkd.core.site import CAMERA_TYPE, CENTRAL_ID, EDGE_ID, Direction
from zparkd.daemon.control.commands import Answer, Command, Found, Request, Wants, no
from zparkd.daemon.control.member_commands import member_row
from zparkd.daemon.key_change import KeyChange, awaited
from zparkd.transport.addresses import own_addresses
from zparkd.transport.bus import Bus

_ANYWHERE = ("0.0.0.0", "::")


def roster_commands(
    central: Central, bus: Bus, config: Callable[[], Config], key_change: KeyChange
) -> dict[str, Command]:
    """The table of them, for one central."""
    commands = _RosterCommands(central, bus, config, key_change)
    table: dict[str, Command] = {
        "invite": commands.invite,
        "member.remove": commands.remove,
        "member.address": commands.address,
        "member.announce": lambda request: commands.own_key(request, "next_public_key"),
        "member.rotated": lambda request: commands.own_key(request, "public_key"),
    }
    return {name: commands.refusing(command) for name, command in table.items()}


class _RosterCommands:
    def __init__(
        self, central: Central, bus: Bus, config: Callable[[], Config], key_change: KeyChange
    ) -> None:
        self._central = central
        self._roster = central.roster
        self._bus = bus
        self._config = config
        self._key_change = key_change

    def refusing(self, command: Command) -> Command:
        """A command whose faults are answers, and which needs keys."""

        def refusing(request: Request) -> Found:
            if self._bus.keys.own is None:
                return no("plain", 'members need keys: mode = "curve" in [security], the default')
            try:
                wants = command(request)
            except Refused as refused:
                return no(refused.code, str(refused))
            except ValueError as fault:
                return no("bad_request", str(fault))
            if not isinstance(wants, Wants):
                return wants
            return Wants(wants.change, lambda outcome: _told(wants, outcome))

        return refusing

    def invite(self, request: Request) -> Answer | Wants:
        role = Role(request.get("role", Role.CENTRAL))
        member = _id(request.get("member"), role)
        valid_ms = request.get("valid_ms")
        if not isinstance(valid_ms, int) or not 0 < valid_ms <= limits.INVITATION_VALID_MS:
            days = limits.INVITATION_VALID_MS // 86_400_000
            raise ValueError(f"valid: must be more than nothing and at most {days} days")
        direction, camera_type = request.get("direction"), request.get("camera_type")
        if camera_type is not None and CAMERA_TYPE.fullmatch(str(camera_type)) is None:
            raise ValueError(f"camera_type: must match {CAMERA_TYPE.pattern}")
        address = request.get("address")
        addresses = [as_address(address)] if address is not None else self._addresses()
        addresses = addresses[:MAX_ADDRESSES]
        public, secret = zmq.curve_keypair()
        invite = Invite(
            self._here(addresses[0]),
            role,
            member,
            public.decode(),
            valid_ms,
            replace=request.get("replace") is True,
            direction=Direction(direction) if direction is not None else None,
            camera_type=camera_type,
            by=request["by"],
        )
        return Wants(
            invite, lambda made: self._invited(made, addresses, key_bytes(secret.decode()))
        )

    def _invited(self, made: Invitation, addresses: list[str], secret: bytes) -> Answer:
        listen, said = self._config().listen, made.said
        token = Token(
            said.role,
            said.member,
            said.number,
            self._central.settings.site,
            self._central.settings.id,
            tuple(addresses),
            listen.sync_port if said.role is Role.CENTRAL else listen.edge_port,
            key_bytes(self._own_key()),
            secret,
        )
        return {
            "success": True,
            "token": encode(token),
            "role": said.role,
            "member": said.member,
            "number": said.number,
            "expires_ms": said.expires_ms,
            "addresses": addresses,
        }

    def remove(self, request: Request) -> Answer | Wants:
        role, member = self._whom(request)
        remove = Remove(self._anywhere(), role, member, request["by"])
        state = self._roster

        def told(held: Member) -> Answer:
            removed = state.state.members[role, member].removed
            return {**_yes(held), "removed": removed}

        return Wants(remove, told)

    def address(self, request: Request) -> Answer | Wants:
        role, member = self._whom(request)
        if role is Role.EDGE:
            raise ValueError(f"{member} is an edge: it has no address, it comes from anywhere")
        address = as_address(request.get("address"))
        amend = Amend(self._anywhere(), role, member, address=address, by=request["by"])
        own = member == self._central.settings.id
        return Wants(amend, lambda held: {**_yes(held), "own": own})

    def own_key(self, request: Request, what: str) -> Answer | Wants:
        key = request.get("public_key")
        if not isinstance(key, str):
            raise ValueError("public_key: must be a key")
        key_bytes(key)
        self._key_change.asked()
        own = self._central.settings.id
        changed: dict[str, Any] = {what: key}
        amend = Amend(self._anywhere(), Role.CENTRAL, own, by=request["by"], **changed)

        def told(held: Member) -> Answer:
            waits_for = awaited(self._central, own)
            return {**_yes(held), "awaited": waits_for}

        return Wants(amend, told)

    def _whom(self, request: Request) -> tuple[Role, str]:
        """The member that is meant; of a central and an edge of one id the central."""
        member, role = request.get("member"), request.get("role")
        if role is None:
            members = self._roster.state.members
            is_edge = (Role.CENTRAL, member) not in members and (Role.EDGE, member) in members
            role = Role.EDGE if is_edge else Role.CENTRAL
        return Role(role), _id(member, Role(role))

    def _own_key(self) -> str:
        assert self._bus.keys.own is not None
        return self._bus.keys.own.public.decode()

    def _addresses(self) -> list[str]:
        """Where this central is reached. Raises Refused where that must be said."""
        address = self._config().listen.address
        if address not in _ANYWHERE:
            return ["127.0.0.1" if address == "localhost" else address]
        found = own_addresses()
        if not found:
            raise Refused(
                "no_address", "this machine has no address that others reach; say it: --address A"
            )
        return found

    def _anywhere(self) -> Here:
        return self._here(self._addresses()[0])

    def _here(self, address: str) -> Here:
        listen = self._config().listen
        ports = (listen.bus_port, listen.sync_port, listen.edge_port)
        return Here(self._own_key(), address, *ports)


def _yes(held: Member) -> Answer:
    """What is told of a member."""
    return {"success": True, "member": held.id, "membership": member_row(held)}


def _told(wants: Wants, outcome: object) -> Answer:
    return no(outcome.code, str(outcome)) if isinstance(outcome, Refused) else wants.answer(outcome)


def _id(member: object, role: Role) -> str:
    form, what = (CENTRAL_ID, "central") if role is Role.CENTRAL else (EDGE_ID, "edge")
    if not isinstance(member, str) or form.fullmatch(member) is None:
        raise ValueError(f"{member!r} is no id of a {what}; write one such as {what}-2")
    return member
