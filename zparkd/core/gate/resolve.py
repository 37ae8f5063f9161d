"""All that bears on a request, looked up once: who speaks, what it repeats, what it is about.

What a request leaves out is filled in from its lane, from what its camera saw, and from what is
inside. What follows from all that is for `gate` to decide; no event is recorded here.
"""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from zparkd.core.clock import Clock, Now, Stamp, site_ms, site_time
from zparkd.core.events.event import Event, Kind, Position, VehicleKey
from zparkd.core.events.payloads import Pass
from zparkd.core.gate import limits
from zparkd.core.gate.candidates import Candidate, candidates, the_strong_one
from zparkd.core.gate.charges import Quote
from zparkd.core.gate.edge_state import EdgeStates, Remembered
from zparkd.core.gate.requests import Request, RequestType
from zparkd.core.log import HeldStay, Log
from zparkd.core.policy import Full, Misread, Policy
from zparkd.core.replication.peers import Peers
from zparkd.core.site import DEFAULT_CAMERA_TYPE, Direction, Lane, Settings
from zparkd.core.stays.fold import ClosedBy, Stay
from zparkd.core.tariff.pricing import BUILT_IN, Tariff

OPENS = (Kind.ENTRY, Kind.EXIT, Kind.MANUAL)
_ANSWERED = (*OPENS, Kind.CONFIRM)
_USUAL = Policy()  # of a site that never set one


class Resolved(Struct, frozen=True):
    """A request, with all that its answer and its event are made from.

    Nothing is looked up for one who `may_ask` nothing, and where `recorded` is there, nothing that
    stands after it.
    """

    request: Request
    settings: Settings
    time: Stamp  # when it came, as this central stamps events
    lane: Lane
    within_rate: bool  # who speaks asks no more often than is allowed
    remembered: Remembered = Remembered()
    new_act: bool = True  # no event of its request_id is held
    may_force: bool = False
    recorded: Event | None = None  # what it recorded when it came before
    seen_before: bool = False  # its vehicle was recorded as seen when it came before
    vehicle: VehicleKey | None = None
    held: HeldStay | None = None  # the open stay of the vehicle; of a close, the one it is about
    direction: Direction | None = None
    types_inside: tuple[str, ...] = ()  # of its plate, where nobody says which of several it is
    full_from: int | None = None  # of an entry: how many there is room for, where no more is left
    refuses_when_full: bool = False
    watch: str | None = None  # what to show of a plate that the site looks out for
    # Of the exit of a plate that is not inside: the stays that it may be of, best first.
    candidates: tuple[Candidate, ...] | None = None
    told_entry_ms: int | None = None  # of an exit by force, where no entry of it is known
    quote: Quote | None = None  # by which a detection is told a fee, or an exit is charged

    @property
    def speaker(self) -> str:
        """The edge that speaks: whose key it is, else the one that is named."""
        return self.request.speaker or self.request.edge_id

    @property
    def is_known(self) -> bool:
        """Whether there is such an edge; one that speaks for itself was let in as one."""
        return self.request.by is None or self.settings.admits(self.request.edge_id)

    @property
    def may_ask(self) -> bool:
        """Whether it is answered at all, and not turned away for who speaks or how often."""
        return self.within_rate and self.speaker == self.request.edge_id and self.is_known


