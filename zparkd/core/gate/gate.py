"""The rules of the gate: what each request of an edge comes to.

A pure function of what was looked up: nothing is asked, recorded or remembered here. A request that
records an event is answered from that event alone, so its repetition, here or at another central,
gets the same answer.
"""

from typing import NamedTuple

from zparkd.core.clock import RELEASE_MS, site_time
from zparkd.core.events.event import Event, Kind, Personal, VehicleKey
from zparkd.core.gate import limits
from zparkd.core.gate.requests import Code, Refusal, Request, RequestType, bad
from zparkd.core.gate.resolve import OPENS, Resolved
from zparkd.core.site import Direction
from zparkd.core.stays.fold import ClosedBy, Stay

_ON_WHAT_IS_INSIDE = (Code.ALREADY_INSIDE, Code.NOT_INSIDE, Code.FULL)


class Refuse(NamedTuple):
    """The answer is no; with `seen`, the vehicle is recorded all the same."""

    refusal: Refusal
    seen: bool = False

    @property
    def rests_on_what_is_inside(self) -> bool:
        """Whether it may be another one for somebody who knows of more events."""
        return self.refusal.code in _ON_WHAT_IS_INSIDE


class Answer(NamedTuple):
    """Nothing is recorded: the answer is that of `event`, else what was looked up."""

    event: Event | None = None
    rests_on_what_is_inside: bool = False


class Record(NamedTuple):
    """An event is recorded, and is the answer; `stay` is the one that it names.

    An entry may be `over_capacity`.
    """

    kind: Kind
    stay: Stay | None = None
    forced: bool = False
    over_capacity: bool = False

    @property
    def rests_on_what_is_inside(self) -> bool:
        """What is recorded stands, whoever knows of more."""
        return False


Decision = Refuse | Answer | Record


def decide(found: Resolved) -> Decision:
    """What a request comes to."""
    try:
        _check_speaker(found)
        if found.recorded is not None and found.request.request_id is not None:
            return _repeat(found, found.recorded)
        match found.request.type:
            case RequestType.PING:
                return Answer()
            case RequestType.DETECTION:
                _check_lane(found)
                return Answer(rests_on_what_is_inside=True)
            case RequestType.BARRIER_OPEN:
                return _open(found)
            case RequestType.BARRIER_CLOSE:
                return _close(found)
    except Refusal as no:
        return Refuse(no)


def _check_speaker(found: Resolved) -> None:
    """Refuse one who asks too often, or in the name of another or of none."""
    if not found.within_rate:
        per_s = found.settings.edge_requests_per_s
        raise Refusal(
            Code.RATE_LIMITED, f"edge_id: more than {per_s:g} requests a second; ask again later"
        )
    edge_id, speaker = found.request.edge_id, found.speaker
    if speaker != edge_id:
        raise Refusal(
            Code.FORBIDDEN,
            f"edge_id: this connection has the key of {speaker}, which may speak for no other",
        )
    if not found.is_known:
        raise Refusal(
            Code.FORBIDDEN,
            f"edge_id: {edge_id} is not an edge of this central; it has no file in edges.d",
        )


# --- what came before ---------------------------------------------------------------------------


def _repeat(found: Resolved, event: Event) -> Decision:
    """The answer that a request got before. Raises Refusal where it can't be the same request."""
    request = found.request
    assert event.facts is not None
    assert event.personal is not None
    was_open = event.kind in OPENS
    if request.type is not (RequestType.BARRIER_OPEN if was_open else RequestType.BARRIER_CLOSE):
        raise bad("request_id: was used for another type of request")
    if not _is_of_plate(request, event.personal, was_open=was_open):
        raise bad("request_id: was used for another plate")
    if request.camera_type and event.facts.camera_type not in (None, request.camera_type):
        raise bad("request_id: was used for another vehicle")
    if was_open and request.direction not in (None, _way(event)):
        raise bad("request_id: was used for another direction")
    if found.time.ms - event.timestamp > limits.RETRY_AGE_MS:
        raise bad("request_id: was used more than a day ago; use a new one for each request")
    return Answer(event)


def _is_of_plate(request: Request, was: Personal, *, was_open: bool) -> bool:
    """Whether a request says the plate that it said before: of an open, the one that was read."""
    if was_open:
        if request.plate_id is None and request.event is not None:
            return was.plate_read is None and was.plate_id is not None
        return request.plate_id == (was.plate_read or was.plate_id)
    if request.event is not None:
        return request.event.plate_id == (was.entry_plate or was.plate_id)
    return request.plate_id in (None, was.plate_id)


def _way(opened: Event) -> Direction | None:
    """Which way the barrier was opened for."""
    match opened.kind:
        case Kind.ENTRY:
            return Direction.ENTRY
        case Kind.EXIT:
            return Direction.EXIT
    return opened.facts.direction if opened.facts is not None else None


# --- open ---------------------------------------------------------------------------------------


def _open(found: Resolved) -> Decision:
    _check_lane(found)
    _check_named(found)
    _check_staff(found)
    if found.recorded is not None:
        return Answer(found.recorded)
    _check_type(found)
    late = _too_late(found)
    if late is not None:
        return late
    if found.vehicle is None:
        return Record(Kind.MANUAL, forced=True)
    return _enter(found) if found.direction is Direction.ENTRY else _leave(found)


