"""What a central remembers of its edges without writing it down, each part bounded.

A restart forgets it, and nothing that was acknowledged depends on it: detections that tell an
open its direction, opens without a `request_id`, and how often each edge asks.
"""

from collections import OrderedDict
from dataclasses import dataclass

from zparkd.core import limits
from zparkd.core.charges import Quote
from zparkd.core.events import Position, VehicleKey
from zparkd.core.site import Direction


@dataclass(frozen=True, slots=True)
class Detection:
    """What a camera last said of a plate."""

    at_ms: int
    camera_type: str | None
    direction: Direction | None
    plate_view: str | None
    confidence: float | None
    quote: Quote | None = None


@dataclass(slots=True)
class _Edge:
    """One edge. Times in ms of the monotonic clock, but for `seen_ms`."""

    seen_ms: int
    allowance: float
    allowance_at_ms: int
    detections: OrderedDict[str, Detection]
    opens: OrderedDict[VehicleKey, tuple[Position, int]]
    last_open: tuple[Position, int] | None = None


class EdgeMemory:
    """The edges heard last, up to a limit; the one silent for longest is forgotten first."""

    def __init__(self) -> None:
        self._edges: OrderedDict[str, _Edge] = OrderedDict()

    def seen(self) -> list[tuple[str, int]]:
        """Each edge with the wall clock at which it was last heard."""
        return sorted((edge_id, edge.seen_ms) for edge_id, edge in self._edges.items())

    def heard(self, edge_id: str, wall_ms: int, mono_ms: int, per_s: float) -> bool:
        """Note a request of an edge; False where it asks more often than `per_s` allows."""
        edge = self._edges.get(edge_id)
        burst = max(1, per_s * limits.RATE_BURST_S)
        if edge is None:
            edge = _Edge(wall_ms, burst, mono_ms, OrderedDict(), OrderedDict())
            self._edges[edge_id] = edge
            if len(self._edges) > limits.EDGES_REMEMBERED:
                self._edges.popitem(last=False)
        self._edges.move_to_end(edge_id)
        edge.seen_ms = wall_ms
        if per_s == 0:
            return True
        earned = per_s * (mono_ms - edge.allowance_at_ms) / 1000
        edge.allowance = min(burst, edge.allowance + earned)
        edge.allowance_at_ms = mono_ms
        if edge.allowance < 1:
            return False
        edge.allowance -= 1
        return True

    def detected(self, edge_id: str, plate_id: str, detection: Detection) -> None:
        """Note what an edge saw."""
        detections = self._edges[edge_id].detections
        detections[plate_id] = detection
        detections.move_to_end(plate_id)
        if len(detections) > limits.DETECTIONS_PER_EDGE:
            detections.popitem(last=False)

    def detection(self, edge_id: str, plate_id: str, mono_ms: int) -> Detection | None:
        """What the edge said of this plate, if that is recent."""
        found = self._edges[edge_id].detections.get(plate_id)
        if found is None or mono_ms - found.at_ms > limits.DETECTION_AGE_MS:
            return None
        return found

    def quote(self, edge_id: str, plate_id: str, mono_ms: int) -> Quote | None:
        """What the edge was last told that this plate would pay, if that is recent."""
        found = self._edges[edge_id].detections.get(plate_id)
        if found is None or mono_ms - found.at_ms > limits.QUOTE_AGE_MS:
            return None
        return found.quote

    def opened(self, edge_id: str, vehicle: VehicleKey, position: Position, mono_ms: int) -> None:
        """Note an open that named no request."""
        opens = self._edges[edge_id].opens
        opens[vehicle] = (position, mono_ms)
        opens.move_to_end(vehicle)
        if len(opens) > limits.DETECTIONS_PER_EDGE:
            opens.popitem(last=False)

    def opened_lately(
        self, edge_id: str, plate_id: str, camera_type: str | None, mono_ms: int
    ) -> Position | None:
        """The event of such an open, where this one can only be its repetition.

        An open that says no `camera_type` repeats the latest of its plate: what an open changed
        must not make its repetition one of another vehicle.
        """
        for vehicle, (position, at_ms) in reversed(self._edges[edge_id].opens.items()):
            if mono_ms - at_ms > limits.UNNAMED_RETRY_MS:
                break
            if vehicle.plate_id == plate_id and camera_type in (None, vehicle.camera_type):
                return position
        return None

    def raised(self, edge_id: str, position: Position, mono_ms: int) -> None:
        """Note the event for which the edge's barrier was opened here last."""
        self._edges[edge_id].last_open = position, mono_ms

    def closed(self, edge_id: str, mono_ms: int) -> Position | None:
        """The edge closed its barrier: the next open is a new act.

        Returns the event for which it was opened here, where that was lately and no close came
        since.
        """
        edge = self._edges[edge_id]
        edge.opens.clear()
        last_open, edge.last_open = edge.last_open, None
        if last_open is None or mono_ms - last_open[1] > limits.OPEN_AGE_MS:
            return None
        return last_open[0]

    def forget_opens(self) -> None:
        """A transaction was undone: positions noted in it may come to hold other events."""
        for edge in self._edges.values():
            edge.opens.clear()
            edge.last_open = None
