"""The tables `peers` and `peer_heads`: what is written down of peers is what changed of them."""

import sqlite3
from collections.abc import Callable, Collection, Iterable

from zparkd.core.replication.peer_state import PeerNote


class PeerNotes:
    """Writes and reads those rows. All within the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection, begin: Callable[[], None]) -> None:
        """`begin` opens the transaction of a change."""
        self._run = connection.execute
        self._many = connection.executemany
        self._begin = begin
        self.reload()

    def reload(self) -> None:
        """Forget what is remembered: a transaction was undone."""
        self._noted: set[str] | None = None  # the peers of which anything is written down

    def write(self, ids: Collection[str], notes: Iterable[PeerNote], wall_ms: int) -> None:
        """Write down what changed; what is written of others than `ids` goes."""
        if self._noted is None:
            self._noted = {id for (id,) in self._run("SELECT id FROM peers")}
        for id in self._noted - set(ids):
            self._begin()
            self._run("DELETE FROM peers WHERE id=?", (id,))
            self._run("DELETE FROM peer_heads WHERE peer=?", (id,))
        for note in notes:
            self._begin()
            row = (note.peer_id, note.synced_ms, wall_ms)
            self._run("INSERT OR REPLACE INTO peers VALUES (?,?,?)", row)
            self._many(
                "INSERT OR REPLACE INTO peer_heads VALUES (?,?,?,?)",
                [(note.peer_id, *head) for head in note.heads if head[2]],
            )
            self._many(
                "DELETE FROM peer_heads WHERE peer=? AND origin=? AND epoch=?",
                [(note.peer_id, *head[:2]) for head in note.heads if not head[2]],
            )
            self._noted.add(note.peer_id)
        self._noted &= set(ids)

    def read(self) -> list[PeerNote]:
        """What was written down, of each peer all that it held."""
        heads: dict[str, list[tuple[str, int, int]]] = {}
        for id, *head in self._run("SELECT peer, origin, epoch, head FROM peer_heads"):
            heads.setdefault(id, []).append((head[0], head[1], head[2]))
        rows = self._run("SELECT id, synced_ms FROM peers").fetchall()
        return [PeerNote(id, synced_ms, heads.get(id, [])) for id, synced_ms in rows]
