"""What a decision leaves behind: an event in our own stream, and what is remembered of its edge."""

from msgspec.structs import replace

from zparkd.core import limits
from zparkd.core.clock import Clock, Now, Stamp
from zparkd.core.events.event import Event, Facts, Kind, Personal, Position, VehicleKey
from zparkd.core.gate.charges import charge, charged, taken
from zparkd.core.gate.edge_state import Detection, EdgeStates
from zparkd.core.gate.gate import Answer, Decision, Record, Refuse
from zparkd.core.gate.requests import RequestType
from zparkd.core.gate.resolve import OPENS, Resolved
from zparkd.core.log import Log
from zparkd.core.replication.own_stream import OwnStream
from zparkd.core.stays.fold import Stay


class Recorder:
    """Records what was decided. All within the caller's transaction."""

    def __init__(self, log: Log, own_stream: OwnStream, clock: Clock, edges: EdgeStates) -> None:
        self._log = log
        self._own_stream = own_stream
        self._clock = clock
        self._edges = edges
        # By origin: an event of it that nothing recorded here can come after.
        self.outranked: dict[str, Position] = {}

    def record(self, now: Now, found: Resolved, decision: Decision) -> Event | None:
        """The event that the answer is made from, recorded now or before; None without one."""
        request = found.request
        if request.type is RequestType.BARRIER_CLOSE and found.may_ask:
            self._edges.closed(request.edge_id)
        match decision:
            case Record():
                event = self._append(now, found, decision)
                self._opened(now, found, event)
                return event
            case Refuse(seen=True):
                self._append(now, found, Record(Kind.SEEN))
            case Answer(event) if request.type is not RequestType.DETECTION:
                return event
            case Answer():
                self._detected(now, found)
        return None

    def _opened(self, now: Now, found: Resolved, event: Event) -> None:
        edge_id = found.request.edge_id
        if event.kind in OPENS:
            self._edges.barrier_opened(edge_id, event.position, now.mono_ms)
        if found.request.is_unnamed_open and found.vehicle is not None:
            assert found.request.plate_id is not None
            read = found.vehicle._replace(plate_id=found.request.plate_id)
            self._edges.opened(edge_id, read, event.position, now.mono_ms)

    def _detected(self, now: Now, found: Resolved) -> None:
        request = found.request
        assert request.plate_id is not None
        seen = Detection(
            now.mono_ms,
            request.camera_type,
            request.direction,
            request.plate_view,
            request.confidence,
            found.quote,
        )
        self._edges.detected(request.edge_id, request.plate_id, seen)

    def _append(self, now: Now, found: Resolved, what: Record) -> Event:
        """Append the event of a request to our own stream."""
        request, vehicle = found.request, found.vehicle
        kind, stay = what.kind, what.stay
        stamp, order = self._stamp(now, vehicle)
        entry_ms = stay.entry_ms if stay is not None and kind is not Kind.ENTRY else None
        if kind is Kind.EXIT and stay is None:
            entry_ms = found.told_entry_ms
        plate_view, confidence = _as_seen(found)
        facts = Facts(
            edge_id=request.edge_id,
            request_id=request.request_id,
            camera_type=vehicle.camera_type if vehicle is not None else request.camera_type,
            direction=request.direction if kind in (Kind.SEEN, Kind.MANUAL) else None,
            confidence=confidence,
            captured_ms=request.captured_ms,
            names=stay.entry if stay is not None else None,
            entry_ms=entry_ms,
            forced=what.forced,
            over_capacity=what.over_capacity,
            marked=stamp.marked,
            by=request.by,
        )
        holder = None
        if kind is Kind.EXIT:
            assert vehicle is not None
            assert found.quote is not None
            zone, lost_ticket = found.settings.zone, request.lost_ticket
            if request.fee is not None:
                paid = taken(request.fee, found.quote, vehicle)
            else:
                paid = charge(
                    found.quote, vehicle, entry_ms, stamp.ms, zone, lost_ticket=lost_ticket
                )
            duration_s = 0 if entry_ms is None else max(0, stamp.ms - entry_ms) // 1000
            facts = charged(facts, paid, lost_ticket=lost_ticket)
            facts = replace(facts, duration_s=duration_s)
            holder = paid.held_pass.holder if paid.held_pass is not None else None
        personal = Personal(
            salt="",
            plate_id=vehicle.plate_id if vehicle is not None else None,
            plate_view=plate_view,
            staff_id=request.staff_id,
            reason=request.reason,
            image=request.image,
            holder=holder,
            plate_read=_plate_read(found, kind),
            entry_plate=_entry_plate(stay),
        )
        return self._own_stream.record(
            kind, stamp.ms, order, facts, personal, new_act=found.new_act
        )

    def not_taken(self, now: Now, stay: Stay) -> Event:
        """Record that nobody drove in on the entry of a stay."""
        stamp, order = self._stamp(now, stay.vehicle)
        camera_type, plate_id = stay.vehicle
        facts = Facts(
            edge_id=stay.edge_id,
            camera_type=camera_type,
            names=stay.entry,
            entry_ms=stay.entry_ms,
            marked=stamp.marked,
        )
        personal = Personal(salt="", plate_id=plate_id, entry_plate=_entry_plate(stay))
        return self._own_stream.record(
            Kind.NOT_TAKEN, stamp.ms, order, facts, personal, new_act=True
        )

    def _stamp(self, now: Now, vehicle: VehicleKey | None) -> tuple[Stamp, int]:
        """The time stamp of an event made now, that no other of its plate has, and its order."""
        stamp = self._clock.read(now)
        order = stamp.ms
        if vehicle is not None:
            stamp = stamp._replace(ms=self._own_stream.free_stamp(vehicle.plate_id, stamp.ms))
            above = max(stamp.ms, self._log.last_order(vehicle) + 1)
            above = self._log.after_erases(vehicle.plate_id, above)
            if above <= limits.ORDER_RAISED_MAX:
                order = above
            else:  # else we would use up the end of time, and nobody could ever heal it
                order = stamp.ms
                self._note_outranking(vehicle)
        self._clock.stamped(stamp.ms, now)
        return stamp, order

    def _note_outranking(self, vehicle: VehicleKey) -> None:
        by = self._log.beyond(vehicle, limits.ORDER_RAISED_MAX)
        if by is not None:
            self.outranked[by.position.origin] = by.position


def _plate_read(found: Resolved, kind: Kind) -> str | None:
    """What was read, where the vehicle of an exit is not known by that."""
    read, vehicle = found.request.plate_id, found.vehicle
    if kind is not Kind.EXIT or vehicle is None:
        return None
    return read if found.request.event is not None or read != vehicle.plate_id else None


def _entry_plate(stay: Stay | None) -> str | None:
    """The plate in the readable id of a stay, where that of its vehicle is another by now."""
    return stay.id_plate if stay is not None else None


def _as_seen(found: Resolved) -> tuple[str | None, float | None]:
    """View and confidence of the plate, by the request, else by the detection before it."""
    request, seen = found.request, found.remembered.detection
    if seen is None:
        return request.plate_view, request.confidence
    confidence = seen.confidence if request.confidence is None else request.confidence
    return request.plate_view or seen.plate_view, confidence
