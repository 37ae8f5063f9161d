"""The sync requests that are not served yet: a few of each asker, and each asker in its turn.

An honest peer has one request under way, and somebody who compares with `zparkctl verify` some
more. One that asks without end loses its own oldest, and holds up nobody.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable

from zparkd.core.replication import limits
from zparkd.core.turn import SyncRequest, Token

_Asker = str | Token


class SyncQueue:
    """A queue that is fair to all askers, and bounded as a whole."""

    def __init__(self) -> None:
        self._of: OrderedDict[_Asker, deque[SyncRequest]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def extend(self, requests: Iterable[SyncRequest]) -> None:
        """Add these. Where there are too many, the oldest of who has the most is dropped."""
        for request in requests:
            asker = request.speaker or request.token
            of_one = self._of.setdefault(asker, deque())
            of_one.append(request)
            self._count += 1
            if len(of_one) > limits.SYNC_REQUESTS_OF_ONE:
                self._drop(asker)
            elif self._count > limits.SYNC_REQUESTS_WAITING:
                self._drop(max(self._of, key=lambda one: len(self._of[one])))

    def popleft(self) -> SyncRequest:
        """The next to serve: of whoever was served longest ago."""
        asker, of_one = self._of.popitem(last=False)
        request = of_one.popleft()
        self._count -= 1
        if of_one:
            self._of[asker] = of_one
        return request

    def _drop(self, asker: _Asker) -> None:
        of_one = self._of[asker]
        of_one.popleft()
        self._count -= 1
        if not of_one:
            del self._of[asker]
