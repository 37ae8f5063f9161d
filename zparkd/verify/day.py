"""The close of a day calculated again, from the events that were held when it was made.

What came later is left out: the events up to its heads are folded from nothing, in a database of
their own that is gone afterwards.
"""

import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import tzinfo
from pathlib import Path
from typing import Any, NamedTuple

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import read
from zparkd.core.events.heads import Heads
from zparkd.core.reports.counting import report
from zparkd.core.reports.day import Close, heads_of, totals
from zparkd.core.reports.records import Asked, Table
from zparkd.storage.readers.connection import Connection, one_moment, read_only
from zparkd.storage.readers.reports import days
from zparkd.storage.readers.reports.records import records
from zparkd.storage.store import Store

Totals = dict[str, list[dict[str, Any]]]
_AT_ONCE = 10_000  # events folded in one transaction


class Lacking(NamedTuple):
    """Events that the close of a day was made of, and that are not here: how many of whose."""

    origin: str
    events: int


class Folding(NamedTuple):
    """Whose database it is, and what to call after so many events."""

    site: str
    central: str
    timezone: str
    went_on: Callable[[int], None]


def totals_now(connection: Connection, day: str, zone: tzinfo) -> Totals:
    """What a day comes to by all that is held."""

    def ask(asked: Asked) -> Table:
        return report(asked, records(connection, asked))

    return totals(ask, day, zone)


def lacking(connection: Connection, close: Close) -> list[Lacking]:
    """What the close of a day was made of that is not held here."""
    held, found = days.held(connection), dict[str, int]()
    for stream, head in heads_of(close).items():
        missing = head - held.get(stream, 0)
        if missing > 0:
            found[stream.origin] = found.get(stream.origin, 0) + missing
    return [Lacking(*one) for one in sorted(found.items())]


def totals_then(
    connection: Connection, heads: Heads, day: str, zone: tzinfo, folding: Folding
) -> Totals:
    """What a day comes to by the events up to these heads, all of which are held."""
    with tempfile.TemporaryDirectory(prefix="zparkd-day-") as folder:
        file = Path(folder) / "day.db"
        _fold(connection, heads, file, folding)
        with closing(read_only(file)) as folded, one_moment(folded):
            return totals_now(folded, day, zone)


def _fold(connection: Connection, heads: Heads, file: Path, folding: Folding) -> None:
    names = folding.central, folding.site, folding.timezone
    with closing(Store(file, *names)) as store:
        count = 0
        for skeleton, personal_part in days.events_up_to(connection, heads):
            try:
                event = read(skeleton, personal_part)
            except ProtocolError:  # rot; `verify` names it
                continue
            store.append(event)
            count += 1
            if count % _AT_ONCE == 0:
                store.settle()
                store.commit()
                folding.went_on(_AT_ONCE)
        while store.unsettled:
            store.settle()
        store.commit()
        folding.went_on(count % _AT_ONCE)
