"""The routes of the gateway, and the parts behind them put together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from zparkd.web import conflicts, edge, history, p2p, pages, tariff, traffic, vehicles
from zparkd.web.answers import Problem, refusal, refuse
from zparkd.web.daemon import Daemon
from zparkd.web.database import Database
from zparkd.web.peer_test import test_connection
from zparkd.web.site import Site
from zparkd.web.stream import Stream, stream

ROUTES = [
    Route("/", pages.index),
    Mount("/static", pages.Static(), name="static"),
    Route("/api/p2p/config", p2p.read_config, methods=["GET"]),
    Route("/api/p2p/config", p2p.write_config, methods=["PUT"]),
    Route("/api/p2p/status", p2p.status, methods=["GET"]),
    Route("/api/p2p/sync-state", p2p.sync_state, methods=["GET"]),
    Route("/api/p2p/test-connection", test_connection, methods=["POST"]),
    Route("/api/edge/detection", edge.detection, methods=["POST"]),
    Route("/api/edge/barrier/open", edge.barrier_open, methods=["POST"]),
    Route("/api/edge/barrier/close", edge.barrier_close, methods=["POST"]),
    Route("/api/parking/history", history.history, methods=["GET"]),
    Route("/api/parking/vehicles/{plate_id}", vehicles.vehicle, methods=["GET"]),
    Route("/api/parking/traffic", traffic.traffic, methods=["GET"]),
    Route("/api/conflicts", conflicts.conflicts, methods=["GET"]),
    Route("/api/tariff", tariff.not_yet, methods=["GET", "PUT"]),
    Route("/api/tariff/quote", tariff.not_yet, methods=["POST"]),
    Route("/api/stream", stream, methods=["GET"]),
]


def build(site: Site, port: int) -> Starlette:
    """The gateway for one central; `port` is where people reach it."""
    app = Starlette(
        routes=ROUTES,
        exception_handlers={Problem: refuse, HTTPException: _no_such, Exception: _failed},
        lifespan=_living,
    )
    app.state.site = site
    app.state.port = port
    app.state.daemon = Daemon(site.config.listen.control)
    app.state.database = Database(site.config.storage_path)
    app.state.stream = Stream(app.state.daemon, app.state.database, site)
    return app


@contextlib.asynccontextmanager
async def _living(app: Starlette) -> AsyncIterator[None]:
    looking = asyncio.create_task(app.state.stream.run())
    try:
        yield
    finally:
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking
        app.state.daemon.close()
        app.state.database.close()


def _no_such(request: Request, fault: Exception) -> Response:
    """What the routing refuses: a path or a method that is not there."""
    assert isinstance(fault, HTTPException)
    status = HTTPStatus(fault.status_code)
    code = status.phrase.lower().replace(" ", "_").replace("-", "_")
    problem = Problem(status, code, f"{request.method} {request.url.path}: {status.phrase.lower()}")
    problem.headers = dict(fault.headers or {})
    return refusal(problem)


def _failed(_request: Request, _fault: Exception) -> Response:
    """A mistake of ours; what it was is in the log."""
    return refusal(
        Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "failed", "the log of zparkd-web says why")
    )
