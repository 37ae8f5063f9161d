"""What an edge is told: the forms of all answers, made from an event or a stay alone.

Which answer a request gets, `gate` decides; nothing here records an event or judges a request.
"""

from datetime import tzinfo
from typing import Any

from zparkd.core.clock import site_time
from zparkd.core.events.event import Event, Facts, Kind, Personal, event_id
from zparkd.core.gate.charges import Charge
from zparkd.core.gate.requests import Code
from zparkd.core.log import Log
from zparkd.core.stays import Stay
from zparkd.core.tariff.pricing import duration_text

Answer = dict[str, Any]


def refusal(request_id: str | None, code: Code, message: str, incomplete: list[str]) -> Answer:
    """The answer that says no."""
    error: Answer = {"code": code.value, "message": message}
    answer: Answer = {"success": False, "request_id": request_id, "error": error}
    if incomplete:
        error["incomplete"] = answer["incomplete"] = incomplete
    return answer


def vehicle_info(
    plate_id: str,
    stay: Stay | None,
    charge: Charge | None,
    now_ms: int,
    zone: tzinfo,
    incomplete: list[str],
) -> Answer:
    """What a detection is told: whether the vehicle is inside, and what it would pay now."""
    info: Answer = {"already_inside": stay is not None, "plate_id": plate_id}
    if stay is not None and charge is not None:
        info |= {
            "event_id": stay_id(stay),
            "entry_time": site_time(stay.entry_ms, zone),
            "source_central": stay.entry.origin,
            "fee": charge.fee,
            "duration": duration_text(max(0, now_ms - stay.entry_ms) // 1000),
        }
        if charge.held_pass is not None:
            info["pass"] = _pass(charge.held_pass.holder, charge.held_pass.valid_until)
    if incomplete:
        info["incomplete"] = incomplete
    return {"vehicle_info": info}


def answer_of(event: Event, log: Log) -> Answer:
    """What the request that recorded this event is told, each time it asks.

    All of it comes from the event, but for the `history` id, which is the log's own.
    """
    facts, personal = event.facts, event.personal
    assert facts is not None
    assert personal is not None
    match event.kind:
        case Kind.ENTRY:
            return {
                "action": "ENTRY",
                "event_id": event.event_id,
                "history_id": _history_id(event, personal, log),
            }
        case Kind.EXIT:
            return _answer_of_exit(event, facts, personal)
        case Kind.CONFIRM:
            return {"action": "ENTRY_CONFIRMED", "event_id": _named_id(facts, personal)}
    return {"action": "MANUAL"}


def _history_id(event: Event, personal: Personal, log: Log) -> int | None:
    """The id of the stay that this entry belongs to; mostly it is the one that is open now."""
    assert personal.plate_id is not None
    for held in log.inside(personal.plate_id):
        if held.stay.entry == event.position:
            return held.id
    belongs = log.stay_of(event.position)
    return belongs.id if belongs is not None else None


def _answer_of_exit(event: Event, facts: Facts, personal: Personal) -> Answer:
    duration_s = facts.duration_s or 0
    answer: Answer = {
        "action": "EXIT",
        "event_id": _named_id(facts, personal) if facts.names else event.event_id,
        "fee": facts.fee,
        "currency": facts.currency,
        "duration": duration_text(duration_s),
        "duration_s": duration_s,
    }
    if facts.pass_until is not None:
        answer["pass"] = _pass(personal.holder, facts.pass_until)
    if facts.names is None:
        answer["unmatched"] = True
    return answer


def _pass(holder: str | None, valid_until: str) -> Answer:
    return {"holder": holder, "valid_until": valid_until}


def stay_id(stay: Stay) -> str:
    """The readable id of a stay: that of the entry that counts."""
    return event_id(stay.entry.origin, stay.entry_ms, stay.vehicle.plate_id)


def _named_id(facts: Facts, personal: Personal) -> str:
    """The readable id of the entry that an exit or confirmation names, from the event alone."""
    assert facts.names is not None
    assert facts.entry_ms is not None
    assert personal.plate_id is not None
    return event_id(facts.names[0], facts.entry_ms, personal.plate_id)
