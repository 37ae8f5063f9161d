"""What is signed, and by whom: origins their heads, identities the keys of their streams.

    identity    the CURVE key pair of a central: its peers have the public key
    stream key  a key pair of one run, made at its start and never written down
    certificate the identity's signature: this is the key of that stream of mine
    signature   the stream key's, of a head: the hash there vouches for all before it

So a central that relays events can neither invent nor alter one, and a head is checked by one
fast signature. Values and pure functions: chance comes in from outside.
"""

from collections.abc import Callable
from typing import NamedTuple

from nacl import bindings
from nacl.exceptions import CryptoError

from zparkd.core.events import xeddsa
from zparkd.core.events.event import Position, Stream

Chance = Callable[[int], bytes]  # so many random bytes
SEED_BYTES = 32


class Certificate(NamedTuple):
    """Whose key the key of a stream is: `signature` is by the identity. Keys are 32 bytes."""

    stream: Stream
    stream_key: bytes
    identity_key: bytes
    signature: bytes


class SignedHead(NamedTuple):
    """A position, and the signature of the hash there by the key of its stream."""

    position: Position
    signature: bytes


class StreamKey:
    """The key pair of one stream."""

    def __init__(self, seed: bytes) -> None:
        """Make it from 32 random bytes."""
        self.public, self._secret = bindings.crypto_sign_seed_keypair(seed)

    def sign(self, site: str, position: Position, hash: str) -> SignedHead:
        """Vouch for the event at a position, and so for all before it in its stream."""
        text = _head_text(site, position, hash)
        signed = bindings.crypto_sign(text, self._secret)
        return SignedHead(position, signed[: xeddsa.SIGNATURE_BYTES])


class Identity:
    """The key pair of a central, where it signs. Nothing of the secret part can be printed."""

    def __init__(self, secret: bytes, chance: Chance) -> None:
        """`secret` are the 32 bytes of its CURVE key."""
        self._secret = secret
        self._chance = chance
        self.public: bytes = bindings.crypto_scalarmult_base(secret)

    def certify(self, site: str, stream: Stream, stream_key: bytes) -> Certificate:
        """Say that this is the key of a stream of ours."""
        text = _certificate_text(site, stream, stream_key)
        signature = xeddsa.sign(self._secret, text, self._chance(xeddsa.CHANCE_BYTES))
        return Certificate(stream, stream_key, self.public, signature)

    def attest(self, text: bytes) -> bytes:
        """Sign what begins with a word of its own, so that it is nothing else that we sign."""
        return xeddsa.sign(self._secret, text, self._chance(xeddsa.CHANCE_BYTES))

    def new_stream_key(self) -> StreamKey:
        """A key for one stream, that no other has."""
        return StreamKey(self._chance(SEED_BYTES))


def is_certified(site: str, certificate: Certificate) -> bool:
    """Whether the identity that a certificate names made it."""
    text = _certificate_text(site, certificate.stream, certificate.stream_key)
    return xeddsa.verify(certificate.identity_key, text, certificate.signature)


def is_signed(site: str, stream_key: bytes, head: SignedHead, hash: str) -> bool:
    """Whether the key of its stream vouches for a head with this hash."""
    text = _head_text(site, head.position, hash)
    try:
        bindings.crypto_sign_open(head.signature + text, stream_key)
    except CryptoError:
        return False
    return True


def _head_text(site: str, position: Position, hash: str) -> bytes:
    origin, epoch, seq = position
    return f"zparkd.1.head\n{site}\n{origin}\n{epoch}\n{seq}\n{hash}\n".encode()


def _certificate_text(site: str, stream: Stream, stream_key: bytes) -> bytes:
    origin, epoch = stream
    return f"zparkd.1.stream\n{site}\n{origin}\n{epoch}\n{stream_key.hex()}\n".encode()
