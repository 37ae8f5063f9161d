"""Who belongs to the site, on both sides of a cut: in simulated time, so that times can be held."""

from collections.abc import Iterator

import pytest

from tests.sim.checkers import check
from tests.sim.machine import Machine
from tests.sim.plans import Plan
from tests.sim.registrar import act, here, joining
from tests.sim.world import World
from tests.support.invited import Pair, pair
from zparkd.core.members.roster import Invitation, RosterState
from zparkd.core.members.roster_acts import Amend, Invite, Remove
from zparkd.core.members.roster_words import Role

JOINED_WITHIN_MS = 2_000  # of the join every central that is connected knows it
RIGHT_WITHIN_MS = 5_000  # of the heal who was cut off knows all


@pytest.fixture
def world() -> Iterator[World]:
    made = World(Plan(seed=4, count=3, keys=True))
    with made.running():
        for machine in made.centrals:
            machine.start()
        made.run(3_000)
        yield made


def cut_off(world: World, *some: Machine) -> None:
    """These hear and reach none of the others."""
    apart = {machine.name for machine in some}
    links = {(a, b) for a in apart for b in world.machines.keys() - apart}
    world.network.cut_links(links | {(b, a) for a, b in links})


def join(machine: Machine, role: Role, member: str, who: Pair, replace: bool = False) -> None:
    """Somebody is invited at a central and joins there."""
    onetime = pair(f"for {member} at {machine.id} {machine.world.now_ms}")
    made = act(machine, Invite(here(machine), role, member, onetime[0], 60_000, replace))
    assert isinstance(made, Invitation), made
    machine.world.run(50)
    answer = act(machine, joining(machine, made, onetime, who, f"10.0.1.{who[1][0]}"))
    assert b'"success":true' in answer, answer


def state(machine: Machine) -> RosterState:
    assert machine.disk is not None
    return machine.disk.members.roster


def settled(world: World) -> None:
    world.heal()
    world.settle()
    check(world)


def test_a_join_is_known_at_every_connected_central_within_2_s(world: World) -> None:
    first, *others = world.centrals
    join(first, Role.CENTRAL, "central-9", pair("new"))
    join(first, Role.EDGE, "cam-1", pair("camera"))
    world.run(JOINED_WITHIN_MS)
    for machine in others:
        assert "central-9" in {member.id for member in state(machine).active(Role.CENTRAL)}
        assert [member.id for member in state(machine).active(Role.EDGE)] == ["cam-1"]
    settled(world)


def test_who_was_cut_off_during_ten_changes_is_right_within_5_s_of_the_heal(world: World) -> None:
    first, second, third = world.centrals
    join(first, Role.CENTRAL, "central-9", pair("before"))
    world.run(JOINED_WITHIN_MS)
    cut_off(world, third)
    world.run(3_000)
    for number in range(4):
        join(first, Role.EDGE, f"cam-{number}", pair(f"camera {number}"))
    world.run(1_000)
    for number in range(3):
        act(second, Remove(here(second), Role.EDGE, f"cam-{number}"))
    act(second, Amend(here(second), Role.CENTRAL, "central-9", address="10.0.3.3"))
    join(first, Role.CENTRAL, "central-9", pair("anew"), replace=True)
    act(second, Remove(here(second), Role.CENTRAL, "central-9"))
    world.run(1_000)
    assert state(third) != state(first)
    world.network.cut_links(set())
    world.run(RIGHT_WITHIN_MS)
    assert state(third) == state(first) == state(second)
    assert [member.id for member in state(third).active(Role.EDGE)] == ["cam-3"]
    settled(world)


def test_of_two_who_joined_under_one_id_on_both_sides_the_older_stays(world: World) -> None:
    first, second, third = world.centrals
    cut_off(world, third)
    world.run(3_000)
    join(first, Role.CENTRAL, "central-9", pair("the older"))
    world.run(1_000)
    join(third, Role.CENTRAL, "central-9", pair("the newer"))
    world.network.cut_links(set())
    world.run(RIGHT_WITHIN_MS)
    for machine in (first, second, third):
        [member] = [it for it in state(machine).active(Role.CENTRAL) if it.id == "central-9"]
        assert member.public_key == pair("the older")[0]
        assert state(machine).lost == {(Role.CENTRAL, "central-9", pair("the newer")[0])}
    settled(world)


def test_a_removal_on_one_side_ends_the_membership_and_not_the_one_begun_on_the_other(
    world: World,
) -> None:
    first, _, third = world.centrals
    join(first, Role.CENTRAL, "central-9", pair("first of it"))
    world.run(JOINED_WITHIN_MS)
    cut_off(world, third)
    world.run(3_000)
    act(first, Remove(here(first), Role.CENTRAL, "central-9"))
    join(third, Role.CENTRAL, "central-9", pair("second of it"), replace=True)
    world.network.cut_links(set())
    world.run(RIGHT_WITHIN_MS)
    for machine in world.centrals:
        member = state(machine).members[Role.CENTRAL, "central-9"]
        assert (member.number, member.removed) == (2, False)
        assert member.public_key == pair("second of it")[0]
    settled(world)
