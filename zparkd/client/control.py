"""What a tool on the same machine uses to talk to the running daemon: its control socket.

Only the envelope is known here; what a command means is the daemon's and the caller's.
"""

import socket as plain_socket
import uuid
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self

import orjson
import zmq

PROTOCOL_VERSION = 1
_HOW_TO_START = "Start it with: systemctl start zparkd, or: zparkd -c FILE"


class DaemonUnreachable(Exception):
    """The daemon can't be reached at its control socket. The text says why and what to do."""

    def __init__(self, path: Path, reason: str, advice: str = _HOW_TO_START) -> None:
        super().__init__(f"zparkd can't be reached at {path}: {reason}. {advice}")


class ControlClient:
    """Asks the daemon that listens at the Unix socket `path`.

        with ControlClient(Path("/run/zparkd/control.sock")) as daemon:
            print(daemon.call("status")["vehicles_inside"])

    A call waits at most `timeout_s` seconds. Several threads may call at once.
    """

    def __init__(self, path: Path, timeout_s: float = 2.0) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()

    def call(self, command: str, **arguments: object) -> dict[str, Any]:
        """Send `command` with its `arguments` (JSON values) and return the daemon's answer.

        The answer is a dict with `v`, `id` and `success`; where `success` is False it has
        `error`, a dict with `code` and `message`. Raises DaemonUnreachable where the socket is
        not there or nothing answers in time; then whether the command was done is not known.
        """
        assert not arguments.keys() & {"v", "id"}, "the envelope is made here"
        call_id = uuid.uuid4().hex
        request = {"v": PROTOCOL_VERSION, "id": call_id, "command": command, **arguments}
        self._knock()
        socket = self._context.socket(zmq.DEALER)
        try:
            socket.linger = 0
            socket.connect(f"ipc://{self._path}")
            socket.send_multipart([b"", orjson.dumps(request)], zmq.NOBLOCK)
            return self._answer_to(call_id, socket)
        except zmq.ZMQError as fault:
            raise DaemonUnreachable(self._path, str(fault)) from fault
        finally:
            socket.close(linger=0)

    def close(self) -> None:
        """Give back what the client holds; closing twice is no fault."""
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _knock(self) -> None:
        """Find out at once, and by name, what ZeroMQ would retry in silence until the timeout."""
        with plain_socket.socket(plain_socket.AF_UNIX, plain_socket.SOCK_STREAM) as probe:
            probe.settimeout(self._timeout_s)
            try:
                probe.connect(str(self._path))
            except FileNotFoundError:
                raise DaemonUnreachable(self._path, "there is no such socket") from None
            except ConnectionRefusedError:
                raise DaemonUnreachable(
                    self._path, "nobody listens there, it is left over from an earlier run"
                ) from None
            except PermissionError:
                raise DaemonUnreachable(
                    self._path,
                    "this user may not use it",
                    "Use sudo, or the user or group that zparkd runs as",
                ) from None
            except OSError as fault:
                raise DaemonUnreachable(self._path, str(fault)) from fault

    def _answer_to(self, call_id: str, socket: "zmq.Socket[bytes]") -> dict[str, Any]:
        """The first answer that carries `call_id`; whatever else comes is passed over."""
        deadline = monotonic() + self._timeout_s
        while (left := deadline - monotonic()) > 0:
            if not socket.poll(max(1, round(left * 1000)), zmq.POLLIN):
                continue
            try:
                answer = orjson.loads(socket.recv_multipart()[-1])
            except orjson.JSONDecodeError:
                continue
            if isinstance(answer, dict) and answer.get("id") == call_id:
                return answer
        raise DaemonUnreachable(
            self._path,
            f"no answer in {self._timeout_s:g} s",
            "See what it is doing with: systemctl status zparkd. If it does not run, start it"
            " with: systemctl start zparkd, or: zparkd -c FILE",
        )
