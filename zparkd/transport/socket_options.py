"""How every ZeroMQ socket of the daemon is made: bounds, keep-alive, addresses, keys.

What a socket carries is not known here. All options are set before it is bound or connected,
since ZeroMQ looks at them only then.
"""

import random
from dataclasses import dataclass
from enum import StrEnum

import zmq

from zparkd.client.dial import CurveKeys, connect, tcp_endpoint
from zparkd.core import limits

_CONNECT_MS = 1_000  # a link that is mended is found within two seconds, by new attempts

Socket = zmq.Socket[bytes]
Context = zmq.Context[Socket]


class Domain(StrEnum):
    """The listening sockets, as ZAP calls them: a key that opens one opens no other."""

    BUS = "bus"
    SYNC = "sync"
    EDGE = "edge"
    CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a socket may hold (messages a connection, bytes a frame), and how it is kept alive.

    `silence_ms` is how long a link may be quiet before ZeroMQ asks whether it still stands; 0
    never, for cameras that speak an older ZMTP.
    """

    queue: int
    frame_bytes: int
    silence_ms: int


# A peer that lags behind loses what is over the bound, and asks for it later. Of pages each peer
# waits for one at a time.
BUS = Bounds(limits.BUS_QUEUE, limits.BUS_FRAME_BYTES, 2_000)
SYNC = Bounds(limits.SYNC_QUEUE, limits.BUS_FRAME_BYTES, 2_000)
EDGES = Bounds(limits.EDGE_QUEUE, limits.EDGE_FRAME_BYTES, 0)
CONTROL = Bounds(limits.CONTROL_QUEUE, limits.CONTROL_REQUEST_BYTES, 0)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A CURVE key pair, as Z85."""

    public: bytes
    secret: bytes

    def __repr__(self) -> str:
        """Whose it is; the secret part is in no line of any log."""
        return f"KeyPair({self.public.decode()})"


def key_pair(secret: bytes) -> KeyPair:
    """The pair that a secret key belongs to."""
    return KeyPair(zmq.curve_public(secret), secret)


def make_socket(context: Context, kind: int, bounds: Bounds) -> Socket:
    """A socket that is not bound or connected yet."""
    made: Socket = context.socket(kind)
    made.linger = 0
    made.sndhwm = made.rcvhwm = bounds.queue
    made.maxmsgsize = bounds.frame_bytes
    if kind == zmq.PUB:
        # All that comes in is which topics one wants. ZeroMQ takes in whatever is there before it
        # sends, so who asks for long topics without end would hold up the loop.
        made.rcvhwm, made.maxmsgsize = limits.TOPICS_QUEUE, limits.TOPIC_FRAME_BYTES
    made.handshake_ivl = limits.HANDSHAKE_MS
    made.backlog = limits.CONNECTIONS_WAITING
    made.heartbeat_ivl = bounds.silence_ms
    made.heartbeat_timeout = made.heartbeat_ttl = 3 * bounds.silence_ms
    made.tcp_keepalive = 1
    made.tcp_keepalive_idle = 30
    made.tcp_keepalive_intvl = 10
    made.tcp_keepalive_cnt = 3
    return made


def guard(made: Socket, domain: Domain, own: KeyPair | None) -> None:
    """Have who connects prove who it is; without keys, let in anyone.

    On the control socket nobody proves anything, but the kernel says who it is. Without a
    domain, or without enforcing it, ZeroMQ would admit any key where nobody answers.
    """
    if own is None and domain is not Domain.CONTROL:
        return
    if domain is not Domain.CONTROL and own is not None:
        made.curve_secretkey = own.secret
        made.curve_publickey = own.public
        made.curve_server = True
    made.zap_domain = domain.encode()
    made.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)


def dial(
    made: Socket, address: str, port: int, own: KeyPair | None, server_key: str | None
) -> None:
    """Connect; with keys, only to who has `server_key`.

    Not with IMMEDIATE, however well "ask nobody who is not there" would suit: when a connection
    ends it takes the queue of what has arrived away, and where the first part of a message was
    read already, ZeroMQ aborts the process. So what is asked of who is not there waits, one
    request and no more.
    """
    if made.type == zmq.DEALER:
        made.sndhwm = limits.ASKS_WAITING
    made.connect_timeout = _CONNECT_MS
    made.handshake_ivl = limits.DIAL_HANDSHAKE_MS
    # Each its own pace, so that peers do not all come back in the same moment.
    made.reconnect_ivl = random.randint(100, 300)
    made.reconnect_ivl_max = random.randint(500, 1000)
    keys = None
    if own is not None:
        assert server_key is not None, "no peer is without a key in this mode"
        keys = CurveKeys(own.public, own.secret, server_key.encode())
    connect(made, tcp_endpoint(address, port), keys)
