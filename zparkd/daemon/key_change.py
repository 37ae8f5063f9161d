"""The next key of this central takes the place of the one in use, once all members know it.

`zparkctl member rotate-key` makes the next key in a file beside the one in use, announces it, and
changes over itself while it waits. Where a member is away for longer than somebody waits, it is
done here when that member is back.
"""

from collections.abc import Callable, Sequence

import zmq

from zparkd.config.load import Config
from zparkd.config.secret_key import key_file, next_key_file, read_secret_key, take_over
from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.core.members import limits
from zparkd.core.members.roster_acts import Amend, Here
from zparkd.core.members.roster_words import Role
from zparkd.core.turn import Incoming, Output
from zparkd.daemon.transactions import Committed, Undone

Step = Callable[[Now, Sequence[Incoming]], Committed[Output] | Undone]


class KeyChange:
    """The change of the own key that is under way, if one is."""

    def __init__(self, central: Central, config: Callable[[], Config]) -> None:
        self.fault: str | None = None  # why all know it, and it is not in use
        self._central = central
        self._config = config
        self._asked = False
        self._due_ms = 0

    def asked(self) -> None:
        """Somebody waits for it at a command, and changes over there."""
        self._asked = True

    def turn(
        self,
        now: Now,
        own_key: Callable[[], str | None],
        step: Step,
        reload: Callable[[], object],
    ) -> None:
        """Change over where that is due; `own_key` is the public key in use."""
        id = self._central.settings.id
        member = self._central.roster.state.members.get((Role.CENTRAL, id))
        if member is None or member.removed or member.next_public_key is None:
            self.fault = None
            return
        if self._asked:
            self._asked = False
            self._due_ms = now.mono_ms + limits.KEY_LEFT_ALONE_MS
        if now.mono_ms < self._due_ms:
            return
        self._due_ms = now.mono_ms + limits.KEY_LEFT_ALONE_MS
        following = member.next_public_key
        if own_key() != following:
            if awaited(self._central, id):
                return
            try:
                _change_over(self._config(), following)
            except (OSError, ValueError) as fault:
                self.fault = str(fault)
                return
            reload()
        if own_key() == following:
            listen = self._config().listen
            ports = (listen.bus_port, listen.sync_port, listen.edge_port)
            here = Here(following, listen.address, *ports)
            step(now, [Amend(here, Role.CENTRAL, id, public_key=following)])


def _change_over(config: Config, following: str) -> None:
    """Have the next key in the file of the key. Raises OSError and ValueError."""
    place = key_file(config.security.secret_key_file)
    if place is None:
        raise ValueError("no secret_key_file in [security]")
    beside = next_key_file(place)
    secret = read_secret_key(beside)
    if zmq.curve_public(secret).decode() != following:
        raise ValueError(f"{beside} is not the key that was announced")
    take_over(place, secret)


def awaited(central: Central, id: str) -> list[str]:
    """The centrals that are not known to hold the announced key of one."""
    state = central.roster.state
    member = state.members.get((Role.CENTRAL, id))
    if member is None or member.next_public_key is None:
        return []
    announced = state.announced.get((Role.CENTRAL, id))
    if announced is None:
        return []
    others = (other.id for other in state.active(Role.CENTRAL) if other.id != id)
    return [other for other in others if not central.peers.hold(other, announced)]
