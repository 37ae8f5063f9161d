"""One run from beginning to end: live, heal, settle, judge."""

from collections.abc import Callable

from tests.sim.checkers import check
from tests.sim.plans import Plan, live, plan_of
from tests.sim.world import World


def run(seed: int, trace: Callable[[str], None] | None = None) -> World:
    """The run of a seed. Raises AssertionError where it ends in what must not be."""
    return run_plan(plan_of(seed), trace)


def run_plan(plan: Plan, trace: Callable[[str], None] | None = None) -> World:
    """The run of a plan, in the same way."""
    world = World(plan, trace)
    with world.running():
        live(world)
        world.heal()
        world.settle()
        check(world)
    return world
