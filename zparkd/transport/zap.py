"""Who may connect to which port: the ZAP handler of the loop, and the keys that it goes by.

    bus, sync   the keys of peers, and our own (zparkctl dials this central with it)
    edge        the keys of edges
    sync, edge  one-time keys of invitations, with which nothing but JOIN is heard
    control     no keys: the file of the socket decides; here it is only noted who it is

A key that opens one port opens no other, and the name that belongs to it, its `User-Id`, says
who speaks on that connection. ZeroMQ asks for each connection, and waits for the answer no
longer than HANDSHAKE_MS.

Who is turned away gets 300, "not now": after 400 a client would never come back, also when its
key is added later. Only `self_test` gets 400, so that it knows at once.
"""

import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import zmq

from zparkd.client.dial import CurveKeys, connect
from zparkd.core import limits
from zparkd.core.events.signing import Identity
from zparkd.core.keys import fingerprint, key_bytes
from zparkd.core.site import Lane, Peer
from zparkd.logs.messages import Message, say
from zparkd.transport.floods import Floods
from zparkd.transport.socket_options import Context, Domain, KeyPair, Socket, key_pair

_ENDPOINT = "inproc://zeromq.zap.01"  # ZeroMQ asks nowhere else
_VERSION = b"1.0"
_REQUEST_FRAMES = 8  # before the credentials
_ADMITTED, _NOT_NOW, _NEVER = b"200", b"300", b"400"


_INVITED = "invited:"  # no id has a colon


def invited_key(who: str | None) -> bytes | None:
    """The one-time key by which somebody was let in to say JOIN; None for all others."""
    if who is None or not who.startswith(_INVITED):
        return None
    return bytes.fromhex(who.removeprefix(_INVITED))


class SelfTestFailed(Exception):
    """A key that nobody has was let in, or nobody was asked. The text says where."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Our own pair, None in plain mode, and who is admitted where by which key (32 bytes)."""

    own: KeyPair | None = None
    admitted: Mapping[Domain, Mapping[bytes, str]] = field(default_factory=dict)

    def cuts(self, before: "Keys", domain: Domain) -> bool:
        """Whether a connection that was let in `before` may be one that is not any more."""
        if self.own != before.own:
            return True
        now = self.admitted.get(domain, {})
        return any(now.get(key) != who for key, who in before.admitted.get(domain, {}).items())


def keys_of(
    secret: bytes | None, central_id: str, peers: tuple[Peer, ...], lanes: tuple[Lane, ...]
) -> Keys:
    """The keys of a site; `secret` None where there are none to prove."""
    if secret is None:
        return Keys()
    own = key_pair(secret)
    centrals = {key_bytes(key): peer.id for peer in peers for key in peer.public_keys}
    centrals[key_bytes(own.public.decode())] = central_id
    edges = {key_bytes(key): lane.id for lane in lanes for key in lane.public_keys}
    return Keys(own, {Domain.BUS: centrals, Domain.SYNC: centrals, Domain.EDGE: edges})


def identity_of(keys: Keys) -> Identity | None:
    """Who we sign as; None where there are no keys."""
    if keys.own is None:
        return None
    return Identity(key_bytes(keys.own.secret.decode()), secrets.token_bytes)


@dataclass(slots=True)
class Refused:
    """A key that was turned away from a port; times in ms of the monotonic clock."""

    domain: str
    key: bytes
    address: str
    belongs_to: str | None
    last_ms: int
    times: int = 1

    def __str__(self) -> str:
        """What happened, for people. A public key is no secret."""
        if not self.key:
            return f"{self.address} came to the {self.domain} port without a key"
        if self.belongs_to is not None:
            return f"{self.address} came to the {self.domain} port with the key of" + (
                f" {self.belongs_to}, which opens other ports"
            )
        return (
            f"{self.address} came to the {self.domain} port with a key that is not known here,"
            f" {fingerprint(self.key)}"
        )


