"""The key of an event in this database: the number of its stream and its seq in one integer.

The numbers are this database's own and mean nothing elsewhere. Keys of one stream stand in the
order of its events, and next to each other.
"""

import functools
from hashlib import blake2b

SEQ_BITS = 40
SEQ_MASK = (1 << SEQ_BITS) - 1


def key_of(number: int, seq: int) -> int:
    """The key of an event by the number of its stream."""
    return number << SEQ_BITS | seq


def number_of(key: int) -> int:
    """The number of the stream that an event with this key is in."""
    return key >> SEQ_BITS


def seq_of(key: int) -> int:
    """The seq of the event with this key."""
    return key & SEQ_MASK


@functools.lru_cache(maxsize=1024)  # asked for when it is looked for, and when it is written
def act_key(edge_id: str | None, request_id: str | None) -> int:
    """By what the events of one act are found: a digest, so two acts may share one."""
    act = f"{edge_id}\0{request_id}".encode(errors="surrogatepass")
    return int.from_bytes(blake2b(act, digest_size=8).digest(), signed=True)
