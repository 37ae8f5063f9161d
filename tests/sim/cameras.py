"""The edges of a simulated site: what they ask, how they ask again, and what they were told."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from zparkd.core.turn import FromEdge

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World

PATIENCE_MS = 2_000  # without an answer in this time an edge asks again
MOST_TRIES = 5


@dataclass
class Act:
    """One thing that an edge wants; `answers` are what it heard, and of whom."""

    number: int
    request: dict[str, Any]
    answers: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    tries: int = 0

    @property
    def answered(self) -> bool:
        return bool(self.answers)


class Cameras:
    """All edges of a site."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.acts: list[Act] = []
        self.deaf = 0.0  # the chance that an answer is lost on its way
        self.open = 0

    def ask(self, machine: "Machine", lane: int, named: bool = True, **fields: Any) -> Act:
        """A lane of this machine asks, here first and elsewhere where no answer comes."""
        edge_id = f"{machine.name}.lane-{lane}"
        number = len(self.acts)
        request = {"edge_id": edge_id, **fields}
        if named:
            request["request_id"] = f"r{number}"
        act = Act(number, request)
        self.acts.append(act)
        self.open += 1
        self._try(act, machine)
        return act

    def ask_too(self, act: Act, machine: "Machine") -> None:
        """The same request goes to another central as well."""
        self._send(act, machine)

    def _try(self, act: Act, machine: "Machine") -> None:
        if act.answered or act.tries >= MOST_TRIES:
            self.open -= 1
            return
        act.tries += 1
        self._send(act, machine)
        world = self._world
        again = world.life.random() < 0.5 or "request_id" not in act.request
        other = machine if again else world.life.choice(world.centrals)
        world.after(PATIENCE_MS, lambda: self._try(act, other))

    def _send(self, act: Act, machine: "Machine") -> None:
        self._world.note(act.request["edge_id"], f"asks {machine.name}: {_asked(act.request)}")
        token = (str(act.number).encode(),)
        machine.ask(FromEdge(token, orjson.dumps(act.request)))

    def answered(self, machine: "Machine", number: int, answer: dict[str, Any]) -> None:
        """A central answers."""
        world = self._world
        if number < 0:
            return
        act = self.acts[number]
        request_id = act.request.get("request_id")
        recorded = answer["success"] and answer.get("action") not in (None, "NONE")
        if recorded and request_id is not None:
            machine.says_yes(number, answer, act.request["edge_id"], request_id)
        if world.luck.random() < self.deaf:
            return
        world.note(act.request["edge_id"], f"hears of {machine.name}: {_told(answer)}")
        if not answer["success"] and answer["error"]["code"] == "storage_unavailable":
            named = "request_id" in act.request
            other = world.life.choice(world.centrals) if named else machine
            world.after(world.life.randint(50, 1_500), lambda: self._once_more(act, other))
            return
        act.answers.append((machine.name, answer))

    def _once_more(self, act: Act, machine: "Machine") -> None:
        """Nothing was recorded there: ask again at once, here or elsewhere."""
        if not act.answered and self._world.healed_ms is None:
            self._send(act, machine)


def _asked(request: dict[str, Any]) -> str:
    """A request in a line of the trace."""
    said = [str(value) for name, value in request.items() if name not in ("edge_id", "force")]
    return " ".join(said)


def _told(answer: dict[str, Any]) -> str:
    """An answer in a line of the trace."""
    if not answer["success"]:
        incomplete = answer["error"].get("incomplete") or answer.get("incomplete") or ()
        return " ".join(["no,", answer["error"]["code"], *incomplete])
    left_out = ("success", "request_id", "currency", "duration")
    return "yes, " + " ".join(str(value) for name, value in answer.items() if name not in left_out)
