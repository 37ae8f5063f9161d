"""What changed since the turn before and is worth a line in the log: peers, and the clock.

Looks, says, and changes nothing. What stays as it is, right or wrong, is said once.
"""

from collections.abc import Callable, Collection

from zparkd.core.view import View
from zparkd.logs.messages import Message, say


class Changes:
    """What was last said of one central."""

    def __init__(self, rereading: int) -> None:
        """`rereading` is how many events were still to be read when it started."""
        self._connected: set[str] = set()
        # Peers that came back with events that are not here, and how many those were at most.
        self.catching_up: dict[str, int] = {}
        self._refused: dict[str, str] = {}
        self._clock_wrong = False
        self._duplicate_id = False
        self._rereading = rereading > 0

    def look(self, view: View) -> None:
        """Say what is different now."""
        self._clock(view)
        self._look_for_duplicate_id(view)
        if self._rereading and not view.rereading:
            self._rereading = False
            say(Message.REREAD)
        connected = {id for id, peer in view.peers.items() if peer.connected}
        if connected != self._connected:
            self._peers(view, connected)
        if self.catching_up:
            self._caught_up(view)
        for peer in view.peers.values():
            if peer.error is not None and peer.error != self._refused.get(peer.id):
                self._refused[peer.id] = peer.error
                say(Message.PEER_REFUSED, peer=peer.id, reason=peer.error)

    def _peers(self, view: View, connected: set[str]) -> None:
        for id in sorted(connected - self._connected):
            say(Message.PEER_CONNECTED, peer=id)
            self._refused.pop(id, None)
            self.catching_up[id] = 0
        for id in sorted(self._connected - connected):
            self.catching_up.pop(id, None)
            if id in view.peers:
                say(Message.PEER_LOST, peer=id)
        self._connected = connected

    def _caught_up(self, view: View) -> None:
        for id in sorted(self.catching_up):
            behind = view.peers[id].behind
            if behind == 0:
                del self.catching_up[id]
                say(Message.PEER_CAUGHT_UP, peer=id)
            elif behind is not None:
                self.catching_up[id] = max(behind, self.catching_up[id])

    def _look_for_duplicate_id(self, view: View) -> None:
        there = view.has_twin
        if there and not self._duplicate_id:
            say(Message.DUPLICATE_ID, central=view.settings.id)
        self._duplicate_id = there

    def _clock(self, view: View) -> None:
        wrong = view.clock_corrected or view.clock_marked
        if wrong == self._clock_wrong:
            return
        self._clock_wrong = wrong
        if not wrong:
            say(Message.CLOCK_RIGHT)
        elif view.clock_corrected:
            say(Message.CLOCK_WRONG, reason="events are stamped with the time of the others")
        else:
            say(Message.CLOCK_WRONG, reason="events go on from the last one, and are marked")


class Heals:
    """What came of being apart: said once, when all that the peers have is here again."""

    def __init__(self) -> None:
        self._before: int | None = None  # how many conflicts were open before
        self._connected: set[str] | None = None  # None before the first look
        self._caught_up = True

    def look(self, view: View, catching_up: Collection[str], open: Callable[[], int]) -> None:
        """Say how many conflicts are `open` now that were not when the first peer was lost."""
        connected = {id for id, peer in view.peers.items() if peer.connected}
        if self._connected is None or self._connected - connected:
            self._before = open() if self._before is None else self._before
        if connected - (self._connected or set()):
            self._caught_up = False
        self._connected = connected
        if not catching_up and not self._caught_up and not view.central.log.unsettled:
            self._caught_up = True
            now, before, self._before = open(), self._before, None
            if len(connected) < len(view.peers):
                self._before = now
            if before is not None and now > before:
                say(Message.CONFLICTS_FOUND, new=now - before, open=now)
