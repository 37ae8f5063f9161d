"""`/api/policy`: what gates do where the tariff says nothing; see it, set it."""

from datetime import tzinfo

from starlette.requests import Request
from starlette.responses import Response

from zparkd.core.clock import site_time
from zparkd.core.policy import as_toml, read_policy, whole_document
from zparkd.storage.readers.reference import site_policy
from zparkd.web.backend.daemon import Daemon
from zparkd.web.backend.database import Database
from zparkd.web.forms.documents import PolicyShown
from zparkd.web.http import asked, documents
from zparkd.web.http.answers import answer

_SET_S = 5.0


async def show(request: Request) -> Response:
    """The policy that counts with every default, and who set it when."""
    database: Database = request.app.state.database
    held = await database.read(site_policy)
    zone: tzinfo = request.app.state.site.zone
    document = whole_document(read_policy(held["document"] if held is not None else {}))
    return answer(
        PolicyShown(
            version=held["version"] if held is not None else None,
            toml=as_toml(document),
            policy=document,
            set_by=held["set_by"] if held is not None else None,
            set_at=site_time(held["set_ms"], zone) if held is not None else None,
        )
    )


async def set_(request: Request) -> Response:
    """Make a policy the site's: TOML, or JSON that begins with a brace."""
    document, _ = documents.judged(documents.text(await asked.body(request)), read_policy)
    daemon: Daemon = request.app.state.daemon
    given = await daemon.ask("policy.set", _SET_S, document=document, by=request.state.who.by)
    if given.get("success") is not True:
        raise documents.refused(given)
    return await show(request)
