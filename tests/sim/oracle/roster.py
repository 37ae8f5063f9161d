"""Who belongs to the site, by the events of the roster that count: docs/protocol.md section 8.8."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.sim.oracle.events import CHANGED, EDGE_REMOVED, INVITED, JOINED, At, Said
from tests.sim.oracle.members import Council

Who = tuple[str, str]  # role and id
_SAID = (
    "public_key",
    "next_public_key",
    "address",
    "bus_port",
    "sync_port",
    "edge_port",
    "direction",
    "camera_type",
)


@dataclass
class Roster:
    """Members by role and id, as dicts; who lost a join; which invitation was used by which key."""

    members: dict[Who, dict[str, Any]] = field(default_factory=dict)
    lost: set[tuple[str, str, str]] = field(default_factory=set)
    used: dict[At, str | None] = field(default_factory=dict)


def roster(events: Iterable[Said], council: Council) -> Roster:
    """The roster that these events come to; those that do not count have no `data`."""
    told = sorted((it for it in events if it.data is not None), key=lambda it: it.key)
    found = Roster(used={it.at: None for it in told if it.kind == INVITED})
    memberships: dict[tuple[str, str, int], dict[str, Any]] = {}
    for data in (it.data for it in told if it.kind == JOINED and it.data):
        which = (data["role"], data["member"], data["number"])
        said = {name: data.get(name) for name in _SAID} | {"next_public_key": None}
        begun = said | {"number": data["number"], "first_key": data["public_key"]}
        first = memberships.setdefault(which, begun)
        if first["first_key"] != data["public_key"]:
            found.lost.add((data["role"], data["member"], data["public_key"]))
        if data.get("invitation") is not None:
            origin, epoch, seq = data["invitation"]
            if found.used.get((origin, epoch, seq), "") is None:
                found.used[origin, epoch, seq] = data["public_key"]
    for data in (it.data for it in told if it.kind == CHANGED and it.data):
        which = (data["role"], data["member"], data["number"])
        if which in memberships:
            new = {name: data[name] for name in _SAID if name in data}
            if new.get("next_public_key") == "":
                new["next_public_key"] = None
            memberships[which] |= new
    ended = [
        (it.data["member"], it.data["number"]) for it in told if it.kind == EDGE_REMOVED and it.data
    ]
    for (role, id, number), member in sorted(memberships.items()):
        if role == "edge":
            member["removed"] = any(id == other and number <= last for other, last in ended)
        else:
            member["removed"] = council.ended(id, number)
        del member["first_key"]
        found.members[role, id] = member
    return found
