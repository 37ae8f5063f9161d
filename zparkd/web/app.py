"""The routes of the gateway, and the parts behind them put together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from zparkd.web.api import (
    conflicts,
    corrections,
    edge,
    history,
    members,
    p2p,
    pages,
    reference,
    reports,
    tariff,
    traffic,
    vehicles,
)
from zparkd.web.api.health import healthz, readyz
from zparkd.web.api.metrics import metrics
from zparkd.web.api.peer_probe import test_connection
from zparkd.web.api.stream import Stream, events, stream
from zparkd.web.auth import login
from zparkd.web.auth.access import Access, Endpoint, needs
from zparkd.web.auth.credentials import Role
from zparkd.web.backend.daemon import Daemon
from zparkd.web.backend.database import Database
from zparkd.web.backend.pictures import Pictures
from zparkd.web.backend.site import Site
from zparkd.web.forms.openapi import openapi
from zparkd.web.http.answers import Problem, refusal, refuse
from zparkd.web.http.guard import Guard

_SEE, _DO, _RULE = Role.VIEWER, Role.OPERATOR, Role.ADMIN

# Method, path, who may (None: everyone), and what answers.
TABLE: tuple[tuple[str, str, Role | None, Endpoint], ...] = (
    ("GET", "/", None, pages.index),
    ("GET", "/api/session", None, login.session),
    ("POST", "/api/login", None, login.login),
    ("POST", "/api/logout", None, login.logout),
    ("GET", "/api/p2p/config", _SEE, p2p.read_config),
    ("PUT", "/api/p2p/config", _RULE, p2p.write_config),
    ("GET", "/api/p2p/status", _SEE, p2p.status),
    ("POST", "/api/p2p/test-connection", _DO, test_connection),
    ("GET", "/api/p2p/sync-state", _SEE, p2p.sync_state),
    ("GET", "/api/members", _SEE, members.show),
    ("POST", "/api/members/invite", _RULE, members.invite),
    ("POST", "/api/members/remove", _RULE, members.remove),
    ("POST", "/api/edge/detection", _DO, edge.detection),
    ("POST", "/api/edge/barrier/open", _DO, edge.barrier_open),
    ("POST", "/api/edge/barrier/close", _DO, edge.barrier_close),
    ("GET", "/api/parking/history", _SEE, history.history),
    ("GET", "/api/parking/vehicles", _SEE, vehicles.search),
    ("GET", "/api/parking/vehicles/{plate_id}", _SEE, vehicles.vehicle),
    ("POST", "/api/parking/vehicles/{plate_id}/erase", _RULE, corrections.erase),
    ("GET", "/api/pictures/{lane}/{day}/{name}", _SEE, vehicles.picture),
    ("GET", "/api/parking/traffic", _SEE, traffic.traffic),
    ("GET", "/api/audit", _SEE, reports.audit),
    ("GET", "/api/conflicts", _SEE, conflicts.conflicts),
    ("POST", "/api/corrections/{act}", _DO, corrections.correct),
    ("POST", "/api/conflicts/ack", _DO, conflicts.acknowledge),
    ("GET", "/api/passes", _SEE, reference.passes),
    ("PUT", "/api/passes", _RULE, reference.set_passes),
    ("GET", "/api/staff", _SEE, reference.staff),
    ("PUT", "/api/staff", _RULE, reference.set_staff),
    ("GET", "/api/tariff", _SEE, tariff.show),
    ("PUT", "/api/tariff", _RULE, tariff.set_),
    ("POST", "/api/tariff/check", _SEE, tariff.check),
    ("POST", "/api/tariff/quote", _SEE, tariff.quote),
    ("GET", "/api/events", _SEE, events),
    ("GET", "/api/policy", _SEE, reference.policy),
    ("PUT", "/api/policy", _RULE, reference.set_policy),
    ("POST", "/api/policy/check", _SEE, reference.check_policy),
    ("GET", "/api/reports/{name}", _SEE, reports.report),
    ("GET", "/api/stream", _SEE, stream),
    ("GET", "/metrics", _SEE, metrics),
    ("GET", "/healthz", None, healthz),
    ("GET", "/readyz", None, readyz),
    ("GET", "/openapi.json", None, openapi),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gateway listens, and what else it may be called by."""

    host: str
    port: int
    names: Collection[str] = ()
    origins: Collection[str] = ()


def build(site: Site, access: Access, place: Place) -> ASGIApp:
    """The gateway for one central."""
    routes: list[BaseRoute] = [
        Route(path, needs(role, endpoint) if role is not None else endpoint, methods=[method])
        for method, path, role, endpoint in TABLE
    ]
    app = Starlette(
        routes=[*routes, Mount("/static", pages.Static(), name="static")],
        exception_handlers={Problem: refuse, HTTPException: _no_such, Exception: _failed},
        lifespan=_living,
    )
    app.state.site = site
    app.state.access = access
    app.state.port = place.port
    app.state.logins = login.Logins()
    app.state.daemon = Daemon(site)
    app.state.database = Database(site.config.storage_path)
    app.state.pictures = Pictures(site)
    app.state.stream = Stream(app.state.daemon, app.state.database, site)
    return Guard(app, place.names, place.origins)


@contextlib.asynccontextmanager
async def _living(app: Starlette) -> AsyncIterator[None]:
    looking = asyncio.create_task(app.state.stream.run())
    try:
        yield
    finally:
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking
        app.state.logins.close()
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
