"""Who comes with an invitation: key pairs that go by names, and the JOIN that is said with them."""

from random import Random

from zmq.utils import z85

from zparkd.core.events import xeddsa
from zparkd.core.events.signing import Identity
from zparkd.core.keys import key_bytes
from zparkd.core.members.joining import write_join
from zparkd.core.members.roster_words import Role
from zparkd.core.members.token import join_text

Pair = tuple[str, bytes]  # a public key as Z85, and the secret one
PORTS = (9000, 9001, 9002)
_CHANCE = b"c" * xeddsa.CHANCE_BYTES


def pair(name: str) -> Pair:
    """The key pair that goes by a name."""
    secret = Random(name).randbytes(32)
    return z85.encode(Identity(secret, bytes).public).decode(), secret


def said_by(
    who: Pair,
    role: Role,
    member: str,
    *,
    inviter_key: str,
    onetime: Pair,
    number: int = 1,
    address: str = "10.0.0.3",
    site: str = "lot-a",
) -> bytes:
    """The JOIN of somebody who has a token; a camera says no address."""
    where = (address, PORTS) if role is Role.CENTRAL else (None, (None, None, None))
    text = join_text(
        site=site,
        role=role,
        member=member,
        number=number,
        inviter_key=key_bytes(inviter_key),
        onetime_key=key_bytes(onetime[0]),
        address=where[0],
        ports=where[1],
    )
    return write_join(who[0], xeddsa.sign(who[1], text, _CHANCE), *where)
