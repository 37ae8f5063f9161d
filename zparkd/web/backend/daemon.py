"""How the gateway asks the daemon: over its control socket, off the event loop, a few at a time.

A daemon that does not answer is a `Problem`, never a wait without end: each call has a time
limit, and so has the number of those that wait.
"""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any

from zparkd.client.control import ControlClient, DaemonUnreachable
from zparkd.web import limits
from zparkd.web.backend.site import Site
from zparkd.web.http.answers import Problem, bad, said_no

_FRESH_S = 0.1  # so long a status serves all who ask
_PATIENCE_S = 2.0
_QUEUE_S = 1.0  # so long a call may wait for those before it, besides its own time


class Daemon:
    """The daemon of a site's configuration, wherever its control socket is now."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._threads = ThreadPoolExecutor(limits.CONTROL_THREADS, "control")
        self._lock = threading.Lock()
        self._clients: dict[tuple[Path, float], ControlClient] = {}
        self._under_way = 0
        self._status: dict[str, Any] | None = None
        self._status_at_s = 0.0
        self._looking: asyncio.Task[dict[str, Any]] | None = None

    def close(self) -> None:
        """Take no more calls, and let go of those that have not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def ask(
        self, command: str, timeout_s: float = _PATIENCE_S, **arguments: object
    ) -> dict[str, Any]:
        """The daemon's answer, without the envelope; it may say no.

        Raises Problem where there is none in time, or too many wait already.
        """
        if self._under_way >= limits.CALLS_WAITING:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE, "busy", "too many calls wait; ask again in a moment"
            )
        self._under_way += 1
        try:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(timeout_s + _QUEUE_S):
                return await loop.run_in_executor(
                    self._threads, self._call, command, timeout_s, arguments
                )
        except TimeoutError:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "daemon_unreachable",
                f"zparkd did not come to it in {timeout_s:g} s; whether it was done is not known",
            ) from None
        except DaemonUnreachable as fault:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE, "daemon_unreachable", str(fault)
            ) from None
        except TypeError:  # deeper than JSON is written
            raise bad("the request nests too deep") from None
        finally:
            self._under_way -= 1

    def _call(self, command: str, timeout_s: float, arguments: dict[str, Any]) -> dict[str, Any]:
        key = self._site.config.listen.control, timeout_s
        with self._lock:
            if key not in self._clients:
                self._clients[key] = ControlClient(*key)
            client = self._clients[key]
        answer = client.call(command, **arguments)
        return {key: value for key, value in answer.items() if key not in ("v", "id")}

    async def status(self) -> dict[str, Any]:
        """What `zparkctl status --json` is told; one call serves all who ask at a time.

        Raises Problem where the daemon does not answer.
        """
        if self._status is not None and time.monotonic() - self._status_at_s < _FRESH_S:
            return self._status
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._look())
        return await asyncio.shield(self._looking)

    def changed(self) -> None:
        """What was known of the daemon's state may not hold any more."""
        self._status = None
        self._looking = None

    async def _look(self) -> dict[str, Any]:
        answer = await self.ask("status")
        if answer.get("success") is not True:
            raise said_no(answer)
        self._status, self._status_at_s = answer, time.monotonic()
        return answer
