"""The sockets: the only code of the daemon that touches ZeroMQ.

    bus      PUB bound; one SUB a peer         events and heartbeats; a hint that may be lost
    sync     ROUTER bound; one DEALER a peer   what was missed, asked for by who lacks it
    edges    ROUTER bound                      answers the REQ of cameras
    control  ROUTER bound, on a Unix socket    answers zparkctl

What arrives is handed on as the values that `core.central` takes; nothing is decided here.
Each peer has sockets of its own, so what comes out of them can only be from the address that
is configured for it. Nothing here blocks.
"""

import os
import socket
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple

import zmq

from zparkd.config.load import Listen
from zparkd.core import limits
from zparkd.core.site import Peer
from zparkd.core.turn import (
    Frames,
    FromBus,
    FromEdge,
    Incoming,
    LinkState,
    SyncAnswer,
    SyncRequest,
    Token,
)
from zparkd.transport.floods import Flood, Floods
from zparkd.transport.listeners import BindError, Ports
from zparkd.transport.peer_link import Link
from zparkd.transport.socket_options import Domain, Socket
from zparkd.transport.zap import Keys, Refused, SelfTestFailed, Zap, invited_key, shown_address

__all__ = ["BindError", "Bus", "Control", "Drained", "SelfTestFailed"]

_ORDERLY_STOP_MS = 500
# Plain numbers: to combine pyzmq's flags, as its `send_multipart` does, costs more than to send.
_NOBLOCK = int(zmq.NOBLOCK)
_POLLIN = int(zmq.POLLIN)
_NOBLOCK_AND_MORE = int(zmq.NOBLOCK | zmq.SNDMORE)


class Asker(NamedTuple):
    """Who sent a command: the account and the process, as the kernel says; None where unknown."""

    uid: int | None = None
    pid: int | None = None

    def __str__(self) -> str:
        """As the log has it."""
        return f"uid {self.uid}, pid {self.pid}" if self.uid is not None else "who is not known"


@dataclass(frozen=True, slots=True)
class Control:
    """A command; `token` is where its answer goes, `asker` who sent it."""

    token: Token
    body: bytes
    asker: Asker


@dataclass(frozen=True, slots=True)
class Joins:
    """Somebody with an invitation; the answer goes to `token` at the port of `domain`."""

    domain: Domain
    token: Token
    key: bytes
    body: bytes
    came_from: str


@dataclass(slots=True)
class Drained:
    """What one turn took off the sockets."""

    messages: list[Incoming] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)
    joins: list[Joins] = field(default_factory=list)
    signalled: bool = False


