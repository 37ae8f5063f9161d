"""A day of a site: vehicles come, stand at barriers until these open, and drive on.

Each lane has a camera of its own make, with all that cameras do: bursts, misreads, heartbeats,
reads sent again hours later, clocks that are wrong for a while, a bridge that is away. What
happened is kept: the history of the site must tell the same.
"""

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.camera.formats import FORMATS, MQTT, NOISE, Sent, Shot

LOOK_S = 0.01
REREAD_S = 0.6  # a camera reads the plate of who stands there again
STUCK_S = 8.0  # after which somebody opens by hand for who has stood there since an outage
PATIENCE_S = 90.0
SURE = 0.97
_HOURS_MS = 3_600_000
_WRONG_MS = (-7 * _HOURS_MS, 7 * _HOURS_MS, -7 * 60_000, 32 * 60_000)


@dataclass(frozen=True, slots=True)
class LanePlan:
    """One lane: what its camera speaks (a name of FORMATS), and what it does."""

    name: str
    format: str
    leaving: bool


@dataclass(slots=True)
class Told:
    """What happened at one lane."""

    driven: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_hand: int = 0
    messages: int = 0
    faults: list[str] = field(default_factory=list)


class Barrier:
    """What the lane's vehicles see of the barrier, which the relay says is `opened`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._standing: str | None = None
        self._left = "nobody yet"
        self._owed = 0  # opens that may still come for who was let through by hand
        self.strays: list[str] = []

    def arrive(self, plate: str) -> None:
        with self._lock:
            self._open.clear()
            self._standing = plate

    def opened(self) -> None:
        with self._lock:
            if self._standing is not None and not self._open.is_set():
                self._open.set()
            elif self._owed:
                self._owed -= 1
            else:
                now = time.monotonic()
                self.strays.append(f"{now:.3f}: stands {self._standing}, left {self._left}")

    def assume_opened(self) -> None:
        """Where nobody tells of the barrier: whoever stands there drives on."""
        self._open.set()

    def wait(self, timeout_s: float) -> bool:
        return self._open.wait(timeout_s)

    def leave(self, by_hand: bool) -> bool:
        """Drive on, or be let through by hand; whether it had opened."""
        with self._lock:
            opened = self._open.is_set()
            self._owed = int(by_hand and not opened)
            self._left = f"{self._standing} at {time.monotonic():.3f}, opened {opened}"
            self._standing = None
            return opened


class Camera(threading.Thread):
    """One lane's camera, and the vehicles that come past it one after the other."""

    def __init__(
        self,
        plan: LanePlan,
        port: int,
        broker_port: int | None,
        seed: int,
        outages: Callable[[], int],
        away: Callable[[str], None],
        pace_s: float,
        host: str,
    ) -> None:
        """`outages()` counts the outages so far; `away(plate)` is told who drove on; `pace_s` is
        the time between two vehicles, on average."""
        super().__init__(name=f"camera {plan.name}", daemon=True)
        self.plan = plan
        self.told = Told()
        self.barrier = Barrier()
        self._source, self._write = FORMATS[plan.format]
        self._host = host
        self._port = port
        self._broker_port = broker_port
        self._random = random.Random(f"{seed} {plan.name}")
        self._outages = outages
        self._away = away
        self._pace_s = pace_s
        self._rest = threading.Event()
        self._client: Client | None = None
        self._queue: list[str] = []
        self._more = threading.Condition()
        self._closed = False
        self._number = 0
        self._old: list[Shot] = []
        self._clock_off_ms = 0

    def come(self, plate: str) -> None:
        """A vehicle joins the queue of the lane."""
        with self._more:
            self._queue.append(plate)
            self._more.notify()

    def close(self) -> None:
        """No more vehicles will come."""
        with self._more:
            self._closed = True
            self._more.notify()

    def run(self) -> None:
        while True:
            with self._more:
                while not self._queue and not self._closed:
                    self._more.wait()
                if not self._queue:
                    break
                plate = self._queue.pop(0)
            self._pass(plate)
        if self._client is not None:
            self._client.loop_stop()
            self._client.disconnect()

    def _pass(self, plate: str) -> None:
        self._rest.wait(self._random.uniform(0, 2 * self._pace_s))
        outages = self._outages()
        self.barrier.arrive(plate)
        wrong_reads = 0
        if self._random.random() < 0.01:
            self._clock_off_ms, wrong_reads = self._random.choice(_WRONG_MS), 2
        started = time.monotonic()
        self._burst(plate)
        by_hand = False
        while not self.barrier.wait(REREAD_S):
            stood_s = time.monotonic() - started
            wrong_reads -= 1
            if wrong_reads <= 0:
                self._clock_off_ms = 0  # somebody set it right
            if stood_s > STUCK_S and self._outages() != outages:
                by_hand = True
                break
            if stood_s > PATIENCE_S:
                self.told.faults.append(f"{self.plan.name}: {plate} stood for {stood_s:.0f} s")
                break
            self._shoot(plate, SURE)
        self._clock_off_ms = 0
        if not self.barrier.leave(by_hand) and by_hand:
            self.told.by_hand += 1
        self.told.driven[plate, "EXIT" if self.plan.leaving else "ENTRY"] += 1
        self._away(plate)
        if self._random.random() < 0.05:
            self._noise()

    def _burst(self, plate: str) -> None:
        """What a camera sends of one vehicle: unsure at first, now and then wrong, or nothing."""
        if self._random.random() < 0.2:
            self._shoot(None, 0.0)
        if self._random.random() < 0.3:
            place = self._random.randrange(len(plate))
            wrong = plate[:place] + self._random.choice("0158BSZ") + plate[place + 1 :]
            self._shoot(wrong, 0.35 + self._random.random() / 4)
        for _ in range(self._random.randint(1, 3)):
            self._shoot(plate, SURE)

    def _shoot(self, plate: str | None, confidence: float) -> None:
        self._number += 1
        at_ms = time.time_ns() // 1_000_000 + self._clock_off_ms
        shot = Shot(plate, at_ms, confidence, self._number, self.plan.leaving)
        self._send(self._write(shot))
        if plate is not None and self._random.random() < 0.05:
            self._old.append(shot)

    def _noise(self) -> None:
        """Heartbeats, and reads of earlier vehicles once more."""
        self._send(Sent(NOISE[self._source], "", MQTT if self._source == "frigate" else ""))
        if self._old:
            shot = self._old.pop(0)
            again = self._source == "hikvision"
            old_ms = shot.at_ms if again else shot.at_ms - _HOURS_MS
            self._send(
                self._write(Shot(shot.plate, old_ms, SURE, shot.number, self.plan.leaving, again))
            )

    def _send(self, sent: Sent) -> None:
        """Send a message; one that can't be sent is lost, as it is with most cameras."""
        self.told.messages += 1
        try:
            if sent.path == MQTT:
                self._publish(sent.body)
                return
            connection = http.client.HTTPConnection(self._host, self._port, timeout=10)
            try:
                path = f"/{self.plan.name}{sent.path}"
                connection.request("POST", path, sent.body, {"Content-Type": sent.content_type})
                status = connection.getresponse().status
            finally:
                connection.close()
            if status not in (200, 503):
                self.told.faults.append(f"{self.plan.name}: a message was answered {status}")
        except (OSError, http.client.HTTPException):
            pass

    def _publish(self, body: bytes) -> None:
        if self._client is None:
            assert self._broker_port is not None
            self._client = Client(CallbackAPIVersion.VERSION2)
            self._client.connect(self._host, self._broker_port)
            self._client.loop_start()
        self._client.publish("frigate/tracked_object_update", body, qos=1).wait_for_publish(10)


