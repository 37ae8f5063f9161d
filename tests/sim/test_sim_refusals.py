"""One bad thing stops one thing: what is wrong with a stream keeps nothing else from anybody."""

from typing import Any
from unittest.mock import patch

import pytest

import tests.sim.machine
import zparkd.daemon.main
from tests.sim.plans import Plan
from tests.sim.world import World
from zparkd.core.events.event import Event
from zparkd.core.events.signing import Identity
from zparkd.storage.projection.following import Following

KEYS = pytest.mark.parametrize("keys", [False, True], ids=["plain", "keys"])


def enter(world: World, machine: Any, *plates: str) -> None:
    for plate in plates:
        fields = {"type": "BARRIER_OPEN", "direction": "ENTRY", "plate_id": plate}
        world.cameras.ask(machine, 1, **fields)
        world.run(300)


def plates(machine: Any) -> set[str]:
    rows = machine.disk.connection.execute("SELECT plate_id FROM history")
    return {plate for (plate,) in rows}


def start(world: World) -> None:
    for machine in world.centrals:
        machine.start()
    world.run(2_000)


def numbered(first: int, count: int) -> list[str]:
    return [f"29A{number:05d}" for number in range(first, first + count)]


@KEYS
def test_a_fork_of_a_stream_keeps_honest_centrals_together_in_all_else(keys: bool) -> None:
    """A machine set back while it ran records once more before it is restarted as it asks for."""
    world = World(Plan(seed=3, count=3, keys=keys))
    a, b, c = world.centrals
    with world.running():
        start(world)
        enter(world, a, "29A00001")
        central = a.reactor._central
        stream, signer = central.peers.own, central.signatures.signer
        snapshot = a.disk.image(), dict(a.disk.heads)
        enter(world, a, "29A00002", "29A00003")
        a.stop()
        a.replace_disk(*snapshot)
        with patch.object(zparkd.daemon.main, "new_stream", lambda *_: stream):
            if signer is None:
                a.start()
            else:
                with patch.object(Identity, "new_stream_key", lambda _: signer._key):
                    a.start()
        enter(world, a, "29A00099")
        world.run(3_000)
        assert "FORKED" in b.problems() & c.problems()
        a.stop()
        a.start()
        world.run(5_000)
        links = {(a.id, other.id) for other in (b, c)}
        world.network.cut_links(links | {(y, x) for x, y in links})
        world.run(5_000)
        enter(world, b, "29A00021")
        enter(world, c, "29A00031")
        enter(world, a, "29A00011")
        world.heal()
        world.run(5_000)
        for machine in world.centrals:
            assert plates(machine) >= {"29A00001", "29A00011", "29A00021", "29A00031"}
            assert not machine.problems() & {"PEER_ERROR", "STREAM_STUCK"}
            others = machine.reactor._central.peers.states.values()
            assert [peer.error for peer in others] == [None, None]
        assert "FORKED" in a.problems()
        forks = a.disk.signed.forks()
        assert a.reactor._central.peers.only_here(a.disk.heads, forks) == 1  # 29A00099
        a.stop()
        a.replace_disk(a.first_disk, {})  # the way back that it names
        a.start()
        world.run(8_000)
        assert plates(a) == plates(b) == plates(c)
        assert plates(a) >= {"29A00002", "29A00003", "29A00011"}
        for machine in world.centrals:
            assert "FORKED" not in machine.problems()


@KEYS
def test_one_rotten_byte_costs_the_rest_of_one_stream_until_a_sound_peer_is_there(
    keys: bool,
) -> None:
    world = World(Plan(seed=3, count=3, keys=keys))
    a, b, c = world.centrals
    with world.running():
        start(world)
        enter(world, a, *numbered(0, 5))
        first = a.reactor._central.peers.own
        a.stop()
        a.start()
        world.run(2_000)
        enter(world, a, *numbered(5, 5))
        enter(world, b, *numbered(10, 5))
        world.run(3_000)
        c.stop()
        run = a.disk.connection.execute
        at, sealed = run("SELECT at, sealed FROM events ORDER BY at LIMIT 1 OFFSET 2").fetchone()
        rotten = bytes([*sealed[:20], sealed[20] ^ 1, *sealed[21:]])
        run("UPDATE events SET sealed=? WHERE at=?", (rotten, at))
        whole = dict(a.disk.heads)
        b.stop()
        b.replace_disk(b.first_disk, {})
        b.start()
        world.run(5_000)
        held = dict(b.disk.heads)
        assert held[first] == 2
        assert {s: head for s, head in held.items() if s != first} == {
            s: head for s, head in whole.items() if s != first
        }
        assert "EVENT_CORRUPT" in a.problems()
        assert "STREAM_STUCK" in b.problems()
        c.start()
        world.run(5_000)
        assert dict(b.disk.heads).items() >= whole.items()
        assert plates(b) == set(numbered(0, 15))
        assert "STREAM_STUCK" not in b.problems()


def test_a_central_with_a_new_key_that_nobody_told_of_its_old_one_lacks_its_own_past_only() -> None:
    renewed = False
    secret = tests.sim.machine._secret

    def now(id: str) -> bytes:
        return secret(f"{id} new") if renewed and id == "central-1" else secret(id)

    with patch.object(tests.sim.machine, "_secret", now):
        world = World(Plan(seed=3, count=3, keys=True))
        a, b, c = world.centrals
        with world.running():
            start(world)
            for number, machine in enumerate(world.centrals):
                enter(world, machine, *numbered(10 * number, 5))
            world.run(2_000)
            a.stop()
            renewed = True
            a.replace_disk(a.first_disk, {})
            for machine in (b, c):
                machine.stop()
                machine.start()
            a.start()
            world.run(5_000)
            assert plates(a) == {*numbered(10, 5), *numbered(20, 5)}
            assert "STREAM_STUCK" in a.problems()


def test_an_event_that_a_central_fails_on_is_kept_and_stops_nothing() -> None:
    world = World(Plan(seed=3, count=3))
    a, b, c = world.centrals
    add = Following.add

    def fails(self: Following, event: Event, *where: int, **more: bool) -> None:
        here = world.turning == b.name
        if here and event.personal is not None and event.personal.plate_id == "29A00013":
            raise ZeroDivisionError("a fault of this version")
        add(self, event, *where, **more)

    with patch.object(Following, "add", fails), world.running():
        start(world)
        links = {(b.id, other.id) for other in (a, c)}
        world.network.cut_links(links | {(y, x) for x, y in links})
        enter(world, a, *numbered(10, 10))
        enter(world, c, *numbered(30, 10))
        world.heal()
        world.run(5_000)
        assert b.disk.heads == a.disk.heads == c.disk.heads
        assert plates(b) == plates(a) - {"29A00013"}
        assert b.disk.unprojected() == 1
        assert "EVENTS_FAILED" in b.problems()
        assert "EVENTS_FAILED" not in a.problems()
        enter(world, a, "29A00050")
        world.run(1_000)
        assert "29A00050" in plates(b)
