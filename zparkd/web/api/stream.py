"""`GET /api/stream`: events and the state of the central as they come, as server-sent events.

`GET /api/events` has those that arrived last, in the same form: so a page that is opened shows what
one that was open all the time shows.

One task looks at the database and asks the daemon, whatever the number of open pages; each
message is made once. An event's id is its number in the order of arrival at this central, so a
page that was cut off says the last it saw and gets the rest. A page that does not take what it
is sent is let go: it comes back by itself.
"""

import asyncio
import contextlib
import functools
import hashlib
import logging
import time
from collections.abc import AsyncIterator
from datetime import tzinfo
from http import HTTPStatus
from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from zparkd.core.audit import act_of
from zparkd.core.clock import site_time
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Kind, read
from zparkd.core.events.ids import shown_plate
from zparkd.storage.readers import arrivals
from zparkd.web import limits
from zparkd.web.auth.access import Access
from zparkd.web.backend.daemon import Daemon
from zparkd.web.backend.database import Database
from zparkd.web.backend.site import Site
from zparkd.web.forms.answers import Events, StreamEvent
from zparkd.web.http import asked
from zparkd.web.http.answers import Problem, answer

_LOG = logging.getLogger("zparkd.web")
_ROWS = 50
_LOOK_S = 0.1
_STATUS_EVERY_S = 1.0
_STATUS_AT_LEAST_S = 5.0
# What changes all the time, and alone is no news.
_NO_NEWS = ("uptime_s", "messages_sent", "messages_received", "edges")
_NO_NEWS_OF_PEER = ("last_ping_time", "clock_offset_ms")
_STATUS_OF: dict[str, Literal["IN", "OUT"]] = {
    Kind.ENTRY: "IN",
    Kind.CONFIRM: "IN",
    Kind.EXIT: "OUT",
}


class Stream:
    """What all open pages are sent."""

    def __init__(self, daemon: Daemon, database: Database, site: Site) -> None:
        self._daemon = daemon
        self._database = database
        self._site = site
        self._pages: set[asyncio.Queue[bytes | None]] = set()
        self._newest: int | None = None
        self._state: dict[str, Any] = {"success": False, "running": False, "peers": []}
        self._said = b""
        self._said_at_s = 0.0
        self._status_due_s = 0.0

    @property
    def open(self) -> int:
        """How many pages are open."""
        return len(self._pages)

    async def run(self) -> None:
        """Look, and tell, for ever."""
        try:
            while True:
                if self._pages:
                    try:
                        await self._look()
                    except Exception:  # a mistake of ours must not silence all pages for ever
                        _LOG.exception("the stream failed")
                        await asyncio.sleep(_STATUS_EVERY_S)
                else:
                    self._newest, self._said_at_s = None, 0.0
                await asyncio.sleep(_LOOK_S)
        finally:
            for page in list(self._pages):
                self._let_go(page)

    async def _look(self) -> None:
        now_s = time.monotonic()
        with contextlib.suppress(Problem):  # of the database: it is looked at again soon
            await self._look_for_events()
        if now_s >= self._status_due_s:
            self._status_due_s = now_s + _STATUS_EVERY_S
            await self._look_at_status(now_s)

    async def _look_for_events(self) -> None:
        newest = await self._database.read(arrivals.newest)
        if self._newest is None or newest < self._newest:  # first, or another database
            self._newest = newest
        if newest == self._newest:
            return
        messages = await self._messages(self._newest, newest)
        if messages:  # in one piece: what many pages cost is how often each is sent something
            self._tell(b"".join(message for _, message in messages))
            self._newest = messages[-1][0]

    async def _messages(self, after: int, upto: int) -> list[tuple[int, bytes]]:
        rows = await self._database.read(
            lambda database: arrivals.arrived(database, after, limits.EVENTS_RESUMED, upto)
        )
        return [
            (number, _message("event", shown(number, skeleton, personal, self._site.zone), number))
            for number, skeleton, personal in rows
        ]

    async def _look_at_status(self, now_s: float) -> None:
        try:
            self._state = {**await self._daemon.status(), "daemon": "up"}
            self._state.pop("error", None)
        except Problem as away:
            error = {"code": away.code, "message": away.message}
            self._state |= {"running": False, "daemon": "away", "error": error}
        news = _digest(self._state)
        if news != self._said or now_s - self._said_at_s >= _STATUS_AT_LEAST_S - _STATUS_EVERY_S:
            self._said, self._said_at_s = news, now_s
            self._tell(_message("status", self._state))

    def _tell(self, message: bytes) -> None:
        for page in list(self._pages):
            try:
                page.put_nowait(message)
            except asyncio.QueueFull:
                self._let_go(page)

    def _let_go(self, page: "asyncio.Queue[bytes | None]") -> None:
        self._pages.discard(page)
        while page.full():
            page.get_nowait()
        page.put_nowait(None)

    async def messages(self, last: int | None) -> AsyncIterator[bytes]:
        """What one page is sent: what it missed since `last`, and then all that comes."""
        page: asyncio.Queue[bytes | None] = asyncio.Queue(limits.MESSAGES_WAITING)
        try:
            newest = await self._database.read(arrivals.newest)
        except Problem:
            newest = 0
        if self._newest is None or not self._pages:
            self._newest = newest
        begun = self._newest
        self._pages.add(page)
        try:
            yield b"retry: 2000\n\n"
            if self._said:
                yield _message("status", self._state)
            self._status_due_s = 0.0
            async for missed in self._missed(last, begun):
                yield missed
            while (message := await page.get()) is not None:
                yield message
        finally:
            self._pages.discard(page)

    async def _missed(self, last: int | None, begun: int) -> AsyncIterator[bytes]:
        if last is None or last >= begun:
            return
        first = max(last, begun - limits.EVENTS_RESUMED)
        if first > last:
            yield _message("gap", {"missed": first - last})
        with contextlib.suppress(Problem):
            for _, message in await self._messages(first, begun):
                yield message


