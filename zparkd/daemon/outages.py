"""When a peer was lost and came back, written down: what `zparkctl incidents` tells from.

A peer is lost once it was connected and is not any more, from the last that was heard of it; it
is back when it is connected again, and the outage is over when all that it has is here. The
number of the newest arrival at both ends says which events came meanwhile. A run that ends cuts
this central off from all peers that it was connected to.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from zparkd.core import limits
from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.core.replication.peer_state import PeerState
from zparkd.storage.store import Store


class Why(StrEnum):
    """What an outage began with."""

    NOT_HEARD = "NOT_HEARD"
    DEAF = "DEAF"  # heard, and does not hear us
    DOWN_HERE = "DOWN_HERE"  # this central did not run


class _Open(NamedTuple):
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


class Outages:
    """The outages of one central's peers. All within the caller's transaction."""

    def __init__(self, central: Central, store: Store) -> None:
        self._central = central
        self._store = store
        self._connected: set[str] = set()
        self._open: dict[str, _Open] | None = None  # None: to be read again
        self._due_ms = 0
        self._first = True
        self._before = (self._connected, self._first)

    def forget(self) -> None:
        """A transaction was rolled back: what was noted in it must be noted again, in a while."""
        if self._open is not None:
            self._open = None
            self._connected, self._first = self._before
            self._due_ms += limits.OUTAGES_RETRY_MS

    def note(self, now: Now) -> None:
        """Write down what changed since the last time."""
        if now.mono_ms < self._due_ms:
            return
        self._due_ms = now.mono_ms + limits.OUTAGES_LOOKED_AT_MS
        open = self._read() if self._open is None else dict(self._open)
        peers = self._central.peers
        connected = {id for id, peer in peers.states.items() if peers.connected(peer, now.mono_ms)}
        if self._first:
            open |= self._down_here(set(peers.states) - set(open))
        for id in self._connected - connected:
            if id not in peers.states:
                continue
            if id in open:
                self._again(open[id])
                open[id] = open[id]._replace(back=False)
            else:
                open[id] = self._lost(peers.states[id], now)
        for id, outage in list(open.items()):
            if id not in peers.states:
                self._run(_OVER, self._ms(now), outage.id)
                del open[id]
            elif id in connected and self._goes_on(id, outage, now):
                open[id] = outage._replace(back=True)
            elif id in connected:
                del open[id]
        self._before = (self._connected, self._first)
        self._open, self._connected, self._first = open, connected, False

    # --- rows ---------------------------------------------------------------------------------

    def _read(self) -> dict[str, _Open]:
        rows = self._store.connection.execute(
            "SELECT peer, id, back_ms IS NOT NULL FROM outages WHERE over_ms IS NULL"
        )
        return {peer: _Open(id, bool(back)) for peer, id, back in rows}

    def _down_here(self, ids: Iterable[str]) -> dict[str, _Open]:
        """From the end of the last run to now, for the peers that it was connected to.

        Those are the peers that it once had all events of, and that were not lost then.
        """
        rows = self._store.connection.execute(
            "SELECT id, max(updated_ms) OVER () FROM peers WHERE synced_ms > 0"
        ).fetchall()
        wanted = set(ids)
        return {
            id: self._insert(id, Why.DOWN_HERE, ended_ms) for id, ended_ms in rows if id in wanted
        }

    def _lost(self, peer: PeerState, now: Now) -> _Open:
        heard = peer.heard
        if heard is None or self._central.peers.fresh(peer, now.mono_ms):
            return self._insert(peer.id, Why.DEAF, self._ms(now))
        ago_ms = now.mono_ms - heard.mono_ms
        return self._insert(peer.id, Why.NOT_HEARD, self._ms(now) - ago_ms)

    def _insert(self, peer: str, why: Why, lost_ms: int) -> _Open:
        values = {"peer": peer, "why": why.value, "lost_ms": lost_ms}
        cursor = self._store.writing().execute(_LOST, values)
        assert cursor.lastrowid is not None
        self._run("DELETE FROM outages WHERE id <= ?", cursor.lastrowid - limits.OUTAGES_KEPT)
        return _Open(cursor.lastrowid, back=False)

    def _again(self, outage: _Open) -> None:
        """The peer is lost again before all that it has was here: it is one outage."""
        if outage.back:
            self._run("UPDATE outages SET back_ms=NULL WHERE id=?", outage.id)

    def _goes_on(self, id: str, outage: _Open, now: Now) -> bool:
        """Note that a peer is back; whether something that it has is still missing here."""
        if not outage.back:
            self._run("UPDATE outages SET back_ms=? WHERE id=?", self._ms(now), outage.id)
        peer = self._central.peers.states[id]
        if peer.wants_vector or self._central.peers.behind(peer, self._central.log.heads) != 0:
            return True
        self._run(_OVER, self._ms(now), outage.id)
        # A start again during which nothing happened is no story.
        self._run(
            "DELETE FROM outages WHERE id=? AND why=? AND over_no=lost_no",
            outage.id,
            Why.DOWN_HERE.value,
        )
        return False

    def _ms(self, now: Now) -> int:
        return self._central.clock.read(now).ms

    def _run(self, statement: str, *values: object) -> None:
        self._store.writing().execute(statement, values)
