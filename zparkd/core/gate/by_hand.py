"""What people say of stays afterwards: corrections as events of this central.

Each names one event by its readable id, and is checked here against what is held: what would
change nothing, or something else than was meant, is refused with the way out. Who says it and why
stands in the event. Nothing is rewritten; what it comes to, `core.stays` says.
"""

import re

from msgspec.structs import replace

from zparkd.core import limits
from zparkd.core.clock import Clock, Now
from zparkd.core.events.event import Event, Facts, Kind, Personal, Position, VehicleKey
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
from zparkd.core.log import Log
from zparkd.core.reference.changes import NotCounting, Outranked
from zparkd.core.replication.own_stream import OwnStream
from zparkd.core.stays.corrections import CORRECTIONS
from zparkd.core.stays.erasure import digest, root_of, runs
from zparkd.core.stays.fold import ClosedBy, Stay
from zparkd.core.tariff.pricing import BUILT_IN

EDGE = "by-hand"
OFF_THE_WATCH_LIST = (
    "to take it off: zparkctl policy show > FILE, delete its line below [watch], zparkctl"
    " policy set FILE; then erase it again"
)
_RUNS = 400  # events that one erase names
_OLD_EVERY_MS = 60_000
_PIECES = 25  # of a vehicle's past, folded for one answer: some thousands of events
_ID = re.compile(r"(?P<origin>[a-z0-9][a-z0-9-]*)_(?P<number>[0-9]{1,16})_(?P<rest>[A-Z0-9]{1,13})")


