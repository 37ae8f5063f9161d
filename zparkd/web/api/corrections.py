"""What a person says of a stay, and of a vehicle, as `zparkctl vehicle` records it.

`POST /api/corrections/ACT` records what was otherwise; `POST /api/parking/vehicles/PLATE/erase` has
what is personal of a vehicle forgotten, which nobody can take back.
"""

from datetime import datetime
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from zparkd.core import limits
from zparkd.web.auth.access import Who
from zparkd.web.auth.acting import act_as
from zparkd.web.backend.daemon import Daemon
from zparkd.web.forms.acts import Erased, Recorded
from zparkd.web.forms.bodies import CORRECTIONS
from zparkd.web.http import asked
from zparkd.web.http.answers import Problem, answer, bad, said_no

_FIELDS = ("event_id", "plate", "camera_type", "fee", "amount", "exit", "staff_id", "reason")
_PATIENCE_S = 5.0


async def correct(request: Request) -> Response:
    """Record it; what was recorded, and what the stay is now."""
    act = request.path_params["act"]
    if act not in CORRECTIONS:
        raise Problem(
            HTTPStatus.NOT_FOUND, "unknown_act", f"no such act; there are {', '.join(CORRECTIONS)}"
        )
    fields = await asked.fields(request)
    who: Who = request.state.who
    act_as(who, fields)
    said = {name: fields[name] for name in _FIELDS if fields.get(name) is not None}
    if fields.get("at") is not None:
        said["at_ms"] = _at_ms(fields["at"], request)
    daemon: Daemon = request.app.state.daemon
    given = await daemon.ask(f"vehicle.{act}", _PATIENCE_S, **said, by=who.by)
    if given.get("success") is not True:
        raise said_no(given)
    return answer(Recorded(recorded=given["recorded"], stay=given["stay"]))


async def erase(request: Request) -> Response:
    """Have what is personal of a vehicle forgotten, at every central."""
    fields = await asked.fields(request)
    who: Who = request.state.who
    act_as(who, fields)
    said = {name: fields.get(name) for name in ("camera_type", "staff_id", "reason")}
    daemon: Daemon = request.app.state.daemon
    plate = request.path_params["plate_id"]
    given = await daemon.ask("vehicle.erase", _PATIENCE_S, plate=plate, **said, by=who.by)
    if given.get("success") is not True:
        raise said_no(given)
    return answer(Erased(erased=given["erased"]))


def _at_ms(at: object, request: Request) -> int:
    """A moment of site time, to the minute or the second, as ms. Raises Problem."""
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"):
        try:
            moment = datetime.strptime(str(at), form).replace(tzinfo=request.app.state.site.zone)
            ms = round(moment.timestamp() * 1000)
        except (ValueError, OverflowError):
            continue
        if 0 <= ms <= limits.TIME_SHOWN_MS_MAX:
            return ms
    raise bad(f"at: must be YYYY-MM-DD HH:MM or HH:MM:SS, site time, not {str(at)[:40]!r}")
