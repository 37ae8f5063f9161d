"""Peers that come and go while the disk does what it likes."""

import json
import sqlite3
from unittest.mock import patch

from tests.sim.judge import Judge
from tests.sim.plans import Plan
from tests.sim.world import World
from zparkd.core.events.event import Stream
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


def test_what_a_peer_told_of_is_not_awaited_once_its_disk_is_lost() -> None:
    world = World(Plan(seed=3, count=2))
    told = Stream("central-2", 7)
    world.ledger.held["central-2"] = {told: 3}
    judge = Judge(world, "central-1", ("central-1", 8), 0, ())
    judge.configured({"central-2"})
    judge.asks("central-2", b'{"data":{"id":1}}')
    page = {
        "type": "SYNC_RESPONSE",
        "source_central": "central-2",
        "data": {"id": 1, "heads": [[*told, 3]], "more": False},
    }
    judge.drained([("central-2", json.dumps(page).encode(), True)], 100)
    assert not judge._may_answer(600)
    world.ledger.disk_replaced("central-2", {told: 1}, None)
    assert not judge._may_answer(600), "it still has the first of them"
    world.ledger.disk_replaced("central-2", {}, None)
    assert judge._may_answer(600)
