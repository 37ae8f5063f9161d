"""XEdDSA: the vectors of another implementation, and all that must not pass for a signature."""

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st
from zmq.utils import z85

from zparkd.core.events.signing import Identity
from zparkd.core.events.xeddsa import CHANCE_BYTES, sign, verify

# Made with libxeddsa 2: secret key, public key, message, signature.
VECTORS = [
    (
        "01" * 32,
        "a4e09292b651c278b9772c569f5fa9bb13d906b46ab68c9df9dc2b4409f8a209",
        "",
        "c7f5964a600d037f27df7ef32aaf1b5f064bf827e71f1ba04d375887de2af0f0"
        "59a9965edb4afb1c7b52bbd6ccdde3bec52c230db53e74dab1a74b238a0d7d0d",
    ),
    (
        "07" * 32,
        "13be4feaeaf204c7fd3358fc9c00721881d174278128227ec674f37f7fe97b6d",
        "7a7061726b64",
        "4dc76d755306cc7b67413fdd61f530381ffb8060c023b5e8f22256fb28ab1be1"
        "a1bc1f64ee8e7473bc48fe784cbde650cc261f5fcb45cb55f39c4854352ea806",
    ),
    (
        "c8" * 32,
        "0d2ba27811c06aae55d7dc9207051388b061f4f9ddbaad4af607166b15ea3157",
        "78" * 40,
        "bb83cdd38dbf047b83a41fca987627dee5cebbc9d2ec4ddd569cc296427865fb"
        "88c5b6f5ec9fc52b360f033e0016a5063d0bcb1d672713fb095a98b166adce01",
    ),
]
CHANCE = bytes(CHANCE_BYTES)


@pytest.mark.parametrize("vector", VECTORS, ids=["one", "two", "three"])
def test_signatures_of_another_implementation_are_good(vector: tuple[str, ...]) -> None:
    _, public, message, signature = map(bytes.fromhex, vector)
    assert verify(public, message, signature)


def test_where_the_point_has_an_even_sign_the_signature_is_the_same() -> None:
    secret, _, message, signature = map(bytes.fromhex, VECTORS[2])
    assert sign(secret, message, b"\xc8" * CHANCE_BYTES) == signature


@given(secret=st.binary(min_size=32, max_size=32), message=st.binary(), other=st.binary())
def test_who_has_the_key_signs_that_message_and_no_other(
    secret: bytes, message: bytes, other: bytes
) -> None:
    public = zmq.curve_public(z85.encode(secret))
    raw = z85.decode(public)
    signature = sign(secret, message, CHANCE)
    assert verify(raw, message, signature)
    assert verify(raw, other, signature) is (other == message)


@pytest.mark.parametrize("at", [0, 31, 32, 63])
def test_a_changed_signature_is_none(at: int) -> None:
    secret, public, message, _ = map(bytes.fromhex, VECTORS[1])
    signature = bytearray(sign(secret, message, CHANCE))
    signature[at] ^= 1
    assert not verify(public, message, bytes(signature))


@pytest.mark.parametrize(
    "public",
    [
        *(b"", bytes(31), bytes(32), b"\xff" * 32),
        *(number.to_bytes(32, "little") for number in (1, 2**255 - 20, 2**255 - 19)),
    ],
)
def test_what_is_no_key_verifies_nothing(public: bytes) -> None:
    assert not verify(public, b"", bytes(64))
    assert not verify(public, b"", sign(b"\x01" * 32, b"", CHANCE))


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_signature_of_another_length_is_none(size: int) -> None:
    _, public, message, signature = map(bytes.fromhex, VECTORS[0])
    assert not verify(public, message, signature.ljust(65, b"\0")[:size])


def test_the_identity_is_the_key_that_zeromq_knows() -> None:
    public, secret = zmq.curve_keypair()
    assert Identity(z85.decode(secret), bytes).public == z85.decode(public)
