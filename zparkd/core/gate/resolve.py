"""All that bears on a request, looked up once: who speaks, what it repeats, what it is about.

What a request leaves out is filled in from its lane, from what its camera saw, and from what is
inside. What follows from all that is for `gate` to decide; no event is recorded here.
"""

from msgspec import Struct
from msgspec.structs import replace

from zparkd.core import limits
from zparkd.core.clock import Clock, Now, Stamp, site_time
from zparkd.core.events.event import Event, Kind, VehicleKey
from zparkd.core.events.payloads import Pass
from zparkd.core.gate.charges import Quote
from zparkd.core.gate.edge_state import Detection, EdgeStates
from zparkd.core.gate.requests import Code, Refusal, Request, RequestType
from zparkd.core.log import HeldStay, Log
from zparkd.core.site import DEFAULT_CAMERA_TYPE, Direction, Lane, Settings
from zparkd.core.stays import Stay
from zparkd.core.tariff.pricing import BUILT_IN, Tariff

OPENS = (Kind.ENTRY, Kind.EXIT, Kind.MANUAL)
_ANSWERED = (*OPENS, Kind.CONFIRM)


class Resolved(Struct, frozen=True):
    """A request, with all that its answer and its event are made from.

    Where `recorded` is there, nothing that stands after it is looked up.
    """

    request: Request
    settings: Settings
    time: Stamp  # when it came, as this central stamps events
    lane: Lane
    new_act: bool  # no event of its request_id is held
    may_force: bool
    recorded: Event | None = None  # what it recorded when it came before
    seen_before: bool = False  # its vehicle was recorded as seen when it came before
    detection: Detection | None = None  # what its camera lately said of its plate
    vehicle: VehicleKey | None = None
    held: HeldStay | None = None  # the open stay of the vehicle; of a close, the one it is about
    direction: Direction | None = None
    quote: Quote | None = None  # by which a detection is told a fee, or an exit is charged