class Bus:
    """All sockets of one central."""

    def __init__(self, listen: Listen, peers: tuple[Peer, ...], keys: Keys | None = None) -> None:
        """Bind and connect; without keys, to and for anybody. Raises BindError."""
        self._context: zmq.Context[Socket] = zmq.Context()
        self._context.set(zmq.MAX_SOCKETS, limits.SOCKETS)
        self._poller = zmq.Poller()
        self._links: dict[str, Link] = {}
        self._ready: dict[object, int] = {}
        self._crowded_s = -inf  # when peers' events were last taken of which there were several
        self.undeliverable = 0
        self.malformed = 0
        self._joins: list[Joins] = []
        self._woken, self.wake_fd = socket.socketpair()
        self._woken.setblocking(False)
        self.wake_fd.setblocking(False)
        self._poller.register(self._woken, zmq.POLLIN)
        self._zap = Zap(self._context, keys or Keys())  # before anything is bound
        self._poller.register(self._zap.socket, zmq.POLLIN)
        self._ports = Ports(self._context, self._poller, self._zap)
        self._floods = self._zap.floods = Floods(self._ports.where)
        try:
            self._ports.bind(listen)
        except BindError:
            self.close()
            raise
        self._connect(peers)

    def close(self) -> None:
        """Close all sockets; what was sent a moment ago still goes out."""
        self._ports.close()
        self._context.destroy(linger=_ORDERLY_STOP_MS)
        self._woken.close()
        self.wake_fd.close()

    # --- set-up -----------------------------------------------------------------------------

    def self_test(self) -> None:
        """See that a key that nobody has opens nothing. Raises SelfTestFailed."""
        self._ports.self_test()

    def reconfigure(
        self, listen: Listen, peers: tuple[Peer, ...], keys: Keys | None = None
    ) -> None:
        """Take over new addresses and keys: only what differs is closed and opened.

        Raises BindError where a new port can't be had; all stays as it was.
        """
        self._ports.bind(listen)
        self._ports.admit(keys or Keys())
        self._connect(peers)

    def redial(self, peer_id: str) -> None:
        """Connect to a peer anew.

        Where the other side sent what is no ZMTP, another mechanism or too long a frame, ZeroMQ
        gives that connection up for good, also when the fault has long been mended.
        """
        link = self._links[peer_id]
        self._hang_up(link)
        self._dial(link.peer, link.turn + 1)

    def _connect(self, peers: tuple[Peer, ...]) -> None:
        wanted = {peer.id: peer for peer in peers}
        for link in list(self._links.values()):
            peer = wanted.get(link.peer.id)
            if peer is not None and link.still_good(peer, self._zap.keys.own):
                link.peer = peer
            else:
                self._hang_up(link)
        for peer in peers:
            if peer.id not in self._links:
                self._dial(peer)

    def _dial(self, peer: Peer, turn: int = 0) -> None:
        self._links[peer.id] = link = Link(self._context, peer, self._zap.keys.own, turn)
        for made in link.sockets:
            self._poller.register(made, zmq.POLLIN)

    def _hang_up(self, link: Link) -> None:
        del self._links[link.peer.id]
        for made in link.sockets:
            self._poller.unregister(made)
        link.close()

    # --- receiving ----------------------------------------------------------------------------

    def poll(self, timeout_ms: int, edges: bool) -> None:
        """Wait until something came in, or the time is up; edges are looked at where told."""
        self._ports.poll_edges(edges)
        self._ready = dict(self._poller.poll(timeout_ms))
        if self._zap.keys.own is not None:
            self._floods.look(time.monotonic_ns() // 1_000_000)

    def await_company(self, timeout_ms: int) -> None:
        """Where only peers' events came in, let more of them come: one commit serves them all.

        Only under load, which is where the last take, no longer than this ago, was of several: a
        lone one is taken at once. Whatever else comes in ends the wait, so that nobody who asked
        something waits for it.
        """
        if time.monotonic() - self._crowded_s > timeout_ms / 1000:
            return
        events = {link.events for link in self._links.values()}
        if self._ready and self._ready.keys() <= events:
            zmq.zmq_poll([it for it in self._poller.sockets if it[0] not in events], timeout_ms)
            self._ready = dict(self._poller.poll(0))

    def wake(self) -> None:
        """End a poll at once; from any thread."""
        self.wake_fd.send(b"\0")

    def drain(self, *, peers: bool = True) -> Drained:
        """Take what is there off every socket, up to a limit each. Peers before edges.

        Without `peers` what these sent stays where it is.
        """
        drained = Drained()
        if self._woken.fileno() in self._ready:
            drained.signalled = True
            self._empty_wake_up()
        if self._zap.socket in self._ready:
            self._zap.answer()
        take = drained.messages.append
        for id, link in self._links.items():
            if link.monitor in self._ready:
                is_new = link.look()
                take(LinkState(id, link.error, is_new))
        if peers:
            self._drain_peers(take)
        for frames, speaker in self._heard(Domain.SYNC):
            take(SyncRequest((frames[0],), frames[1:], speaker))
        for frames, speaker in self._heard(Domain.EDGE):
            request = self._edge_request(frames, speaker)
            if request is not None:
                take(request)
        for frames, asker in self._heard(Domain.CONTROL):
            if len(frames) == 3 and not frames[1]:
                drained.controls.append(Control((frames[0], b""), frames[2], _asker(asker)))
        drained.joins, self._joins = self._joins, []
        return drained

    def _drain_peers(self, take: Callable[[Incoming], None]) -> None:
        events_came = 0
        for id, link in self._links.items():
            for frames in self._received(link.sync):
                take(SyncAnswer(id, frames))
            for frames in self._received(link.events):
                take(FromBus(id, frames))
                events_came += 1
        if events_came:
            self._crowded_s = time.monotonic() if events_came > 1 else -inf

    def _heard(self, domain: Domain) -> Iterator[tuple[Frames, str | None]]:
        """What came in at a port, and who sent it; None where nobody has to prove that."""
        proven = self._zap.keys.own is not None and domain is not Domain.CONTROL
        if not proven and domain is not Domain.CONTROL:
            for frames in self._received(self._ports[domain]):
                yield frames, None
            return
        # Who speaks is in the metadata of a frame, which is lost where its bytes are copied.
        for parts in self._received(self._ports[domain], copy=False):
            speaker = _user_id(parts[0])
            if proven and (speaker is None or not self._zap.speaks(domain, speaker)):
                continue  # its key was taken away a moment ago
            frames = [bytes(part) for part in parts]
            invited = invited_key(speaker)
            if proven and invited is not None:
                if len(frames) == 2:
                    came_from = _address(parts[1])
                    asked = Joins(domain, (frames[0],), invited, frames[1], came_from)
                    self._joins.append(asked)
                continue
            if proven and speaker is not None:
                self._floods.handed(domain, speaker, frames, _inode(parts[-1]))
            yield frames, speaker

    @property
    def keys(self) -> Keys:
        """The keys that it goes by now."""
        return self._zap.keys

    def floods(self, mono_ms: int) -> Iterator[Flood]:
        """Who is kept out for what was sent."""
        return self._floods.now(mono_ms)

    def refused(self, mono_ms: int) -> Iterator[Refused]:
        """Who was turned away lately, the last first."""
        return self._zap.refused(mono_ms)

    def _received(self, source: Socket, copy: bool = True) -> Iterator[Any]:
        if source not in self._ready:
            return
        for _ in range(limits.MESSAGES_PER_SOCKET):
            if not int(source.get(zmq.EVENTS)) & _POLLIN:  # for less than what to be refused costs
                return
            try:
                parts = [source.recv(_NOBLOCK, copy=False)]
                while parts[-1].more:
                    parts.append(source.recv(_NOBLOCK, copy=False))
            except zmq.ZMQError as fault:
                if fault.errno == zmq.EAGAIN:
                    return
                raise
            yield [part.bytes for part in parts] if copy else parts

    def _edge_request(self, frames: Frames, speaker: str | None) -> FromEdge | None:
        """The request in what a REQ socket sent; None where it can't be answered."""
        try:
            end = frames.index(b"", 1, limits.EDGE_ENVELOPE_FRAMES) + 1
        except ValueError:
            self.malformed += 1
            return None
        body = frames[end:]
        return FromEdge(tuple(frames[:end]), body[0] if len(body) == 1 else b"", speaker)

    def _empty_wake_up(self) -> None:
        try:
            while self._woken.recv(4096):
                pass
        except BlockingIOError:
            pass

    # --- sending ------------------------------------------------------------------------------

    def publish(self, frames: Frames) -> None:
        """Tell all peers. A peer whose queue is full misses it, and asks later."""
        _send(self._ports[Domain.BUS], frames)

    def ask(self, peer_id: str, frames: Frames) -> bool:
        """Send a sync request; False where the peer is not there and one waits for it already."""
        link = self._links.get(peer_id)
        return link is not None and self._sent(link.sync, frames)

    def answer_peer(self, token: Token, frames: Frames) -> None:
        """Send a page to who asked for it, if it is still there."""
        self._deliver(self._ports[Domain.SYNC], [*token, *frames])

    def answer_edge(self, token: Token, body: bytes) -> None:
        """Answer an edge, if it is still there."""
        self._deliver(self._ports[Domain.EDGE], [*token, body])

    def answer_join(self, asked: Joins, body: bytes) -> None:
        """Answer who came with an invitation, if it is still there."""
        self._deliver(self._ports[asked.domain], [*asked.token, body])

    def admit_invited(self, keys: Collection[bytes]) -> None:
        """Let in these one-time keys to say JOIN, and no others."""
        self._zap.invited = keys

    def answer_control(self, token: Token, body: bytes) -> None:
        """Answer zparkctl, if it is still there."""
        self._deliver(self._ports[Domain.CONTROL], [*token, body])

    def _deliver(self, target: Socket, frames: Frames) -> None:
        if not self._sent(target, frames):
            self.undeliverable += 1

    @staticmethod
    def _sent(target: Socket, frames: Frames) -> bool:
        try:
            _send(target, frames)
        except zmq.ZMQError as fault:
            if fault.errno in (zmq.EAGAIN, zmq.EHOSTUNREACH):
                return False
            raise
        return True


def _send(target: Socket, frames: Frames) -> None:
    """Send all frames of a message, or none; waits for nobody."""
    for frame in frames[:-1]:
        target.send(frame, _NOBLOCK_AND_MORE)
    target.send(frames[-1], _NOBLOCK)


def _asker(who: str | None) -> Asker:
    """Who sent a command, as the kernel told ZeroMQ: `localhost:uid:gid:pid`."""
    match (who or "").split(":"):
        case [_, uid, _, pid]:
            return Asker(int(uid), int(pid))
    return Asker()


def _address(frame: zmq.Frame) -> str:
    """The address that a frame came from."""
    try:
        return shown_address(str(frame.get("Peer-Address")))
    except zmq.ZMQError:
        return "?"


def _inode(frame: zmq.Frame) -> int | None:
    """The number of the connection that a frame came over; None where that is not known."""
    try:
        return os.fstat(int(frame.get(zmq.MessageOption.SRCFD))).st_ino
    except (zmq.ZMQError, OSError, ValueError):
        return None


def _user_id(frame: zmq.Frame) -> str | None:
    """Who sent a frame, as the handler of ZAP said."""
    try:
        return str(frame.get("User-Id"))
    except zmq.ZMQError:
        return None
