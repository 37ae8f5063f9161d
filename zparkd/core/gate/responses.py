"""What an edge is told: the forms of all answers, made from an event or a stay alone.

Which answer a request gets, `gate` decides; nothing here records an event or judges a request.
"""

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

import orjson

from zparkd.core.clock import site_time
from zparkd.core.events.event import Event, Facts, Kind, Personal
from zparkd.core.events.ids import shown_plate
from zparkd.core.gate import limits
from zparkd.core.gate.candidates import Candidate
from zparkd.core.gate.charges import charge
from zparkd.core.gate.gate import Decision, Refuse
from zparkd.core.gate.requests import Refusal, RequestType
from zparkd.core.gate.resolve import Resolved
from zparkd.core.log import Log
from zparkd.core.members.centrals_told import centrals_told

_Fields = dict[str, Any]


def response(
    found: Resolved, decision: Decision, event: Event | None, incomplete: Sequence[str], log: Log
) -> bytes:
    """The answer to a request, as the bytes of a JSON object.

    `event` is what it is made from, where there is one. `incomplete` names the centrals whose
    events may be missing from the decision.
    """
    request_id = found.request.request_id
    if isinstance(decision, Refuse):
        return refusal(decision.refusal, request_id, incomplete)
    answer: _Fields = {"success": True, "request_id": request_id}
    if event is not None:
        answer |= _of_event(event, log)
    else:
        answer |= _of_what_is_found(found, incomplete)
    known = found.request.centrals
    if known is not None and found.request.speaker is not None:
        told = centrals_told(log.members.roster, known)
        answer |= {"centrals": told} if told is not None else {}
    return orjson.dumps(answer)


def refusal(no: Refusal, request_id: str | None, incomplete: Sequence[str] = ()) -> bytes:
    """The answer that says no."""
    error: _Fields = {"code": no.code.value, "message": no.message}
    answer: _Fields = {"success": False, "request_id": request_id, "error": error}
    if incomplete:
        error["incomplete"] = answer["incomplete"] = incomplete
    return orjson.dumps(answer)


def _of_what_is_found(found: Resolved, incomplete: Sequence[str]) -> _Fields:
    match found.request.type:
        case RequestType.PING:
            return {"central_id": found.settings.id, "time_ms": found.time.ms}
        case RequestType.DETECTION:
            return {"vehicle_info": _vehicle_info(found, incomplete)}
    return {"action": "NONE"}


def _vehicle_info(found: Resolved, incomplete: Sequence[str]) -> _Fields:
    """What a detection is told: whether the vehicle is inside, and what it would pay now."""
    held, quote, now_ms = found.held, found.quote, found.time.ms
    info: _Fields = {"already_inside": held is not None, "plate_id": found.request.plate_id}
    if held is not None and quote is not None:
        stay, zone = held.stay, found.settings.zone
        due = charge(quote, stay.vehicle, stay.entry_ms, now_ms, zone)
        info |= {
            "event_id": stay.event_id,
            "entry_time": site_time(stay.entry_ms, zone),
            "source_central": stay.entry.origin,
            "fee": due.fee,
            "duration": duration_text(max(0, now_ms - stay.entry_ms) // 1000),
        }
        if due.held_pass is not None:
            info["pass"] = _pass(due.held_pass.holder, due.held_pass.valid_until)
    if found.watch is not None:
        info["watch"] = found.watch
    if found.candidates is not None:
        shown = found.candidates[: limits.CANDIDATES_SHOWN]
        info["candidates"] = [_candidate(it, found.settings.zone) for it in shown]
    if incomplete:
        info["incomplete"] = incomplete
    return info


def _candidate(candidate: Candidate, zone: tzinfo) -> _Fields:
    stay = candidate.held.stay
    return {
        "plate_id": stay.vehicle.plate_id,
        "plate_view": stay.plate_view,
        "camera_type": stay.vehicle.camera_type,
        "event_id": stay.event_id,
        "entry_time": site_time(stay.entry_ms, zone),
        "match": candidate.match,
        "strong": candidate.strong,
    }


def _of_event(event: Event, log: Log) -> _Fields:
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
            return {"action": "ENTRY_CONFIRMED", "event_id": event.named_id}
    return {"action": "MANUAL"}


def _history_id(event: Event, personal: Personal, log: Log) -> int | None:
    """The id of the stay that this entry belongs to; mostly it is the one that is open now."""
    assert personal.plate_id is not None
    for held in log.inside(personal.plate_id):
        if held.stay.entry == event.position:
            return held.id
    belongs = log.stay_of(event.position)
    return belongs.id if belongs is not None else None


def _answer_of_exit(event: Event, facts: Facts, personal: Personal) -> _Fields:
    duration_s = facts.duration_s or 0
    answer: _Fields = {
        "action": "EXIT",
        "event_id": event.named_id if facts.names else event.event_id,
        "fee": facts.fee,
        "currency": facts.currency,
        "duration": duration_text(duration_s),
        "duration_s": duration_s,
    }
    if personal.plate_read is not None:
        answer["plate_id"], answer["plate_read"] = (
            shown_plate(personal.plate_id),
            personal.plate_read,
        )
    if facts.pass_until is not None:
        answer["pass"] = _pass(personal.holder, facts.pass_until)
    if facts.names is None:
        answer["unmatched"] = True
    return answer


def _pass(holder: str | None, valid_until: str) -> _Fields:
    return {"holder": holder, "valid_until": valid_until}


def duration_text(duration_s: int) -> str:
    """A duration in Vietnamese, whole minutes rounded down: `5 phút`, `1 giờ 0 phút`."""
    hours, minutes = divmod(duration_s // 60, 60)
    return f"{hours} giờ {minutes} phút" if hours else f"{minutes} phút"
