"""A database compared with itself: the log with its chain, the stays with the log.

First every stream, event by event: no gap, each hash over the one before, each event what its
row says it is, and under the vehicle that it belongs to. Then every vehicle, one at a time:
its stays and verdicts must be those that `core.sessions.project` gives for its events alone.
So only one vehicle's events are in memory, however many there are.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from zparkd.core.errors import ProtocolError
from zparkd.core.events import Event, Kind, Position, Stream, VehicleKey, digest, read
from zparkd.core.sessions import NAMING, Stay, project

SEQ_BITS = 40  # `at`, the key of an event: its stream's number, then so many bits of seq
_SEQ_MASK = (1 << SEQ_BITS) - 1
_Value = TypeVar("_Value")


class Difference(NamedTuple):
    """Events of one stream, from the first to the last seq, and what is wrong with them."""

    origin: str
    epoch: int
    first: int
    last: int
    what: str

    def __str__(self) -> str:
        seqs = str(self.first) if self.first == self.last else f"{self.first} to {self.last}"
        return f"stream {self.origin}/{self.epoch}, {seqs}: {self.what}"


class Found(NamedTuple):
    """What was looked at, and what is wrong with it."""

    streams: int
    events: int
    stays: int
    differences: list[Difference]


class _Head(NamedTuple):
    stream: Stream
    seq: int
    hash: str


def check(connection: sqlite3.Connection) -> Found:
    """Compare a database with itself, as it is in this moment."""
    connection.execute("BEGIN")
    try:
        checker = _Checker(connection)
        differences = [*checker.log(), *checker.stays()]
        return Found(len(checker.heads), checker.events, checker.counted, _merged(differences))
    finally:
        connection.execute("ROLLBACK")


class _Checker:
    """The comparison at work. `events` and `counted` grow as events and stays are looked at."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection.execute
        self.heads = {
            number: _Head(Stream(origin, epoch), head, head_hash)
            for number, origin, epoch, head, head_hash in self._run(
                "SELECT no, origin, epoch, head, head_hash FROM streams ORDER BY origin, epoch"
            )
        }
        self._numbers: dict[Stream, int] = {
            head.stream: number for number, head in self.heads.items()
        }
        self.events = 0
        self.counted = 0

    # --- the log ------------------------------------------------------------------------------

    def log(self) -> Iterator[Difference]:
        """What is wrong with the streams."""
        for number, head in self.heads.items():
            yield from self._stream(number, head)
        for number, first, last in self._run(
            "SELECT at >> 40, min(at), max(at) FROM events"
            " WHERE at >> 40 NOT IN (SELECT no FROM streams) GROUP BY 1"
        ):
            seqs = first & _SEQ_MASK, last & _SEQ_MASK
            yield Difference("?", number, *seqs, "events of a stream that is not known")

    def _stream(self, number: int, head: _Head) -> Iterator[Difference]:
        last, hash = 0, ""
        rows = self._run(
            "SELECT at, kind, timestamp, place, vehicle, edge_id, request_id, skeleton, sealed"
            " FROM events WHERE at > ? AND at < ? ORDER BY at",
            (number << SEQ_BITS, (number + 1) << SEQ_BITS),
        )
        for row in rows:
            self.events += 1
            seq = row["at"] & _SEQ_MASK
            if seq != last + 1:
                yield Difference(*head.stream, last + 1, seq - 1, "missing")
            for what in self._event(row, Position(*head.stream, seq), hash, seq == last + 1):
                yield Difference(*head.stream, seq, seq, what)
            last, hash = seq, digest(row["skeleton"])
        if last < head.seq:
            yield Difference(*head.stream, last + 1, head.seq, "missing")
        elif last > head.seq:
            yield Difference(*head.stream, head.seq + 1, last, "beyond the head of the stream")
        elif hash != head.hash:
            yield Difference(*head.stream, last, last, "not the hash that the head has")

    def _event(
        self, row: sqlite3.Row, position: Position, before: str, follows: bool
    ) -> Iterator[str]:
        """What is wrong with the event in this row; `before` is the hash of the one before."""
        try:
            event = read(row["skeleton"], row["sealed"])
        except ProtocolError as fault:
            yield f"can't be read: {fault}"
            return
        if event.position != position:
            yield "an event that belongs elsewhere"
        if follows and event.prev != before:
            yield "does not continue the event before it"
        vehicle, place = self._placed(event)
        facts = event.facts
        wanted = {
            "kind": event.kind,
            "timestamp": event.timestamp,
            "place": place,
            "edge_id": facts.edge_id if facts is not None else None,
            "request_id": facts.request_id if facts is not None else None,
        }
        if wrong := [name for name, value in wanted.items() if row[name] != value]:
            yield f"its row says another {' and '.join(wrong)}"
        if self._vehicle(row["vehicle"]) != vehicle:
            yield "stands under another vehicle than its own"

    def _placed(self, event: Event) -> tuple[VehicleKey | None, int]:
        """The vehicle that an event belongs to, and its place there: those of what it names."""
        if event.vehicle is not None and event.kind in NAMING and event.names is not None:
            row = self._run(
                "SELECT skeleton, sealed FROM events WHERE at=?", (self._at(event.names),)
            ).fetchone()
            named = _read(row) if row is not None else None
            if named is not None and named.kind == Kind.ENTRY and named.vehicle is not None:
                return named.vehicle, max(event.order, named.order)
        return event.vehicle, event.order

    # --- the stays ----------------------------------------------------------------------------

    def stays(self) -> Iterator[Difference]:
        """What is wrong with the stays and verdicts."""
        for (number,) in self._run("SELECT no FROM vehicles ORDER BY no"):
            rows = self._run("SELECT skeleton, sealed FROM events WHERE vehicle=?", (number,))
            events = [event for event in map(_read, rows) if event is not None]
            yield from self._vehicle_stays(number, events)
        for table, column in (("sessions", "entry"), ("verdicts", "at")):
            for (at,) in self._run(
                f"SELECT {column} FROM {table} WHERE vehicle NOT IN (SELECT no FROM vehicles)"
            ):
                yield self._difference(at, f"in {table} under a vehicle that is not known")

    def _vehicle_stays(self, number: int, events: list[Event]) -> Iterator[Difference]:
        wanted = project(events)
        stays = self._known(wanted.stays)
        held = {
            row["entry"]: row
            for row in self._run("SELECT * FROM sessions WHERE vehicle=?", (number,))
        }
        self.counted += len(held)
        for at in sorted(held.keys() | stays.keys()):
            if at not in held:
                yield self._difference(at, "opened a stay that is not there")
            elif at not in stays:
                yield self._difference(at, "opened no stay, and one is there")
            elif wrong := self._wrong_columns(stays[at], held[at]):
                yield self._difference(at, f"its stay says another {' and '.join(wrong)}")
        judged = {
            at: (str(verdict), self._at(instead))
            for at, (verdict, instead) in self._known(wanted.judged).items()
        }
        verdicts = {
            at: (verdict, instead)
            for at, verdict, instead in self._run(
                "SELECT at, verdict, instead FROM verdicts WHERE vehicle=?", (number,)
            )
        }
        for at in sorted(judged.keys() | verdicts.keys()):
            if judged.get(at) != verdicts.get(at):
                is_, must = (
                    one[0] if one else "nothing" for one in (verdicts.get(at), judged.get(at))
                )
                what = f"judged {is_}, must be {must}"
                yield self._difference(at, what if is_ != must else f"{what} for another event")

    def _wrong_columns(self, stay: Stay, row: sqlite3.Row) -> list[str]:
        """The columns of a stay that are not what its events come to."""
        wanted: Mapping[str, object] = {
            **{name: getattr(stay, name) for name in Stay.__struct_fields__},
            "closer": self._at(stay.closer),
            "remarks": ",".join(stay.remarks) or None,
        }
        columns = set(row.keys()) - {"vehicle", "entry"}
        return [name for name in wanted if name in columns and row[name] != wanted[name]]

    # --- names of things ----------------------------------------------------------------------

    def _at(self, position: Position | None) -> int | None:
        if position is None or position.stream not in self._numbers:
            return None
        return self._numbers[position.stream] << SEQ_BITS | position.seq

    def _known(self, by_position: Mapping[Position, _Value]) -> dict[int, _Value]:
        """The same by `at`, without those of streams that are not known: that was said before."""
        found = ((self._at(position), value) for position, value in by_position.items())
        return {at: value for at, value in found if at is not None}

    def _difference(self, at: int, what: str) -> Difference:
        head = self.heads.get(at >> SEQ_BITS)
        stream = head.stream if head is not None else Stream("?", at >> SEQ_BITS)
        return Difference(*stream, at & _SEQ_MASK, at & _SEQ_MASK, what)

    def _vehicle(self, number: int | None) -> VehicleKey | None:
        row = self._run(
            "SELECT camera_type, plate_id FROM vehicles WHERE no=?", (number,)
        ).fetchone()
        return VehicleKey(*row) if row is not None else None


def _read(row: Iterable[bytes]) -> Event | None:
    """The event in a row, or None where there is none: that was said when its stream was read."""
    skeleton, sealed = row
    try:
        return read(skeleton, sealed)
    except ProtocolError:
        return None


def _merged(differences: Iterable[Difference]) -> list[Difference]:
    """Differences of one sort in events that follow each other, as one with a range."""
    merged: list[Difference] = []
    for one in sorted(differences, key=lambda one: (one.origin, one.epoch, one.what, one.first)):
        last = merged[-1] if merged else None
        if (
            last is not None
            and (one.origin, one.epoch, one.what) == (last.origin, last.epoch, last.what)
            and one.first <= last.last + 1
        ):
            merged[-1] = last._replace(last=max(last.last, one.last))
        else:
            merged.append(one)
    return sorted(merged)
