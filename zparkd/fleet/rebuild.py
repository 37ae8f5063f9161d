"""Folding all of a site anew from its events: after a change of the rules, or when asked for."""

import logging

from zparkd.core.stays.fold import FOLD_VERSION
from zparkd.fleet import event_tables, site_tables
from zparkd.fleet.turn import Turns

_log = logging.getLogger("zparkd.fleet")
_AT_ONCE = 2_000


def fold_anew(
    connection: site_tables.Connection, turns: Turns, site: str, *, always: bool = False
) -> int:
    """Fold a site that was folded by other rules; how many vehicles those were.

    In one transaction: whoever reads sees the old stays, then the new ones, numbers kept.
    """
    with connection.transaction():
        if not always and site_tables.fold_version(connection, site) == FOLD_VERSION:
            return 0
        left = event_tables.vehicles_of(connection, site, None)
        count = len(left)
        seen: set[int] = set()
        while left:
            part = [no for no in left[:_AT_ONCE] if no not in seen]
            left = left[_AT_ONCE:]
            if part:
                seen |= turns.fold_vehicles(site, part)
        site_tables.write_fold_version(connection, site, FOLD_VERSION)
    turns.forget(site)
    _log.info("%s: %d vehicles folded anew", site, count)
    return count
