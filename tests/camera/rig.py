"""A real `zparkd-camera` for the tests: its files, its process, and how its cameras reach it."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any
from zoneinfo import ZoneInfo

from zparkd.testbed.loopback import NeverHappened, free_ports, wait_for

ROOT = Path(__file__).resolve().parents[2]
CAPTURED = Path(__file__).parent / "captured"
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
PATIENCE_S = 30.0


def captured(name: str) -> bytes:
    """A message as a vendor's document shows it."""
    return (CAPTURED / name).read_bytes()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def hikvision(plate: str, at_ms: int | None = None, confidence: int = 97, **more: str) -> bytes:
    """A Hikvision event of this plate, now."""
    when = datetime.fromtimestamp((at_ms or now_ms()) / 1000, ZONE)
    said = {"direction": "forward", "isDataRetransmission": "false", **more}
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<EventNotificationAlert version="2.0" xmlns="http://www.isapi.org/ver20/XMLSchema">'
        f"<dateTime>{when.isoformat(timespec='milliseconds')}</dateTime>"
        "<eventType>ANPR</eventType><eventState>active</eventState><ANPR>"
        f"<licensePlate>{plate}</licensePlate><direction>{said['direction']}</direction>"
        f"<confidenceLevel>{confidence}</confidenceLevel></ANPR>"
        f"<isDataRetransmission>{said['isDataRetransmission']}</isDataRetransmission>"
        "</EventNotificationAlert>"
    ).encode()


class Bridge:
    """One zparkd-camera: its folder, its port, and its process while it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "camera.toml"
        self.log = folder / "camera.log"
        self.host = "127.0.0.1"
        self.port = free_ports(1)[0]
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "cameras.d").mkdir(parents=True)
        self.config.write_text(f'listen = "127.0.0.1:{self.port}"\noutbox = "outbox.db"\n')

    def lane(self, name: str, centrals: list[str] | str, barrier: str = "", **keys: object) -> None:
        """Write the file of a lane; `barrier` is TOML of further sections."""
        said: dict[str, object] = {
            "edge_id": name,
            "centrals": centrals,
            "source": "hikvision",
            "allow": ["127.0.0.1"],
            **keys,
        }
        text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in said.items())
        (self.folder / "cameras.d" / f"{name}.toml").write_text(f"{text}\n{barrier}")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "zparkd.camera.main", "-c", str(self.config), *arguments]

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of it to its end."""
        return subprocess.run(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def start(self) -> None:
        """Start its process, and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        wait_for("zparkd-camera answers", self.answers, PATIENCE_S)

    def answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise NeverHappened(f"zparkd-camera exited: {self.log.read_text()[-2000:]}")
        try:
            return bool(self.status())
        except OSError:
            return False

    def stop(self) -> int:
        """Stop it cleanly; its exit code."""
        return self._end(SIGTERM)

    def kill(self) -> None:
        """Take its power away."""
        self._end(SIGKILL)

    def _end(self, number: int) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self.process = None
        return code

    def send(
        self,
        lane: str,
        body: bytes,
        content_type: str = "application/xml",
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
    ) -> tuple[int, bytes]:
        """Send a message as a camera does; status and body of the answer."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE_S)
        try:
            said = {"Content-Type": content_type, **(headers or {})}
            connection.request(method, f"/{lane}", body, said)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def status(self) -> dict[str, Any]:
        """What `/-/status` shows, by lane."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE_S)
        try:
            connection.request("GET", "/-/status")
            shown = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return {lane["lane"]: lane for lane in shown["lanes"]}

    def shows(self, lane: str, **figures: object) -> None:
        """Wait until figures of a lane are these, all at one look."""

        def shown() -> bool:
            said = self.status()[lane]
            return {name: said[name] for name in figures} == figures

        wait_for(f"{lane} shows {figures}", shown, PATIENCE_S)

    def wait(self, lane: str, what: str, at_least: int = 1) -> None:
        """Wait until a figure of a lane has come so far."""
        wait_for(
            f"{what} of {lane} is {at_least}",
            lambda: self.status()[lane][what] >= at_least,
            PATIENCE_S,
        )
