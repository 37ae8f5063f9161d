"""People who ask that nothing personal of their vehicle be kept.

At any central, so also on both sides of a cut. Some of these vehicles come to the gates all day,
others on a visit before it, or have a pass alone. It draws from a chance of its own.
"""

from random import Random
from typing import TYPE_CHECKING, Any

import orjson

from tests.sim.office import GUARD, tell
from zparkd.core.turn import FromEdge

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World

VISITORS = ("51F10001", "51F10002", "51F10003")


class Eraser:
    """Visits and erases, drawn from the seed."""

    def __init__(self, world: "World", plates: int) -> None:
        self._world = world
        self._draw = Random(f"{world.plan.seed} erases")
        self._plates = [*VISITORS, *(f"29A{number:05d}" for number in range(plates))]

    @property
    def plates(self) -> list[str]:
        """All that there are, and what was read for one of them."""
        return [*self._plates, *(misread(it) for it in VISITORS)]

    def live(self, erases: int) -> None:
        """Have so many things happen while the world lives, and visits before them."""
        for _ in range(erases):
            live_ms = self._world.plan.live_ms
            self._world.at(self._draw.randrange(live_ms // 2), self._visit)
            self._world.at(self._draw.randrange(live_ms // 3, live_ms), self._erase)

    def _visit(self) -> None:
        draw, world = self._draw, self._world
        plate = draw.choice(VISITORS)
        came, left = draw.choice(world.centrals), draw.choice(world.centrals)
        if draw.random() < 0.2:
            days = {"valid_from": "2027-01-01", "valid_until": "2027-12-31"}
            entry = {"plate_id": plate, "camera_type": "car", "holder": "C", **days}
            tell(came, "pass.import", entries=[entry])
        if draw.random() < 0.1:
            tell(came, "policy.set", document={"watch": {plate: "stolen"}})
            world.after(draw.randint(1, 1_500), lambda: tell(left, "policy.set", document={}))
        self._open(came, {"plate_id": plate, "plate_view": f"view {plate}", "direction": "ENTRY"})
        gone: dict[str, Any] = {"plate_id": plate, "direction": "EXIT"}
        if draw.random() < 0.3:
            gone["plate_id"] = misread(plate)
            gone |= draw.choice([{}, {"force": True, "reason": plate, "staff_id": GUARD}])
        world.after(draw.randint(50, 2_500), lambda: self._open(left, gone))

    def _open(self, machine: "Machine", fields: dict[str, Any]) -> None:
        body = {"type": "BARRIER_OPEN", "edge_id": "visits", **fields}
        machine.ask(FromEdge((b"-1",), orjson.dumps(body)))

    def _erase(self) -> None:
        draw = self._draw
        machine = draw.choice(self._world.centrals)
        plate = draw.choice(VISITORS if draw.random() < 0.7 else self._plates)
        camera_type = draw.choice([None, None, None, "car"])
        said = {"staff_id": GUARD, "reason": "asked to"}
        if draw.random() < 0.2:
            said["reason"] = "asked twice"
            other = draw.choice(self._world.centrals)
            tell(other, "vehicle.erase", plate=plate, camera_type=None, **said)
        self._world.note(machine.name, f"is to erase {plate}, {camera_type or 'any type'}")
        tell(machine, "vehicle.erase", plate=plate, camera_type=camera_type, **said)


def misread(plate: str) -> str:
    """What a camera reads for it."""
    return plate.replace("0", "O", 1)
