"""What one central holds, and all that follows from it: stays, tariff, passes, staff, acts."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from tests.sim.oracle.corrections import corrected
from tests.sim.oracle.erasure import erased, means
from tests.sim.oracle.events import (
    ACKNOWLEDGED,
    CLOSED,
    CORRECTED,
    CORRECTIONS,
    ENTRY,
    ERASED,
    EXIT,
    MANUAL,
    NOT_TAKEN,
    OF_AN_ENTRY,
    OF_GATES,
    OF_MEMBERS,
    OF_THE_ROSTER,
    PASS,
    POLICY,
    STAFF,
    TARIFF,
    At,
    Said,
    Vehicle,
)
from tests.sim.oracle.members import Council, Join, Word, council, counts, joins_in, words_in
from tests.sim.oracle.roster import Roster, roster
from tests.sim.oracle.stays import REPEATED, Folded, Stay, fold


class Held:
    """A set of events. They come in any order, one at a time; each question is answered anew.

    `events` are all of them; one that does not count stands there as one that says nothing.
    `recorded` are those of each act of an edge, also where they do not count.
    """

    def __init__(self, events: Iterable[Said] = ()) -> None:
        """`events` in the order in which they came."""
        self.clear()
        for event in events:
            self.add(event)

    def clear(self) -> None:
        """Hold nothing."""
        self._words: list[Word] = []
        self._joins: list[Join] = []
        self._council = Council()
        self._as_said: dict[At, Said] = {}  # in the order in which they came
        self._erases: list[Said] = []
        self.recorded: dict[tuple[str, str], list[Said]] = defaultdict(list)
        self._forget()

    def _forget(self) -> None:
        """Forget what the events come to."""
        self.events: dict[At, Said] = {}
        self.heads: dict[tuple[str, int], int] = {}
        self.acts: dict[tuple[str, str], list[Said]] = defaultdict(list)
        self.opens: dict[str, list[Said]] = defaultdict(list)  # by edge, as they came
        self.waiting: dict[At, list[Said]] = defaultdict(list)  # by the entry that is not here
        self._of_vehicle: dict[Vehicle, list[Said]] = defaultdict(list)
        self._types: dict[str, set[str]] = defaultdict(set)  # of a plate
        self._stamps: dict[str, set[int]] = defaultdict(set)  # of a plate
        self._last_order: dict[Vehicle, int] = {}
        self._folded: dict[Vehicle, Folded] = {}
        self._corrections: list[Said] = []
        self._tariff: Said | None = None
        self._policy: Said | None = None
        self._passes: dict[tuple[str, str, str], Said] = {}
        self._staff: dict[str, Said] = {}
        self.acknowledged: dict[At, Said] = {}

    def add(self, event: Said) -> None:
        """One more event."""
        self._as_said[event.at] = event
        if event.act is not None:
            self.recorded[event.act].append(event)
        words, joins = words_in([event]), joins_in([event])
        if words or joins:
            self._words += words
            self._joins += joins
            before, self._council = self._council, council(self._words, self._joins)
            if before.disowned != self._council.disowned:
                self._forget()
                for held in self._as_said.values():
                    self._take(held)
                return
        if event.kind == ERASED and event.data is not None:
            self._erases.append(event)
            if self._counts(event):
                self._forget()
                for held in self._as_said.values():
                    self._take(held)
                return
        self._take(event)

    def _counts(self, event: Said) -> bool:
        return counts(event.at, self._council.disowned)

    def _take(self, event: Said) -> None:
        if self._counts(event):
            event = erased(event, [it for it in self._erases if self._counts(it)])
        else:
            event = event._replace(data=None, personal=None)
        self.events[event.at] = event
        stream = event.at[:2]
        self.heads[stream] = max(event.at[2], self.heads.get(stream, 0))
        if event.data is None:
            return
        if event.kind in OF_GATES:
            self._add_of_gate(event)
        elif event.kind == ACKNOWLEDGED:
            self.acknowledged[event.at] = event
        elif event.kind not in (*OF_MEMBERS, *OF_THE_ROSTER, ERASED):
            self._add_reference(event)

    # --- gates -----------------------------------------------------------------------------------

    def _add_of_gate(self, event: Said) -> None:
        if event.act is not None:
            self.acts[event.act].append(event)
        if event.kind in (ENTRY, EXIT, MANUAL):
            self.opens[event.data["edge_id"]].append(event)
        vehicle = event.vehicle
        if vehicle is None:
            return
        if event.kind in CORRECTIONS:
            self._corrections.append(event)
        self._stale(vehicle)
        if event.kind in OF_AN_ENTRY and event.names is not None:
            entry = self.events.get(event.names)
            if entry is None or entry.kind != ENTRY or entry.vehicle is None:
                self.waiting[event.names].append(event)
                self._mark(vehicle, event, 0)
                return
            self._place(event, entry)
        else:
            self._place(event, None)
        if event.kind == ENTRY:
            for waited in self.waiting.pop(event.at, ()):
                self._place(waited, event)

    def _place(self, event: Said, named: Said | None) -> None:
        """It takes part in the stays of its vehicle: that of the entry it names, if any."""
        vehicle = (named or event).vehicle
        self._of_vehicle[vehicle].append(event)
        self._stale(vehicle)
        self._stale(event.vehicle)
        self._mark(vehicle, event, max(event.order, named.order if named is not None else 0))

    def _stale(self, vehicle: Vehicle) -> None:
        """What a vehicle comes to is another thing now, and all that corrections link to it."""
        self._folded.pop(vehicle, None)
        if self._corrections:
            self._folded.clear()

    def _mark(self, vehicle: Vehicle, event: Said, order: int) -> None:
        self._types[vehicle[1]].add(vehicle[0])
        self._stamps[vehicle[1]].add(event.timestamp)
        self._last_order[vehicle] = max(order, self._last_order.get(vehicle, 0))

    def folded(self, vehicle: Vehicle) -> Folded:
        """The stays of a vehicle."""
        if vehicle not in self._folded:
            linked = self._linked_to(vehicle)
            held = {it.at: it for one in linked for it in self._of_vehicle.get(one, ())}
            for events in self.waiting.values():
                held |= {it.at: it for it in events if it.vehicle in linked}
            found = corrected(held)
            by_vehicle: dict[Vehicle, list[Said]] = defaultdict(list)
            for event in held.values():
                by_vehicle[found.vehicle(event, held)].append(event)
            for one in linked:
                self._folded[one] = fold(one, by_vehicle[one], held, found)
        return self._folded[vehicle]

    def _linked_to(self, vehicle: Vehicle) -> set[Vehicle]:
        """The vehicles that corrections make one thing with this one, itself among them."""
        links: dict[Vehicle, set[Vehicle]] = defaultdict(set)
        for correction in self._corrections:
            for said in self._vehicles_named(correction):
                links[correction.vehicle].add(said)
                links[said].add(correction.vehicle)
        found, left = set(), {vehicle}
        while left:
            found |= left
            left = {it for one in left for it in links.get(one, ())} - found
        return found

    def _vehicles_named(self, correction: Said) -> set[Vehicle]:
        """The vehicles of what a correction names, one behind the other."""
        found: set[Vehicle] = set()
        event, way = self.events.get(correction.names), {correction.at}
        while event is not None and event.vehicle is not None and event.at not in way:
            way.add(event.at)
            found.add(self._said_of(event))
            event = self.events.get(event.names) if event.kind in CORRECTIONS else None
        return found

    def _said_of(self, event: Said) -> Vehicle:
        """The vehicle that an event says, or the entry that it names."""
        if event.kind in OF_AN_ENTRY and event.names is not None:
            entry = self.events.get(event.names)
            if entry is not None and entry.kind == ENTRY and entry.vehicle is not None:
                return entry.vehicle
        return event.vehicle

    def vehicles(self) -> list[Vehicle]:
        """All of which anything is held that takes part."""
        waiting = {it.vehicle for events in self.waiting.values() for it in events}
        return sorted({*self._of_vehicle, *waiting})

    def is_corrected(self, vehicle: Vehicle) -> bool:
        """Whether people said anything of a vehicle, or of one that is linked to it by that."""
        linked = self._linked_to(vehicle)
        said = {it for one in self._corrections for it in self._vehicles_named(one)}
        said |= {one.vehicle for one in self._corrections}
        endings = (it for one in linked for it in self._of_vehicle.get(one, ()))
        return bool(linked & said) or any(it.kind in (CLOSED, NOT_TAKEN) for it in endings)

    def inside(self, vehicle: Vehicle) -> Stay | None:
        """The stay that is open."""
        return self.folded(vehicle).open if vehicle in self._of_vehicle else None

    def types_inside(self, plate: str) -> list[str]:
        """The types under which a plate is inside."""
        return [it for it in sorted(self._types.get(plate, ())) if self.inside((it, plate))]

    def not_taken(self, plate: str) -> list[Stay]:
        """The last stay of each vehicle with this plate, where nobody drove in on it."""
        found = []
        for camera_type in sorted(self._types.get(plate, ())):
            stays = self.folded((camera_type, plate)).stays.values()
            last = max(stays, key=lambda it: it.entry.key, default=None)
            if last is not None and last.closed_by == "NOT_TAKEN":
                found.append(last)
        return found

    def unconfirmed(self, origin: str, edges: Collection[str]) -> list[Said]:
        """The entries of this origin at these edges: of open stays that none confirmed."""
        open_ = [stay for it in self.vehicles() if (stay := self.inside(it)) is not None]
        return [
            it.entry
            for it in open_
            if it.entry.origin == origin and it.entry.data["edge_id"] in edges and not it.confirmed
        ]

    def is_alone(self, entry: Said) -> bool:
        """Whether an entry is all that is held of its vehicle."""
        return self._of_vehicle[entry.vehicle] == [entry]

    def is_called_not_taken(self, entry: At) -> bool:
        """Whether a NOT_TAKEN of this entry is held, also one that counts for nothing."""
        said = self._as_said.values()
        return any(it.kind == NOT_TAKEN and it.names == entry for it in said)

    def stay_of(self, entry: At) -> Stay | None:
        """The stay that an entry belongs to."""
        event = self.events.get(entry)
        if event is None or event.kind != ENTRY or event.vehicle is None:
            return None
        for vehicle in self._linked_to(event.vehicle):
            stay = self.folded(vehicle).stay_of(entry)
            if stay is not None:
                return stay
        return None

    def before(self, entry: Said) -> tuple[int, int]:
        """How many entries of its vehicle are older than this one, and how many older exits repeat.

        Where more come to be known, another stay may cover this one for a while: an older entry
        opens it, or an exit turns out to repeat one that ended another.
        """
        older = [it for it in self._of_vehicle[entry.vehicle] if it.key < entry.key]
        verdicts = self.folded(entry.vehicle).verdicts
        repeat = [it for it in older if verdicts.get(it.at, ("", None))[0] == REPEATED]
        return (
            sum(it.kind == ENTRY for it in older),
            sum(it.kind == EXIT for it in repeat),
        )

    def stamp(self, plate: str, ms: int, run: tuple[str, int]) -> int:
        """`ms`, raised until no event of the plate that counts carries it.

        It is that of the next event of a run: above the last one of that, where this does not
        count.
        """
        last = self.events.get((*run, self.heads.get(run, 0)))
        if last is not None and not counts(last.at, self._council.disowned):
            ms = max(ms, last.timestamp + 1)
        taken = self._stamps.get(plate, ())
        while ms in taken:
            ms += 1
        return ms

    def last_erase(self, plate: str) -> int:
        """The highest order of the erases that mean a plate; 0 for none."""
        meant = (it.order for it in self._erases if self._counts(it) and means(it, plate))
        return max(meant, default=0)

    def last_order(self, vehicle: Vehicle) -> int:
        """The highest order among the events of a vehicle, of those that wait by what they say."""
        waiting = (it for events in self.waiting.values() for it in events)
        of = {vehicle}
        for correction in self._corrections:
            named = self.events.get(correction.names)
            if correction.kind == CORRECTED and correction.vehicle == vehicle:
                of |= {self._said_of(named)} if named is not None and named.vehicle else set()
        placed = [self._last_order.get(one, 0) for one in of]
        return max([*placed, *(it.order for it in waiting if it.vehicle in of)])

    def corrected(self) -> set[Vehicle]:
        """The vehicles whose events corrections say are others', and those others."""
        found: set[Vehicle] = set()
        for correction in self._corrections:
            named = self.events.get(correction.names)
            if correction.kind == CORRECTED and named is not None and named.vehicle is not None:
                found |= {named.vehicle, correction.vehicle}
        return found

    # --- all of it -------------------------------------------------------------------------------

    def stays(self) -> dict[At, Stay]:
        """Every stay, by the entry that counts."""
        return {at: stay for it in self.vehicles() for at, stay in self.folded(it).stays.items()}

    def verdicts(self) -> dict[At, tuple[str, At | None]]:
        """What became of every event that neither opened, confirmed nor ended a stay."""
        found: dict[At, tuple[str, At | None]] = {}
        for vehicle in self.vehicles():
            found |= self.folded(vehicle).verdicts
        return found

    def charged(self) -> dict[At, At | None]:
        """The stay that each charge counts for."""
        found: dict[At, At | None] = {}
        for vehicle in self.vehicles():
            found |= self.folded(vehicle).charged
        return found

    # --- reference data --------------------------------------------------------------------------

    def _add_reference(self, event: Said) -> None:
        data, who = event.data, event.personal
        if event.kind == TARIFF:
            known = self._tariff
            rank = (data["version"], event.key)
            if known is None or rank > (known.data["version"], known.key):
                self._tariff = event
            return
        if event.kind == POLICY:
            policy = self._policy
            rank = (data["version"], event.key)
            if policy is None or rank > (policy.data["version"], policy.key):
                self._policy = event
            return
        entries: dict[Any, Said]
        if event.kind == PASS:
            entries = self._passes
            entry = (who["plate_id"], data["camera_type"], data["valid_from"])
        else:
            assert event.kind == STAFF
            entries, entry = self._staff, who["staff_id"]
        if entry not in entries or event.key > entries[entry].key:
            entries[entry] = event

    @property
    def tariff(self) -> Said | None:
        """The event that set the tariff that counts."""
        return self._tariff

    @property
    def policy(self) -> Said | None:
        """The event that set the policy that counts."""
        return self._policy

    def document(self, at: At | None) -> dict[str, Any] | None:
        """The tariff that was set there; None for the built-in one."""
        return self._as_said[at].data["document"] if at is not None else None

    def passes(self) -> list[Said]:
        """The passes that there are."""
        return [it for it in self._passes.values() if not it.data.get("removed", False)]

    def staff(self) -> list[Said]:
        """The members of staff that there are."""
        return [it for it in self._staff.values() if not it.data.get("removed", False)]

    def roster(self) -> Roster:
        """Who belongs to the site."""
        return roster(self.events.values(), self._council)

    def pass_on(self, vehicle: Vehicle, day: str) -> Said | None:
        """The pass of a vehicle that is valid on a day; of several the one that ends last."""
        valid = [
            it
            for it in self.passes()
            if (it.data["camera_type"], it.plate) == vehicle
            and it.data["valid_from"] <= day <= it.data["valid_until"]
        ]
        days = [(it.data["valid_until"], it.data["valid_from"]) for it in valid]
        return valid[days.index(max(days))] if valid else None
