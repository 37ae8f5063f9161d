"""Questions to the sync port of a peer, asked as this central, and its answers.

Nothing is asked that costs the peer more than a page does.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import zmq
from msgspec.structs import replace

from zparkd.client.dial import tcp_endpoint
from zparkd.config.load import Config
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Stream
from zparkd.core.events.heads import Heads
from zparkd.core.replication import limits
from zparkd.core.replication.encoding import write_header
from zparkd.core.replication.range_digests import Of
from zparkd.core.replication.wire import (
    TOPIC_HEARTBEAT,
    Ask,
    Beat,
    Compare,
    Digests,
    Page,
    read_heads,
    read_message,
)
from zparkd.core.site import Peer
from zparkd.transport.dial import connected, unreachable
from zparkd.verify.ranges import Range

_PATIENCE_S = 3.0
_UNDER_WAY = 4  # questions at once, so that the peer need not wait for us


class NoUse(Exception):
    """The peer can't be used. `code` is what a script may look at, the text is for people."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class PeerLine:
    """A connection to one peer. Every method raises NoUse where no usable answer comes."""

    def __init__(self, config: Config, peer: Peer, socket: "zmq.Socket[bytes]") -> None:
        self._config = config
        self._peer = peer
        self._socket = socket
        self._id = 0

    def ping(self) -> None:
        """Ask for nothing."""
        self._page(Ask(self._config.site, 0, []))

    def vector(self) -> Heads:
        """How far the peer holds each stream."""
        heads: Heads = {}
        while True:
            after = max(heads, default=Stream("", 0))
            page = self._page(Ask(self._config.site, 0, [], (after.origin, after.epoch)))
            heads |= read_heads(page.heads or [])
            if not (page.more and page.heads):
                return heads

    def held(self) -> str:
        """The digest over the heads of all streams that the peer holds now."""
        return self._digests(Compare(self._config.site, 0, Of.EVENTS, [])).held

    def digests(self, of: Of, ranges: Iterable[Range]) -> dict[Range, str]:
        """What the peer holds at each of these ranges, as digests."""
        found: dict[Range, str] = {}
        waiting = deque(_questions(ranges))
        under_way: dict[int, list[Range]] = {}
        while waiting or under_way:
            while waiting and len(under_way) < _UNDER_WAY:
                asked = waiting.popleft()
                ask = Compare(self._config.site, 0, of, list(asked))
                under_way[self._send(ask)] = asked
            answer = self._receive(set(under_way))
            asked = under_way.pop(answer.id)
            digests = answer.digests if isinstance(answer, Digests) else []
            if not digests:
                raise NoUse("no_digests", "gives no digests; it runs another zparkd")
            found.update(zip(asked, digests, strict=False))
            if rest := asked[len(digests) :]:
                waiting.append(rest)
        return found

    def digest_at(self, of: Of, one: Range) -> tuple[str, str]:
        """The digest of a range, and that over the heads at which it was taken."""
        answer = self._digests(Compare(self._config.site, 0, of, [one]))
        if not answer.digests:
            raise NoUse("no_digests", "gives no digests; it runs another zparkd")
        return answer.digests[0], answer.held

    # --- one question -------------------------------------------------------------------------

    def _page(self, ask: Ask) -> Page:
        answer = self._receive({self._send(ask)})
        assert isinstance(answer, Page)
        return answer

    def _digests(self, ask: Compare) -> Digests:
        answer = self._receive({self._send(ask)})
        assert isinstance(answer, Digests)
        return answer

    def _send(self, ask: Ask | Compare) -> int:
        self._id += 1
        now_ms = time.time_ns() // 1_000_000
        data = replace(ask, id=self._id)
        self._expected = Page if isinstance(ask, Ask) else Digests
        self._socket.send(write_header(self._config.central_id, now_ms, data))
        return self._id

    def _receive(self, ids: set[int]) -> Page | Digests:
        """The answer to one of these questions."""
        deadline = time.monotonic() + _PATIENCE_S
        while (left_s := deadline - time.monotonic()) > 0:
            if not self._socket.poll(max(1, round(left_s * 1000))):
                continue
            try:
                message = read_message(self._socket.recv_multipart())
            except ProtocolError as fault:
                raise NoUse("no_central", f"what answers is no central: {fault}") from None
            data = message.data
            if isinstance(data, self._expected) and data.id in ids:
                self._judge(message.source, data)
                return data
        raise NoUse(
            "timeout",
            f"connected, but no answer in {_PATIENCE_S:g} s;"
            " is it the sync_port, and do the keys fit?",
        )

    def _judge(self, source: str, answer: Page | Digests) -> None:
        site = self._config.site
        if source != self._peer.id:
            raise NoUse("another_central", f"answers as {source}; correct id or address in peers.d")
        if answer.site != site:
            raise NoUse("another_site", f"is of site {answer.site}; this central is of {site}")
        if answer.error is not None:
            raise NoUse("refused", answer.error)


@contextmanager
def line_to(config: Config, peer: Peer) -> Iterator[PeerLine]:
    """A connection to the sync port of a peer. Raises NoUse, also out of what is done with it."""
    if reason := unreachable(peer.address, peer.sync_port, _PATIENCE_S):
        raise NoUse("unreachable", reason)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        yield _line_by_key(context, config, peer)
    except zmq.ZMQError as fault:
        raise NoUse("unreachable", str(fault)) from None
    finally:
        context.destroy(linger=0)


def _line_by_key(context: "zmq.Context[zmq.Socket[bytes]]", config: Config, peer: Peer) -> PeerLine:
    """The connection by the key that the peer has now, where its file names two."""
    address = tcp_endpoint(peer.address, peer.sync_port)
    keys: tuple[str | None, ...] = peer.public_keys or (None,)
    for key in keys:
        try:
            socket = connected(context, zmq.DEALER, address, config, key)
        except (OSError, ValueError) as fault:  # of this central's own key
            raise NoUse("bad_key", str(fault)) from None
        line = PeerLine(config, peer, socket)
        if key == keys[-1]:
            break
        try:
            line.ping()
            break
        except NoUse as fault:
            if fault.code != "timeout":
                raise
    return line


def _questions(ranges: Iterable[Range]) -> Iterator[list[Range]]:
    """Ranges, as many together as one answer takes."""
    asked: list[Range] = []
    room = limits.DIGEST_EVENTS
    for one in ranges:
        positions = one.last - one.first + 1
        if asked and (positions > room or len(asked) == limits.RANGES_PER_REQUEST):
            yield asked
            asked, room = [], limits.DIGEST_EVENTS
        asked.append(one)
        room -= positions
    if asked:
        yield asked


def heartbeat(config: Config, peer: Peer) -> Beat | None:
    """The next heartbeat that a peer publishes; None where none comes in time."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        where = tcp_endpoint(peer.address, peer.bus_port)
        bus = connected(context, zmq.SUB, where, config, peer.public_key)
        bus.subscribe(TOPIC_HEARTBEAT)
        until = time.monotonic() + max(_PATIENCE_S, 2 * config.heartbeat_s + 1)
        while (left_s := until - time.monotonic()) > 0:
            if not bus.poll(max(1, round(left_s * 1000))):
                break
            with suppress(ProtocolError):
                message = read_message(bus.recv_multipart()[1:])
                if message.source == peer.id and isinstance(message.data, Beat):
                    return message.data
        return None
    finally:
        context.destroy(linger=0)
