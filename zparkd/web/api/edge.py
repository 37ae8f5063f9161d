"""`/api/edge/…`: a camera's requests over HTTP, handed to the daemon's gate as they are.

The rules and the answers are those of the edge port; only what "no" looks like is HTTP's. An
`Idempotency-Key` is the `request_id`: a call repeated with it has no second effect. Who is logged
in is who acts, and has the staff id that the login has.
"""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from zparkd.core.gate.requests import RequestType
from zparkd.web.auth.access import Who
from zparkd.web.auth.acting import act_as
from zparkd.web.backend.daemon import Daemon
from zparkd.web.http import asked
from zparkd.web.http.answers import STATUS_OF, Problem, answer, bad, said_no

_PATIENCE_S = 5.0  # a central that just started catches up for two before it answers edges


async def detection(request: Request) -> Response:
    """A camera saw a plate."""
    return await _ask(request, RequestType.DETECTION)


async def barrier_open(request: Request) -> Response:
    """Open the barrier for a vehicle."""
    return await _ask(request, RequestType.BARRIER_OPEN)


async def barrier_close(request: Request) -> Response:
    """The barrier closed behind a vehicle."""
    return await _ask(request, RequestType.BARRIER_CLOSE)


async def _ask(request: Request, type: RequestType) -> Response:
    fields = await asked.fields(request)
    fields["type"] = type.value
    key = request.headers.get("idempotency-key")
    if key is not None:
        if fields.get("request_id", key) != key:
            raise bad("Idempotency-Key: is not the request_id in the body; send one of them")
        fields["request_id"] = key
    who: Who = request.state.who
    act_as(who, fields)
    daemon: Daemon = request.app.state.daemon
    handed = await daemon.ask("edge", _PATIENCE_S, request=fields, by=who.by)
    if handed.get("success") is not True:
        raise said_no(handed)
    given = handed["answer"]
    if given["success"]:
        return answer(given)
    error = given["error"]
    more = {name: value for name, value in given.items() if name not in ("success", "error")}
    status = STATUS_OF.get(error["code"], HTTPStatus.BAD_REQUEST)
    refused = Problem(status, error["code"], error["message"], **more)
    refused.error = error
    raise refused
