"""Who vouches for what is held: signatures of heads, certificates of streams, pinned identities.

Tables only: what is worth keeping is decided by the rules. See `core.log.Signed`.
"""

import sqlite3
from collections.abc import Callable, Collection, Mapping

from zparkd.core.events.event import Position, Stream
from zparkd.core.events.signing import Certificate, SignedHead
from zparkd.core.replication import limits
from zparkd.storage.keys import key_of, number_of
from zparkd.storage.stream_table import Streams


class Signatures:
    """Answers the questions about signatures that the rules ask of a log."""

    def __init__(
        self, connection: sqlite3.Connection, streams: Streams, begin: Callable[[], None]
    ) -> None:
        """`begin` opens the transaction of a change."""
        self._connection = connection
        self._run = connection.execute
        self._streams = streams
        self._begin = begin
        self._known: dict[Stream, Certificate] = {}  # what was read, or written, of the table
        self._forks: dict[Stream, int] | None = None

    def reload(self) -> None:
        """Read the tables again: a transaction was undone."""
        self._known.clear()
        self._forks = None

    def sign(self, head: SignedHead) -> None:
        """Keep the signature of an event that is held."""
        self._begin()
        at = self._streams.at(head.position)
        self._run("INSERT OR REPLACE INTO signatures VALUES (?,?)", (at, head.signature))

    def signed_head(self, stream: Stream, after: int, up_to: int) -> SignedHead | None:
        """The last signature after one position of a stream and not beyond another."""
        base = self._streams.at(Position(*stream, 0))
        if base is None:
            return None
        row = self._run(
            "SELECT at, signature FROM signatures WHERE at > ? AND at <= ?"
            " ORDER BY at DESC LIMIT 1",
            (base + after, base + up_to),
        ).fetchone()
        return SignedHead(self._streams.position(row[0]), row[1]) if row is not None else None

    def next_signed(self, position: Position) -> SignedHead | None:
        """The first signature at a position or after it in its stream."""
        at = self._streams.at(position)
        if at is None:
            return None
        row = self._run(
            "SELECT at, signature FROM signatures WHERE at >= ? AND at < ? ORDER BY at LIMIT 1",
            (at, key_of(number_of(at) + 1, 0)),
        ).fetchone()
        return SignedHead(self._streams.position(row[0]), row[1]) if row is not None else None

    def forked(self, stream: Stream, seq: int, proof: bytes) -> None:
        """Keep that an origin recorded two events at one position; `proof` is empty without keys.

        The first of a stream is kept, and those of the newest streams of each origin.
        """
        known = [one for one in self.forks() if one.origin == stream.origin]
        older = sorted(known)[: -limits.FORKS_KEPT + 1]
        if stream in known or (older and stream < older[-1]):
            return
        self._begin()
        self._connection.executemany("DELETE FROM forks WHERE origin=? AND epoch=?", older)
        self._run("INSERT INTO forks VALUES (?,?,?,?)", (*stream, seq, proof))
        self._forks = None

    def forks(self) -> Mapping[Stream, int]:
        """The streams of which that is known, and the position."""
        if self._forks is None:
            rows = self._run("SELECT origin, epoch, seq FROM forks")
            self._forks = {Stream(origin, epoch): seq for origin, epoch, seq in rows}
        return self._forks

    def certify(self, certificate: Certificate) -> None:
        """Keep who vouches for the key of a stream that is held.

        Where it is another key than before, the signatures by that one are dropped.
        """
        before = self.certificate(certificate.stream)
        if before == certificate:
            return
        self._begin()
        base = self._streams.at(Position(*certificate.stream, 0))
        assert base is not None
        if before is not None and before.stream_key != certificate.stream_key:
            end = key_of(number_of(base) + 1, 0)
            self._run("DELETE FROM signatures WHERE at > ? AND at < ?", (base, end))
        self._run(
            "INSERT OR REPLACE INTO certificates VALUES (?,?,?,?)",
            (number_of(base), *certificate[1:]),
        )
        self._known[certificate.stream] = certificate

    def certificate(self, stream: Stream) -> Certificate | None:
        """Who vouches for the key of a stream; None where nobody does."""
        known = self._known.get(stream)
        if known is not None:
            return known
        base = self._streams.at(Position(*stream, 0))
        if base is None:
            return None
        row = self._run(
            "SELECT stream_key, identity_key, signature FROM certificates WHERE stream=?",
            (number_of(base),),
        ).fetchone()
        if row is not None:
            self._known[stream] = known = Certificate(stream, *row)
        return known

    def pin(self, origin: str, identity_key: bytes) -> None:
        """Write down that an identity speaks for an origin."""
        self._begin()
        self._run("INSERT OR IGNORE INTO pinned VALUES (?,?)", (origin, identity_key))

    def configured(self, origins: Collection[str]) -> None:
        """Write down who is configured; who was, and is not any more, is removed."""
        known = dict(self._run("SELECT origin, removed FROM configured").fetchall())
        rows = [(id, 0) for id in origins if known.get(id) != 0]
        rows += [(id, 1) for id, removed in known.items() if id not in origins and not removed]
        if rows:
            self._begin()
            for row in rows:
                self._run("INSERT OR REPLACE INTO configured VALUES (?,?)", row)

    def removed(self) -> frozenset[str]:
        """Who was configured once, and is not any more."""
        return frozenset(id for (id,) in self._run("SELECT origin FROM configured WHERE removed"))

    def taken_back(self, origin: str) -> None:
        """One that was removed is not, whoever is configured."""
        self._begin()
        self._run("DELETE FROM configured WHERE origin=? AND removed", (origin,))

    def pinned(self, origin: str) -> frozenset[bytes]:
        """The identities that were written down for an origin, if any."""
        rows = self._run("SELECT identity_key FROM pinned WHERE origin=?", (origin,))
        return frozenset(key for (key,) in rows)
