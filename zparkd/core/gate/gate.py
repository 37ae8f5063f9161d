"""The answer to each request of an edge, and the event that it records.

The rules of the gate, and nothing of how requests arrive or answers leave. A request that
records an event is answered from that event alone, so its repetition, here or at another
central, gets the same answer.
"""

import dataclasses
from collections.abc import Callable

import orjson
from msgspec.structs import replace

from zparkd.core import limits
from zparkd.core.clock import Clock, Now, Stamp, site_time
from zparkd.core.events.event import Event, Facts, Kind, Personal, Position, VehicleKey
from zparkd.core.gate.charges import Charge, Charges, charged
from zparkd.core.gate.edge_state import Detection, EdgeMemory
from zparkd.core.gate.requests import (
    Code,
    Refusal,
    Request,
    RequestType,
    bad,
    read_object,
    read_request,
    request_id_in,
)
from zparkd.core.gate.resolve import Unsaid
from zparkd.core.gate.responses import Answer, answer_of, refusal, stay_id, vehicle_info
from zparkd.core.log import HeldStay, Log
from zparkd.core.principal import Principal
from zparkd.core.replication.own_stream import OwnStream
from zparkd.core.site import Direction, Settings
from zparkd.core.stays import Stay

_OPENS = (Kind.ENTRY, Kind.EXIT, Kind.MANUAL)


