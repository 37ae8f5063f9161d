"""`/healthz`: does the gateway turn? `/readyz`: can cameras be answered here? Both for machines.

Ready does not ask for peers: a central alone opens barriers all the same, and one that waited
for others to be ready would keep a site from starting.
"""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from zparkd.web.backend.daemon import Daemon
from zparkd.web.forms.answers import Healthy
from zparkd.web.http.answers import Problem, answer

_NOT_READY = ("BAD_CONFIG", "STORAGE_UNAVAILABLE")


async def healthz(_request: Request) -> Response:
    """Said from the loop itself."""
    return answer(Healthy())


async def readyz(request: Request) -> Response:
    """Whether the daemon answers, its configuration is in effect and its database is written."""
    daemon: Daemon = request.app.state.daemon
    status = await daemon.status()
    wrong = [problem for problem in status["problems"] if problem["code"] in _NOT_READY]
    if wrong:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "not_ready", "; ".join(it["code"] for it in wrong)
        )
    return answer(Healthy())
