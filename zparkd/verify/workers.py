"""A database compared with itself, shared between processes that only read it.

The log with its chain, then the stays with the log.

Where there is little to do it is done in this process: starting others takes longer.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing, contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from zparkd.core.replication.range_digests import Of
from zparkd.storage.readers.connection import Connection, read_only
from zparkd.storage.readers.log import StoredLog
from zparkd.verify.log import Checked, check_log, digest_of
from zparkd.verify.ranges import Range, chunks
from zparkd.verify.stays import StaysChecked, check_stays

_Result = TypeVar("_Result")
_PROCESSES = 4  # more gain little: the disk has its say too
_WORTH_EVENTS = 50_000
_RANGES = 20  # in one share of the log
_EVENTS = 10_000  # in one share of the stays, about

_connection: Connection | None = None  # of a process that takes its share


class Shares:
    """Calls functions of a read-only connection, `function(connection, *arguments)`."""

    def __init__(self, database: Path, executor: ProcessPoolExecutor | None) -> None:
        self._database = database
        self._executor = executor

    def run(
        self, function: Callable[..., _Result], calls: Iterable[tuple[Any, ...]]
    ) -> Iterator[_Result]:
        """What the function returns for each of these arguments, in their order.

        With processes they begin at once, and go on while nobody takes what they return.
        """
        if self._executor is None:
            return self._here(function, calls)
        submit = self._executor.submit
        futures: list[Future[_Result]] = [submit(_share, function, call) for call in calls]
        return (future.result() for future in futures)

    def _here(
        self, function: Callable[..., _Result], calls: Iterable[tuple[Any, ...]]
    ) -> Iterator[_Result]:
        with closing(read_only(self._database)) as connection:
            for call in calls:
                yield function(connection, *call)


@contextmanager
def shares(database: Path, events: int) -> Iterator[Shares]:
    """Processes for a database of so many events. Begin with these before any thread."""
    processes = min(_PROCESSES, os.cpu_count() or 1)
    if events < _WORTH_EVENTS or processes == 1:
        yield Shares(database, None)
        return
    # Forked, so that they start in no time; they open their own connection.
    context = multiprocessing.get_context("fork")
    executor = ProcessPoolExecutor(processes, context, _open, (database,))
    try:
        yield Shares(database, executor)
    finally:
        executor.shutdown(cancel_futures=True)


def _open(database: Path) -> None:
    global _connection  # noqa: PLW0603 - a process takes shares of one database
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C ends who asked, and so these
    _connection = read_only(database, cache_kib=64 * 1024)


def _share(function: Callable[..., _Result], arguments: tuple[Any, ...]) -> _Result:
    assert _connection is not None
    return function(_connection, *arguments)


def own_log(shares: Shares, log: StoredLog) -> Iterator[Checked]:
    """Look at all events up to the heads of `log`, some at a time."""
    calls: list[tuple[list[Range]]] = []
    for _, ranges in groupby(chunks(log.heads), lambda one: one.stream):
        of_stream = list(ranges)
        for start in range(0, len(of_stream), _RANGES):
            calls.append((of_stream[start : start + _RANGES],))
    return shares.run(check_log, calls)


def own_digests(shares: Shares, log: StoredLog) -> Iterator[dict[Range, str]]:
    """The digests of all stays, some at a time."""
    ranges = chunks(log.heads)
    calls = [(ranges[start : start + _RANGES],) for start in range(0, len(ranges), _RANGES)]
    return shares.run(_stays_digests, calls)


def own_stays(shares: Shares, log: StoredLog) -> Iterator[StaysChecked]:
    """Look at all stays, some at a time."""
    last = log.last_vehicle()
    step = max(1, last * _EVENTS // max(1, sum(log.heads.values())))
    calls = [(first, min(first + step - 1, last)) for first in range(1, last + 1, step)]
    return shares.run(check_stays, calls)


def _stays_digests(connection: Connection, ranges: list[Range]) -> dict[Range, str]:
    log = StoredLog(connection)
    return {one: digest_of(log, Of.STAYS, one) for one in ranges}
