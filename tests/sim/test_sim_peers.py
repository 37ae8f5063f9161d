"""Peers that come and go while the disk does what it likes."""

import sqlite3
from unittest.mock import patch

from tests.sim.plans import Plan
from tests.sim.world import World
from zparkd.core.members.admission import Admission


def test_a_peer_is_heard_again_whose_removal_could_not_be_written() -> None:
    world = World(Plan(seed=3, count=2, keys=True))
    one, other = world.centrals
    with world.running():
        for machine in world.centrals:
            machine.start()
        world.run(3_000)
        busy = sqlite3.OperationalError("database is locked")
        busy.sqlite_errorcode = sqlite3.SQLITE_BUSY
        one.peers = set()
        with patch.object(Admission, "configure", side_effect=busy):
            one.reconfigure()
        one.peers = {other.id}
        one.reconfigure()
        world.run(3_000)
        assert one.knows_all_is_here()
        assert other.id in one.reactor._central.peers.states
