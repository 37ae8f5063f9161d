"""The line that an invitation is handed over as: `zparkd1.` and base64url, with a checksum.

Whoever has the line can become the member that it names, once. It holds the whole way there: who
invites, where that is reached, the key by which it is known to be the right one, and the one-time
secret key that its ports let in.
"""

import base64
import binascii
import hashlib
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from zparkd.core.members.roster_words import Role
from zparkd.core.site import CENTRAL_ID, EDGE_ID

_MARK = "zparkd1."
_CHECKSUM_BYTES = 8
_KEY_BYTES = 32
MAX_CHARACTERS = 2_000
MAX_ADDRESSES = 8


class BadToken(Exception):
    """No token, or not the whole of one. The text says which, and never what is in it."""


class Token(NamedTuple):
    """An invitation in the hands of whoever is invited; keys are 32 bytes, `secret` is one-time.

    `port` answers a JOIN at each of `addresses`, the inviter's: the sync port for a central, the
    edge port for an edge.
    """

    role: Role
    member: str
    number: int
    site: str
    inviter: str
    addresses: tuple[str, ...]
    port: int
    inviter_key: bytes
    secret: bytes

    def __repr__(self) -> str:
        """Whose it is; the secret is in no line of any log."""
        return f"Token({self.role}, {self.member}, {self.number})"


class _Said(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    role: Role
    member: Annotated[str, Meta(pattern=f"^{EDGE_ID.pattern}\\Z")]
    number: Annotated[int, Meta(ge=1)]
    site: Annotated[str, Meta(min_length=1, max_length=64)]
    inviter: Annotated[str, Meta(pattern=f"^{CENTRAL_ID.pattern}\\Z")]
    addresses: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=253)], ...],
        Meta(min_length=1, max_length=MAX_ADDRESSES),
    ]
    port: Annotated[int, Meta(ge=1, le=65535)]


_read = msgspec.json.Decoder(_Said).decode


def encode(token: Token) -> str:
    """The line."""
    said = msgspec.json.encode(_Said(*token[:7]))
    body = token.inviter_key + token.secret + said
    text = base64.urlsafe_b64encode(_checksum(body) + body).decode().rstrip("=")
    return _MARK + text


def decode(text: str) -> Token:
    """The token in a line. Raises BadToken."""
    text = text.strip()
    if not text.startswith(_MARK) or len(text) > MAX_CHARACTERS:
        raise BadToken(f"no token: one begins with {_MARK} and is what zparkctl invite printed")
    coded = text.removeprefix(_MARK)
    try:
        raw = base64.b64decode(coded + "=" * (-len(coded) % 4), b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise BadToken("a token that was altered or cut short; copy the whole line") from None
    body = raw[_CHECKSUM_BYTES:]
    # Base64 has more than one text for the same bytes; only the one that was printed is good.
    canonical = base64.urlsafe_b64encode(raw).decode().rstrip("=") == coded
    if not canonical or _checksum(body) != raw[:_CHECKSUM_BYTES]:
        raise BadToken("a token that was altered or cut short; copy the whole line")
    try:
        said = _read(body[2 * _KEY_BYTES :])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise BadToken("a token that this version can't read; update zparkd here") from None
    if said.role is Role.CENTRAL and CENTRAL_ID.fullmatch(said.member) is None:
        raise BadToken("a token that names no central")
    return Token(
        said.role,
        said.member,
        said.number,
        said.site,
        said.inviter,
        said.addresses,
        said.port,
        body[:_KEY_BYTES],
        body[_KEY_BYTES : 2 * _KEY_BYTES],
    )


def _checksum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_CHECKSUM_BYTES, person=b"zparkd-token").digest()


def join_text(
    *,
    site: str,
    role: Role,
    member: str,
    number: int,
    inviter_key: bytes,
    onetime_key: bytes,
    address: str | None,
    ports: tuple[int | None, int | None, int | None],
) -> bytes:
    """What the new identity signs when it joins; keys are public, of 32 bytes."""
    where = "\n".join("" if it is None else str(it) for it in (address, *ports))
    return (
        f"zparkd.1.join\n{site}\n{role}\n{member}\n{number}\n"
        f"{inviter_key.hex()}\n{onetime_key.hex()}\n{where}\n"
    ).encode()