class Resolver:
    """Looks up what bears on requests, in the settings, the log and the state of edges."""

    def __init__(
        self, settings: Settings, log: Log, clock: Clock, edges: EdgeStates, peers: Peers
    ) -> None:
        self._log = log
        self._peers = peers
        self._clock = clock
        self._edges = edges
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take over new settings."""
        self._settings = settings
        self._lanes = {lane.id: lane for lane in settings.lanes}

    def resolve(self, now: Now, request: Request) -> Resolved:
        """All that bears on a request."""
        found = self._heard(now, request)
        if not found.may_ask:
            return found
        edge_id, lane = request.edge_id, found.lane
        camera_type = request.camera_type or lane.camera_type
        remembered = self._edges.remembered(edge_id, request.plate_id, camera_type, now.mono_ms)
        acts = self._acts(request)
        found = replace(
            found,
            remembered=remembered,
            new_act=not acts,
            may_force=not request.force or self._log.reference.is_staff(request.staff_id),
            recorded=self._recorded(acts) or self._unnamed(request, remembered),
        )
        if found.recorded is not None:
            return found
        match request.type:
            case RequestType.DETECTION:
                return self._of_detection(found)
            case RequestType.BARRIER_OPEN if request.event is not None:
                return self._of_exit_by_name(now, found, acts)
            case RequestType.BARRIER_OPEN if request.plate_id is not None:
                return self._of_open(now, found, acts)
            case RequestType.BARRIER_CLOSE:
                return self._of_close(found)
        return found

    def _heard(self, now: Now, request: Request) -> Resolved:
        """Note who speaks: counted for that edge, so that nobody uses up what is another's."""
        time, per_s = self._clock.read(now), self._settings.edge_requests_per_s
        speaker = request.speaker or request.edge_id
        lane = self._lanes.get(request.edge_id) or Lane(request.edge_id)
        seen_ms = time.ms if request.report is None else None
        within_rate = self._edges.heard(speaker, seen_ms, now.mono_ms, per_s)
        if request.report is not None and within_rate:
            self._edges.report(speaker, request.report, time.ms)
        return Resolved(request, self._settings, time, lane, within_rate)

    # --- what it repeats -----------------------------------------------------------------------

    def _acts(self, request: Request) -> list[Event]:
        """All events that this very request recorded, here or at another central."""
        if request.request_id is None:
            return []
        return self._log.acts(request.edge_id, request.request_id)

    def _recorded(self, acts: list[Event]) -> Event | None:
        """The event that is answered again: one of ours before one of another central's."""
        answered = [event for event in acts if event.kind in _ANSWERED and event.facts is not None]
        own = (event for event in answered if event.position.origin == self._settings.id)
        return next(own, None) or next(iter(answered), None)

    def _unnamed(self, request: Request, remembered: Remembered) -> Event | None:
        """The same for an open that names no request: one of this vehicle a moment ago."""
        if not request.is_unnamed_open or remembered.opened is None:
            return None
        return self._log.event(remembered.opened)

    # --- what it is about ----------------------------------------------------------------------

    def _of_detection(self, found: Resolved) -> Resolved:
        vehicle, held = self._vehicle(found)
        quote = self._quote(found, held.stay, found.time.ms) if held is not None else None
        plate_id = vehicle.plate_id
        watch = self._policy().watch.get(plate_id)
        alike = None
        if held is None and _said(found) is Direction.EXIT:
            alike = self._candidates(found, found.request.camera_type or found.lane.camera_type)
        return replace(
            found, vehicle=vehicle, held=held, watch=watch, candidates=alike, quote=quote
        )

    def _candidates(self, found: Resolved, camera_type: str | None) -> tuple[Candidate, ...]:
        """The stays that the plate of an exit may be a misreading of."""
        plate_id = found.request.plate_id
        assert plate_id is not None
        return candidates(plate_id, camera_type, self._log.alike(plate_id))

    def _of_exit_by_name(self, now: Now, found: Resolved, acts: list[Event]) -> Resolved:
        """An open that names the stay it ends: what it says of a plate is only what was read."""
        request = found.request
        assert request.event is not None
        entry = self._log.find(*request.event)
        held = self._log.stay_of(entry.position) if entry is not None else None
        if held is None or not _is_to_leave(held.stay, found):
            camera_type = _camera_type(found) or DEFAULT_CAMERA_TYPE
            plate_id = request.plate_id or request.event.plate_id
            return self._way_of(now, found, acts, VehicleKey(camera_type, plate_id), None)
        return self._way_of(now, found, acts, held.stay.vehicle, held)

    def _of_open(self, now: Now, found: Resolved, acts: list[Event]) -> Resolved:
        vehicle, held = self._vehicle(found)
        types = self._types_inside(found)
        if types:
            found = replace(found, types_inside=types)
        elif held is None and _direction(found, held) is Direction.EXIT:
            misread = self._misread(now, found)
            if misread is not None:
                return self._way_of(now, found, acts, misread.stay.vehicle, misread)
        return self._way_of(now, found, acts, vehicle, held)

    def _misread(self, now: Now, found: Resolved) -> HeldStay | None:
        """The stay for which the exit of a plate that is not inside is taken, where the site says.

        While a peer may know of a vehicle with just this plate, none is.
        """
        request = found.request
        if self._policy().misread is not Misread.ACCEPT:
            return None
        if request.fee is not None or request.entry_time is not None:
            return None  # somebody says that no entry is known
        held = the_strong_one(self._candidates(found, _camera_type(found)))
        if held is None or self._peers.incomplete(self._log.heads, now.mono_ms):
            return None
        return held

    def _way_of(
        self,
        now: Now,
        found: Resolved,
        acts: list[Event],
        vehicle: VehicleKey,
        held: HeldStay | None,
    ) -> Resolved:
        seen_before = any(it.kind == Kind.SEEN and it.vehicle == vehicle for it in acts)
        policy, direction = self._policy(), _direction(found, held)
        full_from = None
        if direction is Direction.ENTRY:
            full_from = self._full_from(policy, vehicle, held)
        quote = told_ms = None
        if direction is Direction.EXIT and held is not None:
            quote = self._exit_quote(now, found, held.stay)
        elif direction is Direction.EXIT:
            told_ms = self._told_entry_ms(found)
            quote = self._unmatched_quote(found, vehicle, told_ms)
        return replace(
            found,
            vehicle=vehicle,
            held=held,
            seen_before=seen_before,
            direction=direction,
            full_from=full_from,
            refuses_when_full=policy.full is Full.REFUSE,
            watch=policy.watch.get(vehicle.plate_id),
            told_entry_ms=told_ms,
            quote=quote,
        )

    def _told_entry_ms(self, found: Resolved) -> int | None:
        """When a vehicle entered of which no entry is known, where a person says that."""
        told = found.request.entry_time
        return site_ms(told, self._settings.zone) if told is not None else None

    def _full_from(self, policy: Policy, vehicle: VehicleKey, held: HeldStay | None) -> int | None:
        """How many of its type there is room for, where no more is left for this one.

        By what is held here; a stay that its entry ends makes room.
        """
        room = policy.capacity.get(vehicle.camera_type)
        if room is None:
            return None
        inside = self._log.vehicles_inside(vehicle.camera_type) - (held is not None)
        return room if inside >= room else None

    def _of_close(self, found: Resolved) -> Resolved:
        request = found.request
        if request.event is not None:
            entry = self._log.find(*request.event)
            held = self._log.stay_of(entry.position) if entry is not None else None
            held = held if held is not None and _is_to_leave(held.stay, found) else None
        elif request.plate_id is not None:
            held = self._vehicle(found)[1]
        else:
            held = self._own_unconfirmed(request.edge_id, found.remembered.last_open)
        return replace(found, held=held, vehicle=held.stay.vehicle if held is not None else None)

    def _vehicle(self, found: Resolved) -> tuple[VehicleKey, HeldStay | None]:
        """The vehicle of a request that names a plate, and its open stay."""
        assert found.request.plate_id is not None
        inside = self._log.inside(found.request.plate_id)
        camera_type = _camera_type(found)
        if camera_type is None and len(inside) == 1:
            camera_type = inside[0].stay.vehicle.camera_type
        vehicle = VehicleKey(camera_type or DEFAULT_CAMERA_TYPE, found.request.plate_id)
        held = next((held for held in inside if held.stay.vehicle == vehicle), None)
        if held is None and _may_leave(found):
            held = self._not_taken(found, vehicle, guess=camera_type is None and not inside)
        return (vehicle if held is None else held.stay.vehicle), held

    def _not_taken(self, found: Resolved, vehicle: VehicleKey, *, guess: bool) -> HeldStay | None:
        """The stay of a vehicle that came in all the same where it was said that it did not.

        With a `guess` that of the one vehicle of its plate of which that is so.
        """
        held = [
            it
            for it in self._log.not_taken(vehicle.plate_id)
            if _is_to_leave(it.stay, found) and (guess or it.stay.vehicle == vehicle)
        ]
        return held[0] if len(held) == 1 else None

    def _types_inside(self, found: Resolved) -> tuple[str, ...]:
        """The types under which the plate of an open is inside, where it may be of any of them."""
        assert found.request.plate_id is not None
        if _camera_type(found) is not None:
            return ()
        inside = self._log.inside(found.request.plate_id)
        if len(inside) < 2:
            return ()
        return tuple(sorted(held.stay.vehicle.camera_type for held in inside))

    def _own_unconfirmed(self, edge_id: str, last_open: Position | None) -> HeldStay | None:
        """The stay of this edge's latest entry that no close came for yet.

        The latest is the one that came last to be held here: no time stamp is asked, since a
        clock may have been wrong. What was opened here just now goes before what came from
        another central meanwhile.
        """
        for event in self._opens(edge_id, last_open):
            if event.kind == Kind.EXIT:
                return None
            held = self._log.stay_of(event.position) if event.kind == Kind.ENTRY else None
            if held is not None and not held.stay.confirmed:
                return held
        return None

    def _opens(self, edge_id: str, last_open: Position | None) -> Iterator[Event]:
        """What an edge opened for, the last first; mostly the first is all that is looked at."""
        mine = self._log.event(last_open) if last_open is not None else None
        if mine is not None:
            yield mine
        yield from self._log.opens_of(edge_id, limits.OWN_ENTRIES_LOOKED_AT)

    # --- what it costs -------------------------------------------------------------------------

    def _unmatched_quote(self, found: Resolved, vehicle: VehicleKey, entry_ms: int | None) -> Quote:
        """By what an exit without a known entry is charged, where it is charged at all."""
        pays = entry_ms is not None or found.request.lost_ticket
        held_pass = self._pass(vehicle, found.time.ms) if pays else None
        return Quote(None, None, self._tariff(), held_pass)

    def _exit_quote(self, now: Now, found: Resolved, stay: Stay) -> Quote:
        """What the edge was told of this stay a moment ago, else by what it is charged now.

        Whatever plate is read now: the driver was told.
        """
        plate_id = stay.vehicle.plate_id
        told = self._edges.quote(found.request.edge_id, plate_id, now.mono_ms)
        if told is None or told.entry != stay.entry:
            return self._quote(found, stay, None)
        if told.held_pass is None:
            return told._replace(held_pass=self._pass(stay.vehicle, found.time.ms))
        return told

    def _quote(self, found: Resolved, stay: Stay, at_ms: int | None) -> Quote:
        return Quote(stay.entry, at_ms, self._tariff(), self._pass(stay.vehicle, found.time.ms))

    def _policy(self) -> Policy:
        held = self._log.reference.policy()
        return held.policy if held is not None else _USUAL

    def _tariff(self) -> Tariff:
        held = self._log.reference.tariff()
        return held.tariff if held is not None else BUILT_IN

    def _pass(self, vehicle: VehicleKey, ms: int) -> Pass | None:
        day = site_time(ms, self._settings.zone)[:10]
        return self._log.reference.pass_of(vehicle.plate_id, vehicle.camera_type, day)


