"""The log of a database compared with itself: every stream, event by event.

No gap, each hash over the one before, each event what its row says it is. What an event says
in detail is looked at where its vehicle is, see `stay_check`. This runs over millions of events
while somebody waits: so a row is only read as far as its chain needs, and ranges of a stream
can be looked at by several processes.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, Position, Stream, digest, read, seal_of
from zparkd.core.events.heads import Heads
from zparkd.core.replication import range_digests as digests
from zparkd.core.replication.range_digests import Of
from zparkd.verify.ranges import Difference, Range

SEQ_BITS = 40  # `at`, the key of an event: its stream's number, then so many bits of seq
SEQ_MASK = (1 << SEQ_BITS) - 1


class _Chained(msgspec.Struct, gc=False):
    """What of a skeleton chains it."""

    source_central: str
    epoch: int
    seq: int
    prev: str
    sealed: str


_Row = tuple[Any, ...]
_Run = Callable[..., sqlite3.Cursor]
_read_chained = msgspec.json.Decoder(_Chained).decode


class Log:
    """The streams of a database as they are now; events up to their heads never change."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection.execute
        self.numbers: dict[Stream, int] = {}
        self.heads: Heads = {}
        self._hashes: dict[Stream, str] = {}
        for number, origin, epoch, head, head_hash in self._run(
            "SELECT no, origin, epoch, head, head_hash FROM streams ORDER BY origin, epoch"
        ):
            stream = Stream(origin, epoch)
            self.numbers[stream] = number
            self.heads[stream] = head
            self._hashes[stream] = head_hash

    def at(self, stream: Stream, seq: int) -> int:
        """The key of a position in this database."""
        return self.numbers[stream] << SEQ_BITS | seq

    def last_vehicle(self) -> int:
        """The highest number of a vehicle; 0 for none."""
        row = self._run(
            "SELECT max(coalesce((SELECT max(no) FROM vehicles), 0),"
            " coalesce((SELECT max(vehicle) FROM events), 0))"
        ).fetchone()
        return int(row[0])

    def digest(self, of: Of, one: Range) -> str:
        """The digest of what is held at a range."""
        span = self.at(one.stream, one.first), self.at(one.stream, one.last)
        if of is Of.EVENTS:
            rows = self._run(
                "SELECT skeleton, sealed FROM events WHERE at BETWEEN ? AND ? ORDER BY at", span
            )
            return digests.of_events(rows)
        rows = self._run("SELECT * FROM shared_stays WHERE at BETWEEN ? AND ? ORDER BY at", span)
        return digests.of_stays(tuple(row)[1:] for row in rows)

    def ends(self) -> Iterator[Difference]:
        """What is wrong with the streams as such: their heads, and events of none."""
        for stream, head in self.heads.items():
            number = self.numbers[stream]
            row = self._run(
                "SELECT at, skeleton FROM events WHERE at < ? ORDER BY at DESC LIMIT 1",
                ((number + 1) << SEQ_BITS,),
            ).fetchone()
            last = row[0] & SEQ_MASK if row is not None and row[0] >> SEQ_BITS == number else 0
            if last > head:
                yield Difference(*stream, head + 1, last, "beyond the head of the stream")
            elif last == head and digest(row[1]) != self._hashes[stream]:
                yield Difference(*stream, last, last, "not the hash that the head has")
        known = set(self.numbers.values())
        for number in self._stored():
            if number not in known:
                first, last = self._run(
                    "SELECT min(at), max(at) FROM events WHERE at BETWEEN ? AND ?",
                    (number << SEQ_BITS, number << SEQ_BITS | SEQ_MASK),
                ).fetchone()
                seqs = first & SEQ_MASK, last & SEQ_MASK
                yield Difference("?", number, *seqs, "events of a stream that is not known")

    def _stored(self) -> Iterator[int]:
        """The numbers of all streams that have events; what lies between is leapt over."""
        number = 0
        while True:
            row = self._run(
                "SELECT at FROM events WHERE at >= ? ORDER BY at LIMIT 1", (number << SEQ_BITS,)
            ).fetchone()
            if row is None:
                return
            number = row[0] >> SEQ_BITS
            yield number
            number += 1


class Checked(NamedTuple):
    """What was found in some ranges: their digests, how many events, and what is wrong.

    `broken` are events that do not continue the one before them: see `changed`.
    """

    digests: dict[Range, str]
    events: int
    differences: list[Difference]
    broken: list[Position]


def check_log(connection: sqlite3.Connection, number: int, ranges: list[Range]) -> Checked:
    """Look at ranges of the stream with this number that follow each other."""
    cursor = connection.cursor()
    cursor.row_factory = None  # plain tuples: there may be millions
    run = cursor.execute
    found = Checked({}, 0, [], [])
    before: str | None = ""
    if ranges[0].first > 1:
        row = run(
            "SELECT skeleton FROM events WHERE at=?", (number << SEQ_BITS | ranges[0].first - 1,)
        ).fetchone()
        before = digest(row[0]) if row is not None else None
    for one in ranges:
        rows = run(
            "SELECT at, vehicle IS NULL, skeleton, sealed FROM events"
            " WHERE at BETWEEN ? AND ? ORDER BY at",
            (number << SEQ_BITS | one.first, number << SEQ_BITS | one.last),
        ).fetchall()
        parts, wrong = _check_range(one, rows, before, found.broken)
        before = parts[-2] if rows and rows[-1][0] & SEQ_MASK == one.last else None
        found.digests[one] = digests.of_parts(parts)
        found.differences.extend(wrong)
        for at, alone, _, _ in rows:
            if alone:
                found.differences.extend(_without_vehicle(run, one, at))
        found = found._replace(events=found.events + len(rows))
    return found


