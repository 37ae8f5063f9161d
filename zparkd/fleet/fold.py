"""What events come to in the fleet's database, by the rules of `core`.

An event that comes after all others of its vehicle, and means that vehicle's open stay or none,
advances the stay by one step of `core`'s transition table. Any other marks its vehicle: that is
folded again from all its events, together with the vehicles that they name or that name them.
Both ways give what `core.stays.fold.project` gives.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from zparkd.core.events.event import Event, Kind, Position, VehicleKey
from zparkd.core.events.ids import is_nameless
from zparkd.core.members.votes import Verdicts
from zparkd.core.stays.corrections import ACTS, CORRECTIONS, ENDINGS, NAMING
from zparkd.core.stays.fold import Fold, Judgement, Stay, Verdict, project

VEHICLES_REMEMBERED = 100_000


def number(*parts: str) -> int:
    """A number of 64 bits that stands for these words, as PostgreSQL holds one."""
    made = hashlib.blake2b("\n".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(made, "big", signed=True)


def vehicle_number(site: str, vehicle: VehicleKey) -> int:
    """The number of a vehicle of a site. Of two with one number each is folded beside the other."""
    return number(site, *vehicle)


def act_number(vehicle: int, event: Event) -> int | None:
    """The number of the act that an open belongs to; None where it has no request."""
    edge_id, request_id = event.act
    if event.kind not in ACTS or edge_id is None or request_id is None:
        return None
    return number(str(vehicle), edge_id, request_id)


class HeldStay(NamedTuple):
    """A stay and its number; `stored` where the database has a row of it already."""

    id: int
    stay: Stay
    stored: bool


class Judged(NamedTuple):
    """What became of an event that made no stay."""

    site: str
    vehicle: int
    event: Event
    verdict: Verdict


@dataclass(slots=True)
class Vehicle:
    """The newest state of a vehicle: the highest order of its events, and its open stay."""

    key: VehicleKey
    last_order: int = 0
    open: HeldStay | None = None


class Vehicles:
    """The states of the vehicles that were met last."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, Vehicle] = OrderedDict()

    def get(self, no: int) -> Vehicle | None:
        """The state of a vehicle; None where it has to be looked up."""
        return self._known.get(no)

    def put(self, no: int, vehicle: Vehicle) -> None:
        """Remember it."""
        self._known[no] = vehicle
        self._known.move_to_end(no)

    def drop(self, no: int) -> None:
        """Forget it."""
        self._known.pop(no, None)

    def tidy(self) -> None:
        """Forget those that were not met for longest; between turns, never within one."""
        while len(self._known) > VEHICLES_REMEMBERED:
            self._known.popitem(last=False)

    def clear(self) -> None:
        """Forget all: a transaction was undone, or somebody else folded meanwhile."""
        self._known.clear()


@dataclass(slots=True)
class Steps:
    """The fold of one site's events in one turn, one step each; what can't be so is `again`.

    `acts` are the acts of these vehicles that were recorded before; `links` are the positions
    that events name from elsewhere, and by which vehicles; those are `linked`.
    """

    site: str
    vehicles: Vehicles
    acts: set[int | None]
    links: Mapping[Position, set[int]]
    verdicts: Verdicts
    stays: dict[Position, tuple[HeldStay | None, Stay]] = field(default_factory=dict)
    judged: list[Judged] = field(default_factory=list)
    again: set[int] = field(default_factory=set)
    linked: set[int] = field(init=False)

    def __post_init__(self) -> None:
        """Note which vehicles name events of others: none of these is a step by itself."""
        self.linked = {no for naming in self.links.values() for no in naming}

    def take(self, event: Event, no: int, act: int | None) -> None:
        """Advance by one event of a vehicle, in the order in which they are stored."""
        if event.position in self.links:
            self.again |= self.links[event.position]
            self.again.add(no)
        takes_part = event.kind in ACTS | NAMING | CORRECTIONS
        if not takes_part or not self.verdicts.counts(event.position):
            return
        state = self.vehicles.get(no)
        if (
            event.kind in ENDINGS | CORRECTIONS
            or no in self.linked
            or no in self.again
            or state is None
            or state.key != event.vehicle
            or is_nameless(state.key.plate_id)
            or act in self.acts
        ):
            self.again.add(no)
        elif self._next(event, state):
            self._step(event, no, state)
        else:
            self.again.add(no)
        if act is not None:
            self.acts.add(act)

    def _next(self, event: Event, state: Vehicle) -> bool:
        """Whether one step from the open stay is all that an event comes to."""
        open = state.open.stay.entry if state.open is not None else None
        if event.names is not None and event.names != open:
            return False
        return event.kind == Kind.CONFIRM or event.order > state.last_order

    def _step(self, event: Event, no: int, state: Vehicle) -> None:
        before = state.open
        fold = Fold(state.key, before.stay if before is not None else None)
        fold.take(event)
        for entry, stay in fold.stays.items():
            if before is not None and entry == before.stay.entry:
                if stay is before.stay:
                    continue
                held = before._replace(stay=stay)
                self.stays[entry] = (self.stays[entry][0] if entry in self.stays else before, stay)
            else:
                held = HeldStay(0, stay, stored=False)
                self.stays[entry] = (None, stay)
            state.open = held if stay.closed_by is None else None
        for position in fold.superseded:
            assert position == event.position
            self.judged.append(Judged(self.site, no, event, Verdict.SUPERSEDED))
        for position in fold.ended_nothing:
            assert position == event.position
            self.judged.append(Judged(self.site, no, event, Verdict.ENDED_NOTHING))
        state.last_order = max(state.last_order, event.order)


class Folded(NamedTuple):
    """What vehicles come to that were folded again from all their events."""

    stays: dict[Position, Stay]
    judged: dict[Position, Judgement]
    charged: dict[Position, Position | None]
    states: dict[int, Vehicle]


def fold_again(site: str, events: Iterable[Event], verdicts: Verdicts) -> Folded:
    """Fold vehicles from all events that they have, or that name theirs."""
    counting = [event for event in events if verdicts.counts(event.position)]
    projection = project(counting)
    states: dict[int, Vehicle] = {}
    for event in counting:
        key = event.vehicle
        if key is not None:
            state = states.setdefault(vehicle_number(site, key), Vehicle(key))
            state.last_order = max(state.last_order, event.order)
    return Folded(projection.stays, projection.judged, projection.charged, states)


def kept_ids(before: Mapping[Position, int], folded: Folded) -> dict[Position, int]:
    """The numbers that stays keep: by their entry, or by one that a stay was moved from."""
    kept = {entry: before[entry] for entry in folded.stays if entry in before}
    for entry, id in before.items():
        judged = folded.judged.get(entry)
        if entry in kept or judged is None or judged.instead is None:
            continue
        winner = judged.instead
        further = folded.judged.get(winner)
        if further is not None and further.instead is not None:
            winner = further.instead
        if winner in folded.stays and winner not in kept:
            kept[winner] = id
    return kept
