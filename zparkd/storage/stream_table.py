"""The streams held here, numbered, with their heads: positions as integers and back.

`at`, the key of an event in this database, is its stream's number << 40 | its seq. The numbers
are this database's own and mean nothing elsewhere.
"""

import sqlite3

from zparkd.core.events.event import Position, Stream
from zparkd.core.events.heads import HeadVector
from zparkd.storage.keys import SEQ_BITS, SEQ_MASK


class Streams:
    """The table `streams` in memory. What changed is written by `flush`, in the transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.heads = HeadVector()
        self._hashes: dict[Stream, str] = {}
        self._numbers: dict[Stream, int] = {}
        self._streams: dict[int, Stream] = {}
        self._last_number = 0
        # Of the streams that changed since the last commit: what they were, 0 for new ones.
        self._before: dict[Stream, tuple[int, str]] = {}
        rows = self._connection.execute("SELECT no, origin, epoch, head, head_hash FROM streams")
        for number, origin, epoch, head, head_hash in rows:
            stream = Stream(origin, epoch)
            self._number(stream, number)
            self.heads[stream] = head
            self._hashes[stream] = head_hash

    def _number(self, stream: Stream, number: int) -> None:
        self._numbers[stream] = number
        self._streams[number] = stream
        self._last_number = max(self._last_number, number)

    def undo(self) -> set[Stream]:
        """Take back what changed since the last commit; which streams that was."""
        before, self._before = self._before, {}
        for stream, (head, head_hash) in before.items():
            if head:
                self.heads[stream], self._hashes[stream] = head, head_hash
            else:
                self.heads.discard(stream)
                del self._hashes[stream]
                del self._streams[self._numbers.pop(stream)]
        return set(before)

    def head_hash(self, stream: Stream) -> str:
        """The hash of the newest event held of a stream; `""` where none is."""
        return self._hashes.get(stream, "")

    def at(self, position: Position) -> int | None:
        """The key of an event in this database; None where its stream was never seen."""
        number = self._numbers.get(Stream(position.origin, position.epoch))
        return number << SEQ_BITS | position.seq if number is not None else None

    def head_before(self, stream: Stream, ms: int) -> int:
        """The event of a stream after which the first comes that is stamped `ms` or later."""
        base = self.at(Position(*stream, 0))
        if base is None:
            return 0
        head = self.heads[stream]
        (at,) = self._connection.execute(
            "SELECT min(at) FROM events WHERE at BETWEEN ? AND ? AND timestamp >= ?",
            (base + 1, base + head, ms),
        ).fetchone()
        return head if at is None else int(at) - base - 1

    def position(self, at: int) -> Position:
        """The position of the event with this key."""
        return Position(*self._streams[at >> SEQ_BITS], at & SEQ_MASK)

    def advance(self, position: Position, head_hash: str) -> int:
        """Make this the head of its stream, a new one where it opens it; the event's key."""
        stream = position.stream
        head = self.heads.get(stream, 0)
        assert position.seq == head + 1
        if not head:
            self._number(stream, self._last_number + 1)
        if stream not in self._before:
            self._before[stream] = (head, self._hashes.get(stream, ""))
        self.heads[stream] = position.seq
        self._hashes[stream] = head_hash
        return self._numbers[stream] << SEQ_BITS | position.seq

    def flush(self) -> None:
        """Write the heads that changed since the last commit."""
        self._connection.executemany(
            "INSERT INTO streams VALUES (?,?,?,?,?)"
            " ON CONFLICT (no) DO UPDATE SET head = excluded.head, head_hash = excluded.head_hash",
            [
                (self._numbers[stream], *stream, self.heads[stream], self._hashes[stream])
                for stream in self._before
            ],
        )

    def committed(self) -> set[Stream]:
        """What was flushed is on the disk; which streams that are."""
        before, self._before = self._before, {}
        return set(before)
