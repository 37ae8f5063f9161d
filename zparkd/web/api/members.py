"""`/api/members`: who belongs to the site; inviting, and ending a membership.

An invitation is shown as text and as a QR code. That is drawn here: the token goes to nobody else.
"""

from http import HTTPStatus

import segno
from starlette.requests import Request
from starlette.responses import Response

from zparkd.core.clock import site_time
from zparkd.core.members.roster_words import Role
from zparkd.core.site import CAMERA_TYPE, CENTRAL_ID, EDGE_ID, Direction
from zparkd.web.backend.daemon import Daemon
from zparkd.web.forms.answers import (
    Invitation,
    Invited,
    Member,
    MemberEdge,
    Members,
    QrCode,
    Removed,
)
from zparkd.web.http import asked
from zparkd.web.http.answers import Problem, answer, bad, said_no

_ASK_S = 10.0
_HOURS_MAX = 24 * 90


async def show(request: Request) -> Response:
    """The members with the fingerprints of their keys, and the invitations that are open."""
    daemon: Daemon = request.app.state.daemon
    given = await daemon.ask("member.list", _ASK_S)
    if given.get("success") is not True:
        raise said_no(given)
    centrals = [
        Member(
            id=row["member"],
            standing=row["standing"],
            disowned=row["disowned"],
            fingerprint=row["fingerprint"],
            public_key=(row["membership"] or {}).get("public_key"),
            address=(row["membership"] or {}).get("address"),
            member=row["membership"] is not None and not row["membership"]["removed"],
        )
        for row in given["members"]
    ]
    edges = [
        MemberEdge(**{field: row[field] for field in MemberEdge.__struct_fields__})
        for row in given["edges"]
    ]
    invitations = [
        Invitation(
            member=row["member"],
            role=row["role"],
            invited_by=row["invited_by"],
            until=site_time(row["expires_ms"], request.app.state.site.zone),
        )
        for row in given["invitations"]
        if row["open"]
    ]
    return answer(Members(centrals=centrals, edges=edges, invitations=invitations))


async def invite(request: Request) -> Response:
    """Invite a central or a camera: the token, and the same as a drawing."""
    fields = await asked.fields(request)
    role, member = _role(fields), _member(fields)
    hours = fields.get("hours", 24)
    if isinstance(hours, bool) or not isinstance(hours, int) or not 1 <= hours <= _HOURS_MAX:
        raise bad(f"hours: must be a whole number from 1 to {_HOURS_MAX}")
    replace = fields.get("replace", False)
    if not isinstance(replace, bool):
        raise bad("replace: must be true or false")
    direction, camera_type = fields.get("direction"), fields.get("camera_type")
    if direction is not None and direction not in list(Direction):
        raise bad("direction: must be ENTRY or EXIT")
    fits = isinstance(camera_type, str) and CAMERA_TYPE.fullmatch(camera_type) is not None
    if camera_type is not None and not fits:
        raise bad("camera_type: must be a-z, then a-z, 0-9 and _")
    daemon: Daemon = request.app.state.daemon
    given = await daemon.ask(
        "invite",
        _ASK_S,
        role=role,
        member=member,
        valid_ms=hours * 3_600_000,
        replace=replace,
        direction=direction,
        camera_type=camera_type,
        by=request.state.who.by,
    )
    if given.get("success") is not True:
        raise said_no(given)
    drawn = _qr(given["token"])
    keys = ("token", "role", "member", "number", "addresses")
    until = site_time(given["expires_ms"], request.app.state.site.zone)
    said = {key: given[key] for key in keys}
    return answer(Invited(**said, until=until, qr=drawn))


async def remove(request: Request) -> Response:
    """End a membership, at all centrals."""
    fields = await asked.fields(request)
    role, member = _role(fields), _member(fields)
    daemon: Daemon = request.app.state.daemon
    given = await daemon.ask(
        "member.remove", _ASK_S, role=role, member=member, by=request.state.who.by
    )
    if given.get("success") is not True:
        raise said_no(given)
    if not given["removed"]:
        raise Problem(
            HTTPStatus.CONFLICT,
            "outvoted",
            f"{member}: said, but it does not hold: as many centrals deny it",
        )
    return answer(Removed(member=member))


def _role(fields: dict[str, object]) -> Role:
    role = fields.get("role", Role.CENTRAL)
    if role not in list(Role):
        raise bad("role: must be central or edge")
    return Role(str(role))


def _member(fields: dict[str, object]) -> str:
    member = fields.get("member")
    form = EDGE_ID if fields.get("role") == Role.EDGE else CENTRAL_ID
    if not isinstance(member, str) or form.fullmatch(member) is None:
        raise bad(f"member: is missing or no id; it must match {form.pattern}")
    return member


def _qr(text: str) -> QrCode:
    """A QR code: how many squares a side, and the path of an SVG that fills the dark ones."""
    code = segno.make(text, error="m", micro=False)
    rows = [bytes(row) for row in code.matrix]
    path = "".join(
        f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark
    )
    return QrCode(side=len(rows), path=path)
