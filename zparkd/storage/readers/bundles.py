"""What a bundle is made of: the log of a database, over a connection that can't write."""

import sqlite3
from collections.abc import Iterator

from zparkd.core.events.event import Position, Stream
from zparkd.core.events.heads import Heads, HeadVector
from zparkd.storage.keys import key_of, number_of
from zparkd.storage.signature_tables import Signatures
from zparkd.storage.stream_table import Streams


class HeldLog:
    """The events of a database with their signatures, as they are when it is made."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection.execute
        self._streams = Streams(connection)
        self.signed = Signatures(connection, self._streams, _no_change)

    @property
    def heads(self) -> HeadVector:
        """How far each stream is held."""
        return self._streams.heads

    def head_hash(self, stream: Stream) -> str:
        """The hash of the newest event held of a stream; `""` where none is."""
        return self._streams.head_hash(stream)

    def page(
        self, stream: Stream, after: int, count: int, size: int
    ) -> Iterator[tuple[bytes, bytes]]:
        """Skeletons and personal parts after `after`, until `count` or `size` bytes are passed."""
        at = self._streams.at(Position(*stream, after))
        if at is None:
            return
        for skeleton, sealed in self._run(
            "SELECT skeleton, sealed FROM events WHERE at > ? AND at < ? ORDER BY at LIMIT ?",
            (at, key_of(number_of(at) + 1, 0), count),
        ):
            yield skeleton, sealed
            size -= len(skeleton) + len(sealed)
            if size <= 0:
                return


def held_by(connection: sqlite3.Connection, central: str) -> Heads:
    """What a peer held of each stream when it was last heard; nothing where it never was."""
    rows = connection.execute(
        "SELECT origin, epoch, head FROM peer_heads WHERE peer = ?", (central,)
    )
    return {Stream(origin, epoch): head for origin, epoch, head in rows}


def _no_change() -> None:
    raise AssertionError("a reader changes nothing")
