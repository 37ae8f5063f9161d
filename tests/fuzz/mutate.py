"""Hostile inputs, made from good ones: the same seed makes the same inputs.

Half of them are broken as bytes, so that parsers meet what is no JSON or TOML; half keep their
form and say what nobody should, so that what comes after the parser is met too.
"""

import copy
import json
import random
from typing import Any

TOKENS = (
    b"null",
    b"true",
    b"-1",
    b"1e400",
    b"-0.0",
    b"NaN",
    b"18446744073709551616",
    b"9" * 400,
    b'"',
    b"'",
    b"\\",
    b"\\ud800",
    b"\\u0000",
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[" * 2_000,
    b'{"a":' * 500,
    b",",
    b":",
    b"=",
    b"\r\n",
    b"#",
    b"[[rate]]\n",
    "Ａ①".encode(),
    "\u202e".encode(),
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**53,
    2**53 + 1,
    2**63 - 1,
    -(2**63),
    0.5,
    -0.0,
    1e308,
    "",
    "0",
    "\0",
    "a" * 300,
    "Đ" * 300,
    "\u202e29A12345",
    "29A12345",
    "central-1",
    "central-2",
    "lot-b",
    "central-1_1764646200000_29A12345",
    "../../etc/passwd",
    "'; DROP TABLE events; --",
    "<script>alert(1)</script>",
    "%s%n{0}",
    [],
    {},
    [[]],
    ["central-2", 1, 1],
    ["central-1", 2**53, 2**40],
    {"a": {"b": {"c": []}}},
)


def broken(random: random.Random, good: bytes, other: bytes) -> bytes:
    """`good` with some of its bytes changed, lost, repeated, or replaced by those of `other`."""
    data = bytearray(good)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        at = random.randrange(len(data) + 1)
        upto = min(len(data), at + random.choice((1, 2, 8, 64)))
        match random.randrange(7):
            case 0 if at < len(data):
                data[at] ^= 1 << random.randrange(8)
            case 1:
                del data[at:upto]
            case 2:
                data[at:at] = data[at:upto] * random.choice((1, 2, 50))
            case 3:
                data[at:at] = random.choice(TOKENS)
            case 4:
                data[at:upto] = random.randbytes(upto - at)
            case 5:
                del data[at:]
            case _:
                data[at:] = other[random.randrange(len(other) + 1) :]
    return bytes(data)


def lying(random: random.Random, good: Any) -> Any:
    """The JSON value `good`, changed in place: parts of it replaced, lost or repeated."""
    for _ in range(random.choice((1, 1, 2, 3))):
        good = _changed(random, good)
    return good


def _changed(random: random.Random, value: Any) -> Any:
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(list(value))
        match random.randrange(8):
            case 0:
                del value[key]
            case 1:
                value[random.choice(("", "x", "force", "event_id", "v", "\0"))] = value[key]
            case _:
                value[key] = _changed(random, value[key])
        return value
    if isinstance(value, list) and value and random.random() < 0.9:
        at = random.randrange(len(value))
        match random.randrange(8):
            case 0:
                del value[at]
            case 1:
                value[at:at] = value * random.choice((1, 1, 20))
            case _:
                value[at] = _changed(random, value[at])
        return value
    if isinstance(value, int) and not isinstance(value, bool) and random.random() < 0.5:
        return value + random.choice((-1, 1, 10, -(10**6), 10**9))
    if isinstance(value, str) and value and random.random() < 0.3:
        return value[:-1] + chr(random.randrange(1, 0x500))
    return copy.deepcopy(random.choice(VALUES))


def hostile(random: random.Random, samples: list[bytes]) -> bytes:
    """The next input made from samples that are JSON texts."""
    good = random.choice(samples)
    if random.random() < 0.5:
        return broken(random, good, random.choice(samples))
    text = json.dumps(lying(random, json.loads(good)), ensure_ascii=random.random() < 0.5)
    made = text.encode(errors="surrogatepass")
    return made if random.random() < 0.9 else broken(random, made, good)