class Gate:
    """Decides what edges ask, on what the log holds now."""

    def __init__(
        self,
        settings: Settings,
        log: Log,
        own_stream: OwnStream,
        clock: Clock,
        incomplete: Callable[[int], list[str]],
    ) -> None:
        """`incomplete(mono_ms)` names the peers that may know more than we do."""
        self.memory = EdgeMemory()
        self._unsaid = Unsaid(log, self.memory)
        self._charges = Charges(log, settings.zone)
        self._log = log
        self._own_stream = own_stream
        self._clock = clock
        self._incomplete = incomplete
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take over new settings."""
        self._settings = settings
        self._unsaid.configure(settings.lanes)
        self._charges.zone = settings.zone

    def answer(
        self, now: Now, body: bytes, speaker: str | None = None, by: Principal | None = None
    ) -> bytes:
        """The answer to one request, as the bytes of a JSON object.

        `speaker` is the edge whose key it came with; it may speak for nobody else. `by` is who
        asks in the name of an edge, with no key of it.
        """
        try:
            request = dataclasses.replace(read_request(read_object(body)), by=by)
            answer = {"success": True, "request_id": request.request_id}
            answer |= self._decide(now, request, speaker or request.edge_id)
        except Refusal as no:
            answer = refusal(request_id_in(body), no.code, no.message, no.incomplete)
        return orjson.dumps(answer)

    def _decide(self, now: Now, request: Request, speaker: str) -> Answer:
        per_s = self._settings.edge_requests_per_s
        # Counted for who speaks, so that nobody uses up what is another's.
        if not self.memory.heard(speaker, self._clock.read(now).ms, now.mono_ms, per_s):
            raise Refusal(
                Code.RATE_LIMITED,
                f"edge_id: more than {per_s:g} requests a second; ask again later",
            )
        if speaker != request.edge_id:
            raise Refusal(
                Code.FORBIDDEN,
                f"edge_id: this connection has the key of {speaker}, which speaks for no other",
            )
        if request.by is not None and not self._settings.admits(request.edge_id):
            raise Refusal(
                Code.FORBIDDEN,
                f"edge_id: {request.edge_id} is no edge of this central; it has no file in edges.d",
            )
        opened = None
        if request.type is RequestType.BARRIER_CLOSE:
            opened = self.memory.closed(request.edge_id, now.mono_ms)
        recorded = self._recorded(now, request)
        if recorded is not None:
            return answer_of(recorded, self._log)
        match request.type:
            case RequestType.PING:
                return {"central_id": self._settings.id, "time_ms": self._clock.read(now).ms}
            case RequestType.DETECTION:
                return self._detection(now, request)
            case RequestType.BARRIER_OPEN:
                return self._open(now, request)
            case RequestType.BARRIER_CLOSE:
                return self._close(now, request, opened)

    # --- detection ---------------------------------------------------------------------------

    def _detection(self, now: Now, request: Request) -> Answer:
        assert request.plate_id is not None
        self._unsaid.check_lane(request)
        vehicle = self._unsaid.vehicle(now, request)
        held = self._inside(vehicle)
        now_ms = self._clock.read(now).ms
        quote = self._charges.quote(held.stay, now_ms) if held is not None else None
        self.memory.detected(
            request.edge_id,
            request.plate_id,
            Detection(
                now.mono_ms,
                request.camera_type,
                request.direction,
                request.plate_view,
                request.confidence,
                quote,
            ),
        )
        stay = held.stay if held is not None else None
        return vehicle_info(
            request.plate_id,
            stay,
            self._charges.quoted(quote, stay) if quote and stay else None,
            now_ms,
            self._settings.zone,
            self._incomplete(now.mono_ms),
        )

    # --- open --------------------------------------------------------------------------------

    def _open(self, now: Now, request: Request) -> Answer:
        self._unsaid.check_lane(request)
        self._check_staff(request)
        if request.plate_id is None:
            self._check_capture(now, request, None)
            return answer_of(self._record(now, Kind.MANUAL, request, None, forced=True), self._log)
        unnamed = request.request_id is None and request.direction is None
        repeated = self._opened_lately(now, request) if unnamed else None
        if repeated is not None:
            return answer_of(repeated, self._log)
        vehicle = self._unsaid.vehicle(now, request)
        self._check_capture(now, request, vehicle)
        held = self._inside(vehicle)
        if self._unsaid.direction(now, request, held) is Direction.ENTRY:
            event = self._enter(now, request, vehicle, held)
        else:
            event = self._leave(now, request, vehicle, held)
        if unnamed:
            self.memory.opened(request.edge_id, vehicle, event.position, now.mono_ms)
        return answer_of(event, self._log)

    def _opened_lately(self, now: Now, request: Request) -> Event | None:
        """The event of the open that this one, which names no request, repeats."""
        assert request.plate_id is not None
        position = self.memory.opened_lately(
            request.edge_id,
            request.plate_id,
            self._unsaid.camera_type(now, request),
            now.mono_ms,
        )
        return self._log.event(position) if position is not None else None

    def _check_staff(self, request: Request) -> None:
        """Refuse an override by somebody who is not on the site's list, where it has one."""
        if not request.force or self._log.reference.is_staff(request.staff_id):
            return
        if request.staff_id is None:
            raise bad("staff_id: is missing; force needs the id of one of the site's staff")
        raise bad(f"staff_id: {request.staff_id[:40]!r} is not one of the site's staff")

    def _check_capture(self, now: Now, request: Request, vehicle: VehicleKey | None) -> None:
        """Refuse to open for what was seen too long ago; a vehicle is recorded as seen, once."""
        stamp = self._clock.read(now)
        if request.captured_ms is None or stamp.marked:
            return
        age_ms = stamp.ms - request.captured_ms
        if age_ms <= limits.CAPTURE_AGE_MS:
            return
        if vehicle is None:
            raise Refusal(Code.TOO_LATE, f"captured_ms: is {age_ms // 1000} s ago; not opened")
        if vehicle not in [event.vehicle for event in self._acts(request, (Kind.SEEN,))]:
            self._record(now, Kind.SEEN, request, vehicle)
        raise Refusal(
            Code.TOO_LATE,
            f"captured_ms: is {age_ms // 1000} s ago; recorded as seen, not to be opened",
        )

    def _enter(
        self, now: Now, request: Request, vehicle: VehicleKey, held: HeldStay | None
    ) -> Event:
        if held is not None and not request.force:
            since = site_time(held.stay.entry_ms, self._settings.zone)
            raise Refusal(
                Code.ALREADY_INSIDE,
                f"plate_id: {vehicle.plate_id} ({vehicle.camera_type}) is inside since {since}"
                f" by {stay_id(held.stay)}; force with a reason ends that stay",
                self._incomplete(now.mono_ms),
            )
        stale = held.stay if held is not None else None
        return self._record(now, Kind.ENTRY, request, vehicle, stay=stale, forced=request.force)

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
        return self._record(now, Kind.EXIT, request, vehicle, stay=held.stay, forced=request.force)

    # --- close -------------------------------------------------------------------------------

    def _close(self, now: Now, request: Request, opened: Position | None) -> Answer:
        """Confirm an entry; `opened` is what the edge's barrier was opened for here just now."""
        self._unsaid.check_lane(request)
        if request.event is not None:
            ref = request.event
            if request.plate_id not in (None, ref.plate_id):
                raise bad("plate_id: is not the plate in event_id")
            entry = self._log.find(ref.origin, ref.timestamp, ref.plate_id)
            held = self._log.stay_of(entry.position) if entry is not None else None
        elif request.plate_id is not None:
            held = self._inside(self._unsaid.vehicle(now, request))
        else:
            held = self._own_unconfirmed(request.edge_id, opened)
        if held is None or held.stay.closed_by is not None or held.stay.confirmed:
            return {"action": "NONE"}
        event = self._record(now, Kind.CONFIRM, request, held.stay.vehicle, stay=held.stay)
        return answer_of(event, self._log)

    def _own_unconfirmed(self, edge_id: str, opened: Position | None) -> HeldStay | None:
        """The stay of this edge's latest entry that no close came for yet.

        The latest is the one that came last to be held here: no time stamp is asked, since a
        clock may have been wrong. What was opened here just now goes before what came from
        another central meanwhile.
        """
        opens = self._log.opens_of(edge_id, limits.OWN_ENTRIES_LOOKED_AT)
        mine = self._log.event(opened) if opened is not None else None
        for event in opens if mine is None else [mine, *opens]:
            if event.kind == Kind.EXIT:
                return None
            held = self._log.stay_of(event.position) if event.kind == Kind.ENTRY else None
            if held is not None and not held.stay.confirmed:
                return held
        return None

    # --- the log -----------------------------------------------------------------------------

    def _inside(self, vehicle: VehicleKey) -> HeldStay | None:
        for held in self._log.inside(vehicle.plate_id):
            if held.stay.vehicle == vehicle:
                return held
        return None

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
        assert event.facts is not None
        assert event.personal is not None
        was_open = event.kind in _OPENS
        if request.type is not (
            RequestType.BARRIER_OPEN if was_open else RequestType.BARRIER_CLOSE
        ):
            raise bad("request_id: was used for another type of request")
        asked = request.event.plate_id if request.event is not None else request.plate_id
        if event.personal.plate_id != asked and (was_open or asked is not None):
            raise bad("request_id: was used for another plate")
        if request.camera_type and event.facts.camera_type not in (None, request.camera_type):
            raise bad("request_id: was used for another vehicle")
        if was_open and request.direction not in (None, _way(event)):
            raise bad("request_id: was used for another direction")
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
        stay: Stay | None = None,
        forced: bool = False,
    ) -> Event:
        """Append the event of a request to our own stream; `stay` is what it is about."""
        request = self._unsaid.filled(now, request)
        stamp, order = self._stamp(now, vehicle)
        entry_ms = stay.entry_ms if stay is not None and kind is not Kind.ENTRY else None
        facts = Facts(
            edge_id=request.edge_id,
            request_id=request.request_id,
            camera_type=vehicle.camera_type if vehicle is not None else request.camera_type,
            direction=request.direction if kind in (Kind.SEEN, Kind.MANUAL) else None,
            confidence=request.confidence,
            captured_ms=request.captured_ms,
            names=stay.entry if stay is not None else None,
            entry_ms=entry_ms,
            forced=forced,
            marked=stamp.marked,
            by=request.by,
        )
        holder = None
        if kind is Kind.EXIT:
            assert vehicle is not None
            charge = self._charge(now, request, vehicle, stay, stamp.ms)
            facts = charged(facts, charge, lost_ticket=request.lost_ticket)
            duration_s = 0 if entry_ms is None else max(0, stamp.ms - entry_ms) // 1000
            facts = replace(facts, duration_s=duration_s)
            holder = charge.held_pass.holder if charge.held_pass is not None else None
        personal = Personal(
            salt="",
            plate_id=vehicle.plate_id if vehicle is not None else None,
            plate_view=request.plate_view,
            staff_id=request.staff_id,
            reason=request.reason,
            image=request.image,
            holder=holder,
        )
        event = self._own_stream.record(kind, stamp.ms, order, facts, personal)
        if kind in _OPENS:
            self.memory.raised(request.edge_id, event.position, now.mono_ms)
        return event

    def _charge(
        self, now: Now, request: Request, vehicle: VehicleKey, stay: Stay | None, exit_ms: int
    ) -> Charge:
        """What an exit is charged."""
        if stay is None:
            return self._charges.of_unmatched(vehicle)
        quote = self.memory.quote(request.edge_id, vehicle.plate_id, now.mono_ms)
        return self._charges.of_exit(stay, exit_ms, quote, lost_ticket=request.lost_ticket)

    def _stamp(self, now: Now, vehicle: VehicleKey | None) -> tuple[Stamp, int]:
        """The time stamp of an event made now, that no other of its plate has, and its order."""
        stamp = self._clock.read(now)
        order = stamp.ms
        if vehicle is not None:
            while self._log.stamp_taken(vehicle.plate_id, stamp.ms):
                stamp = stamp._replace(ms=stamp.ms + 1)
            above = self._log.last_order(vehicle) + 1
            order = max(stamp.ms, min(above, limits.TIME_SHOWN_MS_MAX))
        self._clock.stamped(stamp.ms, now)
        return stamp, order


def _way(opened: Event) -> Direction | None:
    """Which way the barrier was opened for."""
    match opened.kind:
        case Kind.ENTRY:
            return Direction.ENTRY
        case Kind.EXIT:
            return Direction.EXIT
    return opened.facts.direction if opened.facts is not None else None
