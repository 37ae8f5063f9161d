"""When a peer was lost and came back, written down: what `zparkctl incidents` tells from.

A peer that was connected and no longer is, is lost from when it was last heard; it
is back when it is connected again, and the outage is over when all that it has is here. The
number of the newest arrival at both ends says which events came meanwhile. A run that ends cuts
this central off from all peers that it was connected to.
"""

from collections.abc import Iterable

from zparkd.core import limits
from zparkd.core.view import PeerView, View
from zparkd.storage.outage_table import OpenOutage, OutageTable, Why
from zparkd.storage.store import Store


class Outages:
    """The outages of one central's peers. All within the caller's transaction."""

    def __init__(self, store: Store) -> None:
        self._table = OutageTable(store.connection, store.writing)
        self._connected: set[str] = set()
        self._open: dict[str, OpenOutage] | None = None  # None: to be read again
        self._due_ms = 0
        self._first = True
        self._before = (self._connected, self._first)

    def forget(self) -> None:
        """A transaction was rolled back: what was noted in it must be noted again, in a while."""
        if self._open is not None:
            self._open = None
            self._connected, self._first = self._before
            self._due_ms += limits.OUTAGES_RETRY_MS

    def note(self, view: View) -> None:
        """Write down what changed since the last time."""
        if view.now.mono_ms < self._due_ms:
            return
        self._due_ms = view.now.mono_ms
        open = self._table.not_over() if self._open is None else dict(self._open)
        peers = view.peers
        connected = {id for id, peer in peers.items() if peer.connected}
        if self._first:
            open |= self._down_here(set(peers) - set(open))
        for id in self._connected - connected:
            if id not in peers:
                continue
            if id in open:
                if open[id].back:
                    self._table.lost_again(open[id])
                open[id] = open[id]._replace(back=False)
            else:
                open[id] = self._lost(peers[id], view.time_ms)
        for id, outage in list(open.items()):
            if id not in peers:
                self._table.end(outage, view.time_ms)
                del open[id]
            elif id in connected and self._goes_on(peers[id], outage, view.time_ms):
                open[id] = outage._replace(back=True)
            elif id in connected:
                del open[id]
        self._before = (self._connected, self._first)
        self._open, self._connected, self._first = open, connected, False

    def _down_here(self, ids: Iterable[str]) -> dict[str, OpenOutage]:
        """From the end of the last run to now, for the peers that it was connected to.

        Those are the peers that it once had all events of, and that were not lost then.
        """
        before = self._table.connected_before()
        return {
            id: self._table.begin(id, Why.DOWN_HERE, before[id])
            for id in sorted(before.keys() & set(ids))
        }

    def _lost(self, peer: PeerView, now_ms: int) -> OpenOutage:
        if peer.heard_ms is None or peer.fresh:
            return self._table.begin(peer.id, Why.DEAF, now_ms)
        return self._table.begin(peer.id, Why.NOT_HEARD, peer.heard_ms)

    def _goes_on(self, peer: PeerView, outage: OpenOutage, now_ms: int) -> bool:
        """Note that a peer is back; whether something that it has is still missing here."""
        if not outage.back:
            self._table.back(outage, now_ms)
        if peer.says_more or peer.behind != 0:
            return True
        self._table.end(outage, now_ms)
        self._table.forget_if_uneventful(outage)
        return False
