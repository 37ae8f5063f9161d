"""The command by which a person says that a conflict is dealt with.

    conflict.ack  {"conflict": ID, "staff_id": S or null, "reason": TEXT}    its `kind`, and
                                                  `already` where it was open no more

Somebody logged in need not say who they are besides.
"""

from collections.abc import Callable
from typing import Any

from zparkd.core import limits
from zparkd.core.events.payloads import Acknowledged
from zparkd.core.reference.changes import NotCounting
from zparkd.core.turn import Acknowledge
from zparkd.daemon.control.commands import Answer, Command, Request, Wants, no
from zparkd.daemon.control.reference_commands import remedy
from zparkd.storage.readers.conflicts import Found


def conflict_commands(find: Callable[[str], Found | None]) -> dict[str, Command]:
    """The table of them; `find` says which conflict an id is of."""

    def ack(request: Request) -> Answer | Wants:
        by = request["by"]
        reason = _text(request.get("reason"))
        staff_id = _text(request.get("staff_id"))
        if reason is None:
            return no("bad_request", "reason: why it is dealt with, up to 256 characters")
        if staff_id is None and (request.get("staff_id") is not None or by.login is None):
            return no("bad_request", "staff_id: who says so, up to 256 characters")
        named = str(request.get("conflict")).lower()
        found = find(named)
        if found is None:
            text = f"{named[:40]!r}: no such conflict; zparkctl conflicts --all lists them"
            return no("unknown_conflict", text)
        told = {"success": True, "conflict": named, "kind": found.kind}
        if not found.open:
            return told | {"already": True}
        said = Acknowledged(found.kind, found.about, reason, staff_id, by)
        return Wants(Acknowledge(said), lambda why: _told(why, told))

    return {"conflict.ack": ack}


def _text(value: object) -> str | None:
    """A text of a person; None where it is none."""
    if not isinstance(value, str) or not 0 < len(value.strip()) <= limits.TEXT_CHARACTERS:
        return None
    return value.strip() if value.isprintable() else None


def _told(why: Any, told: Answer) -> Answer:
    if isinstance(why, int):
        return told | {"already": False}
    if isinstance(why, NotCounting):
        return no("outranked", f"{why.outranked}; {remedy(why.outranked)}")
    return no(getattr(why, "code", "refused"), str(why))
