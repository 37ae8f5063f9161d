"""Cameras whose vehicles come and go without end, and what must be true of what they were told."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.support.harness import PATIENCE_S, Answer, Row
from zparkd.client.edge import EdgeClient, NoAnswer
from zparkd.testbed.loopback import LoopbackCentral, wait_for

PLATES_EACH = 5
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
    pace_s: float = 0.0
    enter: Callable[[], None] = lambda: None
    acts: list[Act] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    retries: int = 0

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        self.enter()
        edge_id = f"lane-{self.number}"
        ways = min(2, len(self.endpoints))
        mine = [self.endpoints[(self.number + i) % len(self.endpoints)] for i in range(ways)]
        with EdgeClient(edge_id, mine, timeout_s=0.5, attempts=1) as camera:
            number = 0
            while not self.over.is_set():
                plate = f"{30 + self.number}B{number % PLATES_EACH:05d}"
                direction = "EXIT" if number // PLATES_EACH % 2 else "ENTRY"
                self._act(camera, plate, direction)
                number += 1
                self.over.wait(self.pace_s)

    def _act(self, camera: EdgeClient, plate: str, direction: str) -> None:
        request_id = uuid.uuid4().hex
        pause = threading.Event()
        while True:
            try:
                answer = camera.open_barrier(plate, direction=direction, request_id=request_id)
            except NoAnswer:
                self.retries += 1
                continue
            if answer["success"] is True:
                act = Act(camera.edge_id, plate, direction, request_id, answer)
                self.acts.append(act)
                return
            self.refusals.append(answer["error"]["code"])
            pause.wait(0.05)


def cameras(
    centrals: Sequence[LoopbackCentral], count: int = 6, pace_s: float = 0.0
) -> list[Producer]:
    """So many cameras, each of which asks two of these centrals.

    `pace_s` is how long each waits after an answer before it asks again.
    """
    over = threading.Event()
    endpoints = [central.endpoint for central in centrals]
    return [Producer(number, endpoints, over, pace_s) for number in range(count)]


class Traffic:
    """Some producers at work on a site, from `with` to its end or to `end()`."""

    def __init__(self, producers: Sequence[Producer]) -> None:
        """The producers share one `over`, which ends them all."""
        self.producers = list(producers)
        self._over = self.producers[0].over

    def __enter__(self) -> Self:
        for producer in self.producers:
            producer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()

    def progress(self, more: int) -> None:
        """Wait until so many more opens are acknowledged."""
        goal = self.acknowledged + more
        wait_for("producers get on", lambda: self.acknowledged >= goal, PATIENCE_S)

    def end(self) -> list[Act]:
        """Let each act under way be acknowledged, and stop; all acts."""
        self._over.set()
        for producer in self.producers:
            producer.join(PATIENCE_S)
            assert not producer.is_alive(), "an act is never acknowledged"
        return self.acts

    @property
    def acknowledged(self) -> int:
        return sum(len(producer.acts) for producer in self.producers)

    @property
    def acts(self) -> list[Act]:
        return [act for producer in self.producers for act in producer.acts]

    @property
    def refusals(self) -> list[str]:
        return [code for producer in self.producers for code in producer.refusals]

    @property
    def retries(self) -> int:
        """How often no central of a camera answered at all."""
        return sum(producer.retries for producer in self.producers)


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
