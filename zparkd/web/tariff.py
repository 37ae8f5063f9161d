"""`/api/tariff`: what the site charges; see it, try it, set it."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from zparkd.web.answers import Problem


async def not_yet(_request: Request) -> Response:
    """A site's own tariff is not known to the daemon yet."""
    raise Problem(
        HTTPStatus.NOT_IMPLEMENTED,
        "not_implemented",
        "this zparkd charges by its built-in tariff: 25,000 VND a started hour for a car, 5,000 for"
        " all others",
    )
