"""Which central fetches from the external API, of those that have one configured.

The one with the lowest id, as far as it is connected. Another steps in where it brought nothing
good for two intervals; the next after it waits two more, so that they do not all begin at once.
"""

from collections.abc import Iterable
from typing import NamedTuple

SILENT_INTERVALS = 2


class Fetcher(NamedTuple):
    """Another central that may fetch; `since_ms` is when its last good fetch was noticed here.

    Monotonic; of one that never told of any, when it was first heard to have an API.
    """

    id: str
    since_ms: int


def is_our_turn(us: str, others: Iterable[Fetcher], interval_ms: int, mono_ms: int) -> bool:
    """Whether this central fetches now; `others` are those that are connected."""
    before_us = sorted(other for other in others if other.id < us)
    return all(
        mono_ms - other.since_ms > SILENT_INTERVALS * interval_ms * (len(before_us) - rank)
        for rank, other in enumerate(before_us)
    )
