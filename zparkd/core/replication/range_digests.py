"""Digests of ranges: how two centrals compare what they hold without sending it.

A digest stands for what a central holds at the positions of one range of one stream: the bytes
of the events, by the digests of skeleton and personal part, taken anew; or the stays that began
there, as rows. Equal digests mean equal bytes. What one request costs is bounded, so that a
comparison of millions goes on in small steps beside the cameras.
"""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from zparkd.core.events.event import Stream, digest, seal_of
from zparkd.core.log import Log, SharedRow
from zparkd.core.replication import limits
from zparkd.core.replication.wire import Compare, Digests

# A row of a stay said so much in 0.1.0; what corrections add to it comes after that.
_SAID_BY_0_1 = 16
_encode = msgspec.json.Encoder().encode


class Of(StrEnum):
    """What is compared."""

    EVENTS = "EVENTS"  # of the log, byte for byte
    STAYS_OF_0_1 = "STAYS"  # what 0.1.0 knows of them: see _SAID_BY_0_1
    STAYS = "STAYS_2"  # that began with an entry in the range, as far as all centrals share them


def of_events(events: Iterable[tuple[bytes, bytes]]) -> str:
    """The digest of these skeletons and personal parts."""
    return of_parts([part for event in events for part in (digest(event[0]), seal_of(*event))])


def of_parts(parts: Iterable[str]) -> str:
    """The same, where the digest of each part is at hand."""
    return digest("".join(parts).encode())


def of_stays(rows: Iterable[SharedRow]) -> str:
    """The digest of these stays."""
    return digest(_encode(list(rows)))


def answer(log: Log, site: str, ask: Compare) -> Digests:
    """The digests of the first ranges asked for, as many as fit into one answer."""
    if ask.of not in frozenset(Of):
        return Digests(site, ask.id, [], error=f"knows no digests of {ask.of[:40]}")
    digests = []
    room = limits.DIGEST_EVENTS
    for origin, epoch, first, last in ask.ranges:
        room -= max(0, last - first + 1)
        if room < 0:
            break
        stream = Stream(origin, epoch)
        if ask.of == Of.EVENTS:
            digests.append(of_events(log.between(stream, first, last)))
            continue
        rows = log.stays_between(stream, first, last)
        if ask.of == Of.STAYS_OF_0_1:
            rows = (row[:_SAID_BY_0_1] for row in rows)
        digests.append(of_stays(rows))
    return Digests(site, ask.id, digests, log.heads.digest())
