"""The log of a database compared with itself: every stream, event by event.

No gap, each hash over the one before, each event what its row says it is. What an event says
in detail is looked at where its vehicle is, see `stays`. This runs over millions of events
while somebody waits: so a row is only read as far as its chain needs, and ranges of a stream
can be looked at by several processes.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, Position, digest, read, seal_of
from zparkd.core.replication import range_digests as digests
from zparkd.core.replication.range_digests import Of
from zparkd.storage.readers.connection import Connection
from zparkd.storage.readers.log import UNKNOWN, EventRow, Link, StoredLog
from zparkd.verify.ranges import Difference, Range


class _Chained(msgspec.Struct, gc=False):
    """What of a skeleton chains it."""

    source_central: str
    epoch: int
    seq: int
    prev: str
    sealed: str


_read_chained = msgspec.json.Decoder(_Chained).decode


def digest_of(log: StoredLog, of: Of, one: Range) -> str:
    """The digest of what is held at a range."""
    span = one.stream, one.first, one.last
    if of is Of.EVENTS:
        return digests.of_events(log.events(*span))
    return digests.of_stays(log.stays(*span))


def ends(log: StoredLog) -> Iterator[Difference]:
    """What is wrong with the streams as such: their heads, and events of none."""
    for stream, head in log.heads.items():
        last, skeleton = log.last_stored(stream) or (0, b"")
        if last > head:
            yield Difference(*stream, head + 1, last, "beyond the head of the stream")
        elif last == head and digest(skeleton) != log.head_hash(stream):
            yield Difference(*stream, last, last, "not the hash that the head has")
    for strays in log.strays():
        seqs = strays.first, strays.last
        yield Difference(UNKNOWN, strays.number, *seqs, "events of a stream that is not known")


class Checked(NamedTuple):
    """What was found in some ranges: their digests, how many events, and what is wrong.

    `broken` are events that do not continue the one before them: see `changed`.
    """

    digests: dict[Range, str]
    events: int
    differences: list[Difference]
    broken: list[Position]


def check_log(connection: Connection, ranges: list[Range]) -> Checked:
    """Look at ranges of one stream that follow each other."""
    log = StoredLog(connection)
    found = Checked({}, 0, [], [])
    before: str | None = ""
    if ranges[0].first > 1:
        parts = log.parts(Position(*ranges[0].stream, ranges[0].first - 1))
        before = digest(parts[0]) if parts is not None else None
    for one in ranges:
        links = log.links(one.stream, one.first, one.last)
        hashes, wrong = _check_range(one, links, before, found.broken)
        before = hashes[-2] if links and links[-1][0] == one.last else None
        found.digests[one] = digests.of_parts(hashes)
        found.differences.extend(wrong)
        for seq, alone, _, _ in links:
            if alone:
                found.differences.extend(_without_vehicle(log, Position(*one.stream, seq)))
        found = found._replace(events=found.events + len(links))
    return found


def _check_range(
    one: Range, links: list[Link], before: str | None, broken: list[Position]
) -> tuple[list[str], list[Difference]]:
    """The digests of all parts of the events of a range, and what is wrong with them.

    `before` is the hash of the event before the range, None where that is missing; to `broken` are
    added the events that do not continue the one before them.
    """
    due = one.first
    parts: list[str] = []
    found: list[Difference] = []
    for seq, _, skeleton, personal in links:
        if seq != due:
            found.append(Difference(*one.stream, due, seq - 1, "missing"))
            before = None
        due = seq + 1
        hash = blake2b(skeleton, digest_size=32).hexdigest()
        seal = seal_of(skeleton, personal)
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


def _without_vehicle(log: StoredLog, position: Position) -> Iterator[Difference]:
    """What is wrong with an event that stands under no vehicle, beyond its chain."""
    try:
        held = Row.read(log.row(position))
    except ProtocolError as fault:
        yield Difference(*position, position.seq, f"can't be read: {fault}")
        return
    what: str | None = "stands under another vehicle than its own"
    failure = log.failure(position)
    if failure is not None:
        what = f"changes nothing here: zparkd failed on it ({failure})"
    elif held.beyond_cut(log.counts_up_to(held.key)):
        what = held.wrong(None, counts=False)
    elif held.event.vehicle is None:
        what = held.wrong(None)
    if what is not None:
        yield Difference(*position, position.seq, what)


class Row(NamedTuple):
    """An event, and its row."""

    event: Event
    row: EventRow

    @classmethod
    def read(cls, row: EventRow) -> "Row":
        """The event of a row. Raises ProtocolError."""
        return cls(read(row.skeleton, row.personal), row)

    @property
    def key(self) -> int:
        """What the event is known by in the database."""
        return self.row.key

    def beyond_cut(self, up_to: int | None) -> bool:
        """Whether it means nothing, as its origin is disowned from the event after `up_to` on."""
        return up_to is not None and self.event.position.seq > up_to

    def wrong(self, place: int | None, *, counts: bool = True) -> str | None:
        """What is wrong with the row of an event whose place is this one; None for no place."""
        event, facts = self.event, self.event.facts if counts else None
        wanted = {
            "kind": event.kind,
            "timestamp": event.timestamp,
            "place": place,
            "edge_id": facts.edge_id if facts is not None else None,
            "request_id": facts.request_id if facts is not None else None,
        }
        wrong = [name for name, must in wanted.items() if getattr(self.row, name) != must]
        return f"its row says another {' and '.join(wrong)}" if wrong else None
