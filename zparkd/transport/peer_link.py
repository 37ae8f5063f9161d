"""Our side of the connections to one peer: two sockets that dial it, and how that goes.

Each peer has sockets of its own, so what comes out of them can only be from who has the key
that is configured for it (in plain mode: from its address).
"""

import itertools

import zmq

from zparkd.core.site import Peer
from zparkd.transport.socket_options import BUS, SYNC, Context, KeyPair, Socket, dial, make_socket

_FAILURES = {
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "key refused",
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "key refused",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "another security.mode, or no zparkd",
}
_NO_KEYS = "ends each connection before a word: another program, or a link that breaks"
_WATCHED = zmq.EVENT_HANDSHAKE_SUCCEEDED | sum(_FAILURES)
_TELLING = 2  # failures in a row before one is told: a peer may also just have been switched off
_numbers = itertools.count()


class Link:
    """The sockets that belong to one peer."""

    def __init__(self, context: Context, peer: Peer, own: KeyPair | None, turn: int = 0) -> None:
        """Connect; where the peer has several keys, to who has the one whose `turn` it is."""
        self.peer = peer
        self.own = own
        self.turn = turn
        keys = peer.public_keys
        self.server_key = keys[turn % len(keys)] if own is not None else None
        self.error: str | None = None
        self._failures = 0
        self.events = make_socket(context, zmq.SUB, BUS)
        self.events.subscribe(b"")
        self.sync = make_socket(context, zmq.DEALER, SYNC)
        # Unread, it would hold up the I/O of all sockets; so it has no bound, and is always polled.
        self.monitor: Socket = context.socket(zmq.PAIR)
        self.monitor.linger = self.monitor.rcvhwm = 0
        address = f"inproc://link-{next(_numbers)}"
        self.sync.monitor(address, _WATCHED)
        self.monitor.connect(address)
        dial(self.events, peer.address, peer.bus_port, own, self.server_key)
        dial(self.sync, peer.address, peer.sync_port, own, self.server_key)

    @property
    def sockets(self) -> tuple[Socket, ...]:
        """All that is to be polled."""
        return self.events, self.sync, self.monitor

    def still_good(self, peer: Peer, own: KeyPair | None) -> bool:
        """Whether this link is one to this peer as it is configured now."""
        same_place = (peer.address, peer.bus_port, peer.sync_port) == (
            self.peer.address,
            self.peer.bus_port,
            self.peer.sync_port,
        )
        known = own is None or self.server_key in peer.public_keys
        return same_place and known and own == self.own

    def look(self) -> bool:
        """Take note of how the handshakes went; whether one made a connection."""
        made = False
        while True:
            try:
                frames = self.monitor.recv_multipart(zmq.NOBLOCK)
            except zmq.ZMQError as fault:
                if fault.errno == zmq.EAGAIN:
                    return made
                raise
            event = int.from_bytes(frames[0][:2], "little")
            made = made or event == zmq.EVENT_HANDSHAKE_SUCCEEDED
            failure = _FAILURES.get(event)  # type: ignore[call-overload]
            if failure == "key refused" and self.own is None:
                failure = _NO_KEYS  # in plain mode there are none
            self._failures = self._failures + 1 if failure is not None else 0
            self.error = failure if self._failures >= _TELLING else None

    def close(self) -> None:
        """Hang up."""
        self.sync.disable_monitor()
        for made in self.sockets:
            made.close(linger=0)
