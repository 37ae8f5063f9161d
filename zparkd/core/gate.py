"""The answer to each request of an edge, and the event that it records.

The rules of the gate, and nothing of how requests arrive or answers leave. A request that
records an event is answered from that event alone, so its repetition, here or at another
central, gets the same answer.
"""

from collections.abc import Callable
from typing import Any

import orjson

from zparkd.core import limits, tariff
from zparkd.core.clock import Clock, Now, Stamp, site_time
from zparkd.core.events import Event, Facts, Kind, Personal, Position, VehicleKey, event_id
from zparkd.core.journal import Journal
from zparkd.core.log import HeldStay, Log
from zparkd.core.memory import Detection, EdgeMemory
from zparkd.core.requests import (
    Code,
    Refusal,
    Request,
    RequestType,
    bad,
    read_object,
    read_request,
    request_id_of,
)
from zparkd.core.site import DEFAULT_CAMERA_TYPE, Direction, Lane, Settings

Answer = dict[str, Any]
_OPENS = (Kind.ENTRY, Kind.EXIT, Kind.MANUAL)


def refusal(request_id: str | None, code: Code, message: str, incomplete: list[str]) -> Answer:
    """The answer that says no."""
    error: Answer = {"code": code.value, "message": message}
    answer: Answer = {"success": False, "request_id": request_id, "error": error}
    if incomplete:
        error["incomplete"] = answer["incomplete"] = incomplete
    return answer


