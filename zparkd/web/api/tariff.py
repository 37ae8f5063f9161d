"""`/api/tariff`: what the site charges; see it, try it, set it.

What a stay costs is calculated by the rules that the gates use; a tariff becomes the site's by the
daemon alone.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from zparkd.core import limits
from zparkd.core.clock import site_time
from zparkd.core.site import CAMERA_TYPE
from zparkd.core.tariff.document import as_toml, read_tariff
from zparkd.core.tariff.pricing import Price, Rate, Tariff, built_in, price
from zparkd.storage.readers.reference import site_tariff
from zparkd.web.backend.daemon import Daemon
from zparkd.web.backend.database import Database
from zparkd.web.forms.documents import Quoted, TariffChecked, TariffShown
from zparkd.web.http import asked, documents
from zparkd.web.http.answers import answer, bad

_SET_S = 5.0
_SHOWN = "car"  # of the built-in tariff: all other types cost the same

_Held = dict[str, Any]


async def show(request: Request) -> Response:
    """The tariff that counts, and who set it when."""
    return answer(await _shown(request))


async def set_(request: Request) -> Response:
    """Make a tariff the site's: TOML, or JSON that begins with a brace."""
    document, _ = documents.judged(documents.text(await asked.body(request)), read_tariff)
    daemon: Daemon = request.app.state.daemon
    given = await daemon.ask("tariff.set", _SET_S, document=document, by=request.state.who.by)
    if given.get("success") is not True:
        raise documents.refused(given)
    return answer(await _shown(request))


async def check(request: Request) -> Response:
    """Judge a tariff that is not set: as it is written down, or all that is wrong with it."""
    document, _ = documents.judged(documents.text(await asked.body(request)), read_tariff)
    assert isinstance(document, dict)
    return answer(TariffChecked(toml=as_toml(document), rate=document["rate"]))


async def quote(request: Request) -> Response:
    """What a stay would cost, by the site's tariff or by the one in `toml`."""
    fields = await asked.fields(request)
    zone: tzinfo = request.app.state.site.zone
    camera_type = fields.get("camera_type", _SHOWN)
    if not isinstance(camera_type, str) or not CAMERA_TYPE.fullmatch(camera_type):
        raise bad("camera_type: must be a-z, then a-z, 0-9 and _")
    entry_ms, exit_ms = (_moment_ms(fields, name, zone) for name in ("entry", "exit"))
    if exit_ms < entry_ms:
        raise bad("exit: is before entry")
    lost_ticket = fields.get("lost_ticket", False)
    if not isinstance(lost_ticket, bool):
        raise bad("lost_ticket: must be true or false")
    toml = fields.get("toml")
    rates: Mapping[str, Rate]
    if toml is None:
        held = await _held(request)
        rates = read_tariff(held["document"]) if held is not None else {}
    elif isinstance(toml, str):
        _, rates = documents.judged(toml, read_tariff)
    else:
        raise bad("toml: must be the text of a tariff")
    rate = Tariff(0, rates).rate(camera_type)

    def priced_stay() -> Price:
        return price(rate, entry_ms, exit_ms, zone, lost_ticket=lost_ticket)

    priced = await asyncio.get_running_loop().run_in_executor(None, priced_stay)
    return answer(Quoted(**priced._asdict()))


async def _shown(request: Request) -> TariffShown:
    held = await _held(request)
    if held is None:
        document = {"rate": [_as_document(built_in(_SHOWN))]}
        return TariffShown(
            version=None,
            toml=as_toml(document),
            rate=document["rate"],
            set_by=None,
            set_at=None,
        )
    zone: tzinfo = request.app.state.site.zone
    return TariffShown(
        version=held["version"],
        toml=as_toml(held["document"]),
        rate=held["document"]["rate"],
        set_by=held["set_by"],
        set_at=site_time(held["set_ms"], zone),
    )


async def _held(request: Request) -> _Held | None:
    """The site's tariff as this central has it; None where none was set."""
    database: Database = request.app.state.database

    return await database.read(site_tariff)


def _moment_ms(fields: Mapping[str, object], name: str, zone: tzinfo) -> int:
    """A moment as ms; one without an offset is site time."""
    said = fields.get(name)
    try:
        moment = datetime.fromisoformat(said if isinstance(said, str) else "")
        at_ms = round((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise bad(f'{name}: must be a time such as "2025-12-02 10:30:00", site time') from None
    if not 0 <= at_ms <= limits.TIME_SHOWN_MS_MAX:
        raise bad(f"{name}: must be between 1970 and 9999")
    return at_ms


def _as_document(rate: Rate) -> dict[str, Any]:
    steps = [{"every_minutes": step.every_minutes, "amount": step.amount} for step in rate.steps]
    return {"camera_type": rate.camera_type, "currency": rate.currency, "step": steps}
