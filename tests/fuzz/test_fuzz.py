"""A short run of what `bin/fuzz` does for long, and that it is one that could fail."""

import random
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.core.centrals import Driven
from tests.fuzz import decoders
from tests.fuzz.decoders import DECODERS, json_of
from tests.fuzz.mutate import hostile
from tests.fuzz.shares import feed_share
from tests.fuzz.sockets import ANSWER_S, Attacker, Honest, attack
from zparkd.cli.loopback import LoopbackSite, wait_for
from zparkd.core.requests import Refusal


@pytest.mark.parametrize("name", DECODERS)
def test_hostile_inputs_are_refused_and_harm_nobody(name: str) -> None:
    _, each, weight = DECODERS[name]
    fed, fault = feed_share(name, 0, 30 * each * weight)[1:]
    assert fault is None, fault
    assert fed >= 30 * each * weight


def test_a_running_central_under_attack_answers_an_honest_camera() -> None:
    assert attack(0, 1_500) == (1_500, None)


def test_a_flood_of_subscriptions_holds_up_nobody(tmp_path: Path) -> None:
    with LoopbackSite(tmp_path, 1) as site:
        site.start()
        (central,) = site.centrals
        attacker, honest, over = Attacker(central, random.Random(1)), Honest(central), Event()

        def flood() -> None:
            while not over.is_set():
                attacker.subscribe(100)

        flooding = Thread(target=flood)
        flooding.start()
        honest.start()
        try:
            wait_for("200 acts meanwhile", lambda: honest.acts >= 200 or honest.fault, 60)
            assert central.status()["running"]
        finally:
            over.set()
            flooding.join()
            honest.stop()
            attacker.close()
        assert honest.fault is None
        assert honest.slowest_s < ANSWER_S


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
