"""After a partition with traffic on all sides, all centrals are equal within two seconds."""

from random import Random

import pytest

from tests.sim.checkers import check
from tests.sim.gate_life import GateLife
from tests.sim.plans import Plan
from tests.sim.world import World

WITHIN_MS = 2_000  # of the heal; what is missing fits into a page or two
CUT_MS = 12_000


@pytest.mark.parametrize("notices", [True, False], ids=["closed", "half open"])
@pytest.mark.parametrize(("seed", "sides"), [(1, 2), (2, 3), (3, 10)])
def test_ten_centrals_are_equal_two_seconds_after_a_cut(
    seed: int, sides: int, notices: bool
) -> None:
    """A half-open link takes what is sent and loses it: nobody is told that it is cut."""
    world = World(Plan(seed, count=10))
    draw = Random(seed)
    with world.running():
        world.network.weather.notices_cuts = notices
        for machine in world.centrals:
            machine.start()
        world.run(3_000)
        side = {name: draw.randrange(sides) for name in world.machines}
        world.network.cut_links({(a, b) for a in side for b in side if side[a] != side[b]})
        gates = GateLife(world, plates=12)
        for _ in range(40):
            world.after(draw.randrange(CUT_MS), gates.scene)
        world.run(CUT_MS + draw.randrange(5_000))
        assert not world.equal()
        world.heal()
        world.run(WITHIN_MS)
        assert world.equal(), "not equal two seconds after the heal"
        world.settle()
        check(world)
