"""This central's database compared with what one peer holds, by digests.

First the log, at the heads that both have reached: it is the same bytes, whatever either side
gets meanwhile. Then the stays, which are the same only while both hold the same events.
"""

import time
from collections.abc import Iterator
from typing import NamedTuple

from zparkd.core.events.heads import Heads, count_missing
from zparkd.core.events.heads import digest as digest_of_heads
from zparkd.core.replication.range_digests import Of
from zparkd.storage.readers.connection import Connection, one_moment, shows_all
from zparkd.storage.readers.log import StoredLog
from zparkd.verify.log import digest_of
from zparkd.verify.peer_query import PeerLine
from zparkd.verify.ranges import Difference, Range, chunks, named

_PATIENCE_S = 3.0  # how long both sides may take to hold the same
_PAUSE_S = 0.05
EQUAL = "equal"
DIFFERS = "differs"

Digests = dict[Range, str]


class Said(NamedTuple):
    """What a comparison came to: EQUAL, DIFFERS or why it could not be made."""

    word: str
    differences: list[Difference]


class _NeverEqual(Exception):
    """The two sides did not hold the same events in time. The text says how far apart they are."""


class PeerLog(NamedTuple):
    """The log of a peer up to the common heads, as digests."""

    common: Heads
    digests: Digests


def peers_log(line: PeerLine, ours: Heads) -> PeerLog:
    """Ask a peer for digests of all events that both sides have. Raises NoUse."""
    theirs = line.vector()
    common = {stream: min(ours[stream], theirs[stream]) for stream in ours.keys() & theirs.keys()}
    return PeerLog(common, line.digests(Of.EVENTS, chunks(common)))


def compare_log(peer_id: str, line: PeerLine, log: StoredLog, own: Digests, peer: PeerLog) -> Said:
    """Compare the log; `own` are digests known already. Raises NoUse."""

    def differs(one: Range) -> bool:
        return line.digests(Of.EVENTS, [one])[one] != digest_of(log, Of.EVENTS, one)

    wrong = [
        one
        for one, digest in peer.digests.items()
        if (own.get(one) or digest_of(log, Of.EVENTS, one)) != digest
    ]
    what = f"not the event that {peer_id} holds"
    differences = [Difference(*one, what, peer_id) for one in named(wrong, differs)]
    return Said(DIFFERS if differences else EQUAL, differences)


def compare_stays(peer_id: str, line: PeerLine, connection: Connection, own: Digests) -> Said:
    """Compare the stays, once both sides hold the same events. Raises NoUse.

    `own` are digests taken lately. Where one differs it is taken again on both sides, in a
    moment in which the heads are equal: vehicles go on coming and going.
    """
    moments = _Moments(line, connection)
    try:
        heads = moments.equal()
        theirs = line.digests(Of.STAYS, chunks(heads))
        suspects = [one for one, digest in theirs.items() if own.get(one) != digest]
        wrong = [one for one in suspects if moments.differs(one)]
        what = f"the stay that began here is not the one that {peer_id} shows"
        differences = [Difference(*one, what, peer_id) for one in named(wrong, moments.differs)]
    except _NeverEqual as fault:
        return Said(f"not compared: {fault}", [])
    return Said(DIFFERS if differences else EQUAL, differences)


class _Moments:
    """Moments in which a peer and this database hold the same events."""

    def __init__(self, line: PeerLine, connection: Connection) -> None:
        self._line = line
        self._connection = connection

    def equal(self) -> Heads:
        """The heads, once they are the same on both sides. Raises _NeverEqual."""
        for _ in self._tries():
            held = self._line.held()
            heads = StoredLog(self._connection).heads
            if digest_of_heads(heads, ()) == held:
                return heads
        raise AssertionError("the tries end by an exception")

    def differs(self, one: Range) -> bool:
        """Whether the two sides show other stays in a range. Raises _NeverEqual."""
        for _ in self._tries():
            theirs, held = self._line.digest_at(Of.STAYS, one)
            heads, ours, shown = self._own(one)
            if theirs == ours:
                return False
            if shown and digest_of_heads(heads, ()) == held:
                return True
        raise AssertionError("the tries end by an exception")

    def _own(self, one: Range) -> tuple[Heads, str, bool]:
        """Our heads, the digest of a range, and if the stays show all events, of one moment."""
        with one_moment(self._connection):
            log = StoredLog(self._connection)
            return log.heads, digest_of(log, Of.STAYS, one), shows_all(self._connection)

    def _tries(self) -> Iterator[None]:
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            yield
            time.sleep(_PAUSE_S)
        theirs, ours = self._line.vector(), StoredLog(self._connection).heads
        apart = count_missing(ours, theirs) + count_missing(theirs, ours)
        behind = f"{apart:,} event{'' if apart == 1 else 's'} behind"
        raise _NeverEqual(behind if apart else "always a new event")
