"""Why a stream is not taken from a peer: one bad thing stops that stream, from that peer, there.

All that stands before it in its stream is taken, and all other streams are. The stream is asked
of other peers at once, and of this one again after a while, which doubles each time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from zparkd.core.events.event import Stream
from zparkd.core.replication import limits


class Why(StrEnum):
    """What is wrong with the next event of a stream, as a peer sent it."""

    FORKED = "FORKED"  # its origin recorded another event at a position that is held here
    FORGED = "FORGED"  # it is not signed by whom it says
    BROKEN = "BROKEN"  # its bytes are no event, or do not continue what is before it
    WAITS = "WAITS"  # its origin is not taken in here, or not now: see `admission` and `quotas`
    WITHHELD = "WITHHELD"  # the peer says that it has it, and does not send it


class Refusal(NamedTuple):
    """Why, and the same in words that follow the name of a peer."""

    why: Why
    reason: str


@dataclass(slots=True)
class Refused:
    """A stream that a peer could not continue: `held` is how far it was held here then.

    It is not asked of this peer before `until_ms` (monotonic); `tries` is how often it was in vain.
    """

    refusal: Refusal
    held: int
    tries: int
    until_ms: int


class Refusals:
    """What one peer could not continue.

    Where a page of many streams can't be read at all, fewer are asked for with the next, `at_once`
    at most, until the one at fault is found.
    """

    def __init__(self) -> None:
        self.at_once = limits.STREAMS_PER_REQUEST
        self._unreadable = 0
        self._streams: dict[Stream, Refused] = {}
        self.forked: set[Stream] = set()  # those of them that their origin forked

    def refuse(self, stream: Stream, refusal: Refusal, held: int, mono_ms: int) -> None:
        """The peer could not continue a stream that is held up to there."""
        before = self._streams.get(stream)
        self.taken(stream)
        tries = before.tries + 1 if before is not None and before.held == held else 1
        wait_ms = min(limits.REFUSED_MS << min(tries - 1, 16), limits.REFUSED_MS_MAX)
        self._streams[stream] = Refused(refusal, held, tries, mono_ms + wait_ms)
        if refusal.why is Why.FORKED:
            self.forked.add(stream)
        if len(self._streams) > limits.REFUSALS_OF_A_PEER:
            self.taken(next(iter(self._streams)))

    def taken(self, stream: Stream) -> None:
        """The peer did continue a stream."""
        self._streams.pop(stream, None)
        self.forked.discard(stream)

    def put_off(self, stream: Stream, mono_ms: int) -> bool:
        """Whether a stream is not to be asked of the peer now."""
        refused = self._streams.get(stream)
        return refused is not None and mono_ms < refused.until_ms

    def __iter__(self) -> Iterator[tuple[Stream, Refused]]:
        """What was refused, the latest last."""
        return iter(self._streams.items())

    def of(self, stream: Stream) -> Refused | None:
        """What was refused of a stream; None where nothing was."""
        return self._streams.get(stream)

    def ask_again(self) -> None:
        """Whom we believe may have changed: ask for all of it at once."""
        for refused in self._streams.values():
            refused.until_ms = refused.tries = 0

    def peer_is_back(self) -> None:
        """The peer was away, and may have another disk: what it forked is not known any more."""
        self.forget_forks()
        self.ask_again()

    def forget_forks(self) -> None:
        """The peer may have another disk: whether it holds another branch is to be seen again."""
        for stream in list(self.forked):
            self.taken(stream)

    def readable(self) -> None:
        """A page of the peer could be read."""
        self._unreadable = 0
        self.at_once = min(2 * self.at_once, limits.STREAMS_PER_REQUEST)

    def unreadable(self, after: Mapping[Stream, int], reason: str, mono_ms: int) -> bool:
        """A page could not be read that was asked for with these; whether to ask on at once."""
        if len(after) == 1:
            ((stream, held),) = after.items()
            self.refuse(stream, Refusal(Why.BROKEN, reason), held, mono_ms)
        self.at_once = max(1, min(self.at_once, len(after)) // 2)
        self._unreadable += 1
        return bool(after) and self._unreadable <= limits.UNREADABLE_PAGES
