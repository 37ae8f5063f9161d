"""What a central must answer an edge, given what it holds at that moment: docs/edges.md.

`expect` says it before the answer is made, `verdict` compares what was answered and recorded.
The time that a central stamps with is given: whether it is right is judged elsewhere.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

import orjson

from tests.sim.oracle.events import (
    CONFIRM,
    ENTRY,
    EXIT,
    LAST_ORDER_MS,
    LAST_TIME_MS,
    MANUAL,
    SEEN,
    Said,
    Vehicle,
)
from tests.sim.oracle.held import Held
from tests.sim.oracle.plates import surely_meant
from tests.sim.oracle.prices import price, rate_of
from tests.sim.oracle.stays import Stay, duration_words, site_time

REQUEST_BYTES = 65_536
CAPTURE_AGE_MS = 30_000
FIRST_RIGHT_MS, LAST_RIGHT_MS = 1_735_689_600_000, LAST_TIME_MS  # 2025-01-01, 2100-01-01
RETRY_AGE_MS = 86_400_000
UNNAMED_RETRY_MS = 10_000
DETECTION_AGE_MS = 120_000
QUOTE_AGE_MS = 180_000
OPEN_AGE_MS = 120_000
NOT_TAKEN_LEAVES_MS = 86_400_000


class Time(NamedTuple):
    """The stamp that a central would make now, whether it trusts it, and its two clocks."""

    ms: int
    marked: bool
    mono_ms: int
    wall_ms: int

    def is_late(self, captured_ms: int | None) -> bool:
        """Whether what was captured then is too old to open for, whichever clock is right."""
        if captured_ms is None or (self.marked and captured_ms < FIRST_RIGHT_MS):
            return False
        right = [self.ms]
        if self.marked and FIRST_RIGHT_MS <= self.wall_ms <= LAST_RIGHT_MS:
            right.append(self.wall_ms)
        return min(right) - captured_ms > CAPTURE_AGE_MS


@dataclass
class Bounds:
    """How much is remembered of edges, and how long an unnamed open is repeated."""

    edges: int = 1_024
    plates: int = 32
    unnamed_ms: int = UNNAMED_RETRY_MS


class Quote(NamedTuple):
    """What was said of a stay: when, by which tariff, for which pass."""

    entry: Said
    at_ms: int
    tariff: Said | None
    held_pass: Said | None


class Detection(NamedTuple):
    """What an edge saw of a plate."""

    mono_ms: int
    request: dict[str, Any]
    quote: Quote | None


@dataclass
class Edge:
    """What is remembered of one edge, the newest last."""

    detections: OrderedDict[str, Detection] = field(default_factory=OrderedDict)
    opens: OrderedDict[Vehicle, tuple[Said, int]] = field(default_factory=OrderedDict)
    last: tuple[Said, int] | None = None  # what its barrier was opened for, if not closed since


@dataclass
class Expected:
    """What must come of a request. `recorded` is the kind of the event that it makes.

    `says` are members that the answer or the event must have; `near` marks a refusal that also
    says what may be missing. `repeats` are events of which one is what is answered again. `guess`
    marks an exit of another vehicle than was read, which is not taken for it while something is
    missing.
    """

    code: str | None = None
    near: bool = False
    guess: bool = False
    answer: dict[str, Any] = field(default_factory=dict)
    recorded: str | None = None
    event: dict[str, Any] = field(default_factory=dict)
    repeats: Said | None = None
    unnamed: Vehicle | None = None
    detection: tuple[str, Detection] | None = None


class Gate:
    """One run of one central, as an edge sees it."""

    def __init__(self, run: tuple[str, int], held: Held, zone: tzinfo, bounds: Bounds) -> None:
        """`run` is its central and the epoch; `zone` is the site's."""
        self.held = held
        self._run = run
        self._central = run[0]
        self._zone = zone
        self._bounds = bounds
        self._edges: OrderedDict[str, Edge] = OrderedDict()

    def undone(self) -> None:
        """What was recorded lately is not: whoever asks again did not open yet."""
        for edge in self._edges.values():
            gone = [it for it, (event, _) in edge.opens.items() if event.at not in self.held.events]
            for vehicle in gone:
                del edge.opens[vehicle]
            if edge.last is not None and edge.last[0].at not in self.held.events:
                edge.last = None

    # --- what must come --------------------------------------------------------------------------

    def expect(
        self, body: bytes, speaker: str | None, now: Time, missing: Collection[str] = ()
    ) -> Expected:
        """What must come of this request; `missing` are peers that surely know more."""
        if len(body) > REQUEST_BYTES:
            return Expected(code="too_large")
        try:
            request = orjson.loads(body)
        except orjson.JSONDecodeError:
            return Expected(code="bad_request")
        if not isinstance(request, dict) or "edge_id" not in request:
            return Expected(code="bad_request")
        edge_id = request["edge_id"]
        edge = self._heard(speaker or edge_id)
        if speaker not in (None, edge_id):
            return Expected(code="forbidden")
        last = None
        if request["type"] == "BARRIER_CLOSE":
            edge.opens.clear()
            if edge.last is not None and now.mono_ms - edge.last[1] <= OPEN_AGE_MS:
                last = edge.last[0]
            edge.last = None
        if request.get("force") and not request.get("reason"):
            return Expected(code="bad_request")
        again = self._again(request, now)
        if again is not None:
            return again
        match request["type"]:
            case "PING":
                return Expected(answer={"central_id": self._central, "time_ms": now.ms})
            case "DETECTION":
                return self._detected(request, edge, now)
            case "BARRIER_OPEN":
                return self._open(request, edge, now, bool(missing))
            case "BARRIER_CLOSE":
                return self._close(request, edge, now, last)
        return Expected(code="unsupported_type")

    def _heard(self, edge_id: str) -> Edge:
        edge = self._edges.setdefault(edge_id, Edge())
        self._edges.move_to_end(edge_id)
        if len(self._edges) > self._bounds.edges:
            self._edges.popitem(last=False)
        return edge

    def _again(self, request: dict[str, Any], now: Time) -> Expected | None:
        """A request that recorded an event before: here the one of here, else the oldest."""
        if request.get("request_id") is None:
            return None
        acts = self.held.acts.get((request["edge_id"], request["request_id"]), ())
        acts = sorted((it for it in acts if it.kind != SEEN), key=lambda it: it.key)
        if not acts:
            return None
        event = next((it for it in acts if it.origin == self._central), acts[0])
        kind = "BARRIER_CLOSE" if event.kind == CONFIRM else "BARRIER_OPEN"
        same = kind == request["type"]
        plate = request.get("plate_id")
        if event.kind == CONFIRM and request.get("event_id") is not None:
            plate = request["event_id"].rsplit("_", 1)[1]
        read = event.personal.get("plate_read", event.plate)
        if event.kind == CONFIRM and request.get("event_id") is not None:
            read = event.personal.get("entry_plate", event.plate)
        same &= read == plate or (event.kind == CONFIRM and plate is None)
        asked, had = request.get("camera_type"), event.data.get("camera_type")
        same &= None in (asked, had) or asked == had
        way = {ENTRY: "ENTRY", EXIT: "EXIT"}.get(event.kind, event.data.get("direction"))
        same &= event.kind == CONFIRM or request.get("direction") in (None, way)
        if not same or now.ms - event.timestamp > RETRY_AGE_MS:
            return Expected(code="bad_request")
        return Expected(repeats=event)

    # --- what a request leaves out ---------------------------------------------------------------

    def _seen(self, request: dict[str, Any], edge: Edge, now: Time) -> dict[str, Any]:
        """What this edge's detection said of the plate."""
        found = edge.detections.get(request.get("plate_id"))
        if found is None or now.mono_ms - found.mono_ms > DETECTION_AGE_MS:
            return {}
        return found.request

    def _vehicle(self, request: dict[str, Any], edge: Edge, now: Time) -> Vehicle:
        plate = request["plate_id"]
        said = self._said(request, edge, now, "camera_type")
        if said is None:
            inside = self.held.types_inside(plate)
            said = inside[0] if len(inside) == 1 else "car"
        return said, plate

    def _not_taken(
        self, request: dict[str, Any], edge: Edge, now: Time, vehicle: Vehicle
    ) -> Stay | None:
        """The stay of a vehicle that goes out all the same, where it was called not taken."""
        unsaid = self._said(request, edge, now, "camera_type") is None
        any_of = unsaid and not self.held.types_inside(vehicle[1])
        found = [
            it
            for it in self.held.not_taken(vehicle[1])
            if _is_to_leave(it, now) and (any_of or it.vehicle == vehicle)
        ]
        return found[0] if len(found) == 1 else None

    def _said(self, request: dict[str, Any], edge: Edge, now: Time, name: str) -> Any:
        value = request.get(name)
        return value if value is not None else self._seen(request, edge, now).get(name)

    # --- detection -------------------------------------------------------------------------------

    def _detected(self, request: dict[str, Any], edge: Edge, now: Time) -> Expected:
        vehicle = self._vehicle(request, edge, now)
        stay = self.held.inside(vehicle)
        if stay is None and self._said(request, edge, now, "direction") == "EXIT":
            stay = self._not_taken(request, edge, now, vehicle)
            vehicle = stay.vehicle if stay is not None else vehicle
        info: dict[str, Any] = {"already_inside": stay is not None, "plate_id": vehicle[1]}
        quote = None
        if stay is not None:
            quote = self._quote(stay, now.ms)
            fee, _ = self._price(stay, quote, lost_ticket=False)
            info |= {
                "event_id": stay.event_id,
                "entry_time": site_time(stay.entry.timestamp, self._zone),
                "source_central": stay.entry.origin,
                "fee": fee,
                "duration": duration_words(max(0, now.ms - stay.entry.timestamp) // 1000),
            }
            if quote.held_pass is not None:
                info["pass"] = _pass(quote.held_pass)
        edge.detections[vehicle[1]] = Detection(now.mono_ms, request, quote)
        edge.detections.move_to_end(vehicle[1])
        if len(edge.detections) > self._bounds.plates:
            edge.detections.popitem(last=False)
        watch = self.held.policy.personal.get("watch", {}) if self.held.policy is not None else {}
        if vehicle[1] in watch:
            info["watch"] = watch[vehicle[1]]
        return Expected(answer={"vehicle_info": info}, near=True)

    # --- open ------------------------------------------------------------------------------------

    def _open(self, request: dict[str, Any], edge: Edge, now: Time, is_missing: bool) -> Expected:
        force = bool(request.get("force"))
        staff = {it.personal["staff_id"] for it in self.held.staff()}
        if force and staff and request.get("staff_id") not in staff:
            return Expected(code="bad_request")
        late = now.is_late(request.get("captured_ms"))
        if request.get("plate_id") is None:
            if not force:
                return Expected(code="bad_request")
            if late:
                return Expected(code="too_late")
            return Expected(recorded=MANUAL, event=self._event(request, edge, now, None))
        unnamed = request.get("request_id") is None and request.get("direction") is None
        if unnamed:
            repeated = self._opened_lately(request, edge, now)
            if repeated is not None:
                return Expected(repeats=repeated)
        vehicle = self._vehicle(request, edge, now)
        stay, guess, read = self.held.inside(vehicle), False, None
        way = self._said(request, edge, now, "direction") or ("EXIT" if stay else "ENTRY")
        if way == "EXIT" and stay is None:
            stay = self._not_taken(request, edge, now, vehicle)
            vehicle = stay.vehicle if stay is not None else vehicle
        if request.get("event_id") is not None:
            way, read = request.get("direction", "EXIT"), request["plate_id"]
            stay = self._by_id(request["event_id"])
            if stay is not None and not _is_to_leave(stay, now):
                stay = None
            if way == "ENTRY":
                return Expected(code="bad_request")
            if stay is not None and request.get("camera_type") not in (None, stay.vehicle[0]):
                return Expected(code="bad_request")
            vehicle = stay.vehicle if stay is not None else vehicle
        elif way == "EXIT" and stay is None and not is_missing and not (force and _told(request)):
            meant = self._surely_meant(request, edge, now)
            if meant is not None:
                vehicle, read, guess = meant, request["plate_id"], True
                stay = self.held.inside(vehicle)
        if way == "EXIT" and self._is_of_any(request, edge, now):
            return Expected(code="bad_request")
        if late:
            return self._too_late(request, edge, now, vehicle)
        if way == "ENTRY" and stay is not None and not force:
            return Expected(code="already_inside", near=True)
        is_full, refuses = self._is_full(vehicle, stay) if way == "ENTRY" else (False, False)
        if is_full and refuses and not force:
            return Expected(code="full", near=True)
        if way == "EXIT" and stay is None and not force:
            return Expected(code="not_inside", near=True)
        if way == "EXIT" and stay is None and (self._told_ms(request) or 0) > now.ms:
            return Expected(code="bad_request")
        event = self._event(request, edge, now, vehicle)
        event["names"] = stay.entry.at if stay is not None else None
        event["plate_read"] = read
        event["forced"] = force
        event["over_capacity"] = is_full
        event["by_hand"] = False
        if way == "EXIT":
            self._charged(event, request, edge, now, vehicle, stay)
        kind = ENTRY if way == "ENTRY" else EXIT
        by = (vehicle[0], request["plate_id"]) if unnamed else None
        return Expected(recorded=kind, event=event, unnamed=by, guess=guess)

    def _policy(self) -> dict[str, Any]:
        policy = self.held.policy
        return policy.data["document"] if policy is not None else {}

    def _is_of_any(self, request: dict[str, Any], edge: Edge, now: Time) -> bool:
        """Whether an exit may be of one type of vehicle as well as of another."""
        if request.get("event_id") is not None:
            return False
        if self._said(request, edge, now, "camera_type") is not None:
            return False
        return len(self.held.types_inside(request["plate_id"])) > 1

    def _is_full(self, vehicle: Vehicle, stay: Stay | None) -> tuple[bool, bool]:
        """Whether there is no room for one more of its type, and whether that is a refusal."""
        policy = self._policy()
        room = policy.get("capacity", {}).get(vehicle[0])
        if room is None:
            return False, False
        inside = [it for it in self.held.vehicles() if it[0] == vehicle[0] and self.held.inside(it)]
        is_full = len(inside) - (stay is not None) >= room
        return is_full, policy.get("entry", {}).get("full") == "refuse"

    def _surely_meant(
        self, request: dict[str, Any], edge: Edge, now: Time
    ) -> tuple[str, str] | None:
        """The vehicle for which a misread one is taken, where the policy says so."""
        if self._policy().get("exit", {}).get("misread") != "accept":
            return None
        inside = [it for it in self.held.vehicles() if self.held.inside(it) is not None]
        said = self._said(request, edge, now, "camera_type")
        return surely_meant(request["plate_id"], inside, said)

    def _opened_lately(self, request: dict[str, Any], edge: Edge, now: Time) -> Said | None:
        said = self._said(request, edge, now, "camera_type")
        for vehicle, (event, mono_ms) in reversed(edge.opens.items()):
            recent = now.mono_ms - mono_ms <= self._bounds.unnamed_ms
            if recent and vehicle[1] == request["plate_id"] and said in (None, vehicle[0]):
                now_held = self.held.events.get(event.at)  # its plate may have been erased since
                return now_held if now_held is not None and now_held.data is not None else event
        return None

    def _too_late(
        self, request: dict[str, Any], edge: Edge, now: Time, vehicle: Vehicle
    ) -> Expected:
        acts = self.held.acts.get((request["edge_id"], request.get("request_id")), ())
        if any(it.kind == SEEN and it.vehicle == vehicle for it in acts):
            return Expected(code="too_late")
        event = self._event(request, edge, now, vehicle)
        return Expected(code="too_late", recorded=SEEN, event=event)

    def _event(
        self, request: dict[str, Any], edge: Edge, now: Time, vehicle: Vehicle | None
    ) -> dict[str, Any]:
        """What the event of a request must say, whatever its kind."""
        event = {
            name: request.get(name)
            for name in ("edge_id", "request_id", "captured_ms", "staff_id", "reason", "image")
        }
        event["plate_view"] = self._said(request, edge, now, "plate_view")
        event["confidence"] = self._said(request, edge, now, "confidence")
        event["marked"] = now.marked
        if vehicle is not None:
            event["camera_type"], event["plate_id"] = vehicle
            event["timestamp"] = self.held.stamp(vehicle[1], now.ms, self._run)
            above = max(self.held.last_order(vehicle), self.held.last_erase(vehicle[1])) + 1
            follows = above <= LAST_ORDER_MS
            event["order"] = max(event["timestamp"], above) if follows else event["timestamp"]
        else:
            event["timestamp"] = now.ms
        return event

    # --- what an exit is charged -----------------------------------------------------------------

    def _quote(self, stay: Stay, at_ms: int) -> Quote:
        day = site_time(at_ms, self._zone)[:10]
        held_pass = self.held.pass_on(stay.vehicle, day)
        return Quote(stay.entry, at_ms, self.held.tariff, held_pass)

    def _price(self, stay: Stay, quote: Quote, *, lost_ticket: bool) -> tuple[int, str]:
        document = quote.tariff.data["document"] if quote.tariff is not None else None
        if quote.held_pass is not None:
            return 0, rate_of(document, stay.vehicle[0]).get("currency", "VND")
        return price(
            document,
            stay.vehicle[0],
            stay.entry.timestamp,
            quote.at_ms,
            self._zone,
            lost_ticket=lost_ticket,
        )

    def _charged(
        self,
        event: dict[str, Any],
        request: dict[str, Any],
        edge: Edge,
        now: Time,
        vehicle: Vehicle,
        stay: Stay | None,
    ) -> None:
        """Fee, and all that it was made from."""
        exit_ms, lost = event["timestamp"], bool(request.get("lost_ticket"))
        event["lost_ticket"] = lost
        if stay is None:
            self._charged_unmatched(event, request, vehicle)
            return
        if request.get("force") and request.get("fee") is not None:
            event |= {"fee": request["fee"], "by_hand": True, "pass_until": None}
            event["entry_ms"] = stay.entry.timestamp
            event["duration_s"] = max(0, exit_ms - stay.entry.timestamp) // 1000
            return
        seen = edge.detections.get(vehicle[1])
        quote = seen.quote if seen is not None else None
        recent = seen is not None and now.mono_ms - seen.mono_ms <= QUOTE_AGE_MS
        if quote is None or not recent or quote.entry.at != stay.entry.at:
            quote = self._quote(stay, exit_ms)
        elif quote.held_pass is None:
            quote = quote._replace(held_pass=self._quote(stay, exit_ms).held_pass)
        fee, currency = self._price(stay, quote, lost_ticket=lost)
        event |= {
            "fee": fee,
            "currency": currency,
            "entry_ms": stay.entry.timestamp,
            "duration_s": max(0, exit_ms - stay.entry.timestamp) // 1000,
            "tariff": quote.tariff.at if quote.tariff is not None else None,
            "priced_ms": quote.at_ms if quote.at_ms != exit_ms else None,
            "pass_until": quote.held_pass.data["valid_until"] if quote.held_pass else None,
            "holder": quote.held_pass.personal.get("holder") if quote.held_pass else None,
        }

    def _charged_unmatched(
        self, event: dict[str, Any], request: dict[str, Any], vehicle: Vehicle
    ) -> None:
        """Of an exit without an entry: what was taken, or by what somebody says of it."""
        exit_ms, lost = event["timestamp"], event["lost_ticket"]
        told_ms = self._told_ms(request)
        tariff = self.held.tariff
        document = tariff.data["document"] if tariff is not None else None
        rate = rate_of(document, vehicle[0])
        event |= {"currency": rate.get("currency", "VND"), "entry_ms": told_ms, "priced_ms": None}
        event["tariff"] = tariff.at if tariff is not None else None
        event["duration_s"] = (exit_ms - told_ms) // 1000 if told_ms is not None else 0
        event["pass_until"] = None
        event["fee"] = 0
        if _told(request) and request.get("fee") is not None:
            event |= {"fee": request["fee"], "by_hand": True}
        elif told_ms is not None or lost:
            held_pass = self.held.pass_on(vehicle, site_time(exit_ms, self._zone)[:10])
            if held_pass is not None:
                event["pass_until"] = held_pass.data["valid_until"]
            elif told_ms is not None:
                event["fee"], _ = price(
                    document, vehicle[0], told_ms, exit_ms, self._zone, lost_ticket=lost
                )
            else:
                event["fee"] = rate.get("lost_ticket", 0)

    def _told_ms(self, request: dict[str, Any]) -> int | None:
        """When somebody says that it entered, who forces its exit."""
        said = request.get("entry_time") if request.get("force") else None
        if said is None:
            return None
        return int(datetime.fromisoformat(said).replace(tzinfo=self._zone).timestamp() * 1000)

    # --- close -----------------------------------------------------------------------------------

    def _close(self, request: dict[str, Any], edge: Edge, now: Time, last: Said | None) -> Expected:
        late = False  # whether it may be about one that was called not taken
        if request.get("event_id") is not None:
            if request.get("plate_id") not in (None, request["event_id"].rsplit("_", 1)[1]):
                return Expected(code="bad_request")
            stay = self._by_id(request["event_id"])
            late = True
        elif request.get("plate_id") is not None:
            vehicle, late = self._vehicle(request, edge, now), True
            stay = self.held.inside(vehicle) or self._not_taken(request, edge, now, vehicle)
        else:
            stay = self._own_unconfirmed(request["edge_id"], last)
        if stay is None or stay.confirmed or (stay.closer is not None and not late):
            return Expected(answer={"action": "NONE"})
        if not _is_to_leave(stay, now):
            return Expected(answer={"action": "NONE"})
        event = self._event(request, edge, now, stay.vehicle)
        event |= {"names": stay.entry.at, "entry_ms": stay.entry.timestamp, "forced": False}
        return Expected(recorded=CONFIRM, event=event)

    def _by_id(self, event_id: str) -> Stay | None:
        origin, ms, plate = event_id.split("_")
        for event in self.held.events.values():
            named = (event.origin, event.timestamp, event.plate) == (origin, int(ms), plate)
            if named and event.kind == ENTRY and event.data is not None:
                return self.held.stay_of(event.at)
        return None

    def _own_unconfirmed(self, edge_id: str, last: Said | None) -> Stay | None:
        """The stay of this edge's latest entry that no close came for; none after an exit.

        The latest is what was opened here just now, then what came last to be held here.
        """
        came = [*self.held.opens.get(edge_id, ()), *([last] if last is not None else [])]
        for event in reversed(came):
            if event.kind == EXIT:
                return None
            stay = self.held.stay_of(event.at) if event.kind == ENTRY else None
            if stay is not None and not stay.confirmed:
                return stay
        return None

    # --- what came -------------------------------------------------------------------------------

    def verdict(
        self,
        expected: Expected,
        body: bytes,
        answer: dict[str, Any],
        recorded: Iterable[Said],
        missing: tuple[set[str], set[str]],
        mono_ms: int,
    ) -> str | None:
        """What is wrong with an answer and what was recorded for it; None where nothing is.

        `missing` are the peers whose events surely may be missing, and those whose may.
        """
        recorded = list(recorded)
        try:
            request = orjson.loads(body)
            request_id = request.get("request_id") if isinstance(request, dict) else None
        except orjson.JSONDecodeError:
            request_id = None
        if answer.get("request_id") != request_id:
            return f"answers another request: {answer}"
        kinds = [event.kind for event in recorded]
        if kinds != [expected.recorded] * bool(expected.recorded):
            return f"recorded {kinds}, not {expected.recorded}: {answer}"
        for event in recorded:
            wrong = _differs(expected.event, _flat(event))
            if wrong:
                return f"recorded {wrong} of {event.kind}"
        wanted = dict(expected.answer)
        if expected.code is not None:
            if answer["success"] or answer["error"]["code"] != expected.code:
                return f"answers {answer}, not {expected.code}"
        elif not answer["success"]:
            return f"refuses: {answer['error']}"
        about = (recorded or [expected.repeats])[0]
        if about is not None and expected.code is None:
            wanted = answer_of(about)
            stay = self.held.stay_of(about.at)  # none where an older exit is the same act
            known = answer.get("history_id")
            if about.kind == ENTRY and (known if stay is None else not _is_id(known)):
                return f"history_id is {answer.get('history_id')}"
        said = {name: it for name, it in answer.items() if name not in _ENVELOPE}
        if expected.code is None:
            info = said.get("vehicle_info")
            if info is not None:
                beside = ("incomplete", "candidates")
                said["vehicle_info"] = {k: v for k, v in info.items() if k not in beside}
            if said != wanted:
                return f"says {said}, not {wanted}"
        if expected.near:
            told = set(_incomplete(answer))
            if not missing[0] <= told <= missing[1]:
                return f"incomplete is {sorted(told)}, not at least {sorted(missing[0])}" + (
                    f" and at most {sorted(missing[1])}"
                )
        opened = [event for event in recorded if event.kind in (ENTRY, EXIT, MANUAL)]
        if opened:
            self._edges[request["edge_id"]].last = opened[0], mono_ms
        if expected.unnamed is not None:
            edge = self._edges[request["edge_id"]]
            edge.opens[expected.unnamed] = (recorded[0], mono_ms)
            edge.opens.move_to_end(expected.unnamed)
            if len(edge.opens) > self._bounds.plates:
                edge.opens.popitem(last=False)
        return None


def _is_to_leave(stay: Stay, now: Time) -> bool:
    """Whether an exit ends it: it is open, or was called not taken less than a day ago."""
    if stay.closed_by != "NOT_TAKEN":
        return stay.closer is None
    return now.ms - stay.closer.timestamp <= NOT_TAKEN_LEAVES_MS


def _told(request: dict[str, Any]) -> bool:
    """Whether who forces an exit says what was taken, or from when on it is to be priced."""
    said = request.get("fee") is not None or request.get("entry_time") is not None
    return bool(request.get("force")) and said


_ENVELOPE = ("success", "request_id", "history_id", "error", "incomplete")


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and value > 0


def _incomplete(answer: dict[str, Any]) -> list[str]:
    """Whose events it says may be missing; the two places in which it stands must agree."""
    if "error" in answer:
        within = answer["error"].get("incomplete", [])
        return within if within == answer.get("incomplete", []) else ["?"]
    return answer["vehicle_info"].get("incomplete", [])


def _flat(event: Said) -> dict[str, Any]:
    """All that an event says, by name."""
    flags = ("forced", "marked", "lost_ticket", "over_capacity", "by_hand")
    flat: dict[str, Any] = dict.fromkeys(flags, False)
    flat |= event.data | event.personal
    flat |= {"timestamp": event.timestamp, "order": event.order, "names": event.names}
    if "tariff" in flat:
        flat["tariff"] = tuple(flat["tariff"])
    return flat


def _differs(wanted: dict[str, Any], found: dict[str, Any]) -> str | None:
    for name, value in wanted.items():
        if found.get(name) != value:
            return f"{name} {found.get(name)!r}, not {value!r},"
    return None


def _pass(held_pass: Said) -> dict[str, Any]:
    until = held_pass.data["valid_until"]
    return {"holder": held_pass.personal.get("holder"), "valid_until": until}


def answer_of(event: Said) -> dict[str, Any]:
    """What a request is told that recorded this event, each time, but for `history_id`."""
    data = event.data
    match event.kind:
        case "VEHICLE_ENTRY_PENDING":
            return {"action": "ENTRY", "event_id": event.event_id}
        case "VEHICLE_ENTRY_CONFIRMED":
            return {"action": "ENTRY_CONFIRMED", "event_id": event.named_id}
        case "VEHICLE_EXIT":
            seconds = data.get("duration_s", 0)
            answer = {
                "action": "EXIT",
                "event_id": event.named_id if event.names is not None else event.event_id,
                "fee": data["fee"],
                "currency": data["currency"],
                "duration": duration_words(seconds),
                "duration_s": seconds,
            }
            if "plate_read" in event.personal:
                answer["plate_id"] = event.plate
                answer["plate_read"] = event.personal["plate_read"]
            if data.get("pass_until") is not None:
                holder = event.personal.get("holder")
                answer["pass"] = {"holder": holder, "valid_until": data["pass_until"]}
            if event.names is None:
                answer["unmatched"] = True
            return answer
    return {"action": "MANUAL"}
