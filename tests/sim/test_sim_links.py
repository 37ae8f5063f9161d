"""A peer that hangs or hears nothing delays nobody, and is seen to be so on both sides."""

import pytest

from tests.sim.machine import Machine
from tests.sim.plans import Plan
from tests.sim.world import World

PEER_TIMEOUT_MS = 3_000
ANSWERED_WITHIN_MS = 100


def site() -> World:
    world = World(Plan(seed=4, count=3))
    for machine in world.centrals:
        machine.start()
    world.run(3_000)
    return world


def enter(world: World, machine: Machine, plate: str) -> None:
    act = world.cameras.ask(machine, 1, type="BARRIER_OPEN", plate_id=plate, direction="ENTRY")
    world.run(ANSWERED_WITHIN_MS)
    assert act.answered, f"{machine.name} kept its camera waiting"


def connected(machine: Machine, peer_id: str) -> bool:
    peers = machine.reactor._central.peers
    return peers.connected(peers.states[peer_id], machine.clocks().mono_ms)


def inside(machine: Machine) -> set[str]:
    rows = machine.disk.connection.execute("SELECT plate_id FROM history WHERE status = 'IN'")
    return {plate for (plate,) in rows}


@pytest.mark.parametrize("for_ms", [800, 10_000], ids=["a moment", "longer than its peers wait"])
def test_a_peer_that_hangs_delays_neither_edges_nor_the_other_peers(for_ms: int) -> None:
    world = site()
    first, hung, third = world.centrals
    with world.running():
        hung.paused_until_ms = world.now_ms + for_ms
        for number in range(for_ms // 400):
            enter(world, first, f"29A{number:05d}")
            enter(world, third, f"30F{number:05d}")
            world.run(200)
            assert inside(first) == inside(third), "they wait for the one that hangs"
        world.run(2_000)
        assert inside(hung) == inside(first), "it catches up when it goes on"


def test_a_link_that_works_one_way_is_seen_on_both_sides_and_loses_nothing() -> None:
    world = site()
    first, second, third = world.centrals
    with world.running():
        world.network.cut_links({(first.name, second.name)})
        world.run(PEER_TIMEOUT_MS + 1_500)
        assert not connected(first, second.id)
        assert not connected(second, first.id)
        assert connected(third, first.id)
        enter(world, first, "29A00001")
        enter(world, second, "29A00002")
        world.run(2_000)
        assert inside(first) == inside(second) == {"29A00001", "29A00002"}, "by way of the third"
        world.network.cut_links(set())
        world.run(2_500)
        assert connected(first, second.id)
        assert connected(second, first.id)


def test_a_flood_that_a_queue_drops_is_fetched_later() -> None:
    world = World(Plan(seed=4, count=2, queue=3))
    with world.running():
        for machine in world.centrals:
            machine.start()
        world.run(3_000)
        first, second = world.centrals
        second.paused_until_ms = world.now_ms + 2_000
        for number in range(30):
            enter(world, first, f"29A{number:05d}")
        world.run(3_000)
        assert second.sockets.dropped > 0
        assert len(inside(second)) == 30
