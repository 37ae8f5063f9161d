"""What corrections leave of a set of events: docs/protocol.md section 10.1, read anew each time."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.sim.oracle.events import (
    CORRECTED,
    CORRECTIONS,
    ENTRY,
    EXIT,
    OF_AN_ENTRY,
    VOIDED,
    At,
    Said,
    Vehicle,
)


@dataclass
class Corrected:
    """What became of acts and corrections, of all events that are held and say something."""

    waiting: set[At] = field(default_factory=set)
    counts_for: dict[At, At] = field(default_factory=dict)  # of a repeated act
    void: set[At] = field(default_factory=set)
    made: dict[At, Said] = field(default_factory=dict)  # by which CORRECTED it is another's

    def counting(self, at: At) -> At:
        """The act that counts for one."""
        return self.counts_for.get(at, at)

    def vehicle(self, event: Said, held: Mapping[At, Said]) -> Vehicle:
        """Whose event it is."""
        if event.at in self.waiting:
            return event.vehicle
        if event.kind in CORRECTIONS:
            event = _about(event, held)
        if event.at not in self.waiting and event.kind in OF_AN_ENTRY and event.names is not None:
            event = held[event.names]
        counting = self.counting(event.at)
        return self.made[counting].vehicle if counting in self.made else event.vehicle


def _about(correction: Said, held: Mapping[At, Said]) -> Said | None:
    """The event at the end of what corrections name; None where that is not here."""
    event, way = correction, [correction.at]
    while event is not None and event.kind in CORRECTIONS:
        event = held.get(event.names)
        if event is None or event.vehicle is None or way.count(event.at) > 1:
            return None
        way.append(event.at)
    return event


def corrected(held: Mapping[At, Said]) -> Corrected:
    """Judge all that takes part."""
    found = Corrected()
    said = [it for it in held.values() if it.vehicle is not None]
    for event in said:
        if event.kind in CORRECTIONS:
            if _about(event, held) is None:
                found.waiting.add(event.at)
        elif event.kind in OF_AN_ENTRY and event.names is not None:
            entry = held.get(event.names)
            if entry is None or entry.kind != ENTRY or entry.vehicle is None:
                found.waiting.add(event.at)
    acts: dict[tuple[Vehicle, tuple[str, str]], list[Said]] = defaultdict(list)
    for event in said:
        if event.kind in (ENTRY, EXIT) and event.act and event.at not in found.waiting:
            named = held[event.names] if event.kind == EXIT and event.names else event
            acts[named.vehicle, event.act].append(event)
    for same in acts.values():
        first = min(same, key=lambda it: it.key)
        found.counts_for |= {it.at: first.at for it in same if it is not first}
    corrections = [it for it in said if it.kind in CORRECTIONS and it.at not in found.waiting]
    for correction in sorted(corrections, key=lambda it: it.key)[::-1]:
        target = held[found.counting(correction.names)]
        if correction.at in found.void or target.order >= correction.order:
            continue
        if correction.kind == VOIDED:
            found.void.add(target.at)
        can_move = target.kind == ENTRY or (target.kind == EXIT and target.names is None)
        if correction.kind == CORRECTED and can_move:
            found.made.setdefault(target.at, correction)
    for at in found.void:
        found.made.pop(at, None)
    return found
