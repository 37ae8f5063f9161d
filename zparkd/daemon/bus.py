"""The sockets: the only code of the daemon that touches ZeroMQ.

    bus      PUB bound; one SUB a peer         events and heartbeats; a hint that may be lost
    sync     ROUTER bound; one DEALER a peer   what was missed, asked for by who lacks it
    edges    ROUTER bound                      answers the REQ of cameras
    control  ROUTER bound, on a Unix socket    answers zparkctl

What arrives is handed on as the values that `core.central` takes; nothing is decided here.
Each peer has sockets of its own, so what comes out of them can only be from the address that
is configured for it. Nothing here blocks.
"""

import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import zmq

from zparkd.core import limits
from zparkd.core.central import (
    Frames,
    FromBus,
    FromEdge,
    Incoming,
    SyncAnswer,
    SyncRequest,
    Token,
)
from zparkd.core.site import Peer
from zparkd.daemon.config import Listen

_HANDSHAKE_MS = 3_000
_CONNECT_MS = 3_000
_ORDERLY_STOP_MS = 500


class BindError(Exception):
    """A port or path can't be listened on. `key` is the configuration key that names it."""

    def __init__(self, key: str, endpoint: str, reason: str) -> None:
        super().__init__(f"can't listen on {endpoint}: {reason}; stop what has it, or change {key}")
        self.key = key


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What a socket may hold (messages a connection, bytes a frame), and how it is kept alive.

    `silence_ms` is how long a link may be quiet before ZeroMQ asks whether it still stands; 0
    never, for cameras that speak an older ZMTP.
    """

    queue: int
    frame_bytes: int
    silence_ms: int


# A peer that lags behind loses what is over the bound, and asks for it later. Of pages each peer
# waits for one at a time.
_BUS = _Bounds(1_000, limits.BUS_FRAME_BYTES, 2_000)
_SYNC = _Bounds(16, limits.BUS_FRAME_BYTES, 2_000)
_EDGES = _Bounds(1_000, limits.EDGE_FRAME_BYTES, 0)
_CONTROL = _Bounds(100, limits.CONTROL_REQUEST_BYTES, 0)


@dataclass(slots=True)
class Drained:
    """What one turn took off the sockets."""

    messages: list[Incoming] = field(default_factory=list)
    controls: list[tuple[Token, bytes]] = field(default_factory=list)
    signalled: bool = False


@dataclass(slots=True)
class _Link:
    """The sockets that belong to one peer."""

    peer: Peer
    events: zmq.Socket[bytes]
    sync: zmq.Socket[bytes]


class Bus:
    """All sockets of one central."""

    def __init__(self, listen: Listen, peers: tuple[Peer, ...]) -> None:
        """Bind and connect. Raises BindError."""
        self._context = zmq.Context()
        self._context.set(zmq.MAX_SOCKETS, 4096)
        self._poller = zmq.Poller()
        self._links: dict[str, _Link] = {}
        self._ready: dict[object, int] = {}
        self._edges_polled = False
        self.undeliverable = 0
        self.malformed = 0
        self._woken, self.wake_fd = socket.socketpair()
        self._woken.setblocking(False)
        self.wake_fd.setblocking(False)
        self._poller.register(self._woken, zmq.POLLIN)
        try:
            self._bind(listen)
        except BindError:
            self.close()
            raise
        self._connect(peers)

    def close(self) -> None:
        """Close all sockets; what was sent a moment ago still goes out."""
        self._context.destroy(linger=_ORDERLY_STOP_MS)
        self._woken.close()
        self.wake_fd.close()

    # --- set-up -----------------------------------------------------------------------------

    def reconfigure(self, listen: Listen, peers: tuple[Peer, ...]) -> None:
        """Take over new addresses: only what differs is closed and opened.

        Raises BindError where a new port can't be had; all stays as it was.
        """
        if listen != self._listen:
            before = self._listen
            self._unbind()
            try:
                self._bind(listen)
            except BindError:
                self._unbind()
                self._bind(before)
                raise
        self._connect(peers)

    def _bind(self, listen: Listen) -> None:
        self._listen = listen
        self._bound: list[zmq.Socket[bytes]] = []
        self._pub = self._bound_socket(
            zmq.PUB, _tcp(listen.address, listen.bus_port), "listen.bus_port", _BUS
        )
        self._sync = self._bound_socket(
            zmq.ROUTER, _tcp(listen.address, listen.sync_port), "listen.sync_port", _SYNC
        )
        self._edges = self._bound_socket(
            zmq.ROUTER,
            _tcp(listen.address, listen.edge_port),
            "listen.edge_port",
            _EDGES,
        )
        try:
            listen.control.parent.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise BindError("listen.control", str(listen.control), fault.strerror or "") from None
        self._control = self._bound_socket(
            zmq.ROUTER,
            f"ipc://{listen.control}",
            "listen.control",
            _CONTROL,
        )
        listen.control.chmod(0o660)
        self._poller.register(self._sync, zmq.POLLIN)
        self._poller.register(self._control, zmq.POLLIN)
        self._edges_polled = False

    def _unbind(self) -> None:
        for bound in self._bound:
            if bound in self._poller:
                self._poller.unregister(bound)
            bound.close(linger=0)
        self._bound = []

    def _socket(self, kind: int, bounds: _Bounds) -> zmq.Socket[bytes]:
        made: zmq.Socket[bytes] = self._context.socket(kind)
        made.linger = 0
        made.sndhwm = made.rcvhwm = bounds.queue
        made.maxmsgsize = bounds.frame_bytes
        made.handshake_ivl = _HANDSHAKE_MS
        made.heartbeat_ivl = bounds.silence_ms
        made.heartbeat_timeout = made.heartbeat_ttl = 3 * bounds.silence_ms
        made.tcp_keepalive = 1
        made.tcp_keepalive_idle = 30
        made.tcp_keepalive_intvl = 10
        made.tcp_keepalive_cnt = 3
        return made

    def _bound_socket(
        self, kind: int, endpoint: str, key: str, bounds: _Bounds
    ) -> zmq.Socket[bytes]:
        made = self._socket(kind, bounds)
        self._bound.append(made)
        made.ipv6 = "[" in endpoint
        if kind == zmq.ROUTER:
            made.router_mandatory = 1
        try:
            made.bind(endpoint)
        except zmq.ZMQError as fault:
            raise BindError(key, endpoint, fault.strerror or str(fault)) from None
        return made

    def _connect(self, peers: tuple[Peer, ...]) -> None:
        wanted = {peer.id: peer for peer in peers}
        for link in list(self._links.values()):
            if wanted.get(link.peer.id) != link.peer:
                del self._links[link.peer.id]
                for made in (link.events, link.sync):
                    self._poller.unregister(made)
                    made.close(linger=0)
        for peer in peers:
            if peer.id not in self._links:
                events = self._connected_socket(zmq.SUB, peer.address, peer.bus_port, _BUS)
                events.subscribe(b"")
                sync = self._connected_socket(zmq.DEALER, peer.address, peer.sync_port, _SYNC)
                self._links[peer.id] = _Link(peer, events, sync)
                self._poller.register(events, zmq.POLLIN)
                self._poller.register(sync, zmq.POLLIN)

    def _connected_socket(
        self, kind: int, address: str, port: int, bounds: _Bounds
    ) -> zmq.Socket[bytes]:
        made = self._socket(kind, bounds)
        made.ipv6 = ":" in address
        made.immediate = 1  # ask nobody who is not there
        made.connect_timeout = _CONNECT_MS
        # Each its own pace, so that peers do not all come back in the same moment.
        made.reconnect_ivl = random.randint(100, 300)
        made.reconnect_ivl_max = random.randint(1000, 1500)
        made.connect(_tcp(address, port))
        return made

    # --- receiving ----------------------------------------------------------------------------

    def poll(self, timeout_ms: int, edges: bool) -> None:
        """Wait until something came in, or the time is up; edges are looked at where told."""
        if edges is not self._edges_polled:
            if edges:
                self._poller.register(self._edges, zmq.POLLIN)
            else:
                self._poller.unregister(self._edges)
            self._edges_polled = edges
        self._ready = dict(self._poller.poll(timeout_ms))

    def drain(self) -> Drained:
        """Take what is there off every socket, up to a limit each. Peers before edges."""
        drained = Drained()
        if self._woken.fileno() in self._ready:
            drained.signalled = True
            self._empty_wake_up()
        take = drained.messages.append
        for id, link in self._links.items():
            for frames in self._received(link.sync):
                take(SyncAnswer(id, frames))
            for frames in self._received(link.events):
                take(FromBus(id, frames))
        for frames in self._received(self._sync):
            take(SyncRequest((frames[0],), frames[1:]))
        for frames in self._received(self._edges):
            request = self._edge_request(frames)
            if request is not None:
                take(request)
        for frames in self._received(self._control):
            if len(frames) == 3 and not frames[1]:
                drained.controls.append(((frames[0], b""), frames[2]))
        return drained

    def _received(self, source: zmq.Socket[bytes]) -> Iterator[Frames]:
        if source not in self._ready:
            return
        for _ in range(limits.MESSAGES_PER_SOCKET):
            try:
                frames = source.recv_multipart(zmq.NOBLOCK)
            except zmq.ZMQError as fault:
                if fault.errno == zmq.EAGAIN:
                    return
                raise
            if len(frames) > limits.BUS_FRAMES:
                self.malformed += 1
                continue
            yield frames

    def _edge_request(self, frames: Frames) -> FromEdge | None:
        """The request in what a REQ socket sent; None where it can't be answered."""
        try:
            end = frames.index(b"", 1) + 1
        except ValueError:
            self.malformed += 1
            return None
        body = frames[end:]
        return FromEdge(tuple(frames[:end]), body[0] if len(body) == 1 else b"")

    def _empty_wake_up(self) -> None:
        try:
            while self._woken.recv(4096):
                pass
        except BlockingIOError:
            pass

    # --- sending ------------------------------------------------------------------------------

    def publish(self, frames: Frames) -> None:
        """Tell all peers. A peer whose queue is full misses it, and asks later."""
        self._pub.send_multipart(frames)

    def ask(self, peer_id: str, frames: Frames) -> bool:
        """Send a sync request; False where the peer is not there."""
        link = self._links.get(peer_id)
        return link is not None and self._sent(link.sync, frames)

    def answer_peer(self, token: Token, frames: Frames) -> None:
        """Send a page to who asked for it, if it is still there."""
        self._deliver(self._sync, [*token, *frames])

    def answer_edge(self, token: Token, body: bytes) -> None:
        """Answer an edge, if it is still there."""
        self._deliver(self._edges, [*token, body])

    def answer_control(self, token: Token, body: bytes) -> None:
        """Answer zparkctl, if it is still there."""
        self._deliver(self._control, [*token, body])

    def _deliver(self, target: zmq.Socket[bytes], frames: Frames) -> None:
        if not self._sent(target, frames):
            self.undeliverable += 1

    @staticmethod
    def _sent(target: zmq.Socket[bytes], frames: Frames) -> bool:
        try:
            target.send_multipart(frames, zmq.NOBLOCK)
        except zmq.ZMQError as fault:
            if fault.errno in (zmq.EAGAIN, zmq.EHOSTUNREACH):
                return False
            raise
        return True


def _tcp(address: str, port: int) -> str:
    return f"tcp://[{address}]:{port}" if ":" in address else f"tcp://{address}:{port}"
