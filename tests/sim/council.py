"""What centrals say of each other: who is disowned, restored, and taken in.

It draws from a chance of its own, so that a seed whose plan has no votes goes as it always did.
"""

from random import Random
from typing import TYPE_CHECKING

from tests.sim.office import tell

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World


class Council:
    """Votes, drawn from the seed; and the person who takes in whom a central calls unknown."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._draw = Random(f"{world.plan.seed} council")

    def live(self, votes: int) -> None:
        """Have so many votes happen while the world lives."""
        for _ in range(votes):
            self._world.at(self._draw.randrange(self._world.plan.live_ms), self._vote)

    def _vote(self) -> None:
        draw, world = self._draw, self._world
        machine = draw.choice(world.centrals)
        if draw.random() < 0.1:
            admit_who_waits(machine)
            return
        others = sorted(({it.id for it in world.centrals} | machine.peers) - {machine.id})
        # Few are voted about, so that votes meet.
        member = others[0] if draw.random() < 0.6 else draw.choice(others)
        if draw.random() < 0.6:
            since_ms = world.true_ms() - draw.randint(0, 5_000) if draw.random() < 0.5 else None
            word = "disown"
            tell(machine, "member.disown", member=member, since_ms=since_ms)
        else:
            word = "restore"
            tell(machine, "member.restore", member=member)
        world.note(machine.name, f"votes to {word} {member}")


def admit_who_waits(machine: "Machine") -> set[str]:
    """A person at a central takes in the honest origins that it calls unknown: those."""
    reactor = machine.reactor
    if reactor is None:
        return set()
    honest = {it.id for it in machine.world.centrals}
    taken_in = honest & {*reactor._central.admission.waiting}
    for origin in sorted(taken_in):
        machine.world.note(machine.name, f"takes in {origin}")
        tell(machine, "member.admit", member=origin)
    return taken_in
