"""What changed since the turn before and is worth a line in the log: peers, and the clock.

Looks, says, and changes nothing. What stays as it is, right or wrong, is said once.
"""

from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.logs.messages import Message, say


class Changes:
    """What was last said of one central."""

    def __init__(self, central: Central) -> None:
        self._central = central
        self._connected: set[str] = set()
        # Peers that came back with events that are not here, and how many those were at most.
        self.catching_up: dict[str, int] = {}
        self._refused: dict[str, str] = {}
        self._clock_wrong = False
        self._duplicate_id = False
        self._rereading = central.log.rereading > 0

    def look(self, now: Now) -> None:
        """Say what is different now."""
        self._clock(now)
        self._look_for_duplicate_id(now)
        if self._rereading and not self._central.log.rereading:
            self._rereading = False
            say(Message.REREAD)
        peers = self._central.peers
        connected = {
            peer.id for peer in peers.states.values() if peers.connected(peer, now.mono_ms)
        }
        if connected != self._connected:
            self._peers(connected)
        if self.catching_up:
            self._caught_up()
        for peer in peers.states.values():
            if peer.error is not None and peer.error != self._refused.get(peer.id):
                self._refused[peer.id] = peer.error
                say(Message.PEER_REFUSED, peer=peer.id, reason=peer.error)

    def _peers(self, connected: set[str]) -> None:
        for id in sorted(connected - self._connected):
            say(Message.PEER_CONNECTED, peer=id)
            self._refused.pop(id, None)
            self.catching_up[id] = 0
        for id in sorted(self._connected - connected):
            self.catching_up.pop(id, None)
            if id in self._central.peers.states:
                say(Message.PEER_LOST, peer=id)
        self._connected = connected

    def _caught_up(self) -> None:
        peers, heads = self._central.peers, self._central.log.heads
        for id in sorted(self.catching_up):
            behind = peers.behind(peers.states[id], heads)
            if behind == 0:
                del self.catching_up[id]
                say(Message.PEER_CAUGHT_UP, peer=id)
            elif behind is not None:
                self.catching_up[id] = max(behind, self.catching_up[id])

    def _look_for_duplicate_id(self, now: Now) -> None:
        there = self._central.duplicate_id.is_there(now)
        if there and not self._duplicate_id:
            say(Message.DUPLICATE_ID, central=self._central.settings.id)
        self._duplicate_id = there

    def _clock(self, now: Now) -> None:
        clock = self._central.clock
        wrong = clock.corrected or clock.read(now).marked
        if wrong == self._clock_wrong:
            return
        self._clock_wrong = wrong
        if not wrong:
            say(Message.CLOCK_RIGHT)
        elif clock.corrected:
            say(Message.CLOCK_WRONG, reason="events are stamped with the time of the others")
        else:
            say(Message.CLOCK_WRONG, reason="events go on from the last one, and are marked")
