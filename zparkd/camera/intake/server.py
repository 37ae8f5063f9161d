"""The HTTP side: messages of cameras come in; this machine alone is shown status and pictures."""

import asyncio
import ipaddress
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from zparkd.camera.intake.admission import Admission, Asked
from zparkd.camera.lane.album import Album
from zparkd.camera.lane.lane import Busy, Lane
from zparkd.camera.read import MESSAGE_BYTES, Unreadable
from zparkd.camera.sources import Source

BODY_S = 10.0  # in which a message must be here
BODIES = 32  # being received at a time
STATUS_PATH = "/-/status"
_log = logging.getLogger("zparkd.camera")


class _TooLarge(Exception):
    """A body of more than MESSAGE_BYTES."""


class Server:
    """The requests of all lanes."""

    def __init__(self, lanes: Sequence[Lane], album: Album, about: Mapping[str, Any]) -> None:
        self._lanes = lanes
        self._album = album
        self._about = about
        self._admission = Admission()
        self._bodies = asyncio.Semaphore(BODIES)

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route(STATUS_PATH, self._status, methods=["GET"]),
                Route("/-/pictures/{reference:path}", self._picture, methods=["GET"]),
                Route("/{path:path}", self._message, methods=["GET", "POST", "PUT"]),
            ]
        )

    async def _status(self, request: Request) -> Response:
        if not _is_local(request):
            return _said(HTTPStatus.FORBIDDEN, "status is for this machine alone")
        return Response(orjson.dumps(self.shown()), media_type="application/json")

    def shown(self) -> dict[str, Any]:
        """What `status` shows."""
        return {**self._about, "lanes": [lane.shown() for lane in self._lanes]}

    async def _picture(self, request: Request) -> Response:
        if not _is_local(request):
            return _said(HTTPStatus.FORBIDDEN, "pictures are for this machine alone")
        path = self._album.find(request.path_params["reference"])
        return FileResponse(path) if path else _said(HTTPStatus.NOT_FOUND, "no such picture")

    async def _message(self, request: Request) -> Response:
        lane = self._lane_of(request.url.path)
        if lane is None:
            return _said(HTTPStatus.NOT_FOUND, "no lane has this path")
        if not self._admission.admits(lane.config, _asked(request)):
            lane.figures.count("denied")
            return self._denied(lane)
        if request.method == "GET":  # the test button of a camera
            return _said(HTTPStatus.OK, f"lane {lane.config.name}")
        try:
            async with self._bodies, asyncio.timeout(BODY_S):
                body = await _body(request)
            content_type = request.headers.get("content-type", "")
            await asyncio.to_thread(lane.take, body, content_type)
        except _TooLarge:
            lane.figures.count("unreadable")
            return _said(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"over {MESSAGE_BYTES} bytes")
        except Unreadable as fault:
            _log.warning("%s: a message can't be read: %s", lane.config.name, fault)
            return _said(HTTPStatus.BAD_REQUEST, str(fault))
        except Busy:
            return _said(HTTPStatus.SERVICE_UNAVAILABLE, "too many reads wait; send again")
        except (TimeoutError, ClientDisconnect):
            return _said(HTTPStatus.REQUEST_TIMEOUT, f"not all here within {BODY_S:g} s")
        if lane.config.source is Source.DAHUA:  # which takes anything else for a failure
            return Response(b'{"Result":true,"Message":"success"}', media_type="application/json")
        return _said(HTTPStatus.OK, "OK")

    def _lane_of(self, path: str) -> Lane | None:
        for lane in self._lanes:
            own = lane.config.path
            if lane.config.source is not Source.FRIGATE and (
                path == own or path.startswith(f"{own.rstrip('/')}/")
            ):
                return lane
        return None

    def _denied(self, lane: Lane) -> Response:
        if lane.config.secret is None:
            return _said(HTTPStatus.FORBIDDEN, "this address may not send for this lane")
        answer = _said(HTTPStatus.UNAUTHORIZED, "the secret of this lane is missing or wrong")
        answer.headers["WWW-Authenticate"] = self._admission.challenge()
        return answer


async def _body(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MESSAGE_BYTES:
            raise _TooLarge
        chunks.append(chunk)
    return b"".join(chunks)


def _asked(request: Request) -> Asked:
    query = request.url.query
    return Asked(
        request.client.host if request.client else "",
        request.method,
        request.url.path + (f"?{query}" if query else ""),
        request.headers,
        request.query_params,
    )


def _is_local(request: Request) -> bool:
    """Whether this machine asks: over loopback, or from the very address that is asked."""
    server = request.scope.get("server")
    try:
        if request.client is None:
            return False
        host = ipaddress.ip_address(request.client.host)
        return host.is_loopback or (
            server is not None and host == ipaddress.ip_address(str(server[0]))
        )
    except ValueError:
        return False


def _said(status: HTTPStatus, text: str) -> Response:
    return Response(f"{text}\n", status, media_type="text/plain")