class Day:
    """So many vehicles, each of which comes by one lane and leaves by another."""

    def __init__(
        self,
        plans: Sequence[LanePlan],
        port: int,
        broker_port: int | None,
        vehicles: int,
        seed: int,
        outages: Callable[[], int] = lambda: 0,
        pace_s: float = 0.0,
        host: str = "127.0.0.1",
    ) -> None:
        self._random = random.Random(seed)
        self.plates = self._plates(vehicles)
        self.cameras = [
            Camera(plan, port, broker_port, seed, outages, self._away, pace_s, host)
            for plan in plans
        ]
        self._in = [camera for camera in self.cameras if not camera.plan.leaving]
        self._out = [camera for camera in self.cameras if camera.plan.leaving]
        self._lock = threading.Lock()
        self._inside: set[str] = set()
        self._gone = 0

    def _plates(self, count: int) -> list[str]:
        """Plates that no misread makes of each other: all differ in four places or more."""
        found: dict[str, None] = {}
        while len(found) < count:
            digits = self._random.sample("234679", 3)
            number = self._random.randrange(10_000)
            place = len(found) % 100
            found[f"{place:02d}{self._random.choice('AHKLMNPT')}{''.join(digits)}{number:04d}"] = (
                None
            )
        return list(found)

    def opened(self, lane: str) -> None:
        """The barrier of a lane was opened."""
        for camera in self.cameras:
            if camera.plan.name == lane:
                camera.barrier.opened()

    def run(self) -> None:
        """Let all of it happen."""
        for camera in self.cameras:
            camera.start()
        for place, plate in enumerate(self.plates):
            self._in[place % len(self._in)].come(plate)
        for camera in self._in:
            camera.close()
        for camera in self._in:
            camera.join()
        for camera in self._out:
            camera.close()
        for camera in self._out:
            camera.join()

    def _away(self, plate: str) -> None:
        with self._lock:
            leaves = plate not in self._inside
            self._inside.add(plate)
            self._gone += not leaves
        if leaves and self._out:
            self._random.choice(self._out).come(plate)

    @property
    def gone(self) -> int:
        """How many have left."""
        return self._gone

    @property
    def inside(self) -> int:
        """How many are inside."""
        return len(self._inside) - self._gone

    @property
    def driven(self) -> Counter[tuple[str, str]]:
        """How often each plate went which way."""
        return sum((camera.told.driven for camera in self.cameras), Counter())

    @property
    def faults(self) -> list[str]:
        return [fault for camera in self.cameras for fault in camera.told.faults]

    @property
    def strays(self) -> list[str]:
        """When a barrier opened at which nobody stood, or that was open."""
        return [
            f"{camera.plan.name} ({camera.plan.format}) at {stray}"
            for camera in self.cameras
            for stray in camera.barrier.strays
        ]

    @property
    def by_hand(self) -> int:
        return sum(camera.told.by_hand for camera in self.cameras)
