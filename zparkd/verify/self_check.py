"""A database compared with itself: the log with its chain, then the stays with the log."""

from collections.abc import Iterator
from itertools import groupby

from zparkd.core.replication.range_digests import Of
from zparkd.storage.readers.connection import Connection
from zparkd.storage.readers.log import StoredLog
from zparkd.verify.log import Checked, check_log, digest_of
from zparkd.verify.ranges import Range, chunks
from zparkd.verify.stays import StaysChecked, check_stays
from zparkd.verify.workers import Shares

_RANGES = 20  # in one share of the log
_EVENTS = 10_000  # in one share of the stays, about


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