def _check_range(
    one: Range, rows: list[_Row], before: str | None, broken: list[Position]
) -> tuple[list[str], list[Difference]]:
    """The digests of all parts of the events of a range, and what is wrong with them.

    `before` is the hash of the event before the range, None where that is missing; to `broken` are
    added the events that do not continue the one before them.
    """
    due = one.first
    parts: list[str] = []
    found: list[Difference] = []
    for at, _, skeleton, sealed in rows:
        seq = at & SEQ_MASK
        if seq != due:
            found.append(Difference(*one.stream, due, seq - 1, "missing"))
            before = None
        due = seq + 1
        hash = blake2b(skeleton, digest_size=32).hexdigest()
        seal = seal_of(skeleton, sealed)
        parts += (hash, seal)
        # As zparkd writes it, which spares reading it; a changed byte breaks the next link.
        if f'"prev":"{before}","sealed":"{seal}"'.encode() not in skeleton:
            position = Position(*one.stream, seq)
            wrong = _wrong_link(position, skeleton, seal, before, broken)
            found += (Difference(*position, seq, what) for what in wrong)
        before = hash
    if due <= one.last:
        found.append(Difference(*one.stream, due, one.last, "missing"))
    return parts, found


def _wrong_link(
    position: Position, skeleton: bytes, seal: str, before: str | None, broken: list[Position]
) -> Iterator[str]:
    """What is wrong with a link of the chain that is not written as zparkd writes it."""
    try:
        event = _read_chained(skeleton)
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        yield f"can't be read: {fault}"
        return
    if event.sealed != seal:
        yield "its personal part is not the one that it seals"
    if event.prev != before and before is not None:
        broken.append(position)
    if Position(event.source_central, event.epoch, event.seq) != position:
        yield "an event that belongs elsewhere"


def changed(broken: Iterable[Position]) -> Iterator[Difference]:
    """The events that are not what they were, by the links of the chain that are broken.

    An event that the next one continues is whole, so it says rightly what came before it: then the
    one before has changed. An event with a broken link on both sides has changed itself.
    """
    links = set(broken)
    for link in links:
        itself = link._replace(seq=link.seq + 1) in links
        seq = link.seq if itself else link.seq - 1
        yield Difference(*link.stream, seq, seq, "changed: the chain breaks here")


def _without_vehicle(run: _Run, one: Range, at: int) -> Iterator[Difference]:
    """What is wrong with an event that stands under no vehicle, beyond its chain."""
    row = run(f"SELECT {COLUMNS} FROM events WHERE at=?", (at,)).fetchone()
    try:
        held = Row.read(row)
    except ProtocolError as fault:
        yield Difference(*one.stream, at & SEQ_MASK, at & SEQ_MASK, f"can't be read: {fault}")
        return
    what: str | None = "stands under another vehicle than its own"
    failed = run("SELECT fault FROM unprojected WHERE at=?", (at,)).fetchone()
    if failed is not None:
        what = f"changes nothing here: zparkd failed on it ({failed[0]})"
    elif held.beyond_cut(cut_of(run, at)):
        what = held.wrong(held.event.order, counts=False)
    elif held.event.vehicle is None:
        what = held.wrong(held.event.order)
    if what is not None:
        yield Difference(*one.stream, at & SEQ_MASK, at & SEQ_MASK, what)


def cut_of(run: _Run, at: int) -> int | None:
    """The last event that counts of the stream of this one, where its origin is disowned."""
    row = run("SELECT up_to FROM cuts WHERE stream=?", (at >> SEQ_BITS,)).fetchone()
    return row[0] if row is not None else None


COLUMNS = "at, kind, timestamp, place, edge_id, request_id, skeleton, sealed"


class Row(NamedTuple):
    """An event, and what stands beside it in its row."""

    at: int
    event: Event
    beside: tuple[Any, ...]

    @classmethod
    def read(cls, row: tuple[Any, ...]) -> "Row":
        """A row that begins with COLUMNS. Raises ProtocolError."""
        return cls(row[0], read(row[6], row[7]), tuple(row[1:6]))

    def beyond_cut(self, up_to: int | None) -> bool:
        """Whether it means nothing, as its origin is disowned from the event after `up_to` on."""
        return up_to is not None and self.event.position.seq > up_to

    def wrong(self, place: int, *, counts: bool = True) -> str | None:
        """What is wrong with the columns of an event whose place is this one."""
        event, facts = self.event, self.event.facts if counts else None
        edge_id = facts.edge_id if facts is not None else None
        request_id = facts.request_id if facts is not None else None
        wanted = event.kind, event.timestamp, place, edge_id, request_id
        if self.beside == wanted:
            return None
        names = ("kind", "timestamp", "place", "edge_id", "request_id")
        wrong = [
            name for name, is_, must in zip(names, self.beside, wanted, strict=True) if is_ != must
        ]
        return f"its row says another {' and '.join(wrong)}"
