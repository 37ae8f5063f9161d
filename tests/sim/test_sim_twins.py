"""One id twice, or one time twice: two machines under one id, and a machine that was set back."""

from unittest.mock import patch

import zparkd.daemon.main
from tests.sim.plans import Plan
from tests.sim.runs import run_plan
from tests.sim.world import TWIN, World


def test_two_machines_under_one_id_both_raise_the_alarm_and_nothing_is_corrupted() -> None:
    world = run_plan(Plan(seed=5, count=4, twin=True, scenes=60, live_ms=30_000))
    alarmed = {machine.name for machine in world.centrals if "DUPLICATE_ID" in machine.problems()}
    assert alarmed == {"central-2", TWIN}


def test_a_machine_set_back_while_it_ran_says_so_until_it_is_restarted() -> None:
    """A snapshot of a virtual machine brings back memory and disk: its run goes on in the past."""
    world = World(Plan(seed=3, count=3))
    set_back = world.centrals[0]

    def enter(plate: str) -> None:
        fields = {"type": "BARRIER_OPEN", "direction": "ENTRY", "plate_id": plate}
        world.cameras.ask(set_back, 1, **fields)
        world.run(1_000)

    with world.running():
        for machine in world.centrals:
            machine.start()
        world.run(2_000)
        enter("29A00001")
        stream = set_back.reactor._central.peers.own
        snapshot = set_back.disk.image(), dict(set_back.disk.heads)
        enter("29A00002")
        set_back.stop()
        set_back.replace_disk(*snapshot)
        with patch.object(zparkd.daemon.main, "new_stream", lambda *_: stream):
            set_back.start()
        world.run(3_000)
        assert "STREAM_OVERTAKEN" in set_back.problems()
        set_back.stop()
        set_back.start()
        enter("29A00003")
        world.heal()
        world.settle()
        assert world.equal()
        assert "STREAM_OVERTAKEN" not in set_back.problems()
        history = set_back.disk.connection.execute("SELECT plate_id FROM history ORDER BY 1")
        assert history.fetchall() == [("29A00001",), ("29A00002",), ("29A00003",)]
