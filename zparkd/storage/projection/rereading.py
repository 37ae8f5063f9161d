"""What comes to something else than when it was stored: events are read again, or judged again.

**Read**, after an upgrade: what the version before kept unread. An event of a kind or form that a
version does not know is kept, relayed and means nothing to it. A newer one that starts on its
database knows more: it reads those events, a part a turn, before it answers edges. What is left to
do is in the table `rereading`, so a restart goes on with it. Where the fold itself is another one
than before, all vehicles are folded again, beside the edges.

**Judged**, as the words about their origins change: events count, or count no more. That too is a
part a turn, so that no turn takes long however much somebody recorded who is disowned.
"""

import sqlite3
from collections.abc import Callable

from zparkd import __version__
from zparkd.core import limits
from zparkd.core.errors import ProtocolError
from zparkd.core.events import event as events
from zparkd.core.events.payloads import VehicleErased
from zparkd.core.stays.fold import FOLD_VERSION
from zparkd.storage.projection.erasure_table import Erasures
from zparkd.storage.projection.member_tables import Members
from zparkd.storage.projection.projector import Projection
from zparkd.storage.projection.reference_tables import ReferenceTables

_FROM_THE_FIRST = -1


def compare(connection: sqlite3.Connection) -> None:
    """Note what is to be read and folded again, where another version used this database last.

    In a transaction of its own, before anything else is read of the tables.
    """
    now = {"fold": str(FOLD_VERSION), "reads": f"{__version__} {events.knows()}"}
    then = dict(connection.execute("SELECT key, value FROM meta WHERE key IN ('fold', 'reads')"))
    if now == then:
        return
    connection.execute("BEGIN IMMEDIATE")
    if then.get("reads") != now["reads"]:
        connection.execute("INSERT OR IGNORE INTO rereading SELECT at FROM unread")
    if then.get("fold", now["fold"]) != now["fold"]:
        connection.execute(
            "INSERT OR REPLACE INTO unsettled SELECT no, ? FROM vehicles", (_FROM_THE_FIRST,)
        )
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?,?)", now.items())
    connection.execute("COMMIT")


class Rereading:
    """Brings the tables to what events say now, and to what `Members` says of them.

    All within the caller's transaction.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        members: Members,
        projection: Projection,
        reference: ReferenceTables,
        erasures: Erasures,
    ) -> None:
        self._run = connection.execute
        self._members = members
        self._projection = projection
        self._reference = reference
        self._erasures = erasures
        self._blew_up: dict[int, str] = {}
        self.reload()

    def reload(self) -> None:
        """Look again what is left: a transaction was undone."""
        self.left: int = self._run("SELECT count(*) FROM rereading").fetchone()[0]

    def kept(self, at: int) -> None:
        """An event that is stored says nothing to this version."""
        self._run("INSERT INTO unread VALUES (?)", (at,))

    def turn(self, begin: Callable[[], None]) -> None:
        """The next part; the marked vehicles are then to be folded. `begin` opens a transaction.

        Raises what the rules raise: then that event is passed over the next time.
        """
        if self.left or self._members.unsettled:
            begin()
            self._read_part()
            self._judge_part()

    def _read_part(self) -> None:
        if not self.left:
            return
        rows = self._run(
            "SELECT r.at, e.skeleton, e.sealed FROM rereading r JOIN events e ON e.at = r.at"
            " ORDER BY r.at LIMIT ?",
            (limits.EVENTS_PER_PIECE,),
        ).fetchall()
        for at, skeleton, sealed in rows:
            self._run("DELETE FROM rereading WHERE at=?", (at,))
            self.left -= 1
            if at in self._blew_up:
                self._run("INSERT OR IGNORE INTO unprojected VALUES (?,?)", (at, self._blew_up[at]))
                continue
            try:
                self._read(at, skeleton, sealed)
            except ProtocolError:
                continue  # rot: what it said is not known any more
            except Exception as fault:
                if not isinstance(fault, sqlite3.Error):
                    self._blew_up[at] = type(fault).__name__
                raise

    def _read(self, at: int, skeleton: bytes, sealed: bytes) -> None:
        event = self._projection.read(skeleton, sealed)
        if not event.is_read:
            return
        self._run("DELETE FROM unread WHERE at=?", (at,))
        counts = self._members.counted(event.position)  # it is judged anew with all the others
        if counts:
            event = self._erasures.held_again(event, at)
            self._projection.add_again(at, event)
        if event.reference is not None:
            self._reference.add(event, counts=counts)
            self._members.add(event)
            if counts and isinstance(event.reference, VehicleErased):
                self._erasures.add(event, event.reference, at)

    def _judge_part(self) -> None:
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
            if isinstance(event.reference, VehicleErased):
                self._erasures.count_no_more(event, event.reference)

    def _count_again(self, at: int, event: events.Event) -> None:
        if self._run("SELECT 1 FROM unprojected WHERE at=?", (at,)).fetchone():
            return  # it would blow up again
        event = self._erasures.held_again(event, at)
        self._projection.add_again(at, event)
        self._reference.count_again(event)
        if isinstance(event.reference, VehicleErased):
            self._erasures.add(event, event.reference, at)