def _check_lane(found: Resolved) -> None:
    """Refuse a request that says other than its lane."""
    request, lane = found.request, found.lane
    if lane.direction and request.direction not in (None, lane.direction):
        raise bad(f"direction: lane {lane.id} is {lane.direction}, not {request.direction}")
    if lane.camera_type and request.camera_type not in (None, lane.camera_type):
        raise bad(
            f"camera_type: lane {lane.id} is for {lane.camera_type}, not {request.camera_type}"
        )


def _check_type(found: Resolved) -> None:
    """Refuse an exit that does not say which of the vehicles with its plate it is of."""
    if found.types_inside and found.direction is Direction.EXIT:
        types = " and ".join(found.types_inside)
        raise bad(
            f"camera_type: {found.request.plate_id} is inside as {types}; say which of them leaves"
        )


def _check_named(found: Resolved) -> None:
    """Refuse an open that names a stay, and says what does not end that."""
    request, held = found.request, found.held
    if request.event is None or found.recorded is not None:
        return
    if found.direction is Direction.ENTRY:
        raise bad("event_id: names the stay to be ended, so direction must be EXIT, not ENTRY")
    camera_type = request.camera_type or found.lane.camera_type
    if held is not None and camera_type not in (None, held.stay.vehicle.camera_type):
        its = held.stay.vehicle.camera_type
        raise bad(f"event_id: is the stay of a {its}; request and lane are for {camera_type}")


def _check_staff(found: Resolved) -> None:
    """Refuse an override by somebody who is not on the site's list, where it has one."""
    if found.may_force:
        return
    staff_id = found.request.staff_id
    if staff_id is None:
        raise bad("staff_id: is missing; force needs the id of one of the site's staff")
    raise bad(f"staff_id: {staff_id[:40]!r} is not one of the site's staff")


def _too_late(found: Resolved) -> Refuse | None:
    """The refusal to open for what was seen too long ago; a vehicle is recorded as seen, once."""
    captured_ms = found.request.captured_ms
    if captured_ms is None:
        return None
    if found.time.marked and captured_ms < RELEASE_MS:
        return None  # neither the camera nor we know the time: there is nothing to compare
    age_ms = found.time.earliest_ms - captured_ms
    if age_ms <= limits.CAPTURE_AGE_MS:
        return None
    if found.vehicle is None:
        return Refuse(
            Refusal(Code.TOO_LATE, f"captured_ms: was {age_ms // 1000} s ago; not opened")
        )
    message = f"captured_ms: was {age_ms // 1000} s ago; recorded as seen, not opened"
    return Refuse(Refusal(Code.TOO_LATE, message), seen=not found.seen_before)


def _enter(found: Resolved) -> Decision:
    request, vehicle, held = found.request, found.vehicle, found.held
    assert vehicle is not None
    if held is None or request.force:
        _check_room(found, vehicle)
        stale = held.stay if held is not None else None
        is_full = found.full_from is not None
        return Record(Kind.ENTRY, stale, forced=request.force, over_capacity=is_full)
    since = site_time(held.stay.entry_ms, found.settings.zone)
    raise Refusal(
        Code.ALREADY_INSIDE,
        f"plate_id: {vehicle.plate_id} ({vehicle.camera_type}) has been inside since {since}"
        f" ({held.stay.event_id}); force with a reason ends that stay",
    )


def _check_room(found: Resolved, vehicle: VehicleKey) -> None:
    """Refuse an entry where it is full, if the site does so; a person decides otherwise."""
    if found.full_from is None or not found.refuses_when_full or found.request.force:
        return
    raise Refusal(
        Code.FULL,
        f"camera_type: {found.full_from:,} of {vehicle.camera_type} are inside, which is all that"
        " there is room for; force with a reason lets one more in",
    )


def _leave(found: Resolved) -> Decision:
    request, vehicle, held = found.request, found.vehicle, found.held
    if held is not None:
        return Record(Kind.EXIT, held.stay, forced=request.force)
    if request.force:
        _check_told(found)
        return Record(Kind.EXIT, forced=True)
    assert vehicle is not None
    if request.event is not None:
        raise Refusal(
            Code.NOT_INSIDE,
            f"event_id: {request.event} is no open stay; force with a reason opens anyway",
        )
    raise Refusal(
        Code.NOT_INSIDE,
        f"plate_id: {vehicle.plate_id} ({vehicle.camera_type}) is not inside;"
        " force with a reason opens anyway, event_id names the stay of a misread plate",
    )


def _check_told(found: Resolved) -> None:
    """Refuse an entry time that no exit can have."""
    if found.told_entry_ms is not None and found.told_entry_ms > found.time.ms:
        now = site_time(found.time.ms, found.settings.zone)
        raise bad(f"entry_time: {found.request.entry_time} is later than now, {now} at the site")


# --- close --------------------------------------------------------------------------------------


def _close(found: Resolved) -> Decision:
    """Confirm the entry of a stay that is open and not confirmed.

    One that was not taken only where it is named: a close without a name is about who is inside.
    """
    _check_lane(found)
    request, held = found.request, found.held
    if request.event is not None and request.plate_id not in (None, request.event.plate_id):
        raise bad("plate_id: is not the plate in event_id")
    if held is None or held.stay.confirmed:
        return Answer()
    is_named = request.event is not None or request.plate_id is not None
    came_late = is_named and held.stay.closed_by is ClosedBy.NOT_TAKEN
    if held.stay.closed_by is not None and not came_late:
        return Answer()
    return Record(Kind.CONFIRM, held.stay)
