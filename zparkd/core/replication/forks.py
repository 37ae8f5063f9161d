"""The proof that an origin forked a stream of its own: two events at one position, both signed.

Nobody but the origin can make that: its machine was set back while it ran, two machines have its
key, or it lies. A proof needs nothing but itself to be checked, by whoever knows the origin's key.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from zparkd.core.events.event import Link, Position, Stream, link
from zparkd.core.events.signing import Certificate, SignedHead, is_certified, is_signed


class Branch(NamedTuple):
    """Skeletons that follow each other, from a position or the next one on, and their head's seq.

    `signature` is of that head, by the key of the stream.
    """

    skeletons: tuple[str, ...]
    seq: int
    signature: bytes


class Fork(NamedTuple):
    """The first position known at which a stream has two events, and the two branches."""

    position: Position
    stream_key: bytes
    identity_key: bytes
    certificate: bytes
    branches: tuple[Branch, Branch]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Fork).decode


def branch(skeletons: Iterable[bytes], head: SignedHead) -> Branch:
    """The branch of these skeletons, up to this head."""
    return Branch(tuple(each.decode() for each in skeletons), head.position.seq, head.signature)


def fork(position: Position, certificate: Certificate, one: Branch, other: Branch) -> Fork:
    """The proof made of two branches; whether it is one is for `is_proof` to say."""
    _, stream_key, identity_key, signature = certificate
    return Fork(position, stream_key, identity_key, signature, (one, other))


def write(fork: Fork) -> bytes:
    """A proof as JSON."""
    return _encode(fork)


def read(data: bytes) -> Fork | None:
    """The proof in these bytes; None where there is none."""
    try:
        return _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def is_proof(site: str, fork: Fork) -> bool:
    """Whether the identity that a proof names forked this stream at this position."""
    stream = fork.position.stream
    certificate = Certificate(stream, fork.stream_key, fork.identity_key, fork.certificate)
    hashes = {_hash_at(site, fork, one) for one in fork.branches}
    return is_certified(site, certificate) and None not in hashes and len(hashes) == 2


def _hash_at(site: str, fork: Fork, one: Branch) -> str | None:
    """The hash at the position of a fork that a branch vouches for; None where it does not."""
    found = chain(fork.position.stream, [text.encode() for text in one.skeletons])
    if not found:
        return None
    first, last = found[0], found[-1]
    head = SignedHead(Position(*fork.position.stream, one.seq), one.signature)
    if last.position != head.position or not is_signed(site, fork.stream_key, head, last.hash):
        return None
    if first.position.seq == fork.position.seq:
        return first.hash
    return first.prev if first.position.seq == fork.position.seq + 1 else None


def chain(stream: Stream, skeletons: Sequence[bytes]) -> list[Link] | None:
    """The links of skeletons of a stream that follow each other; None where they don't."""
    links: list[Link] = []
    for skeleton in skeletons:
        found = link(skeleton)
        if found is None or found.position.stream != stream:
            return None
        if links and (found.position.seq, found.prev) != (
            links[-1].position.seq + 1,
            links[-1].hash,
        ):
            return None
        links.append(found)
    return links