class Zap:
    """Answers ZeroMQ who may connect. Made before anything is bound, polled with the rest."""

    def __init__(self, context: Context, keys: Keys) -> None:
        self.keys = keys
        self.socket: Socket = context.socket(zmq.ROUTER)
        self.socket.linger = 0
        self.socket.bind(_ENDPOINT)
        self.throw_away: bytes | None = None
        self.invited: Collection[bytes] = ()  # one-time keys, good for one JOIN
        self.floods: Floods | None = None
        self._refused: OrderedDict[tuple[str, bytes], Refused] = OrderedDict()
        self._lines_left = limits.REFUSAL_LINES_PER_MINUTE
        self._lines_from_ms = 0
        self._unsaid = 0

    def answer(self) -> None:
        """Answer what was asked, up to a bound; the rest waits for the next turn."""
        for _ in range(limits.MESSAGES_PER_SOCKET):
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.ZMQError as fault:
                if fault.errno == zmq.EAGAIN:
                    return
                raise
            status, who = self._judged(frames)
            to = [*frames[:2], _VERSION, frames[3] if len(frames) > 3 else b""]
            self.socket.send_multipart([*to, status, b"", who.encode(), b""], zmq.NOBLOCK)

    def refused(self, mono_ms: int) -> Iterator[Refused]:
        """Who was turned away lately, the last first."""
        for refused in reversed(self._refused.values()):
            if mono_ms - refused.last_ms <= limits.REFUSALS_SHOWN_MS:
                yield refused

    def speaks(self, domain: Domain, who: str) -> bool:
        """Whether a message that came as `who` still counts: its key may be gone meanwhile."""
        invited = invited_key(who)
        if invited is not None:
            return invited in self.invited
        return who in self.keys.admitted.get(domain, {}).values()

    def _judged(self, frames: list[bytes]) -> tuple[bytes, str]:
        """The status for one connection, and the name of who it is."""
        if len(frames) < _REQUEST_FRAMES or frames[2] != _VERSION:
            return _NOT_NOW, ""
        domain, address, mechanism = (frames[at].decode("latin-1") for at in (4, 5, 7))
        if domain == Domain.CONTROL and mechanism == "NULL":
            return _ADMITTED, address  # localhost:uid:gid:pid, as the kernel says
        key = frames[_REQUEST_FRAMES] if mechanism == "CURVE" and len(frames) > 8 else b""
        if key and key == self.throw_away:
            return _NEVER, ""
        who = self.keys.admitted.get(domain, {}).get(key)  # type: ignore[call-overload]
        if who is not None:
            if self.floods is not None:
                now_ms = time.monotonic_ns() // 1_000_000
                if self.floods.denied(domain, who, now_ms):
                    return _NOT_NOW, ""
                self.floods.admitted(Domain(domain), shown_address(address), who, now_ms)
            return _ADMITTED, who
        if key in self.invited and domain in (Domain.SYNC, Domain.EDGE):
            return _ADMITTED, _INVITED + key.hex()
        self._note(domain, key, shown_address(address))
        return _NOT_NOW, ""

    def _note(self, domain: str, key: bytes, address: str) -> None:
        """Remember who was turned away, and say it once."""
        now_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        known = self._refused.pop((domain, key), None)
        if known is not None and now_ms - known.last_ms <= limits.REFUSALS_SHOWN_MS:
            known.address, known.last_ms, known.times = address, now_ms, known.times + 1
            self._refused[domain, key] = known
            return
        maps = self.keys.admitted.values()
        owner = next((names[key] for names in maps if key in names), None)
        self._refused[domain, key] = refused = Refused(domain, key, address, owner, now_ms)
        if len(self._refused) > limits.REFUSALS_REMEMBERED:
            self._refused.popitem(last=False)
        self._say(refused, now_ms)

    def _say(self, refused: Refused, now_ms: int) -> None:
        """A line in the log, as long as there are not too many: anyone can cause them."""
        if now_ms - self._lines_from_ms > 60_000:
            self._lines_from_ms = now_ms
            self._lines_left = limits.REFUSAL_LINES_PER_MINUTE
        if self._lines_left == 0:
            self._unsaid += 1
            return
        self._lines_left -= 1
        more = f"; {self._unsaid} others were not listed" if self._unsaid else ""
        self._unsaid = 0
        say(Message.KEY_REFUSED, reason=f"{refused}{more}")


def shown_address(address: str) -> str:
    """An address as people know it: an IPv4 one that came over IPv6 as what it is."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def self_test(context: Context, zap: Zap, endpoints: Mapping[Domain, str]) -> None:
    """Knock at each of our ports with a key that nobody has; it must be turned away.

    A port that lets in everybody looks like one that works, so this is found out before the
    first camera is answered. Raises SelfTestFailed.
    """
    assert zap.keys.own is not None
    public, secret = zmq.curve_keypair()
    zap.throw_away = key_bytes(public.decode())
    try:
        for domain, endpoint in endpoints.items():
            _knock(context, zap, domain, endpoint, KeyPair(public, secret))
    finally:
        zap.throw_away = None


def _knock(context: Context, zap: Zap, domain: Domain, endpoint: str, stranger: KeyPair) -> None:
    assert zap.keys.own is not None
    kind = zmq.SUB if domain is Domain.BUS else zmq.DEALER
    knocking: Socket = context.socket(kind)
    events = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    monitor: Socket = knocking.get_monitor_socket(events)
    knocking.linger = monitor.linger = 0
    try:
        connect(
            knocking, endpoint, CurveKeys(stranger.public, stranger.secret, zap.keys.own.public)
        )
        poller = zmq.Poller()
        poller.register(zap.socket, zmq.POLLIN)
        poller.register(monitor, zmq.POLLIN)
        until = time.monotonic() + limits.SELF_TEST_MS / 1000
        while (left_s := until - time.monotonic()) > 0:
            ready = dict(poller.poll(max(1, round(left_s * 1000))))
            if zap.socket in ready:
                zap.answer()
            if monitor in ready:
                event = int.from_bytes(monitor.recv_multipart()[0][:2], "little")
                if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                    return
                raise SelfTestFailed(
                    f"self-test: the {domain} port, {endpoint}, let in a key that nobody has;"
                    " this ZeroMQ does not ask who may connect; install pyzmq from PyPI"
                )
        raise SelfTestFailed(
            f"self-test: the {domain} port, {endpoint}, did not turn away a key that nobody has"
            f" within {limits.SELF_TEST_MS} ms; is a firewall between this machine and itself?"
        )
    finally:
        knocking.disable_monitor()
        monitor.close(linger=0)
        knocking.close(linger=0)
