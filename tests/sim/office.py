"""What happens in the office meanwhile: tariff and policy are set, passes and staff imported.

At any central, also on both sides of a cut. It draws from a chance of its own, so that a seed
whose plan has no such changes goes as it always did.
"""

from random import Random
from typing import TYPE_CHECKING, Any

import orjson

from tests.support.tariffs import AIRPORT, CENTRE, DAY_AND_NIGHT, flat
from zparkd.core.turn import FromEdge
from zparkd.transport.bus import Asker, Control

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World

GUARD = "nv01"  # is on every list: the gates name him when they override
_LOST = {"rate": [AIRPORT["rate"][0] | {"lost_ticket": 50_000}]}
TARIFFS = (AIRPORT, CENTRE, DAY_AND_NIGHT, _LOST, flat(1_000), flat(2_000))

POLICIES: tuple[dict[str, Any], ...] = (
    {},
    {"capacity": {"car": 2}, "entry": {"full": "refuse"}},
    {"capacity": {"car": 1, "motorbike": 1}, "entry": {"not_taken_after_s": 1}},
    {"exit": {"misread": "accept"}, "watch": {"29A00001": "stolen"}},
    {"exit": {"misread": "accept"}, "entry": {"not_taken_after_s": 2}},
)


_KINDS = ("tariff.set", "policy.set", "pass.import", "staff.import")
_MISREAD = {"0": "ODQ", "1": "IL", "2": "Z3", "3": "8", "4": "A"}


class Office:
    """Changes of reference data, drawn from the seed."""

    def __init__(self, world: "World", plates: int) -> None:
        self._world = world
        self._draw = Random(f"{world.plan.seed} office")
        self._plates = [f"29A{number:05d}" for number in range(plates)]

    def live(self, changes: int) -> None:
        """Have so many changes happen while the world lives."""
        for _ in range(changes):
            self._world.at(self._draw.randrange(self._world.plan.live_ms), self._change)

    def _change(self) -> None:
        draw = self._draw
        machine = draw.choice(self._world.centrals)
        kind = draw.choice([*_KINDS, "exit", "misread", "misread", "by_force"])
        match kind:
            case "tariff.set":
                tell(machine, kind, document=draw.choice(TARIFFS))
            case "policy.set":
                tell(machine, kind, document=draw.choice(POLICIES))
            case "pass.import":
                few = draw.sample(self._plates, draw.randint(0, len(self._plates)))
                tell(machine, kind, entries=[self._pass(plate) for plate in few])
            case "staff.import":
                names = [GUARD, *draw.sample(["nv02", "nv03", "nv04"], draw.randint(0, 3))]
                staff = [{"staff_id": id, "name": draw.choice("AB")} for id in names]
                tell(machine, kind, entries=staff if draw.random() < 0.8 else [])
            case "exit":
                fields = {"plate_id": draw.choice(self._plates), "direction": "EXIT"}
                fields |= {"lost_ticket": draw.random() < 0.5}
                detected = draw.random() < 0.5
                if detected:
                    seen = {"type": "DETECTION", "edge_id": "office", **fields}
                    machine.ask(FromEdge((b"-1",), orjson.dumps(seen)))
                opened = {"type": "BARRIER_OPEN", "edge_id": "office", **fields}
                self._world.after(
                    draw.randint(1, 3_000),
                    lambda: machine.ask(FromEdge((b"-1",), orjson.dumps(opened))),
                )

            case "misread":
                self._misread(machine)
            case "by_force":
                self._by_force(machine)

    def _by_force(self, machine: "Machine") -> None:
        """Somebody lets a vehicle out and says what is known of it."""
        draw = self._draw
        fields = {"plate_id": draw.choice(self._plates), "direction": "EXIT", "edge_id": "office"}
        fields |= {"force": True, "reason": "no ticket", "staff_id": GUARD}
        times = [{"entry_time": "2027-01-15 08:00"}, {"entry_time": "2099-01-01 00:00"}]
        fields |= draw.choice([{}, {"fee": 7_000}, *times])
        fields |= draw.choice([{}, {"lost_ticket": True}, {"request_id": f"f{draw.randrange(9)}"}])
        fields |= draw.choice([{}, {"camera_type": "motorbike"}])
        machine.ask(FromEdge((b"-1",), orjson.dumps({"type": "BARRIER_OPEN", **fields})))

    def _misread(self, machine: "Machine") -> None:
        """An exit whose camera read the plate wrong; half of them name the stay that is meant."""
        draw = self._draw
        plate = list(draw.choice(self._plates))
        for at in draw.sample(range(3, len(plate)), draw.randint(1, 4)):
            plate[at] = draw.choice(_MISREAD.get(plate[at], plate[at]))
        fields: dict[str, Any] = {"plate_id": "".join(plate), "edge_id": "office"}
        fields |= draw.choice([{}, {"direction": "EXIT"}, {"direction": "EXIT"}])
        fields |= draw.choice([{}, {}, {"camera_type": "motorbike"}, {"lost_ticket": True}])
        if draw.random() < 0.7:
            fields["request_id"] = f"o{draw.randrange(20)}"
        machine.ask(FromEdge((b"-1",), orjson.dumps({"type": "DETECTION", **fields})))
        opened = {"type": "BARRIER_OPEN", **fields}
        told = [it for act in self._world.cameras.acts[-30:] for _, it in act.answers]
        ids = [it["event_id"] for it in told if it.get("action") == "ENTRY"]
        if ids and draw.random() < 0.5:
            opened["event_id"] = draw.choice(ids)
        for _ in range(draw.randint(1, 2)):
            self._world.after(
                draw.randint(1, 3_000),
                lambda: machine.ask(FromEdge((b"-1",), orjson.dumps(opened))),
            )

    def _pass(self, plate: str) -> dict[str, Any]:
        day = self._draw.choice(["2027-01-15", "2027-01-16", "2027-12-31"])
        since = self._draw.choice(["2027-01-01", "2027-01-15"])
        who = {"plate_id": plate, "camera_type": "car", "holder": self._draw.choice("AB")}
        return who | {"valid_from": since, "valid_until": day}


def tell(machine: "Machine", command: str, **fields: Any) -> None:
    """As zparkctl would, if the central is there."""
    reactor = machine.reactor
    if reactor is None or machine.older is not None:
        return  # an older version may not know the command
    if machine.world.now_ms < machine.paused_until_ms:
        return  # it stands still, and hears nobody
    body = orjson.dumps({"v": 1, "id": 1, "command": command, **fields})
    machine.guarded(lambda: reactor._command(Control((), body, Asker())))
