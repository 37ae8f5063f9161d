"""A wrong clock wins no conflict by being wrong, and drags nobody with it."""

import pytest

from tests.sim.machine import Machine
from tests.sim.plans import HOUR_MS, Plan
from tests.sim.world import World
from zparkd.core import limits

PLATE = "29A12345"
YEAR_MS = 365 * 24 * HOUR_MS
WRONG = [-30 * YEAR_MS, -2 * HOUR_MS, -60_000, 60_000, 2 * HOUR_MS, 30 * YEAR_MS]
KNOWN_MS = 8_000  # by then each has measured the clocks of the others


def site(count: int = 4) -> tuple[World, list[Machine]]:
    world = World(Plan(seed=1, count=count))
    return world, world.centrals


def cut_all(world: World) -> None:
    names = sorted(world.machines)
    world.network.cut_links({(a, b) for a in names for b in names if a != b})


def enter(world: World, machine: Machine, plate: str = PLATE) -> None:
    """Let a vehicle in; it takes the central a moment."""
    act = world.cameras.ask(machine, 1, type="BARRIER_OPEN", plate_id=plate, direction="ENTRY")
    world.run(200)
    assert act.answered


def winner(world: World) -> str:
    world.heal()
    world.settle()
    assert world.equal()
    disk = world.centrals[0].disk
    ((origin,),) = disk.connection.execute(
        "SELECT source_central FROM history WHERE plate_id = ?", (PLATE,)
    )
    return origin


def off_ms(world: World, machine: Machine) -> list[int]:
    """How far from the truth the stamps of a machine are."""
    return [off for name, _, off in world.stamps if name == machine.name]


@pytest.mark.parametrize("ahead_ms", WRONG)
@pytest.mark.parametrize("first", ["wrong", "right"])
def test_who_let_in_first_wins_whatever_a_wrong_clock_shows(ahead_ms: int, first: str) -> None:
    world, (right, *_, wrong) = site()
    wrong.clock.ahead_ms = ahead_ms
    with world.running():
        for machine in world.centrals:
            machine.start()
        world.run(KNOWN_MS)
        cut_all(world)
        older, newer = (wrong, right) if first == "wrong" else (right, wrong)
        enter(world, older)
        world.run(3_000)
        enter(world, newer)
        assert winner(world) == older.name


@pytest.mark.parametrize("ahead_ms", WRONG)
def test_a_wrong_clock_drags_nobody(ahead_ms: int) -> None:
    world, centrals = site()
    centrals[-1].clock.ahead_ms = ahead_ms
    with world.running():
        for machine in centrals:
            machine.start()
        world.run(KNOWN_MS)
        for _ in range(3):
            for number, machine in enumerate(centrals):
                enter(world, machine, f"29A0000{number}")
            world.run(1_000)
    for machine in centrals[:-1]:
        assert max(map(abs, off_ms(world, machine))) < 1_000
    assert max(map(abs, off_ms(world, centrals[-1]))) < limits.CLOCK_BOUND_MS


@pytest.mark.parametrize("ahead_ms", WRONG)
def test_a_clock_that_is_set_wrong_while_it_runs_is_found_out_at_once(ahead_ms: int) -> None:
    world, centrals = site()
    with world.running():
        for machine in centrals:
            machine.start()
        world.run(KNOWN_MS)
        centrals[-1].clock.ahead_ms = ahead_ms
        enter(world, centrals[-1])
        assert "CLOCK_SKEW" in centrals[-1].problems()
        world.run(KNOWN_MS)
        enter(world, centrals[-1], "29A00001")
    assert max(map(abs, off_ms(world, centrals[-1]))) < limits.CLOCK_BOUND_MS
    assert "CLOCK_SKEW" in centrals[-1].problems()


@pytest.mark.parametrize("ahead_ms", WRONG)
@pytest.mark.parametrize("after_ms", range(0, 5_000, 1_250))
def test_a_clock_that_is_set_right_makes_no_stamp_wrong(ahead_ms: int, after_ms: int) -> None:
    world, centrals = site()
    mended = centrals[0]
    mended.clock.ahead_ms = ahead_ms
    with world.running():
        for machine in centrals:
            machine.start()
        world.run(KNOWN_MS + after_ms)
        mended.clock.ahead_ms = 0
        for _ in range(300):
            world.run(20)
            for machine in centrals:
                assert machine.reactor is not None
                stamp = machine.reactor._central.clock.read(machine.clocks())
                assert abs(stamp.ms - world.true_ms()) < limits.CLOCK_BOUND_MS
        assert not mended.problems() & {"CLOCK_SKEW"}


def test_two_right_clocks_are_enough_to_find_out_a_third() -> None:
    world, (right, _, wrong) = site(count=3)
    wrong.clock.ahead_ms = -HOUR_MS
    with world.running():
        for machine in world.centrals:
            machine.start()
        world.run(KNOWN_MS)
        enter(world, wrong)
        enter(world, right, "29A00001")
    assert abs(off_ms(world, wrong)[0]) < 1_000
    assert abs(off_ms(world, right)[0]) < 1_000


def test_with_one_peer_nobody_can_know_and_both_say_so() -> None:
    world, (right, wrong) = site(count=2)
    wrong.clock.ahead_ms = HOUR_MS
    with world.running():
        for machine in world.centrals:
            machine.start()
        world.run(KNOWN_MS)
        enter(world, wrong)
    assert off_ms(world, wrong)[0] > HOUR_MS - 1_000
    assert "CLOCK_SKEW" in wrong.problems() & right.problems()


def test_a_clock_at_1970_goes_on_from_the_last_event_and_never_stands_still() -> None:
    world, (alone, _) = site(count=2)
    with world.running():
        alone.start()
        world.run(4_000)
        enter(world, alone)
        alone.clock.stands_at_ms = 0
        for number in range(3):
            world.run(2_000)
            enter(world, alone, f"29A0000{number}")
    offs = off_ms(world, alone)
    assert len(offs) == 4
    assert max(map(abs, offs)) < 1_000, "it went on with the monotonic clock"
