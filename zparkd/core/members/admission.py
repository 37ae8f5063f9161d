"""Whose events are taken in. What an event means does not depend on it: only whether it is here.

    ourselves, configured peers, and those of whom keys are configured    always
    whom this central admitted, by an event of its own                    always
    whose peer file was removed here, where centrals have keys            nothing more
    any other origin                                                      the first so many

So who invents origins gets no further than that many, and who steals the key of a central that
was removed no further than that central was held. Nor has an origin that is not configured a voice
about others before it is admitted: else who invents many would have as many voices.

What is not taken in waits at those who have it, and is asked of them once it may be.
"""

from collections.abc import Collection

from zparkd.core.log import Log
from zparkd.core.members import limits


class Admission:
    """Whom this central takes in."""

    def __init__(self, log: Log, own: str) -> None:
        self._log = log
        self._own = own
        self._configured: frozenset[str] = frozenset()
        self._removed: frozenset[str] = frozenset()
        self._met: set[str] = set()
        self._voices: set[str] = set()
        self._waiting: dict[str, None] = {}

    def configure(self, configured: Collection[str], *, keyed: bool) -> None:
        """Take over who is configured. With keys, who was and is not any more was removed."""
        self._configured = frozenset(configured)
        if keyed:
            self._log.signed.configured(self._configured)
        self.refresh()

    def refresh(self) -> None:
        """Look at all anew: somebody was admitted, or a transaction was undone."""
        self._removed = self._log.signed.removed()
        origins = {stream.origin for stream in self._log.heads}
        self._met = {origin for origin in origins if self.is_stranger(origin)} - self._removed
        self._voices.clear()
        self._waiting.clear()

    @property
    def waiting(self) -> list[str]:
        """The origins that others have events of which are not taken in, the first of them."""
        return [origin for origin in self._waiting if origin not in self._removed]

    @property
    def removed(self) -> list[str]:
        """Those of them whose peer files were removed."""
        return [origin for origin in self._waiting if origin in self._removed]

    def is_stranger(self, origin: str) -> bool:
        """Whether an origin is neither configured nor admitted."""
        known = origin == self._own or origin in self._configured
        return not known and not self._log.members.admits(self._own, origin)

    def knows(self, origin: str) -> bool:
        """Whether an origin is configured or admitted, or something of it was taken in before.

        Nothing of one that was removed is wanted, unless it was admitted since.
        """
        if origin == self._own or origin in self._configured:
            return True
        return origin not in self._removed and (origin in self._met or not self.is_stranger(origin))

    def takes(self, origin: str) -> bool:
        """Whether events of an origin are taken in. One that is not waits from now on."""
        if origin == self._own or origin in self._configured:
            return True
        if self._may(origin):
            return True
        if len(self._waiting) < limits.WAITING_ORIGINS:
            self._waiting[origin] = None
        return False

    def _may(self, origin: str) -> bool:
        if origin in self._removed or origin in self._voices:
            return False
        if origin in self._met or not self.is_stranger(origin):
            return True
        return len(self._met) < limits.STRANGERS

    def meets(self, origin: str) -> bool:
        """An event of an origin is held now; whether there is room for no further stranger."""
        if origin in self._met or not self.is_stranger(origin):
            return False
        self._met.add(origin)
        return len(self._met) == limits.STRANGERS

    def has_a_voice(self, origin: str) -> bool:
        """Whether what an origin says of others is taken in. Where not, it waits from now on."""
        if not self.is_stranger(origin):
            return True
        self._voices.add(origin)
        self._waiting[origin] = None
        return False
