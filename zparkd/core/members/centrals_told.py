"""What a camera that joined is told of the centrals: where they are, and by which keys.

It says by a digest what it knows, and is told where that is not what the roster says.
"""

import hashlib
from typing import Any

import orjson

from zparkd.core.members.roster import Member, RosterState
from zparkd.core.members.roster_words import Role

_EDGE_PORT = 2  # above the bus port, where none was said


def centrals_told(roster: RosterState, known: str) -> dict[str, Any] | None:
    """`digest` and `list` of the centrals; None where `known` is the digest, or there are none."""
    rows = [row for member in roster.active(Role.CENTRAL) for row in _rows(member)]
    digest = hashlib.blake2b(orjson.dumps(rows), digest_size=8).hexdigest()
    return {"digest": digest, "list": rows} if rows and digest != known else None


def endpoint(address: str, port: int) -> str:
    """Where edges connect to, as ZeroMQ wants it."""
    return f"tcp://[{address}]:{port}" if ":" in address else f"tcp://{address}:{port}"


def edge_port(bus_port: int, said: int | None) -> int:
    """The edge port of a member."""
    return said if said is not None else bus_port + _EDGE_PORT


def _rows(member: Member) -> list[dict[str, str]]:
    """One row for each key that it may have; while that changes, these are two."""
    assert member.address is not None
    assert member.bus_port is not None
    where = endpoint(member.address, edge_port(member.bus_port, member.edge_port))
    return [{"id": member.id, "endpoint": where, "public_key": key} for key in member.public_keys]
