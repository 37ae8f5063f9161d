"""What a real daemon tells a real notify socket, and when it falls silent."""

import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from signal import SIGCONT, SIGHUP, SIGSTOP

import pytest

from zparkd.daemon.systemd import Notifier
from zparkd.testbed.loopback import LoopbackCentral, wait_for

WATCHDOG_USEC = 600_000


class Manager:
    """The service manager's end of the socket; `told` is all that came."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1) if address[0] == "@" else address)
        self.told: list[dict[str, str]] = []

    def listen(self, timeout_s: float) -> bool:
        """Take the next message; False where none came in time."""
        self.socket.settimeout(timeout_s)
        try:
            lines = self.socket.recv(4096).decode().splitlines()
        except TimeoutError:
            return False
        self.told.append(dict(line.split("=", 1) for line in lines))
        return True

    def wait(self, key: str, value: str | None = None, timeout_s: float = 20.0) -> dict[str, str]:
        """The next message that says this."""
        until = time.monotonic() + timeout_s
        while self.listen(max(0.01, until - time.monotonic())):
            message = self.told[-1]
            if key in message and value in (None, message[key]):
                return message
        raise AssertionError(f"{key}={value} was not told, but {self.told}")

    def drain(self) -> None:
        """Take all that is there."""
        while self.listen(0.01):
            pass


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: a socket's path has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="zp-") as name:
        yield Path(name)


@pytest.fixture
def manager(request: pytest.FixtureRequest, folder: Path) -> Iterator[Manager]:
    made = Manager(getattr(request, "param", "{}/notify").format(folder))
    with made.socket:
        yield made


@pytest.fixture
def central(
    folder: Path, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LoopbackCentral]:
    """A central that is launched by the manager, and knows a peer that is not there."""
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.setenv("WATCHDOG_USEC", str(WATCHDOG_USEC))
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    made = LoopbackCentral(folder / "central-1", "central-1")
    made.knows(LoopbackCentral(folder / "central-2", "central-2"))
    yield made
    if made.process is not None:
        made.signal(SIGCONT)
        made.kill()


@pytest.mark.parametrize("manager", ["{}/notify", "@{}/notify"], indirect=True)
def test_ready_is_told_once_the_sockets_are_bound_and_the_database_is_open(
    central: LoopbackCentral, manager: Manager
) -> None:
    central.launch()
    manager.wait("READY", "1")
    assert manager.told[0] == {"READY": "1"}
    for port in central.ports:
        socket.create_connection(("127.0.0.1", port), 5).close()
    assert (central.folder / "control.sock").is_socket()
    with sqlite3.connect(f"file:{central.database}?mode=ro", uri=True) as database:
        assert database.execute("SELECT count(*) FROM events").fetchone() == (0,)


def test_a_bad_configuration_is_never_ready(central: LoopbackCentral, manager: Manager) -> None:
    central.config.write_text("[central]\n")
    central.launch()
    assert central.process is not None
    assert central.process.wait(20) == 78
    manager.drain()
    assert manager.told == []


def test_status_is_told_when_it_changed(central: LoopbackCentral, manager: Manager) -> None:
    central.start()
    manager.wait("STATUS", "0/1 peers, ? behind, 0 inside")
    with central.edge("edge-1") as camera:
        for number in range(20):
            assert camera.open_barrier(f"29A{number:05d}", direction="ENTRY")["success"]
            manager.listen(0.05)
    manager.wait("STATUS", "0/1 peers, ? behind, 20 inside")
    told = [message["STATUS"] for message in manager.told if "STATUS" in message]
    assert all(was != now for was, now in pairwise(told))


def test_the_watchdog_hears_the_loop_and_nothing_once_it_hangs(
    central: LoopbackCentral, manager: Manager
) -> None:
    central.start()
    for _ in range(5):
        manager.wait("WATCHDOG", "1")
    central.signal(SIGSTOP)
    manager.drain()
    assert not manager.listen(2 * WATCHDOG_USEC / 1e6)
    central.signal(SIGCONT)
    manager.wait("WATCHDOG", "1")


def test_a_reload_is_told_by_when_it_began_and_when_it_was_over(
    central: LoopbackCentral, manager: Manager
) -> None:
    central.start()
    manager.drain()
    began_us = time.monotonic_ns() // 1000
    central.signal(SIGHUP)
    message = manager.wait("RELOADING", "1")
    assert began_us <= int(message["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    manager.wait("READY", "1")


def test_a_refused_reload_is_over_too_and_stands_in_the_status(
    central: LoopbackCentral, manager: Manager
) -> None:
    central.start()
    fault = central.folder / "peers.d" / "bad.toml"
    fault.write_text("adress = 1\n")
    central.signal(SIGHUP)
    manager.wait("RELOADING", "1")
    manager.wait("READY", "1")
    manager.wait("STATUS", "0/1 peers, ? behind, 0 inside, configuration refused")
    fault.unlink()
    central.signal(SIGHUP)
    manager.wait("STATUS", "0/1 peers, ? behind, 0 inside")


def test_stopping_is_told_and_the_end_is_clean(central: LoopbackCentral, manager: Manager) -> None:
    central.start()
    assert central.stop() == 0
    manager.wait("STOPPING", "1")


def test_a_manager_that_is_gone_disturbs_nobody(central: LoopbackCentral, manager: Manager) -> None:
    central.start()
    manager.socket.close()
    with central.edge("edge-1") as camera:
        assert camera.open_barrier("29A12345", direction="ENTRY")["success"]
    before = central.status()["uptime_s"]
    wait_for("it goes on", lambda: central.status()["uptime_s"] >= before + 2)
    assert central.stop() == 0


# --- the notifier alone


def never() -> str:
    raise AssertionError("nobody asked")


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_a_socket_that_it_knows_nothing_is_told(environment: dict[str, str]) -> None:
    notifier = Notifier(environment)
    notifier.ready()
    notifier.turned(0, never)
    with notifier.reloading():
        pass
    notifier.stopping()


@pytest.mark.parametrize(
    "watchdog", [{}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "300", "WATCHDOG_PID": "1"}]
)
def test_the_watchdog_of_nobody_or_another_process_is_not_fed(
    manager: Manager, watchdog: dict[str, str]
) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.address, **watchdog})
    for ms in range(0, 10_000, 500):
        notifier.turned(ms, lambda: "well")
    manager.drain()
    assert manager.told == [{"STATUS": "well"}]


def test_status_is_told_at_most_once_a_second(manager: Manager) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.address})
    for ms in range(5_000, 8_001, 100):
        notifier.turned(ms, lambda: f"{min(ms, 6_500)}")  # noqa: B023
    manager.drain()
    assert [message["STATUS"] for message in manager.told] == ["5000", "6000", "6500"]


def test_a_third_of_the_limit_passes_between_signs_of_life(manager: Manager) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "3000000"})
    told: list[int] = []
    for ms in range(5_000, 9_001, 100):
        notifier.turned(ms, lambda: None)
        manager.drain()
        told += [ms] * (len(manager.told) - len(told))
    assert told == [5_000, 6_000, 7_000, 8_000, 9_000]
