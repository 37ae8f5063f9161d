"""What systemd is told about this daemon: that it is ready, alive, how it is, and that it stops.

One datagram each to the socket that systemd names in the environment; without one, nothing.
Only the loop's own turns tell it that the daemon is alive, so a loop that hangs falls silent.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from zparkd.core.view import View
from zparkd.daemon.problems import Faults
from zparkd.storage.store import Store

_STATUS_EVERY_MS = 1_000
_PATIENCE_S = 0.05  # with a systemd that is too busy to listen: the loop must turn
_LONG_START_USEC = 60_000_000  # from each time that it is said
_PATIENCE_READY_S = 5.0  # this must get through: a start that is never told is undone


class Notifier:
    """Tells the service manager, where there is one."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._socket: socket.socket | None = None
        self._watchdog_ms = _watchdog_ms(environment)
        self._alive_due_ms = self._status_due_ms = 0
        self._said = ""
        address = environment.get("NOTIFY_SOCKET", "")
        if address.startswith(("/", "@")):
            self._address = address.replace("@", "\0", 1) if address[0] == "@" else address
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def starting(self, how: str) -> None:
        """The start takes long and goes on: systemd is not to give it up for a while."""
        self._tell(f"STATUS={how}\nEXTEND_TIMEOUT_USEC={_LONG_START_USEC}", _PATIENCE_READY_S)

    def ready(self) -> None:
        """The daemon does its work."""
        self._tell("READY=1", _PATIENCE_READY_S)

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Around the reading of a new configuration."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            yield
        finally:
            self.ready()

    def stopping(self) -> None:
        """The daemon was asked to stop."""
        self._tell("STOPPING=1")

    def turned(self, mono_ms: int, text: Callable[[], str | None]) -> None:
        """The loop made a turn; `text` makes the line of status, and is called once a second."""
        if self._socket is None:
            return
        if self._watchdog_ms and mono_ms >= self._alive_due_ms:
            self._alive_due_ms = mono_ms + self._watchdog_ms
            self._tell("WATCHDOG=1")
        if mono_ms >= self._status_due_ms:
            self._status_due_ms = mono_ms + _STATUS_EVERY_MS
            said = text()
            if said is not None and said != self._said:
                self._said = said
                self._tell(f"STATUS={said}")

    def _tell(self, text: str, patience_s: float = _PATIENCE_S) -> None:
        if self._socket is not None:
            self._socket.settimeout(patience_s)
            with suppress(OSError):  # who listened is gone, or is too busy
                self._socket.sendto(text.encode(), self._address)


def _watchdog_ms(environment: Mapping[str, str]) -> int:
    """How often systemd wants a sign of life, in ms; 0 for never."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    usec = environment.get("WATCHDOG_USEC", "")
    return max(1, int(usec) // 3000) if usec.isdecimal() else 0


def status_text(view: View, store: Store, faults: Faults) -> str:
    """How it is, in the one line that `systemctl status` shows."""
    peers = view.peers.values()
    connected = sum(peer.connected for peer in peers)
    known = [n for peer in peers if peer.fresh and (n := peer.behind) is not None]
    parts = ["no peers"]
    if peers:
        behind = max(known) if len(known) == len(peers) else "?"
        parts = [f"{connected}/{len(peers)} peers", f"{behind} behind"]
    parts.append(f"{store.vehicles_inside()} inside")
    if faults.storage is not None:
        parts.append("the database can't be written")
    if faults.config is not None:
        parts.append("configuration refused")
    return ", ".join(parts)
