"""Two machines under one id: nothing is corrupted, and both say that there are two."""

from tests.sim.plans import Plan
from tests.sim.runs import run_plan
from tests.sim.world import TWIN


def test_two_machines_under_one_id_both_raise_the_alarm_and_nothing_is_corrupted() -> None:
    world = run_plan(Plan(seed=5, count=4, twin=True, scenes=60, live_ms=30_000))
    alarmed = {machine.name for machine in world.centrals if "DUPLICATE_ID" in machine.problems()}
    assert alarmed == {"central-2", TWIN}
