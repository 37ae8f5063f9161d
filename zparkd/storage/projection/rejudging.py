"""Making events count, or count no more, as the words about their origins come to.

A part a turn, so that no turn takes long however much somebody recorded who is disowned.
"""

import sqlite3
from collections.abc import Callable

from zparkd.core import limits
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event
from zparkd.storage.projection.member_tables import Members
from zparkd.storage.projection.projector import Projection
from zparkd.storage.projection.reference_tables import ReferenceTables


class Rejudging:
    """Brings the tables to what `Members` says. All within the caller's transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        members: Members,
        projection: Projection,
        reference: ReferenceTables,
    ) -> None:
        self._run = connection.execute
        self._members = members
        self._projection = projection
        self._reference = reference

    def turn(self, begin: Callable[[], None]) -> None:
        """The next part; the marked vehicles are then to be folded. `begin` opens a transaction."""
        if not self._members.unsettled:
            return
        begin()
        spent = 0
        while self._members.unsettled and spent < limits.REJUDGED_PER_TURN:
            for at, counts in self._members.changes(1):
                self._rejudge(at, counts=counts)
                spent += 1

    def _rejudge(self, at: int, *, counts: bool) -> None:
        """Make one event count, or count no more."""
        row = self._run("SELECT skeleton, sealed FROM events WHERE at=?", (at,)).fetchone()
        try:
            event = self._projection.read(*row)
        except ProtocolError:
            return  # rot: what it said is not known any more
        if counts:
            self._count_again(at, event)
        else:
            self._projection.count_no_more(at, event)
            self._reference.count_no_more(event)

    def _count_again(self, at: int, event: Event) -> None:
        if self._run("SELECT 1 FROM unprojected WHERE at=?", (at,)).fetchone():
            return  # it would blow up again
        self._projection.add_again(at, event)
        self._reference.count_again(event)
