"""Plates that the site looks out for and that were seen here a moment ago."""

from collections import OrderedDict
from typing import NamedTuple

from zparkd.core.gate import limits
from zparkd.core.gate.resolve import Resolved


class Seen(NamedTuple):
    """A watched plate at a lane, and the words to show."""

    plate_id: str
    edge_id: str
    words: str


class Watched:
    """Those seen last. A restart forgets them: the lanes were told with each answer."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], tuple[Seen, int]] = OrderedDict()

    def saw(self, found: Resolved, mono_ms: int) -> None:
        """A request is about a watched plate."""
        assert found.vehicle is not None
        assert found.watch is not None
        seen = Seen(found.vehicle.plate_id, found.request.edge_id, found.watch)
        self._seen[seen[:2]] = seen, mono_ms
        self._seen.move_to_end(seen[:2])
        if len(self._seen) > limits.WATCHED_REMEMBERED:
            self._seen.popitem(last=False)

    def lately(self, mono_ms: int) -> list[Seen]:
        """Those that are still to be shown, the newest first."""
        return [
            seen
            for seen, at_ms in reversed(self._seen.values())
            if mono_ms - at_ms <= limits.WATCHED_SHOWN_MS
        ]
