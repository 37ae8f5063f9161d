"""`/api/policy`, `/api/passes`, `/api/staff`: what gates do, who pays nothing, who may act.

Each is seen and set. A list is set as a whole, as an import does: its differences are recorded,
one event a changed entry. Who changes what they have read sends its ETag, so that two people do
not undo each other.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from http import HTTPStatus
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from zparkd.core.clock import site_time
from zparkd.core.policy import as_toml, read_policy, whole_document
from zparkd.core.reference.lists import read_passes, read_staff
from zparkd.core.tariff.fields import BadDocument
from zparkd.storage.readers import reference
from zparkd.storage.readers.connection import Connection
from zparkd.web import limits
from zparkd.web.backend.daemon import Daemon
from zparkd.web.backend.database import Database
from zparkd.web.forms.documents import ListSet, Passes, PolicyChecked, PolicyShown, Staff
from zparkd.web.http import asked, documents
from zparkd.web.http.answers import Problem, answer

_PART_S = 10.0  # a long list takes the daemon a while to read
_Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _List:
    """A list of the site: its name, who reads and who judges it, and the command that sets it."""

    name: str
    held: Callable[[Connection], _Rows]
    judge: Callable[[object], object]
    command: str


_PASSES = _List("passes", reference.passes, read_passes, "pass.import")
_STAFF = _List("staff", reference.staff, read_staff, "staff.import")


async def policy(request: Request) -> Response:
    """The policy that counts with every default, and who set it when."""
    database: Database = request.app.state.database
    held = await database.read(reference.site_policy)
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


async def set_policy(request: Request) -> Response:
    """Make a policy the site's: TOML, or JSON that begins with a brace."""
    document, _ = documents.judged(documents.text(await asked.body(request)), read_policy)
    daemon: Daemon = request.app.state.daemon
    given = await daemon.ask("policy.set", _PART_S, document=document, by=request.state.who.by)
    if given.get("success") is not True:
        raise documents.refused(given)
    return await policy(request)


async def check_policy(request: Request) -> Response:
    """Judge a policy that is not set: whole, with every default, or all that is wrong with it."""
    _, judged = documents.judged(documents.text(await asked.body(request)), read_policy)
    document = whole_document(judged)
    return answer(PolicyChecked(toml=as_toml(document), policy=document))


async def passes(request: Request) -> Response:
    """The passes of the site."""
    rows, tag = await _held(request, _PASSES)
    return answer(Passes(passes=rows), {"ETag": tag})


async def staff(request: Request) -> Response:
    """The staff of the site."""
    rows, tag = await _held(request, _STAFF)
    return answer(Staff(staff=rows), {"ETag": tag})


async def set_passes(request: Request) -> Response:
    """Make these the passes of the site."""
    return await _set(request, _PASSES)


async def set_staff(request: Request) -> Response:
    """Make these the staff of the site."""
    return await _set(request, _STAFF)


async def _held(request: Request, which: _List) -> tuple[_Rows, str]:
    """The list as it is here, and what names this state of it."""
    database: Database = request.app.state.database
    rows = await database.read(which.held)
    digest = hashlib.blake2b(orjson.dumps(rows), digest_size=12).hexdigest()
    return rows, f'"{digest}"'


async def _set(request: Request, which: _List) -> Response:
    fields = await asked.fields(request, limits.LIST_BYTES)
    entries = fields.get(which.name)
    try:
        which.judge(entries)
    except BadDocument as wrong:
        raise documents.bad_document(wrong) from None
    seen = request.headers.get("if-match")
    if seen is not None and seen != (await _held(request, which))[1]:
        raise Problem(
            HTTPStatus.PRECONDITION_FAILED,
            "changed_meanwhile",
            f"{which.name}: somebody else changed the list meanwhile; read it, and try again",
        )
    daemon: Daemon = request.app.state.daemon
    total = ListSet(added=0, changed=0, removed=0, outranked=[])
    left = 1
    while left:  # a part of it at a time, so that no gate waits
        given = await daemon.ask(which.command, _PART_S, entries=entries, by=request.state.who.by)
        if given.get("success") is not True:
            raise documents.refused(given)
        total.added += given["added"]
        total.changed += given["changed"]
        total.removed += given["removed"]
        total.outranked = [lost["text"] for lost in given["outranked"]]
        left = given["left"]
    return answer(total)
