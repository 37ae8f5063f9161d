"""The database of a central as the gateway reads it: over read-only connections of its own.

A few threads read, each over its own connection; a query that takes too long is stopped, so
that no page holds up the others. What the rows mean is not known here.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from zparkd.storage.readers.connection import (
    Connection,
    DatabaseError,
    await_stays,
    opened,
    stop_at,
)
from zparkd.web import limits
from zparkd.web.http.answers import Problem

_BUSY_S = 2.0  # how long another's lock on the database is waited for

_Result = TypeVar("_Result")


class Database:
    """The SQLite file at `path`, which may not be there yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = ThreadPoolExecutor(limits.READ_THREADS, "read")
        self._mine = threading.local()
        self._under_way = 0

    def close(self) -> None:
        """Take no more reads, and let go of those that have not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def read(self, work: Callable[[Connection], _Result]) -> _Result:
        """What `work` returns of a connection that can't write; rows can be read by name.

        Raises Problem where the file can't be read, takes too long, or too many wait already.
        """
        if self._under_way >= limits.CALLS_WAITING:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE, "busy", "too many reads wait; ask again in a moment"
            )
        self._under_way += 1
        try:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(2 * limits.READ_S):
                return await loop.run_in_executor(self._threads, self._work, work)
        except TimeoutError:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE, "busy", "other reads take long; ask again later"
            ) from None
        finally:
            self._under_way -= 1

    def _work(self, work: Callable[[Connection], _Result]) -> _Result:
        until_s = time.monotonic() + limits.READ_S
        try:
            found = os.stat(self._path)
            if self._sleeping():
                with closing(opened(self._path, lies_still=True)) as connection:
                    return _bounded(connection, work, until_s)
            return _bounded(self._connection((found.st_dev, found.st_ino)), work, until_s)
        except FileNotFoundError:
            reason = "there is no such database yet; zparkd makes it when it first runs"
        except DatabaseError as fault:
            if time.monotonic() >= until_s:
                raise Problem(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "too_slow",
                    f"not found within {limits.READ_S:g} s; ask for less, such as fewer days",
                ) from None
            reason = f"can't be read: {fault}"
        except OSError as fault:
            reason = f"can't be read: {fault.strerror}"
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "unreadable", f"{self._path}: {reason}"
        ) from None

    def _sleeping(self) -> bool:
        """Whether no daemon has it open, and this user can't make the files a reader needs.

        Then nobody writes to it either, and it can be read as it lies.
        """
        return not os.path.exists(f"{self._path}-wal") and not os.access(self._path.parent, os.W_OK)

    def _connection(self, file: tuple[int, int]) -> Connection:
        """This thread's connection; a new one where the file is another than it was."""
        kept: tuple[tuple[int, int], Connection] | None = getattr(self._mine, "kept", None)
        if kept is not None and kept[0] == file:
            return kept[1]
        if kept is not None:
            kept[1].close()
        made = opened(self._path, busy_s=_BUSY_S)
        self._mine.kept = (file, made)
        return made


def _bounded(
    connection: Connection, work: Callable[[Connection], _Result], until_s: float
) -> _Result:
    stop_at(connection, until_s)
    await_stays(connection)
    return work(connection)
