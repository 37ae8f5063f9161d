"""People who put right what was recorded wrongly: they correct, close, enter, void and charge.

At any central, so also on both sides of a cut, and what they say is about whatever is held there, a
correction of another included. It draws from a chance of its own.
"""

from random import Random
from typing import TYPE_CHECKING, Any

from tests.sim.office import GUARD, tell
from tests.sim.oracle.events import CLOSED, CONFIRM, CORRECTIONS, ENTRY, EXIT, NOT_TAKEN, Said

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World

_NAMED = (ENTRY, ENTRY, ENTRY, EXIT, EXIT, CONFIRM, CLOSED, NOT_TAKEN, *CORRECTIONS)
_DEEDS = ("correct", "correct", "close", "enter", "void", "void", "void exit", "charge", "charge")


class Supervisor:
    """Corrections, drawn from the seed."""

    def __init__(self, world: "World", plates: int) -> None:
        self._world = world
        self._draw = Random(f"{world.plan.seed} corrections")
        self._plates = [f"29A{number:05d}" for number in range(plates)]

    def live(self, deeds: int) -> None:
        """Have so many things said while the world lives."""
        for _ in range(deeds):
            self._world.at(self._draw.randrange(self._world.plan.live_ms), self._deed)

    def _deed(self) -> None:
        draw = self._draw
        machine = draw.choice(self._world.centrals)
        deed = draw.choice(_DEEDS)
        plate, camera_type = draw.choice(self._plates), draw.choice(["car", "car", "motorbike"])
        about = self._event(machine)
        sum, ago_ms = draw.choice([-5_000, 1, 20_000]), draw.choice([0, 1_000, 60_000])
        said: dict[str, Any] = {"staff_id": GUARD, "reason": "seen on the recording"}
        if deed == "enter":
            at_ms = machine.clock.shows(self._world.now_ms) - ago_ms
            tell(
                machine,
                "vehicle.enter",
                **said | {"plate": plate, "at_ms": max(0, at_ms), "camera_type": camera_type},
            )
        if about is None or deed == "enter":
            return
        said["event_id"] = about.event_id
        match deed:
            case "correct":
                said |= {"plate": plate, "camera_type": camera_type}
                tell(machine, "vehicle.correct", **said)
            case "close":
                tell(machine, "vehicle.close", **said | {"fee": draw.choice([None, 0, 9_000])})
            case "charge":
                tell(machine, "vehicle.charge", **said | {"amount": sum})
            case _:
                tell(machine, "vehicle.void", **said | {"exit": deed == "void exit"})

    def _event(self, machine: "Machine") -> Said | None:
        """Some event of a vehicle that is held at a machine."""
        if machine.judge is None:
            return None
        held = [it for _, it in sorted(machine.judge.held.events.items()) if it.vehicle is not None]
        kind = self._draw.choice(_NAMED)
        wanted = [it for it in held if it.kind == kind] or held
        return self._draw.choice(wanted) if wanted else None
