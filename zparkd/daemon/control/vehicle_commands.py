"""The commands by which people say what really happened: corrections, recorded as events.

    vehicle.correct {"event_id", "plate", "camera_type"}   the event was of another vehicle
    vehicle.close   {"event_id", "at_ms", "fee"}           its stay is over
    vehicle.enter   {"plate", "at_ms", "camera_type"}      a vehicle came in that no camera saw
    vehicle.void    {"event_id", "exit"}                   it never happened
    vehicle.charge  {"event_id", "amount"}                 money taken, or given back
    vehicle.erase   {"plate", "camera_type"}               what is personal of it is forgotten

Each takes `staff_id` and `reason` as well, and answers what it `recorded` and what the `stay` is
now, null where there is none; an erase how many events were `erased`, and what the
watch list says of the plate all the same (`watched`). Times are ms; what may be
left out may be null.
"""

import re
from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from zparkd.core import limits
from zparkd.core.central import Central
from zparkd.core.clock import site_time
from zparkd.core.events.event import Event, Facts
from zparkd.core.events.ids import shown_plate
from zparkd.core.events.payloads import VehicleErased
from zparkd.core.gate.deeds import (
    Charge,
    Close,
    Correct,
    Deed,
    Done,
    Enter,
    Erase,
    NotDone,
    Teller,
    Void,
)
from zparkd.core.plates import normalise_plate
from zparkd.core.reference.changes import NotCounting
from zparkd.core.site import CAMERA_TYPE, DEFAULT_CAMERA_TYPE
from zparkd.core.stays.fold import Stay
from zparkd.daemon.control.commands import Answer, Command, Request, Wants, no
from zparkd.daemon.control.reference_commands import remedy

_Text = Annotated[str, Meta(min_length=1, max_length=limits.TEXT_CHARACTERS)]
_Type = Annotated[str, Meta(pattern=f"^{CAMERA_TYPE.pattern}\\Z")]
_Ms = Annotated[int, Meta(ge=0, le=limits.TIME_SHOWN_MS_MAX)]
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class _Said(Struct):
    """The fields of all these requests; what a command needs is looked at with it."""

    staff_id: _Text
    reason: _Text
    event_id: _Text | None = None
    plate: _Text | None = None
    camera_type: _Type | None = None
    at_ms: _Ms | None = None
    fee: Annotated[int, Meta(ge=0, le=limits.FEE_MAX)] | None = None
    amount: Annotated[int, Meta(ge=-limits.FEE_MAX, le=limits.FEE_MAX)] | None = None
    exit: bool = False


class _Bad(ValueError):
    """A request that is none; the text names the field."""


def vehicle_commands(central: Central) -> dict[str, Command]:
    """The table of them, for one central."""

    def command(make: Callable[[_Said, Teller], Deed]) -> Command:
        def take(request: Request) -> Answer | Wants:
            try:
                said = _read(request)
                deed = make(said, Teller(said.staff_id, said.reason, request["by"]))
            except _Bad as bad:
                return no("bad_request", str(bad))
            return Wants(deed, lambda outcome: _told(outcome, central.settings.zone))

        return take

    return {
        "vehicle.correct": command(_correct),
        "vehicle.close": command(
            lambda said, teller: Close(teller, _event_id(said), said.at_ms, said.fee)
        ),
        "vehicle.enter": command(_enter),
        "vehicle.void": command(lambda said, teller: Void(teller, _event_id(said), said.exit)),
        "vehicle.charge": command(_charge),
        "vehicle.erase": command(
            lambda said, teller: Erase(teller, _plate(said)[0], said.camera_type)
        ),
    }


def _read(request: Request) -> _Said:
    try:
        said = msgspec.convert(dict(request), _Said)
    except msgspec.ValidationError as fault:
        raise _Bad(str(fault)) from None
    for name in ("staff_id", "reason", "event_id", "plate"):
        text = getattr(said, name)
        if text is not None and (_CONTROL.search(text) or not text.strip()):
            raise _Bad(f"{name}: must be text without control characters")
    return said


def _event_id(said: _Said) -> str:
    if said.event_id is None:
        raise _Bad("event_id: is missing; zparkctl vehicle show PLATE lists those of one")
    return said.event_id


def _plate(said: _Said) -> tuple[str, str]:
    """The plate as a key, and for people."""
    if said.plate is None:
        raise _Bad("plate: is missing")
    try:
        return normalise_plate(said.plate), said.plate.strip()
    except ValueError as fault:
        raise _Bad(f"plate: {fault}") from None


def _correct(said: _Said, teller: Teller) -> Correct:
    return Correct(teller, _event_id(said), *_plate(said), said.camera_type)


def _enter(said: _Said, teller: Teller) -> Enter:
    if said.at_ms is None:
        raise _Bad("at_ms: is missing: when it came in")
    return Enter(teller, *_plate(said), said.at_ms, said.camera_type or DEFAULT_CAMERA_TYPE)


def _charge(said: _Said, teller: Teller) -> Charge:
    if not said.amount:
        raise _Bad("amount: must be a sum of money, negative where it was given back")
    return Charge(teller, _event_id(said), said.amount)


# --- what is answered ---------------------------------------------------------------------------


def _told(outcome: Done | NotDone | NotCounting, zone: tzinfo) -> Answer:
    match outcome:
        case NotDone():
            return no(outcome.code, str(outcome))
        case NotCounting():
            return no("outranked", f"{outcome.outranked}; {remedy(outcome.outranked)}")
    return {
        "success": True,
        "recorded": _recorded(outcome.recorded, zone),
        "stay": stay_row(outcome.stay, zone) if outcome.stay is not None else None,
        "erased": outcome.erased,
        "watched": outcome.watched,
    }


def _recorded(event: Event, zone: tzinfo) -> Mapping[str, Any]:
    said = event.facts or event.reference
    assert isinstance(said, Facts | VehicleErased)
    return {
        "kind": event.kind,
        "event_id": event.event_id,
        "time": site_time(event.timestamp, zone),
        "time_ms": event.timestamp,
        "staff_id": said.staff_id,
        "reason": said.reason,
        "by": str(said.by) if said.by is not None else None,
    }


def stay_row(stay: Stay, zone: tzinfo) -> Mapping[str, Any]:
    """A stay as `history` has it, as far as it is the same at all centrals."""
    return {
        "event_id": stay.event_id,
        "plate_id": shown_plate(stay.vehicle.plate_id),
        "plate_view": stay.plate_view,
        "camera_type": stay.vehicle.camera_type,
        "status": "IN" if stay.closed_by is None else "OUT",
        "confirmed": int(stay.confirmed),
        "closed_by": stay.closed_by,
        "entry_time": site_time(stay.entry_ms, zone),
        "exit_time": site_time(stay.exit_ms, zone) if stay.exit_ms is not None else None,
        "entry_ms": stay.entry_ms,
        "exit_ms": stay.exit_ms,
        "fee": stay.fee,
        "adjusted": stay.adjusted,
        "currency": stay.currency,
        "duration_s": stay.duration_s,
        "remarks": ",".join(stay.remarks) or None,
    }
