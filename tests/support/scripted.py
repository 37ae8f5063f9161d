"""A ROUTER that answers by a script: the far end for tests of clients. No test lives here."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NamedTuple, Self

import orjson
import zmq

DEADLINE_S = 20.0


class Asked(NamedTuple):
    """One request as it came; `reply` sends bytes, or a value as JSON, back to who sent it.

    It may be called late, often or never, but only in the script: a socket is one thread's.
    """

    request: dict[str, Any]
    reply: Callable[[object], None]


Script = Callable[[Asked, list[Asked]], None]


class Scripted:
    """Binds `address` and calls `script(asked, earlier)` with each request, in its own thread."""

    def __init__(
        self, script: Script, address: str = "tcp://127.0.0.1:0", *, ipv6: bool = False
    ) -> None:
        self.asked: list[Asked] = []
        self._script = script
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.linger = 0
        self._socket.ipv6 = ipv6
        try:
            self._socket.bind(address)
        except BaseException:
            self._socket.close()
            self._context.term()
            raise
        self.endpoint = self._socket.last_endpoint.rstrip(b"\0").decode()
        self._wake, self._woken = os.pipe()[::-1]
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [asked.request for asked in self.asked]

    def wait_for(self, count: int) -> None:
        """Return once `count` requests have come."""
        deadline = time.monotonic() + DEADLINE_S
        while len(self.asked) < count:
            assert time.monotonic() < deadline, f"only {len(self.asked)} requests came"
            time.sleep(0.005)

    def close(self) -> None:
        os.write(self._wake, b"x")
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()
        os.close(self._wake)
        os.close(self._woken)
        self._socket.close()
        self._context.term()
        if self._fault:
            raise self._fault

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._woken, zmq.POLLIN)
        try:
            while self._woken not in (ready := dict(poller.poll())):
                assert self._socket in ready
                frames = self._socket.recv_multipart()
                envelope = frames[: frames.index(b"") + 1]
                asked = Asked(orjson.loads(frames[-1]), self._replier(envelope))
                earlier = list(self.asked)
                self.asked.append(asked)  # before the answer: who has that may look at once
                self._script(asked, earlier)
        except BaseException as fault:
            self._fault = fault

    def _replier(self, envelope: list[bytes]) -> Callable[[object], None]:
        def reply(answer: object) -> None:
            body = answer if isinstance(answer, bytes) else orjson.dumps(answer)
            self._socket.send_multipart([*envelope, body])

        return reply


def agree(asked: Asked, earlier: list[Asked]) -> None:
    """Say yes to everything."""
    asked.reply(accepted(asked))


def keep_silent(asked: Asked, earlier: list[Asked]) -> None:
    """Never answer."""


def accepted(asked: Asked, **more: object) -> dict[str, object]:
    """A yes to this request; `type` shows which one it was."""
    request = asked.request
    return {
        "success": True,
        "request_id": request["request_id"],
        "type": request["type"],
        **more,
    }


def refused(asked: Asked, code: str, **more: object) -> dict[str, object]:
    """A no to this request."""
    return {
        "success": False,
        "request_id": asked.request["request_id"],
        "error": {"code": code, "message": f"{code} it is"},
        **more,
    }


@contextmanager
def dead_end() -> Iterator[str]:
    """An endpoint that refuses every connection, held so that nobody else can take it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"tcp://127.0.0.1:{held.getsockname()[1]}"
