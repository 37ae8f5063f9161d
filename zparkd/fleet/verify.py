"""Whether the fleet shows of a site what the site shows: by the site's own digest of its stays.

The events are folded from scratch twice: up to the heads for which the site said what its stays
come to, for its digest, and all of them, for the rows that the database has. Neither uses what
the turns remember.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from zparkd.core.events.event import Event, Position, Stream
from zparkd.core.fleet import StayDigest, vector
from zparkd.core.members.votes import Verdicts, Words
from zparkd.core.site import Told
from zparkd.core.stays.fold import Stay, project
from zparkd.fleet import event_tables, site_tables, stay_tables
from zparkd.fleet.site_tables import Connection
from zparkd.fleet.turn import component

_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Compared:
    """What came out. `behind` events are still missing here of what the site's digest covers."""

    known: bool
    stays: int = 0
    rows_equal: bool = False
    site_equal: bool | None = None
    behind: int = 0
    why: str = ""

    @property
    def good(self) -> bool:
        """Whether all that can be equal is."""
        return self.known and self.rows_equal and self.site_equal is True


def compare(connection: Connection, site: str) -> Compared:
    """Compare a site with what it said last, in a transaction of the caller that sees one state."""
    found = site_tables.stay_sum(connection, site)
    if found is None:
        return Compared(known=False, why=f"no site {site} was ever heard of")
    said, told = found
    held = {Stream(*row[:2]): row[2] for row in site_tables.fleet_heads(connection, site).heads}
    heads = vector(said.heads) if said is not None else {}
    behind = sum(max(0, head - held.get(stream, 0)) for stream, head in heads.items())
    rows, scratch, then = StayDigest(), StayDigest(), StayDigest()
    for values in stay_tables.stay_values(connection, site):
        rows.add(values)
    verdicts = event_tables.load_words(connection, site).verdicts()
    verdicts_then = _words_up_to(connection, site, heads).verdicts()
    links = event_tables.load_links(connection, site)
    seen: set[int] = set()
    left = event_tables.vehicles_of(connection, site, None)
    while left:
        part = [no for no in left[:_AT_ONCE] if no not in seen]
        left = left[_AT_ONCE:]
        events, more, _ = component(connection, site, links, part)
        seen |= more
        _add(scratch, _stays(events.values(), verdicts))
        if said is not None and not behind:
            within = [one for one in events.values() if _within(one.position, heads)]
            _add(then, _stays(within, verdicts_then))
    equal: bool | None = None
    if said is None:
        why = "the site has not said yet what its stays come to"
    elif told is Told.NONE:
        why = "the site sends no plates, so it has no stays here"
    elif behind:
        why = f"not compared: {behind} events behind what the site said"
    elif event_tables.any_erased_beyond(connection, site, heads):
        why = "not compared: plates were erased since the site said what its stays come to"
    else:
        equal = (then.count, then.hex()) == (said.count, said.digest)
        why = "" if equal else f"the site has {said.count} stays, here are {then.count}"
    same = (rows.count, rows.hex()) == (scratch.count, scratch.hex())
    return Compared(True, rows.count, same, equal, behind, why)


def _within(position: Position, heads: Mapping[Stream, int]) -> bool:
    return position.seq <= heads.get(position.stream, 0)


def _words_up_to(connection: Connection, site: str, heads: Mapping[Stream, int]) -> Words:
    return event_tables.load_words(connection, site, lambda position: _within(position, heads))


def _stays(events: Iterable[Event], verdicts: Verdicts) -> Iterable[Stay]:
    return project(one for one in events if verdicts.counts(one.position)).stays.values()


def _add(digest: StayDigest, stays: Iterable[Stay]) -> None:
    for stay in stays:
        digest.add(stay_tables.values_of(stay))
