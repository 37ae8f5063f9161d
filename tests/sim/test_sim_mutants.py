"""Each rule that is broken on purpose is noticed, on a seed that is named with it."""

import re

import pytest

from tests.sim.mutants import MUTANTS
from tests.sim.runs import run


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_broken_rule_is_noticed(name: str) -> None:
    mutant = MUTANTS[name]
    heard = []
    for seed in mutant.seeds:
        with mutant.planted():
            try:
                run(seed)
            except AssertionError as fault:
                heard.append(f"seed {seed}: {fault}")
        if heard and re.search(mutant.says, heard[-1]):
            return
    raise AssertionError(f"{name} goes unnoticed on seeds {mutant.seeds}: heard {heard}")
