"""Signatures by a key that was made for encryption: XEdDSA, as Signal specifies it (revision 1).

A central has one key pair, for CURVE, and all its peers know the public one. With XEdDSA the same
pair signs, so that nobody has to hand round a second key. A signature is 64 bytes, and is checked
like one of Ed25519 by the public key in its other form.
"""

import hashlib

from nacl import bindings
from nacl.exceptions import CryptoError

_P = 2**255 - 19
_HASH_1 = b"\xfe" + b"\xff" * 31  # no point of the curve begins like this
KEY_BYTES = 32
SIGNATURE_BYTES = 64
CHANCE_BYTES = 64  # of which each signature needs new ones


def sign(secret: bytes, message: bytes, chance: bytes) -> bytes:
    """The signature of a message by an X25519 secret key; `chance` are 64 random bytes."""
    assert len(secret) == KEY_BYTES
    assert len(chance) == CHANCE_BYTES
    scalar, public = _signing_pair(secret)
    nonce = _scalar(hashlib.sha512(_HASH_1 + scalar + message + chance).digest())
    commitment = bindings.crypto_scalarmult_ed25519_base_noclamp(nonce)
    challenge = _scalar(hashlib.sha512(commitment + public + message).digest())
    answer = bindings.crypto_core_ed25519_scalar_add(
        nonce, bindings.crypto_core_ed25519_scalar_mul(challenge, scalar)
    )
    return commitment + answer


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the holder of the secret half of this X25519 key signed the message."""
    u = int.from_bytes(public, "little")
    if len(public) != KEY_BYTES or len(signature) != SIGNATURE_BYTES or u >= _P or u == _P - 1:
        return False
    y = (u - 1) * pow(u + 1, -1, _P) % _P
    try:
        bindings.crypto_sign_open(signature + message, y.to_bytes(32, "little"))
    except CryptoError:
        return False
    return True


def _signing_pair(secret: bytes) -> tuple[bytes, bytes]:
    """The scalar and the point of a secret key, of the two possible those with an even sign."""
    clamped = bytearray(secret)
    clamped[0] &= 248
    clamped[31] = (clamped[31] & 127) | 64
    scalar = _scalar(bytes(clamped))
    point = bindings.crypto_scalarmult_ed25519_base_noclamp(scalar)
    if point[31] & 0x80:
        scalar = bindings.crypto_core_ed25519_scalar_negate(scalar)
        point = point[:31] + bytes([point[31] & 0x7F])
    return scalar, point


def _scalar(number: bytes) -> bytes:
    """A number of at most 64 bytes, reduced to the order of the curve."""
    return bindings.crypto_core_ed25519_scalar_reduce(number.ljust(64, b"\0"))
