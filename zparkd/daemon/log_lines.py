"""A line in the log for each event that this central recorded, once its camera has its answer.

They come by the thousand where a queue is worked off, so loguru is passed by.
"""

from collections.abc import Iterable, Iterator

from zparkd.core.audit import act_of
from zparkd.core.events.event import Event, Facts, Kind
from zparkd.core.events.payloads import (
    Acknowledged,
    PassChanged,
    PolicySet,
    Reference,
    StaffChanged,
    TariffSet,
    VehicleErased,
)
from zparkd.core.gate import old_stays
from zparkd.core.members.roster_words import JoinRefused
from zparkd.logs.messages import Message
from zparkd.logs.sink import put

OF_KIND = {
    Kind.ENTRY: Message.VEHICLE_IN,
    Kind.CONFIRM: Message.VEHICLE_CONFIRMED,
    Kind.EXIT: Message.VEHICLE_OUT,
    Kind.SEEN: Message.VEHICLE_SEEN,
    Kind.MANUAL: Message.OPENED_BY_HAND,
    Kind.NOT_TAKEN: Message.ENTRY_NOT_TAKEN,
    Kind.CORRECTED: Message.VEHICLE_CORRECTED,
    Kind.CLOSED: Message.STAY_CLOSED,
    Kind.VOIDED: Message.EVENT_VOIDED,
    Kind.CHARGED: Message.STAY_CHARGED,
    Kind.ERASED: Message.VEHICLE_ERASED,
    Kind.TARIFF: Message.TARIFF_SET,
    Kind.POLICY: Message.POLICY_SET,
    Kind.PASS: Message.PASS_CHANGED,
    Kind.STAFF: Message.STAFF_CHANGED,
    Kind.ACKNOWLEDGED: Message.CONFLICT_ACKNOWLEDGED,
    Kind.DISOWNED: Message.MEMBER_DISOWNED,
    Kind.RESTORED: Message.MEMBER_RESTORED,
    Kind.ADMITTED: Message.MEMBER_ADMITTED,
    Kind.REMOVED: Message.MEMBER_REMOVED,
    Kind.INVITED: Message.MEMBER_INVITED,
    Kind.JOINED: Message.MEMBER_JOINED,
    Kind.CHANGED: Message.MEMBER_CHANGED,
    Kind.EDGE_REMOVED: Message.EDGE_REMOVED,
    Kind.JOIN_REFUSED: Message.JOIN_REFUSED,
}


def say_recorded(events: Iterable[Event]) -> None:
    """Log these events."""
    put(_lines(events))


def _lines(events: Iterable[Event]) -> Iterator[tuple[Message, dict[str, object]]]:
    for event in events:
        facts = event.facts
        if facts is not None and facts.edge_id == old_stays.EDGE:
            continue  # by the million; one line says how many
        if facts is None:
            assert event.reference is not None
            said = event.reference
            who = _act(event) if isinstance(said, Acknowledged) else _by(said)
            yield OF_KIND[Kind(event.kind)], _of_reference(said) | who
            continue
        fields: dict[str, object] = {"edge": facts.edge_id} | _by(facts) | _act(event)
        if event.vehicle is not None:
            fields["camera_type"], fields["plate"] = event.vehicle
            fields["event_id"] = _id_of_stay(event)
        if facts.fee is not None:
            fields["fee"] = facts.fee
            fields["currency"] = facts.currency
        if facts.amount is not None:
            fields["amount"] = facts.amount
            fields["currency"] = facts.currency
        yield OF_KIND[Kind(event.kind)], fields


def _of_reference(data: Reference) -> dict[str, object]:
    """What is said of reference data: nothing that points to a person."""
    match data:
        case TariffSet() | PolicySet():
            return {"version": data.version}
        case PassChanged():
            fields: dict[str, object] = {"camera_type": data.camera_type}
            fields |= {"valid_from": data.valid_from, "valid_until": data.valid_until}
            return fields | {"change": _change(data.removed)}
        case Acknowledged():
            return {"conflict": data.conflict}
        case StaffChanged():
            return {"change": _change(data.removed)}
        case VehicleErased():
            return {"events": sum(last - first + 1 for *_, first, last in data.runs)}
        case JoinRefused():
            return {"member": data.member, "came_from": data.came_from, "why": data.why}
        case _:
            return {"member": data.member}


def _by(said: Facts | Reference) -> dict[str, object]:
    """Who asked for it, where that was no edge by itself."""
    if isinstance(said, JoinRefused) or said.by is None:
        return {}
    return {"by": str(said.by)}


def _act(event: Event) -> dict[str, object]:
    """Who had it opened by force or by hand, and why."""
    act = act_of(event)
    if act is None:
        return {}
    fields: dict[str, object] = {"by": act.who}
    if act.forced and event.kind != Kind.MANUAL:
        fields["forced"] = True
    return fields if act.why is None else fields | {"reason": act.why}


def _change(removed: bool) -> str:
    return "removed" if removed else "added or changed"


def _id_of_stay(event: Event) -> str | None:
    """The id by which people know the stay: that of the entry which a confirm or exit names."""
    if event.kind == Kind.ENTRY or event.facts is None or event.personal is None:
        return event.event_id
    return event.named_id or event.event_id
