"""A real MQTT broker for the tests: mosquitto, where it is installed."""

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from zparkd.testbed.loopback import free_ports, wait_for

_PROGRAM = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
needs_broker = pytest.mark.skipif(
    _PROGRAM is None, reason="mosquitto is missing: apt-get install mosquitto"
)


def has_broker() -> bool:
    return _PROGRAM is not None


class Broker:
    """One mosquitto on loopback, anonymous or with one user."""

    def __init__(self, folder: Path, user: str = "", password: str = "") -> None:
        assert _PROGRAM is not None
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_ports(1)[0]
        self._config = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", "persistence false"]
        if user:
            file = folder / "passwords"
            tool = shutil.which("mosquitto_passwd", path="/usr/bin:/usr/sbin") or ""
            subprocess.run([tool, "-b", "-c", str(file), user, password], check=True)
            file.chmod(0o644)
            folder.chmod(0o755)
            folder.parent.chmod(0o755)
            lines += ["allow_anonymous false", f"password_file {file}"]
        else:
            lines.append("allow_anonymous true")
        self._config.write_text("\n".join(lines) + "\n")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert _PROGRAM is not None
        self.process = subprocess.Popen(
            [_PROGRAM, "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for("the broker listens", self._listens)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
