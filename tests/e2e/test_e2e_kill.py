"""Power cuts under load: what was acknowledged is there, once, everywhere."""

import random
import threading
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from tests.e2e.harness import (
    NO_LIMIT,
    PATIENCE_S,
    Answer,
    Row,
    alive,
    wait_connected,
    wait_equal,
)
from zparkd.cli.loopback import LoopbackCentral, LoopbackSite, wait_for
from zparkd.client.edge import EdgeClient, NoAnswer

PRODUCERS = 6
FROM_AN_OLDER_CUT = {"already_inside", "not_inside"}


@dataclass
class Act:
    """One open that was acknowledged."""

    edge_id: str
    plate: str
    direction: str
    request_id: str
    answer: Answer


@dataclass
class Producer(threading.Thread):
    """A camera whose vehicles come and go; each act is asked for until it is acknowledged.

    A refusal that may come from an event which is at a dead central is asked again, too.
    """

    number: int
    endpoints: Sequence[str]
    over: threading.Event
    acts: list[Act] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        edge_id = f"lane-{self.number}"
        mine = [self.endpoints[(self.number + i) % len(self.endpoints)] for i in range(2)]
        with EdgeClient(edge_id, mine, timeout_s=0.5, attempts=1) as camera:
            number = 0
            while not self.over.is_set():
                plate = f"{30 + self.number}B{number % 5:05d}"
                direction = "EXIT" if number // 5 % 2 else "ENTRY"
                self._act(camera, plate, direction)
                number += 1

    def _act(self, camera: EdgeClient, plate: str, direction: str) -> None:
        request_id = uuid.uuid4().hex
        pause = threading.Event()
        while True:
            try:
                answer = camera.open_barrier(plate, direction=direction, request_id=request_id)
            except NoAnswer:
                continue
            if answer["success"] is True:
                act = Act(camera.edge_id, plate, direction, request_id, answer)
                self.acts.append(act)
                return
            self.refusals.append(answer["error"]["code"])
            pause.wait(0.05)


def test_every_acknowledged_open_is_in_all_histories_once_after_power_cuts(make_site) -> None:
    site: LoopbackSite = make_site(3, more=NO_LIMIT)
    site.start()
    wait_connected(*site.centrals)
    over = threading.Event()
    endpoints = [central.endpoint for central in site.centrals]
    producers = [Producer(number, endpoints, over) for number in range(PRODUCERS)]
    for producer in producers:
        producer.start()
    chance = random.Random(1)
    for victim in (*site.centrals, chance.choice(site.centrals)):
        progress(producers, 100)
        victim.kill()
        progress(producers, 30)
        victim.start()
    progress(producers, 10)
    over.set()
    for producer in producers:
        producer.join(PATIENCE_S)
        assert not producer.is_alive()
    assert alive(*site.centrals)
    wait_connected(*site.centrals)
    acts = [act for producer in producers for act in producer.acts]
    history = wait_equal(site.centrals, when=lambda h: told(h) == wanted(acts))
    assert set(refusals(producers)) <= FROM_AN_OLDER_CUT
    for row in history:
        assert row["closed_by"] in (None, "EXIT")
    confirm_answers(site.centrals, acts)
    wait_equal(site.centrals, when=lambda h: h == history)


def progress(producers: Sequence[Producer], more: int) -> None:
    """Wait until so many more opens are acknowledged."""
    goal = acknowledged(producers) + more
    wait_for("producers get on", lambda: acknowledged(producers) >= goal, PATIENCE_S)


def acknowledged(producers: Sequence[Producer]) -> int:
    return sum(len(producer.acts) for producer in producers)


def refusals(producers: Sequence[Producer]) -> list[str]:
    return [code for producer in producers for code in producer.refusals]


def told(history: list[Row]) -> Counter[tuple[str, str]]:
    """How often each plate came and went, as the history tells."""
    entries = Counter((row["plate_id"], "ENTRY") for row in history)
    exits = Counter((row["plate_id"], "EXIT") for row in history if row["status"] == "OUT")
    return entries + exits


def wanted(acts: list[Act]) -> Counter[tuple[str, str]]:
    """How often each plate came and went, as the cameras were answered."""
    return Counter((act.plate, act.direction) for act in acts)


def confirm_answers(centrals: Sequence[LoopbackCentral], acts: list[Act]) -> None:
    """Each act, repeated at every central, is answered as done, and has no second effect."""
    for central in centrals:
        for act in acts[:: max(1, len(acts) // 60)]:
            with central.edge(act.edge_id) as camera:
                again = camera.open_barrier(
                    act.plate, direction=act.direction, request_id=act.request_id
                )
            assert again["success"] is True, (central.id, act, again)
            assert again["action"] == act.direction


@pytest.mark.slow
def test_many_power_cuts_two_at_a_time_lose_and_double_nothing(make_site) -> None:
    site: LoopbackSite = make_site(3, more=NO_LIMIT)
    site.start()
    wait_connected(*site.centrals)
    over = threading.Event()
    endpoints = [central.endpoint for central in site.centrals]
    producers = [Producer(number, endpoints, over) for number in range(PRODUCERS)]
    for producer in producers:
        producer.start()
    chance = random.Random(2)
    for _ in range(20):
        progress(producers, 20)
        first, second = chance.sample(site.centrals, 2)
        first.kill()
        progress(producers, 3)
        second.kill()
        first.start()
        progress(producers, 3)
        second.start()
    progress(producers, 10)
    over.set()
    for producer in producers:
        producer.join(PATIENCE_S)
        assert not producer.is_alive()
    wait_connected(*site.centrals)
    acts = [act for producer in producers for act in producer.acts]
    wait_equal(site.centrals, when=lambda h: told(h) == wanted(acts))
    assert set(refusals(producers)) <= FROM_AN_OLDER_CUT
    confirm_answers(site.centrals, acts)
