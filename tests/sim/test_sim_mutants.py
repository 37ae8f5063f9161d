"""Each rule that is broken on purpose is noticed, by the simulator alone."""

import inspect
import re
from dataclasses import dataclass
from inspect import Parameter
from typing import Any
from unittest import mock

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


@dataclass(frozen=True)
class Replaced:
    """What a patch puts in the place of what."""

    name: str
    before: Any
    after: Any


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> list[Replaced]:
    """All that is patched while the test runs."""
    found: list[Replaced] = []
    enter = mock._patch.__enter__

    def noting(self: Any) -> Any:
        after = enter(self)
        found.append(Replaced(self.attribute, self.temp_original, after))
        return after

    monkeypatch.setattr(mock._patch, "__enter__", noting)
    return found


def called(it: Any) -> Any:
    """The function behind what stands in a class; all else as it is."""
    if isinstance(it, staticmethod | classmethod):
        return it.__func__
    return it.fget if isinstance(it, property) else it


def misfit(one: Replaced) -> str | None:
    """Why what called the one before can't call the other; None where it can."""
    before, after = called(one.before), called(one.after)
    if callable(before) != callable(after):
        return f"{one.name}: one can be called, the other can't"
    if not callable(before):
        return None
    wanted, given = inspect.signature(before), inspect.signature(after)
    by_place = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    needed = [it for it in wanted.parameters.values() if it.default is Parameter.empty]
    for parameters in (needed, list(wanted.parameters.values())):
        places = [it.name for it in parameters if it.kind in by_place]
        named = {it.name: it.name for it in parameters if it.kind is Parameter.KEYWORD_ONLY}
        try:
            given.bind(*places, **named)
        except TypeError as fault:
            return f"{one.name}{wanted} became {given}: {fault}"
    return None


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_what_a_mutant_replaces_is_there_and_is_called_alike(
    name: str, replaced: list[Replaced]
) -> None:
    with MUTANTS[name].planted():
        assert [found for one in replaced if (found := misfit(one))] == []
    assert replaced


class _Gate:
    def opens(self, now: int, plate: str = "", *, forced: bool = False) -> bool:
        return forced


@pytest.mark.parametrize(
    ("after", "fits"),
    [
        (lambda self, now, plate="", *, forced=False: True, True),
        (lambda *_, **__: True, True),
        (lambda self, *_, forced=False: True, True),
        (lambda self, now: True, False),  # was given one more since
        (lambda self, now, plate, *, forced=False: True, False),  # may be left out
        (lambda self, now, plate="": True, False),
        (True, False),
    ],
)
def test_a_replacement_that_is_called_otherwise_is_found(
    after: object, fits: bool, replaced: list[Replaced]
) -> None:
    with mock.patch.object(_Gate, "opens", after):
        (one,) = replaced
    assert (misfit(one) is None) is fits
