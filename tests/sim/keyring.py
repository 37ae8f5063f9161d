"""Centrals that get new keys: in the order that the manual names, in a hurry, or with a new disk.

It draws from a chance of its own, so that a seed whose plan has no new keys goes as it always did.
"""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World

TOLD_WITHIN_MS = 2_000
VOUCHED_AFTER_MS = (4_000, 9_000)  # after the heal, when who has a new key starts anew


class Keyring:
    """Changes of keys, drawn from the seed."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._draw = Random(f"{world.plan.seed} keyring")

    def live(self, renewals: int) -> None:
        """Have so many keys change while the world lives."""
        for _ in range(renewals):
            self._world.at(self._draw.randrange(self._world.plan.live_ms), self._renew)

    def _renew(self) -> None:
        """One central gets a new key; the others are told before it, or after, or once healed."""
        draw, world = self._draw, self._world
        machine = draw.choice(world.centrals)
        new = machine.generation + 1
        machine.knows_former_keys = draw.random() < 0.5
        in_a_hurry, lost = draw.random() < 0.3, draw.random() < 0.5
        for other in world.centrals:
            if other is machine:
                continue
            told_ms = draw.randrange(TOLD_WITHIN_MS) + (TOLD_WITHIN_MS if in_a_hurry else 0)
            self._later(told_ms, lambda other=other: _tell(other, machine.id, {new - 1, new}))
            self._later(3 * TOLD_WITHIN_MS, lambda other=other: _tell(other, machine.id, {new}))
        self._later(TOLD_WITHIN_MS, lambda: self._change(machine, lost=lost))

    def _later(self, delay_ms: int, action: Callable[[], object]) -> None:
        def unless_healed() -> None:
            if self._world.healed_ms is None:
                action()

        self._world.after(delay_ms, unless_healed)

    def _change(self, machine: "Machine", *, lost: bool) -> None:
        if not lost:
            machine.renew_key()
            return
        if machine.answers:
            machine.stop()
        machine.renew_key()
        self._world.note(machine.name, "has an empty disk")
        machine.replace_disk(machine.first_disk, {})
        self._world.restart_later(machine)


def _tell(machine: "Machine", peer: str, generations: set[int]) -> None:
    machine.believes[peer] = generations
    machine.reconfigure()


def all_keys_are_told(world: "World") -> None:
    """People put right what is missing: each has the new keys of the others, and names its former.

    Who has its past back starts anew, and vouches for it with its new key.
    """
    for machine in world.centrals:
        machine.believes = {other.id: {other.generation} for other in world.centrals}
        machine.knows_former_keys = True
        machine.reconfigure()
    for after_ms in VOUCHED_AFTER_MS:
        for machine in world.centrals:
            if machine.generation:
                world.after(after_ms, lambda machine=machine: world.equal() or _start_anew(machine))


def _start_anew(machine: "Machine") -> None:
    if machine.answers:
        machine.stop()
    machine.start()
