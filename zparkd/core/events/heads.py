"""Heads: how far each stream is held. One vector says exactly what a central has.

A central holds each stream from 1 to its head without a gap, so a vector of heads is the
whole truth about its log, and the difference of two vectors is what one lacks of the other.

A site that is years old has tens of thousands of streams, one for each start of a central. So
a vector keeps its digest by the heads that moved, and nothing goes through all of it.
"""

import hashlib
import heapq
from bisect import insort
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice

from zparkd.core import limits
from zparkd.core.events.event import Stream

Heads = dict[Stream, int]
_MODULUS = 1 << 128


class HeadVector(dict[Stream, int]):
    """Heads by stream, with the sum that their digest is made of and the epochs of each origin."""

    def __init__(self, heads: Mapping[Stream, int] | Iterable[tuple[Stream, int]] = ()) -> None:
        super().__init__()
        self._sum = 0
        # Of the heads that moved since the sum was made: what they were, None for new ones.
        self._before: dict[Stream, int | None] = {}
        self._epochs: dict[str, list[int]] = {}
        for stream, head in heads.items() if isinstance(heads, Mapping) else heads:
            self[stream] = head

    def __setitem__(self, stream: Stream, head: int) -> None:
        before = self.get(stream)
        if before is None:
            insort(self._epochs.setdefault(stream.origin, []), stream.epoch)
        self._before.setdefault(stream, before)
        super().__setitem__(stream, head)

    def __delitem__(self, stream: Stream) -> None:
        self._before.setdefault(stream, self[stream])
        super().__delitem__(stream)
        epochs = self._epochs[stream.origin]
        epochs.remove(stream.epoch)
        if not epochs:
            del self._epochs[stream.origin]

    def update(self, heads: Mapping[Stream, int]) -> None:  # type: ignore[override]
        """Take over these heads."""
        for stream, head in heads.items():
            self[stream] = head

    def discard(self, stream: Stream) -> None:
        """Take a stream out, where it is in."""
        if stream in self:
            del self[stream]

    def newest_epoch(self, origin: str) -> int:
        """The newest epoch of an origin; 0 where none is held."""
        epochs = self._epochs.get(origin)
        return epochs[-1] if epochs else 0

    def newest(
        self, first: Collection[str] = (), leave_out: Collection[Stream] = ()
    ) -> set[Stream]:
        """The newest epochs of each origin: those that a heartbeat names one by one.

        Where there are too many, those of the origins in `first` and then of the lowest ids: the
        others are in the digest, so a peer learns of them as well, only not as fast.
        """
        origins = heapq.nsmallest(
            limits.HEADS_IN_HEARTBEAT // limits.EPOCHS_IN_HEARTBEAT,
            self._epochs,
            key=lambda id: (id not in first, id),
        )
        return {stream for origin in origins for stream in self._newest_of(origin, leave_out)}

    def _newest_of(self, origin: str, leave_out: Collection[Stream]) -> Iterator[Stream]:
        streams = (Stream(origin, epoch) for epoch in reversed(self._epochs[origin]))
        shown = (stream for stream in streams if stream not in leave_out)
        return islice(shown, limits.EPOCHS_IN_HEARTBEAT)

    def digest(self, leave_out: Iterable[Stream] = (), hidden: "HeadVector | None" = None) -> str:
        """One figure for all streams but those left out, which are in it, and the `hidden` ones."""
        rest = self._total() - sum(_term(stream, self[stream]) for stream in leave_out)
        if hidden is not None:
            rest -= hidden._total()  # noqa: SLF001 # of its own kind
        return f"{rest % _MODULUS:032x}"

    def _total(self) -> int:
        """The sum over all heads; a head that moved often since the last one counts once."""
        for stream, before in self._before.items():
            if before is not None:
                self._sum -= _term(stream, before)
            if stream in self:
                self._sum += _term(stream, self[stream])
        self._before.clear()
        return self._sum


def _term(stream: Stream, head: int) -> int:
    """What one head adds to a digest."""
    text = f"{stream.origin} {stream.epoch} {head}\n"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest())


def newest(streams: Iterable[Stream], first: Collection[str] = ()) -> set[Stream]:
    """The newest epochs of each origin: those that a heartbeat names one by one."""
    return HeadVector((stream, 0) for stream in streams).newest(first)


def digest(heads: Mapping[Stream, int], leave_out: Iterable[Stream]) -> str:
    """One figure for all streams but those left out: equal figures mean equal heads."""
    rest = set(leave_out)
    total = sum(_term(stream, head) for stream, head in heads.items() if stream not in rest)
    return f"{total % _MODULUS:032x}"


def count_missing(ours: Mapping[Stream, int], theirs: Mapping[Stream, int]) -> int:
    """How many events `theirs` has beyond `ours`."""
    return sum(max(0, head - ours.get(stream, 0)) for stream, head in theirs.items())


def only_in(ours: Mapping[Stream, int], others: Iterable[Mapping[Stream, int]]) -> int:
    """How many events of `ours` none of the others has."""
    vectors = list(others)
    count = 0
    for stream, head in ours.items():
        most = 0
        for vector in vectors:
            most = max(most, vector.get(stream, 0))
            if most >= head:  # of nearly every stream the first one has all
                break
        count += max(0, head - most)
    return count
