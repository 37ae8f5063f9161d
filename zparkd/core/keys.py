"""Public keys as people and files have them, and how two are compared by eye.

A key is 32 bytes, written in Z85 as 40 characters. A fingerprint is short enough to be read out
on the telephone, and long enough that nobody finds another key with the same one.
"""

import base64
import hashlib

Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_VALUE = {char: value for value, char in enumerate(Z85)}
KEY_CHARACTERS = 40


def key_bytes(text: str) -> bytes:
    """The 32 bytes that these 40 characters stand for. Raises ValueError where they are no key."""
    if len(text) != KEY_CHARACTERS:
        raise ValueError("a key has 40 characters")
    numbers = []
    for at in range(0, KEY_CHARACTERS, 5):
        number = 0
        for char in text[at : at + 5]:
            if char not in _VALUE:
                raise ValueError("not Z85")
            number = number * 85 + _VALUE[char]
        if number >= 1 << 32:  # a few combinations stand for more than four bytes
            raise ValueError("not Z85")
        numbers.append(number.to_bytes(4, "big"))
    return b"".join(numbers)


def key_text(raw: bytes) -> str:
    """A key of 32 bytes as 40 characters."""
    text = []
    for at in range(0, len(raw), 4):
        number = int.from_bytes(raw[at : at + 4], "big")
        text += [Z85[number // 85**power % 85] for power in (4, 3, 2, 1, 0)]
    return "".join(text)


def fingerprint(key: str | bytes) -> str:
    """A public key, as text or as bytes, in five groups of four letters and digits."""
    raw = key_bytes(key) if isinstance(key, str) else key
    text = base64.b32encode(hashlib.blake2b(raw, digest_size=13).digest()).decode()
    return "-".join(text[at : at + 4] for at in range(0, 20, 4))
