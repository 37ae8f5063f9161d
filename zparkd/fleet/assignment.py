"""Which process folds which site: advisory locks of PostgreSQL, held by one connection.

A site is folded by who has its lock, and the lock goes with the connection: where that is lost,
so is the right to fold, and the transaction that was under way. Each process takes no more than
its share, so several that run side by side come to about the same number of sites each.
"""

from collections.abc import Collection

from zparkd.fleet import site_tables
from zparkd.fleet.site_tables import Connection

_SITE, _PROCESS = 0x7A71, 0x7A72  # the first of two numbers of a lock; 0x7A70 is of migrations


class Assignment:
    """The sites of one process. Its connection is the one that also folds them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.mine: set[str] = set()
        connection.execute("SELECT pg_advisory_lock_shared(%s, 0)", (_PROCESS,))

    def look(self) -> tuple[set[str], set[str]]:
        """Look who is there; the sites that are ours from now on, and those to be given back.

        What is to be given back is ours until `give_back`.
        """
        there = site_tables.sites(self._connection)
        share = -(-len(there) // max(1, self._processes()))
        surplus = set(sorted(self.mine)[share:])
        taken = set()
        for site in there:
            if len(self.mine) >= share:
                break
            if site not in self.mine and self._lock(site):
                taken.add(site)
                self.mine.add(site)
        return taken, surplus

    def give_back(self, sites: Collection[str]) -> None:
        """Let others fold these."""
        for site in sites:
            self._connection.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", (_SITE, site))
            self.mine.discard(site)

    def _lock(self, site: str) -> bool:
        row = self._connection.execute(
            "SELECT pg_try_advisory_lock(%s, hashtext(%s))", (_SITE, site)
        ).fetchone()
        return row is not None and bool(row[0])

    def _processes(self) -> int:
        row = self._connection.execute(
            "SELECT count(DISTINCT pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND classid = %s AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())",
            (_PROCESS,),
        ).fetchone()
        assert row is not None
        return int(row[0])


def locked_sites(connection: Connection) -> set[str]:
    """The sites that some process folds now."""
    rows = connection.execute(
        "SELECT site FROM sites s WHERE EXISTS (SELECT 1 FROM pg_locks l WHERE"
        " l.locktype = 'advisory' AND l.granted AND l.classid = %s"
        " AND l.objid = hashtext(s.site)::bit(32)::bigint::oid)",
        (_SITE,),
    )
    return {site for (site,) in rows}
