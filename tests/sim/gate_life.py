"""What happens at the gates: cars come and go, and some of it is odd."""

from typing import TYPE_CHECKING

import orjson

from tests.sim.office import GUARD
from zparkd.core.turn import FromEdge

if TYPE_CHECKING:
    from tests.sim.world import World

LANES = 2
REFUSED_BODIES = (b"", b"{}", b"\xff\xfe", b"[" * 4000, b'{"type":"PING"}', b"null", b"1" * 70_000)


class GateLife:
    """One car park's day, drawn from the world's `life`."""

    def __init__(self, world: "World", plates: int) -> None:
        self._world = world
        self._life = world.life
        self._plates = [f"29A{number:05d}" for number in range(plates)]
        self._scenes = (
            (30, self._stay),
            (14, self._race),
            (10, self._any_open),
            (8, self._exit_before_entry),
            (8, self._forced),
            (8, self._both_sides),
            (6, self._detected),
            (5, self._close),
            (4, self._stay_of_another_type),
            (3, self._manual),
            (2, self._too_late),
            (5, self._unnamed),
            (2, self._used_again),
            (3, self._close_by_id),
            (2, self._another_edge),
            (6, self._quoted),
            (2, self._nonsense),
        )

    def scene(self) -> None:
        """One scene, which may take a while."""
        weights = [weight for weight, _ in self._scenes]
        self._life.choices([scene for _, scene in self._scenes], weights)[0]()

    def _open(self, direction: str | None = None, plate: str | None = None, **fields):
        world, life = self._world, self._life
        fields["plate_id"] = plate or life.choice(self._plates)
        if direction is not None:
            fields["direction"] = direction
        machine = life.choice(world.centrals)
        return world.cameras.ask(machine, life.randint(1, LANES), type="BARRIER_OPEN", **fields)

    def _close(self, **fields) -> None:
        machine = self._life.choice(self._world.centrals)
        lane = self._life.randint(1, LANES)
        self._world.cameras.ask(machine, lane, type="BARRIER_CLOSE", **fields)

    def _after(self, at_most_ms: int, action) -> None:
        """Go on in a while, unless the day is over by then."""

        def unless_healed() -> None:
            if self._world.healed_ms is None:
                action()

        self._world.after(self._life.randint(1, at_most_ms), unless_healed)

    def _stay(self, **fields) -> None:
        plate = self._life.choice(self._plates)
        self._open("ENTRY", plate, **fields)
        if self._life.random() < 0.5:
            self._after(2_000, lambda: self._close(plate_id=plate))
        if self._life.random() < 0.8:
            self._after(6_000, lambda: self._open("EXIT", plate, **fields))

    def _stay_of_another_type(self) -> None:
        self._stay(camera_type="motorbike")

    def _race(self) -> None:
        """One plate at two gates at the same time."""
        plate = self._life.choice(self._plates)
        direction = self._life.choice(["ENTRY", "EXIT"])
        for _ in range(2):
            self._after(20, lambda: self._open(direction, plate))

    def _any_open(self) -> None:
        self._open()

    def _exit_before_entry(self) -> None:
        plate = self._life.choice(self._plates)
        self._open("EXIT", plate)
        self._after(500, lambda: self._open("ENTRY", plate))

    def _forced(self) -> None:
        direction = self._life.choice(["ENTRY", "EXIT"])
        staff = self._life.choice([GUARD] * 5 + ["nv99"])
        self._open(direction, force=True, reason="the guard says so", staff_id=staff)

    def _both_sides(self) -> None:
        """A request goes to two centrals, which may not hear each other."""
        act = self._open(self._life.choice(["ENTRY", "EXIT", None]))
        other = self._life.choice(self._world.centrals)
        self._after(1_500, lambda: self._world.cameras.ask_too(act, other))
        third = self._life.choice(self._world.centrals)
        self._after(6_000, lambda: self._world.cameras.ask_too(act, third))

    def _detected(self) -> None:
        world, life = self._world, self._life
        machine, lane = life.choice(world.centrals), life.randint(1, LANES)
        plate, way = life.choice(self._plates), life.choice(["ENTRY", "EXIT", None])
        seen = {"direction": way} if way else {}
        ask = world.cameras.ask
        ask(machine, lane, type="DETECTION", plate_id=plate, plate_view="29A-0", **seen)
        self._after(1_000, lambda: ask(machine, lane, type="BARRIER_OPEN", plate_id=plate))
        self._after(3_000, lambda: ask(machine, lane, type="BARRIER_CLOSE"))

    def _manual(self) -> None:
        machine = self._life.choice(self._world.centrals)
        self._world.cameras.ask(
            machine, 1, type="BARRIER_OPEN", force=True, reason="an ambulance", staff_id=GUARD
        )

    def _too_late(self) -> None:
        self._open(self._life.choice(["ENTRY", None]), captured_ms=1_799_990_000_000)

    def _unnamed(self) -> None:
        """A camera that names no request, gives no direction, and asks again all the same."""
        world, life = self._world, self._life
        machine, lane = life.choice(world.centrals), life.randint(1, LANES)
        plate = life.choice(self._plates)
        body = {"type": "BARRIER_OPEN", "plate_id": plate}
        kind = {"camera_type": "motorbike"} if life.random() < 0.3 else {}

        def ask(**fields) -> None:
            world.cameras.ask(machine, lane, named=False, **fields)

        ask(**body, **kind)
        for _ in range(life.randint(1, 3)):
            self._after(12_500, lambda: ask(**body, **kind if life.random() < 0.7 else {}))
        if life.random() < 0.4:
            self._after(4_000, lambda: ask(type="BARRIER_CLOSE"))

    def _used_again(self) -> None:
        """A camera whose counter began anew: a request by the name of another."""
        world, life = self._world, self._life
        named = [act for act in world.cameras.acts if "request_id" in act.request]
        if named:
            used = life.choice(named[-20:]).request
            other = {"plate_id": life.choice(self._plates)} if life.random() < 0.5 else {}
            kind = life.choice([{"type": "BARRIER_CLOSE"}, {"direction": "EXIT"}, {}, {}])
            odd = life.choice([{}, {"camera_type": "motorbike"}])
            body = {**used, **other, **kind, **odd}
            life.choice(world.centrals).ask(FromEdge((b"-1",), orjson.dumps(body)))

    def _close_by_id(self) -> None:
        """A close that names the stay, as an answer told it, at any central."""
        told = [it for act in self._world.cameras.acts for _, it in act.answers]
        ids = [it["event_id"] for it in told if it.get("action") == "ENTRY"]
        if ids:
            self._close(event_id=self._life.choice(ids[-10:]))

    def _another_edge(self) -> None:
        """An edge with a key speaks for another one."""
        body = {"type": "BARRIER_OPEN", "edge_id": "stolen", "plate_id": self._plates[0]}
        machine = self._life.choice(self._world.centrals)
        machine.ask(FromEdge((b"-1",), orjson.dumps(body), "thief"))

    def _quoted(self) -> None:
        """A vehicle is told what it would pay, and leaves at that gate."""
        world, life = self._world, self._life
        machine, plate = life.choice(world.centrals), life.choice(self._plates)
        seen = life.choice([{}, {"plate_view": "29A-1", "confidence": 0.5}])
        seen |= life.choice([{}, {"camera_type": "motorbike"}])
        lost = life.choice([{}, {"lost_ticket": True}])
        ask = world.cameras.ask
        ask(machine, 1, type="DETECTION", plate_id=plate, direction="EXIT", **seen)
        self._after(3_000, lambda: ask(machine, 1, type="BARRIER_OPEN", plate_id=plate, **lost))

    def _nonsense(self) -> None:
        body = self._life.choice(REFUSED_BODIES)
        self._life.choice(self._world.centrals).ask(FromEdge((b"-1",), body))