def _digest(state: dict[str, Any]) -> bytes:
    """What of a state is news when it changes."""
    kept = {key: value for key, value in state.items() if key not in _NO_NEWS}
    kept["peers"] = [
        {key: value for key, value in peer.items() if key not in _NO_NEWS_OF_PEER}
        for peer in state["peers"]
    ]
    return hashlib.blake2b(msgspec.json.encode(kept), digest_size=16).digest()


def _message(name: str, data: StreamEvent | dict[str, Any], id: int | None = None) -> bytes:
    head = f"event: {name}\n" + (f"id: {id}\n" if id is not None else "")
    return head.encode() + b"data: " + msgspec.json.encode(data) + b"\n\n"


def shown(number: int, skeleton: bytes, personal_part: bytes, zone: tzinfo) -> StreamEvent:
    """What a page is told of an event; what it does not say is null."""
    try:
        event = read(skeleton, personal_part)
    except ProtocolError:  # kept for other readers
        return StreamEvent(id=number, kind=None)
    facts, personal, act = event.facts, event.personal, act_of(event)
    return StreamEvent(
        id=number,
        kind=event.kind,
        event_id=event.event_id,
        plate_id=shown_plate(personal.plate_id) if personal is not None else None,
        plate_view=personal.plate_view if personal is not None else None,
        camera_type=facts.camera_type if facts is not None else None,
        central=event.position.origin,
        edge_id=facts.edge_id if facts is not None else None,
        time=site_time_or_none(event.timestamp, zone),
        time_ms=event.timestamp,
        fee=facts.fee if facts is not None else None,
        currency=facts.currency if facts is not None else None,
        status=_STATUS_OF.get(event.kind),
        forced=act is not None and act.forced,
        who=act.who if act is not None else None,
        why=act.why if act is not None else None,
    )


def site_time_or_none(ms: int, zone: tzinfo) -> str | None:
    """A time stamp as people of the site read it; None where it is beyond all calendars."""
    try:
        return site_time(ms, zone)
    except (OverflowError, ValueError, OSError):
        return None  # no date has so many days


async def events(request: Request) -> Response:
    """The newest arrivals, the newest first."""
    limit = asked.whole(request, "limit", _ROWS, 1, limits.EVENTS_RESUMED)
    database: Database = request.app.state.database
    zone = request.app.state.site.zone
    rows = await database.read(functools.partial(arrivals.arrived_last, limit=limit))
    return answer(Events(events=[shown(*row, zone) for row in rows]))


async def stream(request: Request) -> Response:
    """The stream for one page."""
    stream: Stream = request.app.state.stream
    if stream.open >= limits.PAGES:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "busy", f"{limits.PAGES} pages are open already"
        )
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if request.method == "HEAD":  # which would never end
        return Response(media_type="text/event-stream", headers=headers)
    said = request.headers.get("last-event-id") or request.query_params.get("last_event_id") or ""
    last = int(said) if said.isascii() and said.isdigit() and len(said) < 19 else None
    return StreamingResponse(
        _as_long_as_it_may(request, stream.messages(last)),
        media_type="text/event-stream",
        headers=headers,
    )


async def _as_long_as_it_may(
    request: Request, messages: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """The messages, until whoever asked for them has no right to them any more."""
    access: Access = request.app.state.access
    async for message in messages:
        if message.startswith(b"event: status") and access.who(request) is None:
            return
        yield message
