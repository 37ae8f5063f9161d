"""A central whose disk is full, under load: its peers know that it lives, and what it holds."""

import sqlite3
from unittest.mock import patch

import pytest

from tests.sim.machine import Disk
from tests.sim.plans import Plan
from tests.sim.world import World
from zparkd.core.turn import FromEdge

OPEN = (
    b'{"type":"BARRIER_OPEN","edge_id":"e","direction":"ENTRY","plate_id":"29A%05d",'
    b'"request_id":"r%d"}'
)


def full_at_commit(disk: Disk) -> bool:
    """What SQLite says of a full disk where its log of commits is written."""
    if disk.connection.in_transaction:
        fault = sqlite3.OperationalError("database or disk is full")
        fault.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise fault
    return False


@pytest.mark.parametrize("every_ms", [1_000, 50, 4])
def test_a_full_disk_makes_no_peer_call_us_unconnected(every_ms: int) -> None:
    world = World(Plan(seed=3, count=2))
    full, peer = world.centrals
    with world.running():
        for machine in world.centrals:
            machine.start()
        world.run(3_000)
        until, count = world.now_ms + 10_000, 0

        def load() -> None:
            nonlocal count
            if world.now_ms < until:
                count += 1
                full.ask(FromEdge((b"-1",), OPEN % (count, count)))
                world.after(every_ms, load)

        commit = Disk.commit

        def commits(disk: Disk) -> bool:
            return full_at_commit(disk) if disk is full.disk else commit(disk)

        with patch.object(Disk, "commit", commits):
            load()
            while world.now_ms < until:
                world.run(100)
                peers = peer.reactor._central.peers
                assert peers.connected(peers.states["central-1"], peer.clocks().mono_ms)
        assert full.disk.vehicles_inside() == 0
