"""A whole site for the simulator: centrals, zparkd-camera, barriers, and what kills them."""

import random
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from tests.camera.broker import Broker, has_broker
from tests.camera.driving import Day, LanePlan
from tests.camera.formats import FORMATS, OTHER_MAPPING
from tests.camera.relay import Relay
from tests.camera.rig import Bridge
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for

QUICK = "\n[bus]\nheartbeat_s = 0.2\npeer_timeout_s = 2.0\n[limits]\nedge_requests_per_s = 0\n"
PATIENCE_S = 60.0


def plans(lanes: int) -> list[LanePlan]:
    """So many lanes of mixed makes, by turns in and out."""
    formats = [name for name in FORMATS if name != "frigate" or has_broker()]
    return [
        LanePlan(
            f"{'out' if number % 2 else 'in'}-{number}",
            formats[number % len(formats)],
            number % 2 == 1,
        )
        for number in range(lanes)
    ]


class CameraSite(AbstractContextManager["CameraSite"]):
    """Centrals, a bridge with lanes, a relay for all barriers; they end with this object."""

    def __init__(self, folder: Path, lanes: Sequence[LanePlan], centrals: int = 2) -> None:
        self._stack = ExitStack()
        self.lanes = list(lanes)
        self.site = self._stack.enter_context(LoopbackSite(folder / "site", centrals, more=QUICK))
        self.relay = Relay()
        self._stack.callback(self.relay.close)
        self.broker: Broker | None = None
        if any(plan.format == "frigate" for plan in lanes):
            self.broker = Broker(folder / "broker")
            self._stack.callback(self.broker.stop)
        self.bridge = Bridge(folder / "camera")
        self._stack.callback(self._end_bridge)
        for number, plan in enumerate(lanes):
            self._write(number, plan)

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self) -> None:
        """Start all of it."""
        self.site.start()
        self.site.wait_connected()
        if self.broker is not None:
            self.broker.start()
        self.bridge.start()

    def day(
        self, vehicles: int, seed: int, killer: "Killer | None" = None, pace_s: float = 0.0
    ) -> Day:
        """A day at this site; its vehicles see its barriers."""
        broker_port = self.broker.port if self.broker is not None else None
        outages = (lambda: killer.bridge_kills) if killer is not None else (lambda: 0)
        day = Day(self.lanes, self.bridge.port, broker_port, vehicles, seed, outages, pace_s)
        self.relay.on_open = lambda path: day.opened(path.strip("/"))
        return day

    def told(self, central: LoopbackCentral) -> Counter[tuple[str, str]]:
        """How often each plate came and went, as a central's history tells."""
        rows = central.history()
        entries = Counter((row["plate_id"], "ENTRY") for row in rows)
        return entries + Counter(
            (row["plate_id"], "EXIT") for row in rows if row["status"] == "OUT"
        )

    def settled(self) -> None:
        """Wait until nothing waits in the outbox, and all centrals hold the same."""
        wait_for(
            "the outbox is empty",
            lambda: all(lane["waiting"] == 0 for lane in self.bridge.status().values()),
            PATIENCE_S,
        )
        self.site.wait_equal(PATIENCE_S)

    def _write(self, number: int, plan: LanePlan) -> None:
        centrals = self.site.centrals
        order = [centrals[(number + step) % len(centrals)] for step in range(len(centrals))]
        source = FORMATS[plan.format][0]
        more = f'[barrier]\nkind = "http"\nurl = "{self.relay.url}/{plan.name}"\n'
        if source == "json":
            more += OTHER_MAPPING
        if source == "frigate":
            assert self.broker is not None
            more += f'[mqtt]\nport = {self.broker.port}\ncamera = "gate"\n'
        self.bridge.lane(
            plan.name,
            [central.endpoint for central in order],
            more,
            source=source,
            direction="EXIT" if plan.leaving else "ENTRY",
            window_s=4.0,
            hold_s=2.0,
        )

    def _end_bridge(self) -> None:
        if self.bridge.process is not None:
            self.bridge.kill()


class Killer(threading.Thread):
    """Takes the power of a central or of the bridge away, again and again, and gives it back."""

    def __init__(self, site: CameraSite, seed: int) -> None:
        super().__init__(daemon=True)
        self._site = site
        self._random = random.Random(seed)
        self._over = threading.Event()
        self.bridge_kills = 0
        self.central_kills = 0
        self.fault: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._over.wait(self._random.uniform(0.5, 2.0)):
                self._kill_one()
        except BaseException as fault:
            self.fault = fault

    def end(self) -> None:
        """Stop, with everything running again."""
        self._over.set()
        self.join(PATIENCE_S)
        if self.fault is not None:
            raise self.fault

    def _kill_one(self) -> None:
        if self._random.random() < 0.4:
            self._site.bridge.kill()
            self.bridge_kills += 1
            self._site.bridge.start()
            return
        central = self._random.choice(self._site.site.centrals)
        central.kill()
        self.central_kills += 1
        self._over.wait(self._random.uniform(0.5, 3.0))
        central.start()
