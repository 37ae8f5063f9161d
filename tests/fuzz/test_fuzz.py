"""A short run of what `bin/fuzz` does for long, and that it is one that could fail."""

import random

import pytest

from tests.fuzz import decoders
from tests.fuzz.decoders import DECODERS, json_of
from tests.fuzz.mutate import hostile
from tests.fuzz.shares import feed_share
from tests.fuzz.sockets import attack
from tests.support.centrals import Driven
from zparkd.core.gate.requests import Refusal


@pytest.mark.parametrize("name", DECODERS)
def test_hostile_inputs_are_refused_and_harm_nobody(name: str) -> None:
    _, each, weight = DECODERS[name]
    fed, fault = feed_share(name, 0, 30 * each * weight)[1:]
    assert fault is None, fault
    assert fed >= 30 * each * weight


def test_a_running_central_under_attack_answers_an_honest_camera() -> None:
    assert attack(0, 1_500) == (1_500, None)


def test_some_of_what_edges_are_made_to_say_is_taken_and_some_refused() -> None:
    chance, samples = random.Random(1), json_of("edge")
    central = Driven()
    answers = central.ask_bytes(*(hostile(chance, samples) for _ in range(500)))
    assert {answer["success"] for answer in answers} == {True, False}
    assert central.events()


def test_a_decoder_that_raises_is_told_with_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object) -> None:
        raise Refusal("bad", "not caught")  # type: ignore[arg-type]

    monkeypatch.setattr(decoders, "read", explode)
    _, _, fault = feed_share("events", 5, 100)
    assert fault is not None
    assert "seed 5" in fault
    assert "not caught" in fault


def test_the_same_seed_makes_the_same_inputs() -> None:
    samples = json_of("edge")
    made = [[hostile(random.Random(3), samples) for _ in range(50)] for _ in range(2)]
    assert made[0] == made[1]