class Resolver:
    """Looks up what bears on requests, in the settings, the log and the state of edges."""

    def __init__(self, settings: Settings, log: Log, clock: Clock, edges: EdgeStates) -> None:
        self._log = log
        self._clock = clock
        self._edges = edges
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take over new settings."""
        self._settings = settings
        self._lanes = {lane.id: lane for lane in settings.lanes}

    def resolve(self, now: Now, request: Request) -> Resolved:
        """All that bears on a request. Raises Refusal where it may not be asked, or not now."""
        time = self._clock.read(now)
        self._admit(now, time, request)
        lane = self._lanes.get(request.edge_id) or Lane(request.edge_id)
        detection = self._detection(now, request)
        acts = self._acts(request)
        found = Resolved(
            request,
            self._settings,
            time,
            lane,
            new_act=not acts,
            may_force=not request.force or self._log.reference.is_staff(request.staff_id),
            recorded=self._recorded(acts) or self._unnamed(now, request, lane, detection),
            detection=detection,
        )
        if found.recorded is not None:
            return found
        match request.type:
            case RequestType.DETECTION:
                return self._of_detection(found)
            case RequestType.BARRIER_OPEN if request.plate_id is not None:
                return self._of_open(now, found, acts)
            case RequestType.BARRIER_CLOSE:
                return self._of_close(now, found)
        return found

    def _admit(self, now: Now, time: Stamp, request: Request) -> None:
        """Note who speaks, before anything is looked up for it."""
        speaker, per_s = request.speaker or request.edge_id, self._settings.edge_requests_per_s
        # Counted for who speaks, so that nobody uses up what is another's.
        if not self._edges.heard(speaker, time.ms, now.mono_ms, per_s):
            raise Refusal(
                Code.RATE_LIMITED,
                f"edge_id: more than {per_s:g} requests a second; ask again later",
                request.request_id,
            )
        if speaker != request.edge_id:
            raise Refusal(
                Code.FORBIDDEN,
                f"edge_id: this connection has the key of {speaker}, which speaks for no other",
                request.request_id,
            )
        if request.by is not None and not self._settings.admits(request.edge_id):
            raise Refusal(
                Code.FORBIDDEN,
                f"edge_id: {request.edge_id} is no edge of this central; it has no file in edges.d",
                request.request_id,
            )

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

    def _unnamed(
        self, now: Now, request: Request, lane: Lane, detection: Detection | None
    ) -> Event | None:
        """The same for an open that names no request: one of this vehicle a moment ago."""
        if not request.is_unnamed_open:
            return None
        assert request.plate_id is not None
        camera_type = _camera_type(request, lane, detection)
        position = self._edges.opened_lately(
            request.edge_id, request.plate_id, camera_type, now.mono_ms
        )
        return self._log.event(position) if position is not None else None

    # --- what it is about ----------------------------------------------------------------------

    def _detection(self, now: Now, request: Request) -> Detection | None:
        if request.plate_id is None:
            return None
        return self._edges.detection(request.edge_id, request.plate_id, now.mono_ms)

    def _of_detection(self, found: Resolved) -> Resolved:
        vehicle, held = self._vehicle(found)
        quote = self._quote(found, held.stay, found.time.ms) if held is not None else None
        return replace(found, vehicle=vehicle, held=held, quote=quote)

    def _of_open(self, now: Now, found: Resolved, acts: list[Event]) -> Resolved:
        vehicle, held = self._vehicle(found)
        seen_before = any(it.kind == Kind.SEEN and it.vehicle == vehicle for it in acts)
        direction = _direction(found, held)
        quote = None
        if direction is Direction.EXIT:
            told = self._edges.quote(found.request.edge_id, vehicle.plate_id, now.mono_ms)
            quote = self._exit_quote(found, held.stay if held is not None else None, told)
        return replace(
            found,
            vehicle=vehicle,
            held=held,
            seen_before=seen_before,
            direction=direction,
            quote=quote,
        )

    def _of_close(self, now: Now, found: Resolved) -> Resolved:
        request = found.request
        if request.event is not None:
            entry = self._log.find(*request.event)
            held = self._log.stay_of(entry.position) if entry is not None else None
        elif request.plate_id is not None:
            held = self._vehicle(found)[1]
        else:
            held = self._own_unconfirmed(now, request.edge_id)
        return replace(found, held=held, vehicle=held.stay.vehicle if held is not None else None)

    def _vehicle(self, found: Resolved) -> tuple[VehicleKey, HeldStay | None]:
        """The vehicle of a request that names a plate, and its open stay."""
        assert found.request.plate_id is not None
        inside = self._log.inside(found.request.plate_id)
        camera_type = _camera_type(found.request, found.lane, found.detection)
        if camera_type is None and len(inside) == 1:
            camera_type = inside[0].stay.vehicle.camera_type
        vehicle = VehicleKey(camera_type or DEFAULT_CAMERA_TYPE, found.request.plate_id)
        return vehicle, next((held for held in inside if held.stay.vehicle == vehicle), None)

    def _own_unconfirmed(self, now: Now, edge_id: str) -> HeldStay | None:
        """The stay of this edge's latest entry that no close came for yet.

        The latest is the one that came last to be held here: no time stamp is asked, since a
        clock may have been wrong. What was opened here just now goes before what came from
        another central meanwhile.
        """
        last = self._edges.last_open(edge_id, now.mono_ms)
        opens = self._log.opens_of(edge_id, limits.OWN_ENTRIES_LOOKED_AT)
        mine = self._log.event(last) if last is not None else None
        for event in opens if mine is None else [mine, *opens]:
            if event.kind == Kind.EXIT:
                return None
            held = self._log.stay_of(event.position) if event.kind == Kind.ENTRY else None
            if held is not None and not held.stay.confirmed:
                return held
        return None

    # --- what it costs -------------------------------------------------------------------------

    def _exit_quote(self, found: Resolved, stay: Stay | None, told: Quote | None) -> Quote:
        """What the edge was `told` of this stay a moment ago, else by what it is charged now."""
        if stay is None or told is None or told.entry != stay.entry:
            return self._quote(found, stay, None)
        if told.held_pass is None:
            return told._replace(held_pass=self._pass(stay.vehicle, found.time.ms))
        return told

    def _quote(self, found: Resolved, stay: Stay | None, at_ms: int | None) -> Quote:
        if stay is None:
            return Quote(None, at_ms, self._tariff(), None)
        return Quote(stay.entry, at_ms, self._tariff(), self._pass(stay.vehicle, found.time.ms))

    def _tariff(self) -> Tariff:
        held = self._log.reference.tariff()
        return held.tariff if held is not None else BUILT_IN

    def _pass(self, vehicle: VehicleKey, ms: int) -> Pass | None:
        day = site_time(ms, self._settings.zone)[:10]
        return self._log.reference.pass_of(vehicle.plate_id, vehicle.camera_type, day)


def _camera_type(request: Request, lane: Lane, detection: Detection | None) -> str | None:
    """The type of vehicle, where the request, its lane or its detection says one."""
    if request.camera_type or lane.camera_type:
        return request.camera_type or lane.camera_type
    return detection.camera_type if detection is not None else None


def _direction(found: Resolved, held: HeldStay | None) -> Direction:
    """Which way a vehicle goes: as is said, as its camera saw, or as its open stay has it."""
    direction = found.request.direction or found.lane.direction
    if direction is None and found.detection is not None:
        direction = found.detection.direction
    return direction or (Direction.ENTRY if held is None else Direction.EXIT)
