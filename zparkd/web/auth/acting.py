"""As whom a person acts: who is logged in acts under their own staff id, and no other."""

from http import HTTPStatus
from typing import Any

from zparkd.core.gate.requests import Code
from zparkd.web.auth.access import Who
from zparkd.web.http.answers import Problem


def act_as(who: Who, fields: dict[str, Any]) -> None:
    """Put the staff id of who asks into the fields of a request. Raises Problem."""
    if who.staff_id is None:
        return
    if fields.get("staff_id") not in (None, who.staff_id):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            Code.FORBIDDEN,
            f"staff_id: {who} is {who.staff_id[:40]!r} and acts for nobody else; leave it out."
            f" Where {who} has another: zparkd-web user add {who} --staff ID",
        )
    fields["staff_id"] = who.staff_id
