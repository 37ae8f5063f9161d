"""Each rule that is broken on purpose is noticed, by the simulator alone."""

import re

import pytest

from tests.sim.mutants import MUTANTS
from tests.sim.plans import plan_of
from tests.sim.runs import run

SEEDS = 300
TRIED = 120  # of them, of those whose plan can meet the fault


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_broken_rule_is_noticed(name: str) -> None:
    mutant = MUTANTS[name]
    seeds = [seed for seed in range(SEEDS) if mutant.meets(plan_of(seed))][:TRIED]
    heard = []
    for seed in seeds:
        with mutant.planted():
            try:
                run(seed)
            except AssertionError as fault:
                heard.append(f"seed {seed}: {fault}")
        if heard and re.search(mutant.says, heard[-1]):
            return
    raise AssertionError(f"{name} goes unnoticed on seeds {seeds}: heard {heard}")


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_what_a_mutant_replaces_is_there(name: str) -> None:
    with MUTANTS[name].planted():
        pass
