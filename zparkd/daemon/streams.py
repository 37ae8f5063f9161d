"""The streams held here, numbered, with their heads: positions as integers and back.

`at`, the key of an event in this database, is its stream's number << 40 | its seq. The numbers
are this database's own and mean nothing elsewhere.
"""

import sqlite3

from zparkd.core.events import Position, Stream
from zparkd.daemon.schema import SEQ_BITS

_SEQ_MASK = (1 << SEQ_BITS) - 1


class Streams:
    """The table `streams` in memory. What changed is written by `flush`, in the transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.reload()

    def reload(self) -> None:
        """Read the table again: after opening, and after a transaction was undone."""
        self.heads: dict[Stream, int] = {}
        self._hashes: dict[Stream, str] = {}
        self._numbers: dict[Stream, int] = {}
        self._streams: dict[int, Stream] = {}
        self._changed: set[Stream] = set()
        rows = self._connection.execute("SELECT no, origin, epoch, head, head_hash FROM streams")
        for number, origin, epoch, head, head_hash in rows:
            stream = Stream(origin, epoch)
            self.heads[stream] = head
            self._hashes[stream] = head_hash
            self._numbers[stream] = number
            self._streams[number] = stream

    def head_hash(self, stream: Stream) -> str:
        """The hash of the newest event held of a stream; `""` where none is."""
        return self._hashes.get(stream, "")

    def at(self, position: Position) -> int | None:
        """The key of an event in this database; None where its stream was never seen."""
        number = self._numbers.get(Stream(position.origin, position.epoch))
        return number << SEQ_BITS | position.seq if number is not None else None

    def position(self, at: int) -> Position:
        """The position of the event with this key."""
        return Position(*self._streams[at >> SEQ_BITS], at & _SEQ_MASK)

    def advance(self, position: Position, head_hash: str) -> int:
        """Make this the head of its stream, a new one where it opens it; the event's key."""
        stream = position.stream
        assert position.seq == self.heads.get(stream, 0) + 1
        if stream not in self._numbers:
            number = max(self._streams, default=0) + 1
            self._numbers[stream] = number
            self._streams[number] = stream
        self.heads[stream] = position.seq
        self._hashes[stream] = head_hash
        self._changed.add(stream)
        return self._numbers[stream] << SEQ_BITS | position.seq

    def flush(self) -> set[Stream]:
        """Write the heads that changed since the last commit; which streams those are of."""
        self._connection.executemany(
            "INSERT INTO streams VALUES (?,?,?,?,?)"
            " ON CONFLICT (no) DO UPDATE SET head = excluded.head, head_hash = excluded.head_hash",
            [
                (self._numbers[stream], *stream, self.heads[stream], self._hashes[stream])
                for stream in self._changed
            ],
        )
        changed, self._changed = self._changed, set()
        return changed
