"""A site under faults, from many seeds: after the heal nothing is lost, doubled or different."""

import pytest

from tests.sim.checkers import check
from tests.sim.world import Faults, Node, World

PLATES = [f"29A{number:05d}" for number in range(12)]


def act_at_random(world: World) -> None:
    """One act of gate life at a random central."""
    node = world.random.choice(list(world.nodes.values()))
    edge_id = f"{node.id}-edge-{world.random.randint(1, 2)}"
    plate = world.random.choice(PLATES)
    kind = world.random.random()
    if kind < 0.15:
        world.ask(node, edge_id, type="BARRIER_CLOSE")
    elif kind < 0.25:
        world.ask(
            node,
            edge_id,
            type="BARRIER_OPEN",
            plate_id=plate,
            direction=world.random.choice(["ENTRY", "EXIT"]),
            force=True,
            reason="test",
        )
    elif kind < 0.6:
        world.ask(node, edge_id, type="BARRIER_OPEN", plate_id=plate)
    else:
        direction = world.random.choice(["ENTRY", "EXIT"])
        world.ask(node, edge_id, type="BARRIER_OPEN", plate_id=plate, direction=direction)


def cut_at_random(world: World) -> None:
    """Cut the site in two, or heal it."""
    ids = list(world.nodes)
    group = set(world.random.sample(ids, world.random.randint(0, len(ids) - 1)))
    world.partition(group) if group else world.partition()


def step_clock_at_random(world: World) -> None:
    """Set the wall clock of one central wrong, or right again."""
    node: Node = world.random.choice(list(world.nodes.values()))
    node.wall_offset_ms = world.random.choice([0, 0, 3_600_000, -3_600_000, -1_799_000_000_000])


def live(world: World, for_ms: int) -> None:
    """Gate life with faults for a while."""
    for _ in range(for_ms // 50):
        world.after(world.random.randrange(for_ms), lambda: act_at_random(world))
    for _ in range(for_ms // 3_000):
        world.after(world.random.randrange(for_ms), lambda: cut_at_random(world))
    for _ in range(for_ms // 10_000):
        world.after(world.random.randrange(for_ms), lambda: step_clock_at_random(world))
    world.run(for_ms)


def random_world(seed: int) -> World:
    """A site whose size and faults follow from the seed."""
    world = World(seed, 2 + seed % 4, Faults())
    world.faults = Faults(
        loss=world.random.choice([0, 0.02, 0.2]),
        twice=world.random.choice([0, 0.1]),
        delay_ms=world.random.choice([(1, 5), (1, 400)]),
        crash_in_turn=world.random.choice([0, 0.0005, 0.003]),
    )
    for node in world.nodes.values():
        world.start(node)
    return world


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_doubled_or_different_after_the_heal(seed: int) -> None:
    world = random_world(seed)
    live(world, 20_000)
    world.heal()
    assert sum(world.nodes["central-1"].store.heads.values()) > 0
    check(world)


def test_a_chain_of_centrals_converges() -> None:
    world = World(1, 4, Faults(), links=[(0, 1), (1, 2), (2, 3)])
    for node in world.nodes.values():
        world.start(node)
    live(world, 5_000)
    world.heal()
    check(world)
