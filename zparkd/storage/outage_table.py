"""The table `outages`: from when a peer was lost to when it was back, and all it has was here.

When that is so is decided elsewhere. The number of the newest arrival at both ends says which
events came meanwhile. All within the caller's transaction.
"""

import sqlite3
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from zparkd.core import limits


class Why(StrEnum):
    """What an outage began with."""

    NOT_HEARD = "NOT_HEARD"
    DEAF = "DEAF"  # heard, and does not hear us
    DOWN_HERE = "DOWN_HERE"  # this central did not run


class OpenOutage(NamedTuple):
    """An outage that is not over: its row, and whether the peer is back."""

    id: int
    back: bool


_NEWEST = "(SELECT coalesce(max(no), 0) FROM arrivals)"
# A peer is known to be lost only after a while, in which events were made here.
_BEFORE = (
    "(SELECT min(a.no) - 1 FROM (SELECT no, at FROM arrivals ORDER BY no DESC LIMIT 10000) a"
    " JOIN events e ON e.at = a.at WHERE e.timestamp > :lost_ms)"
)
_LOST = (
    "INSERT INTO outages (peer, why, lost_ms, lost_no)"
    f" VALUES (:peer, :why, :lost_ms, coalesce({_BEFORE}, {_NEWEST}))"
)
_OVER = f"UPDATE outages SET over_ms=?, over_no={_NEWEST} WHERE id=?"


class OutageTable:
    """Reads and writes those rows."""

    def __init__(
        self, connection: sqlite3.Connection, writing: Callable[[], sqlite3.Connection]
    ) -> None:
        """`writing` is the same connection, with a transaction open."""
        self._connection = connection
        self._writing = writing

    def not_over(self) -> dict[str, OpenOutage]:
        """The outages that are not over, by peer."""
        rows = self._connection.execute(
            "SELECT peer, id, back_ms IS NOT NULL FROM outages WHERE over_ms IS NULL"
        )
        return {peer: OpenOutage(id, bool(back)) for peer, id, back in rows}

    def connected_before(self) -> dict[str, int]:
        """The peers that all events were here of once, and when that was last written down, ms."""
        rows = self._connection.execute(
            "SELECT id, max(updated_ms) OVER () FROM peers WHERE synced_ms > 0"
        )
        return dict(rows.fetchall())

    def begin(self, peer: str, why: Why, lost_ms: int) -> OpenOutage:
        """A peer was lost. Of all outages only the newest are kept."""
        values = {"peer": peer, "why": why.value, "lost_ms": lost_ms}
        cursor = self._writing().execute(_LOST, values)
        assert cursor.lastrowid is not None
        self._run("DELETE FROM outages WHERE id <= ?", cursor.lastrowid - limits.OUTAGES_KEPT)
        return OpenOutage(cursor.lastrowid, back=False)

    def back(self, outage: OpenOutage, ms: int) -> None:
        """The peer is back."""
        self._run("UPDATE outages SET back_ms=? WHERE id=?", ms, outage.id)

    def lost_again(self, outage: OpenOutage) -> None:
        """The peer is lost again before all that it has was here: it is one outage."""
        self._run("UPDATE outages SET back_ms=NULL WHERE id=?", outage.id)

    def end(self, outage: OpenOutage, ms: int) -> None:
        """All that the peer has is here, or it is a peer no more."""
        self._run(_OVER, ms, outage.id)

    def forget_if_uneventful(self, outage: OpenOutage) -> None:
        """A start again during which nothing happened is no story."""
        self._run(
            "DELETE FROM outages WHERE id=? AND why=? AND over_no=lost_no",
            outage.id,
            Why.DOWN_HERE.value,
        )

    def _run(self, statement: str, *values: object) -> None:
        self._writing().execute(statement, values)
