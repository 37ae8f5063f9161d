"""Where two copies of one thing differ: ranges of streams, and how they are named."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from zparkd.core.events.event import Stream
from zparkd.core.replication import limits

_RUNS_NARROWED = 20


class Range(NamedTuple):
    """Positions of one stream, from the first to the last seq."""

    origin: str
    epoch: int
    first: int
    last: int

    @property
    def stream(self) -> Stream:
        """The stream in which it lies."""
        return Stream(self.origin, self.epoch)


class Difference(NamedTuple):
    """What is wrong with a range; `peer` is who holds something else, None for this database."""

    origin: str
    epoch: int
    first: int
    last: int
    what: str
    peer: str | None = None

    def __str__(self) -> str:
        seqs = str(self.first) if self.first == self.last else f"{self.first} to {self.last}"
        return f"stream {self.origin}/{self.epoch}, {seqs}: {self.what}"


def chunks(heads: Mapping[Stream, int]) -> list[Range]:
    """All positions up to these heads, in ranges that one question can be about.

    The same positions fall into the same ranges whatever the heads, but for the last of each.
    """
    size = limits.DIGEST_EVENTS
    return [
        Range(*stream, first, min(first + size - 1, head))
        for stream, head in sorted(heads.items())
        for first in range(1, head + 1, size)
    ]


def merged(differences: Iterable[Difference]) -> list[Difference]:
    """Differences of one sort at positions that follow each other, as one with a range."""
    found: list[Difference] = []

    def sort(one: Difference) -> tuple[str, int, str, str, int]:
        return one.origin, one.epoch, one.what, one.peer or "", one.first

    for one in sorted(differences, key=sort):
        last = found[-1] if found else None
        if last is not None and sort(last)[:4] == sort(one)[:4] and one.first <= last.last + 1:
            found[-1] = last._replace(last=max(last.last, one.last))
        else:
            found.append(one)
    return sorted(found, key=lambda one: (one.peer or "", one[:5]))


def named(ranges: Iterable[Range], differs: Callable[[Range], bool]) -> list[Range]:
    """Where ranges that differ do so, each run of them as one range.

    The first runs are narrowed down to the positions. Where there are many more, it matters little
    where each begins, and asking would take long.
    """
    return [
        _narrowed(run, differs)
        if number < _RUNS_NARROWED
        else Range(*run[0].stream, run[0].first, run[-1].last)
        for number, run in enumerate(_adjoining(ranges))
    ]


def _adjoining(ranges: Iterable[Range]) -> Iterator[list[Range]]:
    """Ranges in order, those that follow each other in a list each."""
    run: list[Range] = []
    for one in sorted(ranges):
        if run and (one.stream != run[-1].stream or one.first != run[-1].last + 1):
            yield run
            run = []
        run.append(one)
    if run:
        yield run


def _narrowed(run: list[Range], differs: Callable[[Range], bool]) -> Range:
    """From the first position at which a run of differing ranges differs, to the last."""
    first, last = run[0], run[-1]
    low, high = first.first, first.last
    while low < high:  # the first that differs lies from low to high
        middle = (low + high) // 2
        if differs(first._replace(first=low, last=middle)):
            high = middle
        else:
            low = middle + 1
    begin = low
    low, high = max(last.first, begin), last.last
    while low < high:  # the last that differs lies from low to high
        middle = (low + high + 1) // 2
        if differs(last._replace(first=middle, last=high)):
            low = middle
        else:
            high = middle - 1
    return Range(*first.stream, begin, low)