def _camera_type(found: Resolved) -> str | None:
    """The type of vehicle, where the request, its lane or its detection says one."""
    camera_type, seen = found.request.camera_type or found.lane.camera_type, found.remembered
    if camera_type is None and seen.detection is not None:
        return seen.detection.camera_type
    return camera_type


def _may_leave(found: Resolved) -> bool:
    """Whether a request is about a vehicle that goes out, or that it names as one inside."""
    detection = found.remembered.detection
    seen = detection.direction if detection is not None else None
    leaves = (_said(found) or seen) is Direction.EXIT
    return leaves or found.request.type is RequestType.BARRIER_CLOSE


def _is_to_leave(stay: Stay, found: Resolved) -> bool:
    """Whether an exit ends a stay: it is open, or was not taken a while ago."""
    if stay.closed_by is not ClosedBy.NOT_TAKEN:
        return stay.closed_by is None
    assert stay.exit_ms is not None
    return found.time.ms - stay.exit_ms <= limits.NOT_TAKEN_LEAVES_MS


def _said(found: Resolved) -> Direction | None:
    """Which way a vehicle goes, where the request or its lane says so."""
    return found.request.direction or found.lane.direction


def _direction(found: Resolved, held: HeldStay | None) -> Direction:
    """Which way a vehicle goes: as is said, as its camera saw, or as its open stay has it.

    Who names the stay that it ends leaves.
    """
    direction, seen = _said(found), found.remembered
    if direction is None and found.request.event is not None:
        return Direction.EXIT
    if direction is None and seen.detection is not None:
        direction = seen.detection.direction
    return direction or (Direction.ENTRY if held is None else Direction.EXIT)
