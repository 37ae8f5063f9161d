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
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

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
from zparkd.daemon.socket_file import make_way

_HANDSHAKE_MS = 3_000
_CONNECT_MS = 3_000
_ORDERLY_STOP_MS = 500
_CLOSING_S = 1.0
_CLOSING_PAUSE_S = 0.01


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

_BUS_KEY = "listen.bus_port"
_SYNC_KEY = "listen.sync_port"
_EDGES_KEY = "listen.edge_port"
_CONTROL_KEY = "listen.control"
_LISTENING = {
    _BUS_KEY: (zmq.PUB, _BUS),
    _SYNC_KEY: (zmq.ROUTER, _SYNC),
    _EDGES_KEY: (zmq.ROUTER, _EDGES),
    _CONTROL_KEY: (zmq.ROUTER, _CONTROL),
}


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
        self._bound: dict[str, zmq.Socket[bytes]] = {}
        self._endpoints: dict[str, str] = {}
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
        if _CONTROL_KEY in self._bound:
            _path(self._endpoints[_CONTROL_KEY]).unlink(missing_ok=True)
        self._context.destroy(linger=_ORDERLY_STOP_MS)
        self._woken.close()
        self.wake_fd.close()

    # --- set-up -----------------------------------------------------------------------------

    def reconfigure(self, listen: Listen, peers: tuple[Peer, ...]) -> None:
        """Take over new addresses: only what differs is closed and opened.

        Raises BindError where a new port can't be had; all stays as it was.
        """
        self._bind(listen)
        self._connect(peers)

    def _bind(self, listen: Listen) -> None:
        wanted = _endpoints(listen)
        changed = {key: wanted[key] for key in wanted if self._endpoints.get(key) != wanted[key]}
        ports = {_port(endpoint) for endpoint in changed.values()}
        in_the_way = [
            key for key in changed if key in self._bound and _port(self._endpoints[key]) in ports
        ]
        for key in in_the_way:
            self._close_bound(key)
        made: dict[str, zmq.Socket[bytes]] = {}
        try:
            for key, endpoint in changed.items():
                made[key] = self._bound_socket(key, endpoint, patient=bool(in_the_way))
        except BindError:
            for key, unused in made.items():
                if key == _CONTROL_KEY:
                    _path(wanted[key]).unlink(missing_ok=True)
                unused.close(linger=0)
            for key in in_the_way:
                self._take_over(key, self._bound_socket(key, self._endpoints[key], patient=True))
            raise
        for key, new in made.items():
            if key in self._bound:
                self._close_bound(key)
            self._take_over(key, new)
        self._endpoints = wanted

    def _take_over(self, key: str, made: zmq.Socket[bytes]) -> None:
        self._bound[key] = made
        if key in (_SYNC_KEY, _CONTROL_KEY):
            self._poller.register(made, zmq.POLLIN)

    def _close_bound(self, key: str) -> None:
        bound = self._bound.pop(key)
        if bound in self._poller:
            self._poller.unregister(bound)
        if key == _EDGES_KEY:
            self._edges_polled = False
        if key == _CONTROL_KEY:  # ZeroMQ would leave it behind
            _path(self._endpoints[key]).unlink(missing_ok=True)
        bound.close(linger=0)

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

    def _bound_socket(self, key: str, endpoint: str, patient: bool) -> zmq.Socket[bytes]:
        """A new socket that listens there. Raises BindError.

        `patient` waits a moment for a port that is being given up: ZeroMQ closes in its own time.
        """
        kind, bounds = _LISTENING[key]
        if key == _CONTROL_KEY:
            try:
                make_way(_path(endpoint))
            except OSError as fault:
                raise BindError(key, endpoint, fault.strerror or str(fault)) from None
        made = self._socket(kind, bounds)
        made.ipv6 = "[" in endpoint
        if kind == zmq.ROUTER:
            made.router_mandatory = 1
        until = time.monotonic() + (_CLOSING_S if patient else 0)
        while True:
            try:
                made.bind(endpoint)
            except zmq.ZMQError as fault:
                if fault.errno == zmq.EADDRINUSE and time.monotonic() < until:
                    time.sleep(_CLOSING_PAUSE_S)
                    continue
                made.close(linger=0)
                raise BindError(key, endpoint, fault.strerror or str(fault)) from None
            break
        if key == _CONTROL_KEY:
            _path(endpoint).chmod(0o660)
        return made

    def redial(self, peer_id: str) -> None:
        """Connect to a peer anew.

        Where the other side sent what is no ZMTP, another mechanism or too long a frame, ZeroMQ
        gives that connection up for good, also when the fault has long been mended.
        """
        link = self._links[peer_id]
        self._hang_up(link)
        self._dial(link.peer)

    def _connect(self, peers: tuple[Peer, ...]) -> None:
        wanted = {peer.id: peer for peer in peers}
        for link in list(self._links.values()):
            if wanted.get(link.peer.id) != link.peer:
                self._hang_up(link)
        for peer in peers:
            if peer.id not in self._links:
                self._dial(peer)

    def _dial(self, peer: Peer) -> None:
        events = self._connected_socket(zmq.SUB, peer.address, peer.bus_port, _BUS)
        events.subscribe(b"")
        sync = self._connected_socket(zmq.DEALER, peer.address, peer.sync_port, _SYNC)
        self._links[peer.id] = _Link(peer, events, sync)
        self._poller.register(events, zmq.POLLIN)
        self._poller.register(sync, zmq.POLLIN)

    def _hang_up(self, link: _Link) -> None:
        del self._links[link.peer.id]
        for made in (link.events, link.sync):
            self._poller.unregister(made)
            made.close(linger=0)

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
                self._poller.register(self._bound[_EDGES_KEY], zmq.POLLIN)
            else:
                self._poller.unregister(self._bound[_EDGES_KEY])
            self._edges_polled = edges
        self._ready = dict(self._poller.poll(timeout_ms))

    def await_company(self, timeout_ms: int) -> None:
        """Where only peers' events came in, let more of them come: one commit serves them all.

        Whatever else comes in ends the wait, so that nobody who asked something waits for it.
        """
        events = {link.events for link in self._links.values()}
        if self._ready and self._ready.keys() <= events:
            zmq.zmq_poll([it for it in self._poller.sockets if it[0] not in events], timeout_ms)
            self._ready = dict(self._poller.poll(0))

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
        for frames in self._received(self._bound[_SYNC_KEY]):
            take(SyncRequest((frames[0],), frames[1:]))
        for frames in self._received(self._bound[_EDGES_KEY]):
            request = self._edge_request(frames)
            if request is not None:
                take(request)
        for frames in self._received(self._bound[_CONTROL_KEY]):
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
            yield frames

    def _edge_request(self, frames: Frames) -> FromEdge | None:
        """The request in what a REQ socket sent; None where it can't be answered."""
        try:
            end = frames.index(b"", 1, limits.EDGE_ENVELOPE_FRAMES) + 1
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
        self._bound[_BUS_KEY].send_multipart(frames)

    def ask(self, peer_id: str, frames: Frames) -> bool:
        """Send a sync request; False where the peer is not there."""
        link = self._links.get(peer_id)
        return link is not None and self._sent(link.sync, frames)

    def answer_peer(self, token: Token, frames: Frames) -> None:
        """Send a page to who asked for it, if it is still there."""
        self._deliver(self._bound[_SYNC_KEY], [*token, *frames])

    def answer_edge(self, token: Token, body: bytes) -> None:
        """Answer an edge, if it is still there."""
        self._deliver(self._bound[_EDGES_KEY], [*token, body])

    def answer_control(self, token: Token, body: bytes) -> None:
        """Answer zparkctl, if it is still there."""
        self._deliver(self._bound[_CONTROL_KEY], [*token, body])

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


def _endpoints(listen: Listen) -> dict[str, str]:
    """Where each socket listens, by the key of the configuration that says so."""
    return {
        _BUS_KEY: _tcp(listen.address, listen.bus_port),
        _SYNC_KEY: _tcp(listen.address, listen.sync_port),
        _EDGES_KEY: _tcp(listen.address, listen.edge_port),
        _CONTROL_KEY: f"ipc://{listen.control}",
    }


def _port(endpoint: str) -> str:
    return endpoint.rpartition(":")[2]


def _path(endpoint: str) -> Path:
    return Path(endpoint.removeprefix("ipc://"))


def _tcp(address: str, port: int) -> str:
    return f"tcp://[{address}]:{port}" if ":" in address else f"tcp://{address}:{port}"
