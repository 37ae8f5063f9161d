"""The connections of the gateway: how long one may be slow, how many may be there, who it is from.

- A request has to be whole, and what is sent has to be taken, within WEB_SLOW_S; else its
  connection ends. A page that is sent events as they come says nothing, and is not slow.
- Where there are as many connections as may be, of one address or of all, the one that has waited
  longest without a request makes way for a new one: so silence keeps nobody out.
- Which account of this machine a connection comes from is looked up once, where it is asked for.
"""

import asyncio
import ipaddress
from collections.abc import Collection
from typing import Any, cast

import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from zparkd.web import limits
from zparkd.web.auth.caller import IN_SCOPE, Caller, plain_address

_RECEIVING = (h11.IDLE, h11.SEND_BODY)


class Connection(H11Protocol):
    """One connection; uvicorn makes it and reads from it."""

    proxies: Collection[str] = ()  # whose connections are those of many

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.network = ""
        self.since_s = 0.0  # since when it has no request under way
        self._due: asyncio.TimerHandle | None = None
        self._taken_by: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let somebody in."""
        super().connection_made(cast(asyncio.Transport, transport))
        self.network = network(self.client[0]) if self.client is not None else ""
        self.app = _named(self.app, Caller(self.client, self.server))
        self.since_s = self.loop.time()
        self._make_way()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take in more of a request."""
        if self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            self._cancel_due()  # it begins now
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Be ready for the next request of this connection."""
        self.since_s = self.loop.time()
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """What was sent is not taken."""
        super().pause_writing()
        if self._taken_by is None:
            self._taken_by = self.loop.call_later(limits.SLOW_S, self.end)

    def resume_writing(self) -> None:
        """What was sent is taken."""
        self._cancel_taken_by()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._cancel_due()
        self._cancel_taken_by()
        super().connection_lost(exc)

    def end(self) -> None:
        """Cut it off, whatever it waits for."""
        self.connections.discard(self)
        self.transport.abort()

    @property
    def waits(self) -> bool:
        """Whether there is no request of it that an answer is being made for."""
        return self.conn.their_state in _RECEIVING

    def _watch(self) -> None:
        if not self.waits:
            self._cancel_due()
        elif self._due is None and not self.transport.is_closing():
            self._due = self.loop.call_later(limits.SLOW_S, self.end)

    def _cancel_due(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _cancel_taken_by(self) -> None:
        if self._taken_by is not None:
            self._taken_by.cancel()
            self._taken_by = None

    def _make_way(self) -> None:
        """End a silent connection where this one is more than may be; this one if none is."""
        others = [it for it in self.connections if isinstance(it, Connection)]
        its = [it for it in others if it.network == self.network]
        many = len(its) > limits.CONNECTIONS_OF_ADDRESS
        if many and self.network not in map(network, self.proxies):
            _longest_silent(its).end()
        elif len(others) >= limits.CONNECTIONS:
            _longest_silent(others).end()


def _longest_silent(connections: list[Connection]) -> Connection:
    """Of these, the one that has waited longest; the one that just came does."""
    silent = [it for it in connections if it.waits]
    return min(silent, key=lambda it: it.since_s)


def _named(app: ASGIApp, caller: Caller) -> Any:
    """The application, told who asks."""

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        scope[IN_SCOPE] = caller
        await app(scope, receive, send)

    return named


def network(address: str) -> str:
    """What counts as one address: of IPv6 the 64 bits that one customer has."""
    try:
        found = plain_address(address)
    except ValueError:
        return address
    return str(found if found.version == 4 else ipaddress.ip_network((found, 64), strict=False))


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose TLS handshakes are not waited for longer than any request."""

    async def create_server(self, *arguments: Any, **more: Any) -> Any:
        if more.get("ssl") is not None:
            more.setdefault("ssl_handshake_timeout", limits.SLOW_S)
        return await super().create_server(*arguments, **more)


def serve(config: uvicorn.Config, listening: Any) -> None:
    """Serve until SIGTERM or SIGINT."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(uvicorn.Server(config).serve(sockets=[listening]))
