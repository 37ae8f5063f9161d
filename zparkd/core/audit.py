"""Acts of people: what of an event is one, who did it, and why. The same at every central.

Each act of a person is an event: an opening by force or by hand, and whatever changes the site.
What machines do by themselves is none of it. An event that was recorded by a central that is
disowned by now is listed too, as one that does not count.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from zparkd.core.events.event import Event, Facts, Kind, Personal
from zparkd.core.events.ids import shown_plate
from zparkd.core.events.payloads import (
    Acknowledged,
    PassChanged,
    PolicySet,
    Reference,
    StaffChanged,
    TariffSet,
    VehicleErased,
)
from zparkd.core.members.roster_words import Joined, JoinRefused
from zparkd.core.principal import Principal

COLUMNS = (
    *("time", "central", "edge_id", "kind", "forced", "who", "why", "about", "plate_id"),
    *("camera_type", "event_id", "login", "staff_id", "uid", "counts", "time_ms", "position"),
)
"""What is said of an act, in this order; what is not known is null.

`about` is what it was done to: a plate, a member, a version. `login` and `uid` are who was proved
to act, `staff_id` whom they said to be.
"""


_BY_HAND = frozenset((Kind.MANUAL, Kind.CORRECTED, Kind.CLOSED, Kind.VOIDED, Kind.CHARGED))


class Act(NamedTuple):
    """What a person did: `who` is for people, and so is `about`."""

    who: str
    why: str | None
    about: str | None
    by: Principal | None
    staff_id: str | None
    forced: bool


def act_of(event: Event) -> Act | None:
    """What a person did with this event; None where no person did anything."""
    facts, said = event.facts, event.reference
    if facts is not None:
        if not (facts.forced or facts.by_hand or event.kind in _BY_HAND):
            return None
        return _act_at_gate(event, facts, event.personal or Personal(""))
    if said is None:
        return None
    if isinstance(said, VehicleErased):
        if said.reason is None:
            return None  # it follows from another
        who = _who(said.by, said.staff_id) or "local user"
        about = _about(event, said)
        return Act(who, said.reason, about, said.by, said.staff_id, forced=False)
    if isinstance(said, JoinRefused):
        return Act(said.came_from, said.why, said.member, None, None, forced=False)
    if isinstance(said, Acknowledged):
        who = _who(said.by, said.staff_id) or event.position.origin
        return Act(who, said.reason, said.conflict, said.by, said.staff_id, forced=False)
    return Act(_who_changed(said), None, _about(event, said), said.by, None, forced=False)


def _act_at_gate(event: Event, facts: Facts, personal: Personal) -> Act:
    """What a person did at a gate, or said of an event of one."""
    staff_id = facts.staff_id or personal.staff_id
    who = _who(facts.by, staff_id) or f"edge {facts.edge_id}"
    about = shown_plate(personal.plate_id) or event.event_id
    money = facts.amount if event.kind == Kind.CHARGED else None
    if event.kind == Kind.CLOSED:
        money = facts.fee
    if money is not None:
        about = f"{about}, {money:,} {facts.currency}"
    return Act(who, facts.reason or personal.reason, about, facts.by, staff_id, facts.forced)


def row(event: Event, act: Act, *, time: str | None, counts: bool) -> Mapping[str, Any]:
    """What is said of an act, under the names of COLUMNS."""
    facts, personal = event.facts, event.personal
    by = act.by or Principal()
    found = {
        "time": time,
        "central": event.position.origin,
        "edge_id": facts.edge_id if facts is not None else None,
        "kind": event.kind,
        "forced": act.forced,
        "who": act.who,
        "why": act.why,
        "about": act.about,
        "plate_id": shown_plate(personal.plate_id) if personal is not None else None,
        "camera_type": _camera_type(facts or event.reference),
        "event_id": event.event_id,
        "login": by.login,
        "staff_id": act.staff_id,
        "uid": by.uid,
        "counts": counts,
        "time_ms": event.timestamp,
        "position": list(event.position),
    }
    assert tuple(found) == COLUMNS
    return found


def _who(by: Principal | None, staff_id: str | None) -> str | None:
    """A login is proved; whom somebody says to be comes before the account of a machine."""
    if by is not None and by.login is not None:
        return by.login
    if staff_id is not None:
        return staff_id
    return str(by) if by is not None else None


def _who_changed(said: Reference) -> str:
    if isinstance(said, Joined):
        return _who(said.by, None) or said.came_from or said.member
    if isinstance(said, JoinRefused):
        return said.came_from
    return _who(said.by, None) or "external API"


def _about(event: Event, said: Reference) -> str | None:
    personal = event.personal or Personal("")
    match said:
        case TariffSet() | PolicySet():
            return f"version {said.version}"
        case PassChanged():
            gone = ", removed" if said.removed else ""
            return f"{personal.plate_id}, {said.valid_from} to {said.valid_until}{gone}"
        case StaffChanged():
            return f"{personal.staff_id}{', removed' if said.removed else ''}"
        case Acknowledged():
            return said.conflict
        case VehicleErased():
            return f"{sum(last - first + 1 for *_, first, last in said.runs)} events"
        case _:
            return said.member


def _camera_type(said: Facts | Reference | None) -> str | None:
    return said.camera_type if isinstance(said, Facts | PassChanged) else None
