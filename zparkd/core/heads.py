"""Heads: how far each stream is held. One vector says exactly what a central has.

A central holds each stream from 1 to its head without a gap, so a vector of heads is the
whole truth about its log, and the difference of two vectors is what one lacks of the other.
"""

import hashlib
import heapq
from collections.abc import Collection, Iterable, Mapping

from zparkd.core import limits
from zparkd.core.events import Stream

Heads = dict[Stream, int]


def newest(streams: Iterable[Stream], first: Collection[str] = ()) -> set[Stream]:
    """The newest epochs of each origin: those that a heartbeat names one by one.

    Where there are too many, those of the origins in `first` and then of the lowest ids: the
    others are in the digest, so a peer learns of them as well, only not as fast.
    """
    by_origin: dict[str, list[int]] = {}
    for origin, epoch in streams:
        by_origin.setdefault(origin, []).append(epoch)
    each = limits.EPOCHS_IN_HEARTBEAT
    origins = heapq.nsmallest(
        limits.HEADS_IN_HEARTBEAT // each, by_origin, key=lambda id: (id not in first, id)
    )
    return {
        Stream(origin, epoch)
        for origin in origins
        for epoch in heapq.nlargest(each, by_origin[origin])
    }


def digest(heads: Mapping[Stream, int], leave_out: Iterable[Stream]) -> str:
    """One figure for all streams but those left out: equal figures mean equal heads."""
    rest = sorted((*stream, heads[stream]) for stream in heads.keys() - set(leave_out))
    text = "".join(f"{origin} {epoch} {head}\n" for origin, epoch, head in rest)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def count_missing(ours: Mapping[Stream, int], theirs: Mapping[Stream, int]) -> int:
    """How many events `theirs` has beyond `ours`."""
    return sum(max(0, head - ours.get(stream, 0)) for stream, head in theirs.items())


def only_in(ours: Mapping[Stream, int], others: Iterable[Mapping[Stream, int]]) -> int:
    """How many events of `ours` none of the others has."""
    vectors = list(others)
    return sum(
        max(0, head - max((vector.get(stream, 0) for vector in vectors), default=0))
        for stream, head in ours.items()
    )