class ByHand:
    """Records what people say. All within the caller's transaction."""

    def __init__(self, log: Log, own_stream: OwnStream, clock: Clock) -> None:
        self._log = log
        self._own_stream = own_stream
        self._clock = clock
        self._next_old_ms = 0
        self._old_up_to_ms = 0  # stays that ended before that were looked at in this run

    def do(self, now: Now, deed: Deed) -> Done:
        """Record it. Raises NotDone, or NotCounting where it would not count."""
        if not self._log.reference.is_staff(deed.teller.staff_id):
            raise NotDone(
                "not_staff",
                f"{deed.teller.staff_id} is not on the staff list (zparkctl staff list)",
            )
        if not self._counts():
            raise NotCounting(Outranked("a correction"))
        match deed:
            case Correct():
                return self._correct(now, deed)
            case Close():
                return self._close(now, deed)
            case Enter():
                return self._enter(now, deed)
            case Void():
                return self._void(now, deed)
            case Charge():
                return self._charge(now, deed)
            case Erase():
                return self._erase(now, deed)

    def name_forgotten(self, now: Now) -> None:
        """Name, by further erases, what was forgotten here and no erase that counts names.

        Each stands where the erase does that it goes on with, and bears a stamp of this central:
        who starts goes on from its last one, and must not take over the clock of another.
        """
        waiting = self._log.corrections.unnamed(_RUNS)
        if not (waiting and self._counts()):
            return
        for erase in {event.position: event for _, event in waiting}.values():
            said = erase.reference
            assert isinstance(said, VehicleErased)
            found = [position for position, meant_by in waiting if meant_by == erase]
            more = VehicleErased(tuple(runs(found)), of=root_of(erase, said))
            stamp_ms = min(self._clock.read(now).ms, erase.order)
            self._own_stream.record(Kind.ERASED, stamp_ms, erase.order, more, Personal(""))

    def erase_old(self, now: Now, is_first: bool) -> None:
        """Forget what is personal of stays that ended as long ago as the policy says: a part.

        Only the first of the connected centrals does.
        """
        held = self._log.reference.policy()
        keep_days = held.policy.keep_days if held is not None else 0
        if not keep_days or not is_first or now.mono_ms < self._next_old_ms or not self._counts():
            return
        self._next_old_ms = now.mono_ms + _OLD_EVERY_MS
        stamp = self._clock.read(now)
        if stamp.marked:
            return  # who does not know the time forgets nothing
        before_ms = stamp.ms - keep_days * 24 * 3_600_000
        vehicles, self._old_up_to_ms = self._log.corrections.ended_between(
            min(self._old_up_to_ms, before_ms), before_ms
        )
        for found in vehicles:
            said = VehicleErased(tuple(runs(found)))
            self._own_stream.record(Kind.ERASED, stamp.ms, stamp.ms, said, Personal(""))
            self._clock.stamped(stamp.ms, now)

    def _counts(self) -> bool:
        """Whether what is recorded here next means anything."""
        stream = self._own_stream.stream
        return self._log.members.verdicts.up_to(stream) > self._log.heads.get(stream, 0)

    # --- each of them ------------------------------------------------------------------------

    def _correct(self, now: Now, deed: Correct) -> Done:
        target = self._found(deed.event_id)
        if target.kind == Kind.EXIT and target.names is not None:
            raise NotDone(
                "not_an_entry",
                f"{deed.event_id} is an exit that names its entry, and goes with it; correct that:"
                f" {self._id_of_entry(target.names)}",
            )
        if target.kind not in (Kind.ENTRY, Kind.EXIT):
            raise NotDone(
                "not_an_entry",
                f"{deed.event_id} is no entry, nor an exit without one; zparkctl vehicle show names"
                " the entry of each stay",
            )
        self._not_void(target, deed.event_id)
        was = self._vehicle_of(target)
        vehicle = VehicleKey(deed.camera_type or was.camera_type, deed.plate_id)
        if vehicle == was:
            raise NotDone(
                "no_change", f"{deed.event_id} is of {was.plate_id} ({was.camera_type}) already"
            )
        facts = self._facts(deed.teller, vehicle.camera_type, target.position)
        personal = Personal("", plate_id=vehicle.plate_id, plate_view=deed.plate_view)
        recorded = self._record(now, Kind.CORRECTED, facts, personal, target, of=(was, vehicle))
        return Done(recorded, self._stay_after(target))

    def _close(self, now: Now, deed: Close) -> Done:
        target = self._found(deed.event_id)
        stay = self._stay_of_entry(target, deed.event_id)
        if stay.closed_by is not None and stay.closed_by is not ClosedBy.NOT_TAKEN:
            raise NotDone(
                "not_open",
                f"the stay of {deed.event_id} is over; to add or give back money: zparkctl vehicle"
                f" charge {stay.event_id}; to open it again: zparkctl vehicle void --exit",
            )
        if stay.closed_by is ClosedBy.NOT_TAKEN:
            raise NotDone("not_open", f"the entry {deed.event_id} was not taken: nobody drove in")
        at_ms = deed.at_ms
        if at_ms is not None:
            self._is_past(now, at_ms)
            if at_ms < stay.entry_ms:
                raise NotDone("bad_request", "at: is before the vehicle came in")
        facts = self._facts(
            deed.teller,
            stay.vehicle.camera_type,
            stay.entry,
            entry_ms=stay.entry_ms,
            fee=deed.fee,
            currency=self._currency(stay.vehicle) if deed.fee is not None else None,
        )
        personal = Personal("", plate_id=stay.vehicle.plate_id, entry_plate=stay.id_plate)
        recorded = self._record(
            now, Kind.CLOSED, facts, personal, of=(stay.vehicle,), told_ms=at_ms
        )
        return Done(recorded, self._stay_after(target))

    def _enter(self, now: Now, deed: Enter) -> Done:
        self._is_past(now, deed.at_ms)
        vehicle = VehicleKey(deed.camera_type, deed.plate_id)
        for held in self._log.inside(deed.plate_id):
            if held.stay.vehicle == vehicle and held.stay.entry_ms <= deed.at_ms:
                raise NotDone(
                    "already_inside",
                    f"{deed.plate_id} ({deed.camera_type}) was inside then: {held.stay.event_id}",
                )
        facts = self._facts(deed.teller, vehicle.camera_type, None, by_hand=True)
        personal = Personal("", plate_id=vehicle.plate_id, plate_view=deed.plate_view)
        recorded = self._record(now, Kind.ENTRY, facts, personal, of=(vehicle,), told_ms=deed.at_ms)
        return Done(recorded, self._stay_after(recorded))

    def _void(self, now: Now, deed: Void) -> Done:
        target = self._found(deed.event_id)
        if deed.exit:
            stay = self._stay_of_entry(target, deed.event_id)
            if stay.closer is None:
                raise NotDone("not_over", f"the stay of {deed.event_id} is open: it has no exit")
            closer = self._log.event(stay.closer)
            assert closer is not None
            if closer.kind == Kind.ENTRY:
                raise NotDone(
                    "not_an_exit",
                    f"a forced entry ended that stay; to void it: zparkctl vehicle void"
                    f" {closer.event_id}",
                )
            about, target = target, closer
        else:
            about = target
        self._not_void(target, deed.event_id)
        assert target.vehicle is not None
        was = self._vehicle_of(target)
        facts = self._facts(deed.teller, was.camera_type, target.position)
        personal = Personal("", plate_id=was.plate_id)
        recorded = self._record(now, Kind.VOIDED, facts, personal, target, of=(was, target.vehicle))
        return Done(recorded, self._stay_after(about))

    def _charge(self, now: Now, deed: Charge) -> Done:
        target = self._found(deed.event_id)
        self._not_void(target, deed.event_id)
        vehicle = self._vehicle_of(target)
        facts = self._facts(
            deed.teller,
            vehicle.camera_type,
            target.position,
            amount=deed.amount,
            currency=self._currency(vehicle),
        )
        personal = Personal("", plate_id=vehicle.plate_id)
        recorded = self._record(now, Kind.CHARGED, facts, personal, target, of=(vehicle,))
        return Done(recorded, self._stay_after(target))

    def _erase(self, now: Now, deed: Erase) -> Done:
        plate_id, camera_type = deed.plate_id, deed.camera_type
        for held in self._log.inside(plate_id):
            if camera_type in (None, held.stay.vehicle.camera_type):
                raise NotDone(
                    "inside",
                    f"{plate_id} ({held.stay.vehicle.camera_type}) is inside: {held.stay.event_id};"
                    " once it left, or its stay is closed (zparkctl vehicle close), it can be",
                )
        events = self._log.corrections.of_plate(plate_id, camera_type)
        held_policy = self._log.reference.policy()
        watched = held_policy.policy.watch.get(plate_id) if held_policy is not None else None
        if not events and watched is not None:
            raise NotDone(
                "unknown_plate",
                f"{plate_id}: nothing is known of this plate here but that it is on the watch list"
                f" ({watched}); {OFF_THE_WATCH_LIST}",
            )
        if not events:
            raise NotDone("unknown_plate", f"{plate_id}: nothing is known of this plate here")
        stamp = self._clock.read(now)
        order = max(stamp.ms, *(event.order + 1 for event in events))
        if order > limits.ORDER_RAISED_MAX:
            raise NotDone("outranked", "an event of it has the highest order there can be")
        positions = sorted(event.position for event in events)
        teller, first = deed.teller, None
        for start in range(0, len(positions), _RUNS):
            salt = self._own_stream.chance("erase")
            said = VehicleErased(
                tuple(runs(positions[start : start + _RUNS])),
                salt,
                digest(plate_id, salt),
                camera_type,
                first.position if first is not None else None,
                teller.staff_id,
                teller.reason,
                teller.by,
            )
            recorded = self._own_stream.record(Kind.ERASED, stamp.ms, order, said, Personal(""))
            first = first or recorded
        self._clock.stamped(stamp.ms, now)
        assert first is not None
        return Done(first, None, len(positions), watched)

    # --- what is held --------------------------------------------------------------------------

    def _found(self, event_id: str) -> Event:
        """The event with a readable id."""
        named = _ID.fullmatch(event_id)
        event = None
        if named is not None:
            number = int(named["number"])
            if number > limits.TIME_SHOWN_MS_MAX:  # an epoch, of an event without a plate
                seq = named["rest"]
                if seq.isdigit() and int(seq) > 0:
                    event = self._log.event(Position(named["origin"], number, int(seq)))
            else:
                event = self._log.corrections.called(named["origin"], number, named["rest"])
        if event is None or event.vehicle is None:
            raise NotDone(
                "unknown_event",
                f"{event_id} is no event of a vehicle that is held here;"
                " zparkctl vehicle show PLATE lists those of one",
            )
        return event

    def _stay_of_entry(self, target: Event, event_id: str) -> Stay:
        """The stay that an entry belongs to, or that an exit ended."""
        stay = self._stay_after(target)
        if stay is None:
            raise NotDone("no_stay", f"{event_id} belongs to no stay")
        return stay

    def _stay_after(self, event: Event) -> Stay | None:
        """The stay that an event is about, as it is now."""
        self._settle(event)
        seen: set[Position] = set()
        at: Event | None = event
        while at is not None and at.position not in seen:
            seen.add(at.position)
            if at.kind == Kind.ENTRY:
                held = self._log.stay_of(at.position)
                return held.stay if held is not None else None
            ended = self._log.corrections.stay_ended_by(at.position)
            if ended is not None:
                return ended.stay
            at = self._log.event(at.names) if at.names is not None else None
        return None

    def _settle(self, event: Event) -> None:
        """Have the stays folded that an event may belong to; as a rule in one piece."""
        about: list[Event | None] = [event, *self._log.corrections.about(event.position)]
        about += [self._log.event(event.names)] if event.names is not None else []
        plates = {it.vehicle.plate_id for it in about if it is not None and it.vehicle is not None}
        for plate_id in sorted(plates):
            for _ in range(_PIECES):
                self._log.inside(plate_id)

    def _vehicle_of(self, event: Event) -> VehicleKey:
        """The vehicle that an event belongs to by now."""
        assert event.vehicle is not None
        stay = self._stay_after(event) if event.kind not in CORRECTIONS else None
        if stay is not None:
            return stay.vehicle
        moves = [
            it for it in self._log.corrections.about(event.position) if it.kind == Kind.CORRECTED
        ]
        counting = [it for it in moves if not self._log.corrections.is_void(it.position)]
        newest = max(counting, key=lambda it: it.key, default=event)
        assert newest.vehicle is not None
        return newest.vehicle

    def _not_void(self, target: Event, event_id: str) -> None:
        if self._log.corrections.is_void(target.position):
            voids = [
                it for it in self._log.corrections.about(target.position) if it.kind == Kind.VOIDED
            ]
            by = f"; to undo that: zparkctl vehicle void {voids[-1].event_id}" if voids else ""
            raise NotDone("void", f"{event_id} is void{by}")

    def _id_of_entry(self, entry: Position) -> str | None:
        event = self._log.event(entry)
        return event.event_id if event is not None else "zparkctl vehicle show names it"

    def _is_past(self, now: Now, at_ms: int) -> None:
        if at_ms > self._clock.read(now).ms:
            raise NotDone("bad_request", "at: is in the future")

    def _currency(self, vehicle: VehicleKey) -> str:
        held = self._log.reference.tariff()
        tariff = held.tariff if held is not None else BUILT_IN
        return tariff.rate(vehicle.camera_type).currency

    # --- recording -----------------------------------------------------------------------------

    def _facts(
        self,
        teller: Teller,
        camera_type: str,
        names: Position | None,
        *,
        entry_ms: int | None = None,
        fee: int | None = None,
        currency: str | None = None,
        amount: int | None = None,
        by_hand: bool = False,
    ) -> Facts:
        return Facts(
            edge_id=EDGE,
            camera_type=camera_type,
            names=names,
            entry_ms=entry_ms,
            fee=fee,
            currency=currency,
            amount=amount,
            by_hand=by_hand,
            staff_id=teller.staff_id,
            reason=teller.reason,
            by=teller.by,
        )

    def _record(
        self,
        now: Now,
        kind: Kind,
        facts: Facts,
        personal: Personal,
        target: Event | None = None,
        *,
        of: tuple[VehicleKey, ...],
        told_ms: int | None = None,
    ) -> Event:
        """Append it: above all that is held of its vehicles, or as of a time that is told of."""
        plate_id = personal.plate_id
        assert plate_id is not None
        if told_ms is not None:
            stamp_ms = self._log.free_stamp(plate_id, told_ms)
            order = self._log.after_erases(plate_id, stamp_ms)
            return self._own_stream.record(kind, stamp_ms, order, facts, personal)
        stamp = self._clock.read(now)
        stamp_ms = self._own_stream.free_stamp(plate_id, stamp.ms)
        above = [self._log.last_order(vehicle) for vehicle in of]
        if target is not None:
            above += [it.order for it in (target, *self._log.corrections.about(target.position))]
        order = self._log.after_erases(plate_id, max(stamp_ms, max(above) + 1))
        if order > limits.ORDER_RAISED_MAX:
            raise NotDone(
                "outranked",
                "an event with the highest order there can be is held of this vehicle: disown who"
                " recorded it (zparkctl member disown)",
            )
        facts = replace(facts, marked=stamp.marked)
        self._clock.stamped(stamp_ms, now)
        return self._own_stream.record(kind, stamp_ms, order, facts, personal)
