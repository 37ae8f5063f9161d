"""What a request does not say, and who says it instead: its lane, its detection, what is inside.

Only filled in here, never decided: what follows from it is `gate`'s to say, and no event is
recorded.
"""

from collections.abc import Iterable
from dataclasses import replace

from zparkd.core.clock import Now
from zparkd.core.events.event import VehicleKey
from zparkd.core.gate.edge_state import Detection, EdgeMemory
from zparkd.core.gate.requests import Request, bad
from zparkd.core.log import HeldStay, Log
from zparkd.core.site import DEFAULT_CAMERA_TYPE, Direction, Lane


class Unsaid:
    """Fills in requests from what is configured, remembered and held."""

    def __init__(self, log: Log, memory: EdgeMemory) -> None:
        self._log = log
        self._memory = memory
        self._lanes: dict[str, Lane] = {}

    def configure(self, lanes: Iterable[Lane]) -> None:
        """Take over what is configured of edges."""
        self._lanes = {lane.id: lane for lane in lanes}

    def check_lane(self, request: Request) -> None:
        """Raise Refusal where the request says other than its lane."""
        lane = self._lane(request)
        if lane.direction and request.direction not in (None, lane.direction):
            raise bad(f"direction: lane {lane.id} is {lane.direction}, not {request.direction}")
        if lane.camera_type and request.camera_type not in (None, lane.camera_type):
            raise bad(
                f"camera_type: lane {lane.id} is for {lane.camera_type}, not {request.camera_type}"
            )

    def detection(self, now: Now, request: Request) -> Detection | None:
        """What this edge's camera lately said of the plate in this request."""
        if request.plate_id is None:
            return None
        return self._memory.detection(request.edge_id, request.plate_id, now.mono_ms)

    def camera_type(self, now: Now, request: Request) -> str | None:
        """The type of vehicle, where the request, its lane or its detection says one."""
        camera_type = request.camera_type or self._lane(request).camera_type
        if camera_type is None:
            seen = self.detection(now, request)
            camera_type = seen.camera_type if seen is not None else None
        return camera_type

    def vehicle(self, now: Now, request: Request) -> VehicleKey:
        """The vehicle of a request that names a plate."""
        assert request.plate_id is not None
        camera_type = self.camera_type(now, request)
        if camera_type is None:
            inside = self._log.inside(request.plate_id)
            camera_type = inside[0].stay.vehicle.camera_type if len(inside) == 1 else None
        return VehicleKey(camera_type or DEFAULT_CAMERA_TYPE, request.plate_id)

    def direction(self, now: Now, request: Request, held: HeldStay | None) -> Direction:
        """Which way the vehicle of a request goes; `held` is its open stay."""
        direction = request.direction or self._lane(request).direction
        if direction is None:
            seen = self.detection(now, request)
            direction = seen.direction if seen is not None else None
        return direction or (Direction.ENTRY if held is None else Direction.EXIT)

    def filled(self, now: Now, request: Request) -> Request:
        """The request with the plate's view and confidence of the detection, if it has none."""
        seen = self.detection(now, request)
        if seen is None:
            return request
        return replace(
            request,
            plate_view=request.plate_view or seen.plate_view,
            confidence=seen.confidence if request.confidence is None else request.confidence,
        )

    def _lane(self, request: Request) -> Lane:
        return self._lanes.get(request.edge_id) or Lane(request.edge_id)
