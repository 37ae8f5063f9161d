"""What a central remembers of its edges, each part bounded.

A restart forgets it, and nothing that was acknowledged depends on it: detections that tell an
open its direction, opens without a `request_id`, and how often each edge asks. Only when each was
last heard is written down now and then.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from msgspec import Struct

from zparkd.core.events.event import Position, Stream, VehicleKey
from zparkd.core.gate import limits
from zparkd.core.gate.charges import Quote
from zparkd.core.gate.lane_report import LaneReport
from zparkd.core.site import Direction
from zparkd.core.token_bucket import TokenBucket


class Detection(Struct, frozen=True):
    """What a camera last said of a plate."""

    at_ms: int
    camera_type: str | None
    direction: Direction | None
    plate_view: str | None
    confidence: float | None
    quote: Quote | None = None


class Remembered(NamedTuple):
    """What is remembered of an edge that bears on its request."""

    detection: Detection | None = None  # what its camera lately said of the plate
    opened: Position | None = None  # the open that this one repeats, if neither names a request
    last_open: Position | None = None  # for what its barrier was opened here last


@dataclass(slots=True)
class _Edge:
    """One edge. Times in ms of the monotonic clock, but for `seen_ms`.

    `report` is what was last said of its lane, and when.
    """

    seen_ms: int | None
    rate: TokenBucket
    detections: OrderedDict[str, Detection]
    opens: OrderedDict[VehicleKey, tuple[Position, int]]
    last_open: tuple[Position, int] | None = None
    report: tuple[LaneReport, int] | None = None


class EdgeStates:
    """The edges heard last, up to a limit; the one silent the longest is forgotten first."""

    def __init__(self) -> None:
        self._edges: OrderedDict[str, _Edge] = OrderedDict()
        self._written: dict[str, int] = {}
        self._any_new = False

    def seen(self) -> list[tuple[str, int]]:
        """Each edge with when it was last heard, in this run or an earlier one."""
        return sorted(
            (edge_id, edge.seen_ms)
            for edge_id, edge in self._edges.items()
            if edge.seen_ms is not None
        )

    def reports(self) -> dict[str, tuple[LaneReport, int]]:
        """What was last said of each lane, and when, in this run."""
        return {id: edge.report for id, edge in self._edges.items() if edge.report is not None}

    def report(self, edge_id: str, said: LaneReport, at_ms: int) -> None:
        """Note what is said of the lane of an edge that was just heard."""
        self._edges[edge_id].report = (said, at_ms)

    def restore(self, seen: Iterable[tuple[str, int]]) -> None:
        """Take up when edges were heard in earlier runs, the one silent the longest first."""
        for edge_id, seen_ms in seen:
            self._edges[edge_id] = _Edge(seen_ms, TokenBucket(inf, 0), OrderedDict(), OrderedDict())
            self._written[edge_id] = seen_ms
        while len(self._edges) > limits.EDGES_REMEMBERED:
            self._edges.popitem(last=False)

    def unwritten(self) -> list[tuple[str, int]]:
        """Each edge that was heard since it was last `written`, with when it was last heard."""
        return [
            (edge_id, edge.seen_ms)
            for edge_id, edge in self._edges.items()
            if edge.seen_ms is not None and self._written.get(edge_id) != edge.seen_ms
        ]

    def any_new(self) -> bool:
        """Whether an edge was heard of which nothing is written down."""
        return self._any_new

    def written(self, seen: Iterable[tuple[str, int]]) -> None:
        """When these edges were heard is written down."""
        self._written |= seen
        self._written = {id: ms for id, ms in self._written.items() if id in self._edges}
        self._any_new = False

    def heard(self, edge_id: str, seen_ms: int | None, mono_ms: int, per_s: float) -> bool:
        """Note a request of an edge; False where it asks more often than `per_s` allows.

        `seen_ms` is the time, as this central stamps events with it; None where the edge itself
        was not heard, only what controls its lane.
        """
        edge = self._edges.get(edge_id)
        burst = max(1, per_s * limits.RATE_BURST_S)
        if edge is None:
            edge = _Edge(seen_ms, TokenBucket(burst, mono_ms), OrderedDict(), OrderedDict())
            self._edges[edge_id] = edge
            self._any_new = seen_ms is not None
            if len(self._edges) > limits.EDGES_REMEMBERED:
                self._edges.popitem(last=False)
        self._edges.move_to_end(edge_id)
        if seen_ms is not None:
            self._any_new = self._any_new or edge.seen_ms is None
            edge.seen_ms = seen_ms
        if per_s == 0:
            return True
        if edge.rate.fill(mono_ms, per_s, burst) < 1:
            return False
        edge.rate.take()
        return True

    def remembered(
        self, edge_id: str, plate_id: str | None, camera_type: str | None, mono_ms: int
    ) -> Remembered:
        """What bears on a request of an edge that was just heard.

        `camera_type` is the type of vehicle as far as request or lane say it.
        """
        last_open = self.last_open(edge_id, mono_ms)
        if plate_id is None:
            return Remembered(last_open=last_open)
        detection = self.detection(edge_id, plate_id, mono_ms)
        if camera_type is None and detection is not None:
            camera_type = detection.camera_type
        opened = self.opened_lately(edge_id, plate_id, camera_type, mono_ms)
        return Remembered(detection, opened, last_open)

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

    def barrier_opened(self, edge_id: str, position: Position, mono_ms: int) -> None:
        """Note the event for which the edge's barrier was opened here last."""
        self._edges[edge_id].last_open = position, mono_ms

    def last_open(self, edge_id: str, mono_ms: int) -> Position | None:
        """That event, where the barrier was opened lately and no close came since."""
        last_open = self._edges[edge_id].last_open
        if last_open is None or mono_ms - last_open[1] > limits.OPEN_AGE_MS:
            return None
        return last_open[0]

    def closed(self, edge_id: str) -> None:
        """The edge closed its barrier: the next open is a new act."""
        edge = self._edges[edge_id]
        edge.opens.clear()
        edge.last_open = None

    def forget_opens(self, heads: Mapping[Stream, int]) -> None:
        """A transaction was undone: what is beyond these heads may come to be other events."""

        def is_gone(position: Position) -> bool:
            return heads.get(position.stream, 0) < position.seq

        for edge in self._edges.values():
            for vehicle in [it for it, (at, _) in edge.opens.items() if is_gone(at)]:
                del edge.opens[vehicle]
            if edge.last_open is not None and is_gone(edge.last_open[0]):
                edge.last_open = None
        self._written.clear()