class Gate:
    """Decides what edges ask, on what the log holds now."""

    def __init__(
        self,
        settings: Settings,
        log: Log,
        journal: Journal,
        clock: Clock,
        incomplete: Callable[[int], list[str]],
    ) -> None:
        """`incomplete(mono_ms)` names the peers that may know more than we do."""
        self.memory = EdgeMemory()
        self._log = log
        self._journal = journal
        self._clock = clock
        self._incomplete = incomplete
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take over new settings."""
        self._settings = settings
        self._lanes = {lane.id: lane for lane in settings.lanes}

    def answer(self, now: Now, body: bytes) -> bytes:
        """The answer to one request, as the bytes of a JSON object."""
        request_id = None
        try:
            fields = read_object(body)
            request_id = request_id_of(fields)
            request = read_request(fields)
            answer = {"success": True, "request_id": request_id, **self._decide(now, request)}
        except Refusal as no:
            answer = refusal(request_id, no.code, no.message, no.incomplete)
        return orjson.dumps(answer)

    def _decide(self, now: Now, request: Request) -> Answer:
        per_s = self._settings.edge_requests_per_s
        if not self.memory.heard(request.edge_id, now.wall_ms, now.mono_ms, per_s):
            raise Refusal(
                Code.RATE_LIMITED,
                f"edge_id: more than {per_s:g} requests a second; ask again later",
            )
        match request.type:
            case RequestType.PING:
                return {"central_id": self._settings.id, "time_ms": self._clock.read(now).ms}
            case RequestType.DETECTION:
                return self._detection(now, request)
            case RequestType.BARRIER_OPEN:
                return self._open(now, request)
            case RequestType.BARRIER_CLOSE:
                return self._close(now, request)

    # --- detection ---------------------------------------------------------------------------

    def _detection(self, now: Now, request: Request) -> Answer:
        assert request.plate_id is not None
        self._check_lane(request)
        vehicle = self._vehicle(now, request)
        self.memory.detected(
            request.edge_id,
            request.plate_id,
            Detection(
                now.mono_ms,
                request.camera_type,
                request.direction,
                request.plate_view,
                request.confidence,
            ),
        )
        info: Answer = {"already_inside": False, "plate_id": request.plate_id}
        held = self._inside(vehicle)
        if held is not None:
            until_ms = self._clock.read(now).ms
            elapsed_s = max(0, until_ms - held.stay.entry_ms) // 1000
            info |= {
                "already_inside": True,
                "event_id": self._event_id(held),
                "entry_time": site_time(held.stay.entry_ms, self._settings.zone),
                "source_central": held.stay.entry.origin,
                "fee": tariff.fee(vehicle.camera_type, held.stay.entry_ms, until_ms),
                "duration": tariff.duration_text(elapsed_s),
            }
        incomplete = self._incomplete(now.mono_ms)
        if incomplete:
            info["incomplete"] = incomplete
        return {"vehicle_info": info}

    # --- open --------------------------------------------------------------------------------

    def _open(self, now: Now, request: Request) -> Answer:
        recorded = self._recorded(now, request)
        if recorded is not None:
            return self._answer_of(recorded)
        self._check_lane(request)
        if request.plate_id is None:
            return self._answer_of(self._record(now, Kind.MANUAL, request, None))
        vehicle = self._vehicle(now, request)
        stamp = self._clock.read(now)
        self._check_capture(now, stamp, request, vehicle)
        unnamed = request.request_id is None and request.direction is None
        if unnamed:
            position = self.memory.opened_lately(request.edge_id, vehicle, now.mono_ms)
            repeated = self._log.event(position) if position is not None else None
            if repeated is not None:
                return self._answer_of(repeated)
        held = self._inside(vehicle)
        if self._direction(now, request, held) is Direction.ENTRY:
            event = self._enter(now, request, vehicle, held)
        else:
            event = self._leave(now, request, vehicle, held)
        if unnamed:
            self.memory.opened(request.edge_id, vehicle, event.position, now.mono_ms)
        return self._answer_of(event)

    def _check_capture(self, now: Now, stamp: Stamp, request: Request, vehicle: VehicleKey) -> None:
        if request.captured_ms is None or stamp.marked:
            return
        age_ms = stamp.ms - request.captured_ms
        if age_ms <= limits.CAPTURE_AGE_MS:
            return
        if not self._acts(request, (Kind.SEEN,)):
            self._record(now, Kind.SEEN, request, vehicle)
        raise Refusal(
            Code.TOO_LATE,
            f"captured_ms: seen {age_ms // 1000} s ago; recorded as seen, not to be opened",
        )

    def _enter(
        self, now: Now, request: Request, vehicle: VehicleKey, held: HeldStay | None
    ) -> Event:
        if held is not None and not request.force:
            since = site_time(held.stay.entry_ms, self._settings.zone)
            raise Refusal(
                Code.ALREADY_INSIDE,
                f"plate_id: {vehicle.plate_id} ({vehicle.camera_type}) is inside since {since}"
                f" by {self._event_id(held)}; force with a reason ends that stay",
                self._incomplete(now.mono_ms),
            )
        stale = held.stay.entry if held is not None else None
        return self._record(now, Kind.ENTRY, request, vehicle, names=stale, forced=request.force)

    def _leave(
        self, now: Now, request: Request, vehicle: VehicleKey, held: HeldStay | None
    ) -> Event:
        if held is None:
            if not request.force:
                raise Refusal(
                    Code.NOT_INSIDE,
                    f"plate_id: no entry of {vehicle.plate_id} ({vehicle.camera_type}) is open;"
                    " force with a reason opens all the same",
                    self._incomplete(now.mono_ms),
                )
            return self._record(now, Kind.EXIT, request, vehicle, forced=True)
        return self._record(
            now,
            Kind.EXIT,
            request,
            vehicle,
            names=held.stay.entry,
            entry_ms=held.stay.entry_ms,
            forced=request.force,
        )

    # --- close -------------------------------------------------------------------------------

    def _close(self, now: Now, request: Request) -> Answer:
        self.memory.closed(request.edge_id)
        recorded = self._recorded(now, request)
        if recorded is not None:
            return self._answer_of(recorded)
        self._check_lane(request)
        if request.event is not None:
            ref = request.event
            if request.plate_id not in (None, ref.plate_id):
                raise bad("plate_id: is not the plate in event_id")
            entry = self._log.find(ref.origin, ref.timestamp, ref.plate_id)
            held = self._log.stay_of(entry.position) if entry is not None else None
        elif request.plate_id is not None:
            held = self._inside(self._vehicle(now, request))
        else:
            held = self._own_unconfirmed(request.edge_id)
        if held is None or held.stay.closed_by is not None or held.stay.confirmed:
            return {"action": "NONE"}
        event = self._record(
            now,
            Kind.CONFIRM,
            request,
            held.stay.vehicle,
            names=held.stay.entry,
            entry_ms=held.stay.entry_ms,
        )
        return self._answer_of(event)

    def _own_unconfirmed(self, edge_id: str) -> HeldStay | None:
        """The stay of this edge's latest entry that no close came for yet."""
        for opened in self._log.opens_of(edge_id, limits.OWN_ENTRIES_LOOKED_AT):
            if opened.kind != Kind.ENTRY:
                return None
            held = self._log.stay_of(opened.position)
            if held is not None and held.stay.closed_by is None and not held.stay.confirmed:
                return held
        return None

    # --- what is missing in a request --------------------------------------------------------

    def _check_lane(self, request: Request) -> None:
        lane = self._lane(request)
        if lane.direction and request.direction not in (None, lane.direction):
            raise bad(f"direction: lane {lane.id} is {lane.direction}, not {request.direction}")
        if lane.camera_type and request.camera_type not in (None, lane.camera_type):
            raise bad(
                f"camera_type: lane {lane.id} is for {lane.camera_type}, not {request.camera_type}"
            )

    def _lane(self, request: Request) -> Lane:
        return self._lanes.get(request.edge_id) or Lane(request.edge_id)

    def _seen(self, now: Now, request: Request) -> Detection | None:
        if request.plate_id is None:
            return None
        return self.memory.detection(request.edge_id, request.plate_id, now.mono_ms)

    def _vehicle(self, now: Now, request: Request) -> VehicleKey:
        assert request.plate_id is not None
        camera_type = request.camera_type or self._lane(request).camera_type
        if camera_type is None:
            seen = self._seen(now, request)
            camera_type = seen.camera_type if seen is not None else None
        if camera_type is None:
            inside = self._log.inside(request.plate_id)
            camera_type = inside[0].stay.vehicle.camera_type if len(inside) == 1 else None
        return VehicleKey(camera_type or DEFAULT_CAMERA_TYPE, request.plate_id)

    def _direction(self, now: Now, request: Request, held: HeldStay | None) -> Direction:
        direction = request.direction or self._lane(request).direction
        if direction is None:
            seen = self._seen(now, request)
            direction = seen.direction if seen is not None else None
        return direction or (Direction.ENTRY if held is None else Direction.EXIT)

    # --- the log -----------------------------------------------------------------------------

    def _inside(self, vehicle: VehicleKey) -> HeldStay | None:
        for held in self._log.inside(vehicle.plate_id):
            if held.stay.vehicle == vehicle:
                return held
        return None

    def _event_id(self, held: HeldStay) -> str:
        stay = held.stay
        return event_id(stay.entry.origin, stay.entry_ms, stay.vehicle.plate_id)

    def _acts(self, request: Request, kinds: tuple[Kind, ...]) -> list[Event]:
        if request.request_id is None:
            return []
        acts = self._log.acts(request.edge_id, request.request_id)
        return [event for event in acts if event.kind in kinds and event.facts is not None]

    def _recorded(self, now: Now, request: Request) -> Event | None:
        """The event that this very request recorded before. Raises where it can't be the same."""
        acts = self._acts(request, (*_OPENS, Kind.CONFIRM))
        if not acts:
            return None
        own = [event for event in acts if event.position.origin == self._settings.id]
        event = (own or acts)[0]
        assert event.personal is not None
        was_open = event.kind in _OPENS
        if was_open is not (request.type is RequestType.BARRIER_OPEN):
            raise bad(f"request_id: was used for another type of request ({event.kind})")
        asked = request.event.plate_id if request.event is not None else request.plate_id
        if event.personal.plate_id != asked and (was_open or asked is not None):
            raise bad("request_id: was used for another plate")
        if request.direction is not None and event.kind in (Kind.ENTRY, Kind.EXIT):
            if (request.direction is Direction.ENTRY) is not (event.kind == Kind.ENTRY):
                raise bad("request_id: was used for the other direction")
        if self._clock.read(now).ms - event.timestamp > limits.RETRY_AGE_MS:
            raise bad("request_id: was used more than a day ago; make one that is never used twice")
        return event

    def _record(
        self,
        now: Now,
        kind: Kind,
        request: Request,
        vehicle: VehicleKey | None,
        *,
        names: Position | None = None,
        entry_ms: int | None = None,
        forced: bool = False,
    ) -> Event:
        """Append the event of a request to our own stream."""
        stamp = self._clock.read(now)
        ms = stamp.ms
        order = ms
        if vehicle is not None:
            while self._log.stamp_taken(vehicle.plate_id, ms):
                ms += 1
            order = max(ms, self._log.last_order(vehicle) + 1)
        self._clock.stamped(ms, now)
        seen = self._seen(now, request)
        confidence = request.confidence
        plate_view = request.plate_view
        if seen is not None:
            confidence = seen.confidence if confidence is None else confidence
            plate_view = plate_view or seen.plate_view
        fee = duration_s = None
        if kind is Kind.EXIT:
            assert vehicle is not None
            fee = 0 if entry_ms is None else tariff.fee(vehicle.camera_type, entry_ms, ms)
            duration_s = 0 if entry_ms is None else max(0, ms - entry_ms) // 1000
        facts = Facts(
            edge_id=request.edge_id,
            request_id=request.request_id,
            camera_type=vehicle.camera_type if vehicle is not None else request.camera_type,
            direction=request.direction if kind in (Kind.SEEN, Kind.MANUAL) else None,
            confidence=confidence,
            captured_ms=request.captured_ms,
            names=names,
            entry_ms=entry_ms,
            fee=fee,
            currency=tariff.CURRENCY if fee is not None else None,
            duration_s=duration_s,
            forced=forced,
            marked=stamp.marked,
        )
        personal = Personal(
            salt="",
            plate_id=vehicle.plate_id if vehicle is not None else None,
            plate_view=plate_view,
            staff_id=request.staff_id,
            reason=request.reason,
            image=request.image,
        )
        return self._journal.record(kind, ms, order, facts, personal)

    def _answer_of(self, event: Event) -> Answer:
        """What the request that recorded this event is told, each time it asks."""
        facts, personal = event.facts, event.personal
        assert facts is not None
        assert personal is not None
        match event.kind:
            case Kind.ENTRY:
                held = self._log.stay_of(event.position)
                return {
                    "action": "ENTRY",
                    "event_id": event.event_id,
                    "history_id": held.id if held is not None else None,
                }
            case Kind.EXIT:
                return self._answer_of_exit(event, facts, personal)
            case Kind.CONFIRM:
                return {
                    "action": "ENTRY_CONFIRMED",
                    "event_id": _named_id(facts, personal),
                }
        return {"action": "MANUAL"}

    def _answer_of_exit(self, event: Event, facts: Facts, personal: Personal) -> Answer:
        duration_s = facts.duration_s or 0
        answer: Answer = {
            "action": "EXIT",
            "event_id": _named_id(facts, personal) if facts.names else event.event_id,
            "fee": facts.fee,
            "currency": facts.currency,
            "duration": tariff.duration_text(duration_s),
            "duration_s": duration_s,
        }
        if facts.names is None:
            answer["unmatched"] = True
        return answer


def _named_id(facts: Facts, personal: Personal) -> str:
    """The readable id of the entry that an exit or confirmation names, from the event alone."""
    assert facts.names is not None
    assert facts.entry_ms is not None
    assert personal.plate_id is not None
    return event_id(facts.names[0], facts.entry_ms, personal.plate_id)
