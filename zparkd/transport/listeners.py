"""The four sockets that listen, and what happens to them when addresses or keys change.

What goes through them is not known here. Each has a key of the configuration that names it.
"""

import errno
import time
from collections.abc import Mapping
from pathlib import Path

import zmq

from zparkd.client.dial import reached_at, tcp_endpoint
from zparkd.config.load import Listen
from zparkd.transport.socket_file import make_way
from zparkd.transport.socket_options import (
    BUS,
    CONTROL,
    EDGES,
    SYNC,
    Bounds,
    Context,
    Domain,
    Socket,
    guard,
    make_socket,
)
from zparkd.transport.zap import Keys, Zap, self_test

_LAST_ANSWERS_MS = 200
_CLOSING_S = 1.0
_CLOSING_PAUSE_S = 0.01
_KEY = {
    Domain.BUS: "listen.bus_port",
    Domain.SYNC: "listen.sync_port",
    Domain.EDGE: "listen.edge_port",
    Domain.CONTROL: "listen.control",
}
_KIND: Mapping[Domain, tuple[int, Bounds]] = {
    Domain.BUS: (zmq.PUB, BUS),
    Domain.SYNC: (zmq.ROUTER, SYNC),
    Domain.EDGE: (zmq.ROUTER, EDGES),
    Domain.CONTROL: (zmq.ROUTER, CONTROL),
}
_TCP = (Domain.BUS, Domain.SYNC, Domain.EDGE)


class BindError(Exception):
    """A port or path can't be listened on. `key` is the configuration key that names it."""

    def __init__(self, key: str, endpoint: str, fault: OSError | zmq.ZMQError) -> None:
        reason = fault.strerror or str(fault)
        mend = f"stop what has it, or change {key}"
        if fault.errno == errno.EADDRNOTAVAIL:
            key = "listen.address"
            reason = "this machine has no such address"
            mend = f"write one that `ip address` shows, or 0.0.0.0 for all, in {key}"
        super().__init__(f"can't listen on {endpoint}: {reason}; {mend}")
        self.key = key


