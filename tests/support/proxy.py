"""Links between centrals that a test stalls, cuts and half-opens: TCP, and no root needed.

What one central sends another goes through a `Wire`. Since each central connects to the other,
there are two wires a pair, each of which carries one central's questions and hearing.
"""

import select
import socket
import threading
from contextlib import ExitStack, suppress
from enum import Enum
from types import TracebackType
from typing import Self

from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite

_CHUNK_BYTES = 65_536
_LOOK_S = 0.05


class State(Enum):
    """What a wire does with what is put into it."""

    OPEN = "it comes out"
    STALLED = "nothing comes out, and both ends believe that it will"
    CUT = "connections are ended, and new ones too"


class Wire(threading.Thread):
    """A port that stands for another one. `state` may be set at any time."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_LOOK_S)
        self._over = threading.Event()
        self.port: int = self._listener.getsockname()[1]
        self.state = State.OPEN

    def run(self) -> None:
        while not self._over.is_set():
            with suppress(TimeoutError):
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(self._target, timeout=1)
                except OSError:
                    near.close()
                    continue
                for end in (near, far):
                    end.settimeout(None)
                for one, other in ((near, far), (far, near)):
                    pump = threading.Thread(target=self._pump, args=(one, other), daemon=True)
                    pump.start()
        self._listener.close()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        """Carry what comes from one end to the other, as long as both are there."""
        with suppress(OSError, ValueError):  # the other pump has closed them
            while not self._over.is_set() and self.state is not State.CUT:
                if self.state is State.STALLED:
                    self._over.wait(_LOOK_S)
                elif select.select([source], [], [], _LOOK_S)[0]:
                    data = source.recv(_CHUNK_BYTES)
                    if not data:
                        break
                    target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def end(self) -> None:
        self._over.set()


class Wires:
    """All wires of a site whose files are written and whose centrals do not run yet."""

    def __init__(self, site: LoopbackSite) -> None:
        self._ends = ExitStack()
        self._wires: dict[tuple[str, str], list[Wire]] = {}
        for central in site.centrals:
            for other in site.centrals:
                if other is not central:
                    self._wires[central.id, other.id] = self._between(central, other)

    def _between(self, asker: LoopbackCentral, asked: LoopbackCentral) -> list[Wire]:
        wires = [Wire(port) for port in asked.ports[:2]]
        for wire in wires:
            wire.start()
            self._ends.callback(wire.end)
        asker.peer_file(asked.id).write_text(
            f'id = "{asked.id}"\naddress = "127.0.0.1"\n'
            f"bus_port = {wires[0].port}\nsync_port = {wires[1].port}\n"
        )
        return wires

    def set(self, asker: LoopbackCentral, asked: LoopbackCentral, state: State) -> None:
        """Do this with all that one central has connected to another."""
        for wire in self._wires[asker.id, asked.id]:
            wire.state = state

    def all(self, state: State) -> None:
        """Do this with all that is connected."""
        for wires in self._wires.values():
            for wire in wires:
                wire.state = state

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ends.close()