class Ports:
    """The listening sockets, and the poller that is told of those that are always read."""

    def __init__(self, context: Context, poller: zmq.Poller, zap: Zap) -> None:
        self._context = context
        self._poller = poller
        self._zap = zap
        self._bound: dict[Domain, Socket] = {}
        self._endpoints: dict[Domain, str] = {}
        self._edges_polled = False

    def __getitem__(self, domain: Domain) -> Socket:
        """The socket that listens there now."""
        return self._bound[domain]

    def close(self) -> None:
        """Remove the file of the control socket, which ZeroMQ would leave behind."""
        if Domain.CONTROL in self._bound:
            _path(self._endpoints[Domain.CONTROL]).unlink(missing_ok=True)

    def where(self) -> dict[Domain, tuple[int, bool]]:
        """The ports on TCP that listen now, and whether each is one of IPv6."""
        return {
            domain: (int(_port(self._endpoints[domain])), "[" in self._endpoints[domain])
            for domain in _TCP
            if domain in self._bound and domain in self._endpoints
        }

    def poll_edges(self, wanted: bool) -> None:
        """Say whether edges are looked at."""
        if wanted is not self._edges_polled:
            if wanted:
                self._poller.register(self._bound[Domain.EDGE], zmq.POLLIN)
            else:
                self._poller.unregister(self._bound[Domain.EDGE])
            self._edges_polled = wanted

    def self_test(self) -> None:
        """See that a key that nobody has opens nothing. Raises SelfTestFailed."""
        if self._zap.keys.own is not None:
            self_test(self._context, self._zap, {domain: self._own(domain) for domain in _TCP})

    def _own(self, domain: Domain) -> str:
        host, _, port = self._endpoints[domain].removeprefix("tcp://").rpartition(":")
        host = host.strip("[]")
        return tcp_endpoint(reached_at(host), int(port))

    def admit(self, keys: Keys) -> None:
        """Go by these keys from now on. Raises BindError.

        Where one is not admitted any more, all connections of its port are cut, since ZeroMQ
        can't cut one; those that still are come back by themselves.
        """
        before, self._zap.keys = self._zap.keys, keys
        for domain in _TCP:
            if keys.cuts(before, domain):
                self._cut(domain)

    def _cut(self, domain: Domain) -> None:
        endpoint = self._endpoints[domain]
        self._close(domain, linger_ms=_LAST_ANSWERS_MS)
        try:
            self._take_over(domain, self._listening(domain, endpoint, patient=True))
        except BindError:
            del self._endpoints[domain]
            raise

    def bind(self, listen: Listen) -> None:
        """Listen where it says: only what differs is closed and opened.

        Raises BindError where a new port can't be had; all stays as it was.
        """
        wanted = _endpoints(listen)
        changed = {
            domain: endpoint
            for domain, endpoint in wanted.items()
            if self._endpoints.get(domain) != endpoint
        }
        ports = {_port(endpoint) for endpoint in changed.values()}
        in_the_way = [
            domain
            for domain in changed
            if domain in self._bound and _port(self._endpoints[domain]) in ports
        ]
        for domain in in_the_way:
            self._close(domain)
        made: dict[Domain, Socket] = {}
        try:
            for domain, endpoint in changed.items():
                made[domain] = self._listening(domain, endpoint, patient=bool(in_the_way))
        except BindError:
            for domain, unused in made.items():
                if domain is Domain.CONTROL:
                    _path(wanted[domain]).unlink(missing_ok=True)
                unused.close(linger=0)
            for domain in in_the_way:
                again = self._listening(domain, self._endpoints[domain], patient=True)
                self._take_over(domain, again)
            raise
        for domain, new in made.items():
            if domain in self._bound:
                self._close(domain)
            self._take_over(domain, new)
        self._endpoints = wanted

    def _take_over(self, domain: Domain, made: Socket) -> None:
        self._bound[domain] = made
        if domain in (Domain.SYNC, Domain.CONTROL):
            self._poller.register(made, zmq.POLLIN)

    def _close(self, domain: Domain, linger_ms: int = 0) -> None:
        bound = self._bound.pop(domain)
        if bound in self._poller:
            self._poller.unregister(bound)
        if domain is Domain.EDGE:
            self._edges_polled = False
        if domain is Domain.CONTROL:  # ZeroMQ would leave it behind
            _path(self._endpoints[domain]).unlink(missing_ok=True)
        bound.close(linger=linger_ms)

    def _listening(self, domain: Domain, endpoint: str, patient: bool) -> Socket:
        """A new socket that listens there. Raises BindError."""
        kind, bounds = _KIND[domain]
        if domain is Domain.CONTROL:
            try:
                make_way(_path(endpoint))
            except OSError as fault:
                raise BindError(_KEY[domain], endpoint, fault) from None
        made = make_socket(self._context, kind, bounds)
        made.ipv6 = "[" in endpoint
        if kind == zmq.ROUTER:
            made.router_mandatory = 1
        guard(made, domain, self._zap.keys.own)
        try:
            _listen(made, domain, endpoint, patient)
        except BindError:
            made.close(linger=0)
            raise
        if domain is Domain.CONTROL:
            _path(endpoint).chmod(0o660)
        return made


def _listen(made: Socket, domain: Domain, endpoint: str, patient: bool) -> None:
    """Bind a socket. Raises BindError.

    `patient` waits a moment for a port that is being given up: ZeroMQ closes in its own time.
    """
    until = time.monotonic() + (_CLOSING_S if patient else 0)
    while True:
        try:
            made.bind(endpoint)
            return
        except zmq.ZMQError as fault:
            if fault.errno != zmq.EADDRINUSE or time.monotonic() >= until:
                raise BindError(_KEY[domain], endpoint, fault) from None
            time.sleep(_CLOSING_PAUSE_S)


def _endpoints(listen: Listen) -> dict[Domain, str]:
    return {
        Domain.BUS: tcp_endpoint(listen.address, listen.bus_port),
        Domain.SYNC: tcp_endpoint(listen.address, listen.sync_port),
        Domain.EDGE: tcp_endpoint(listen.address, listen.edge_port),
        Domain.CONTROL: f"ipc://{listen.control}",
    }


def _port(endpoint: str) -> str:
    return endpoint.rpartition(":")[2]


def _path(endpoint: str) -> Path:
    return Path(endpoint.removeprefix("ipc://"))
