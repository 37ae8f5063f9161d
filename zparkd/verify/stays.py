"""The stays of a database compared with its log.

For every vehicle, its stays and verdicts must be those that `core.sessions.project` gives for
its events alone, and its events those that belong to it. So only some vehicles' events are in
memory at a time, and several processes can share the vehicles.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeVar

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, Kind, Position, Stream, VehicleKey, read
from zparkd.core.stays import NAMING, Stay, Verdict, project
from zparkd.verify.log import COLUMNS, SEQ_BITS, SEQ_MASK, Row, cut_of
from zparkd.verify.ranges import Difference

_Value = TypeVar("_Value")
_Claim = tuple[int | str | None, ...]  # fee, and origin, epoch and seq of the entry that is named
_NO_ENTRY = (None, None, None)
_CLAIMING = (Verdict.WAITING.value, Verdict.ENDED_NOTHING.value)


class StaysChecked(NamedTuple):
    """How many stays were looked at, and what is wrong with them."""

    stays: int
    differences: list[Difference]


def check_stays(connection: sqlite3.Connection, first: int, last: int) -> StaysChecked:
    """Look at the vehicles with these numbers, as they are in this moment."""
    connection.execute("BEGIN")
    try:
        checker = _Checker(connection)
        found = list(checker.vehicles(first, last))
        return StaysChecked(checker.counted, found)
    finally:
        connection.execute("ROLLBACK")


def stray_stays(connection: sqlite3.Connection) -> Iterator[Difference]:
    """Stays and verdicts of vehicles that are none."""
    streams = _streams(connection)
    for table, column in (("sessions", "entry"), ("verdicts", "at")):
        for (at,) in connection.execute(
            f"SELECT {column} FROM {table} WHERE vehicle NOT IN (SELECT no FROM vehicles)"
        ):
            yield _difference(streams, at, f"in {table} under a vehicle that is not known")


class _Checker:
    """The comparison at work. `counted` grows as stays are looked at."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection.execute
        self._streams = _streams(connection)
        self._numbers = {stream: number for number, stream in self._streams.items()}
        self.counted = 0

    def vehicles(self, first: int, last: int) -> Iterator[Difference]:
        """What is wrong with the stays of these vehicles."""
        span = first, last
        keys = {
            number: VehicleKey(camera_type, plate_id)
            for number, camera_type, plate_id in self._run(
                "SELECT no, camera_type, plate_id FROM vehicles WHERE no BETWEEN ? AND ?", span
            )
        }
        events: dict[int, list[Row]] = defaultdict(list)
        for row in self._run(
            f"SELECT {COLUMNS}, vehicle FROM events WHERE vehicle BETWEEN ? AND ? ORDER BY vehicle",
            span,
        ):
            try:
                events[row["vehicle"]].append(Row.read(row))
            except ProtocolError as fault:
                yield self._difference(row["at"], f"can't be read: {fault}")
        stays: dict[int, dict[int, sqlite3.Row]] = defaultdict(dict)
        for row in self._run("SELECT * FROM sessions WHERE vehicle BETWEEN ? AND ?", span):
            stays[row["vehicle"]][row["entry"]] = row
        verdicts: dict[int, dict[int, tuple[str, int]]] = defaultdict(dict)
        for vehicle, at, verdict, instead in self._run(
            "SELECT vehicle, at, verdict, instead FROM verdicts WHERE vehicle BETWEEN ? AND ?",
            span,
        ):
            verdicts[vehicle][at] = verdict, instead
        claims: dict[int, dict[int, _Claim]] = defaultdict(dict)
        for vehicle, at, *claim in self._run(
            "SELECT v.vehicle, c.at, c.fee, c.origin, c.epoch, c.seq"
            " FROM verdicts v JOIN claims c ON c.at = v.at"
            " WHERE v.vehicle BETWEEN ? AND ? AND v.verdict IN (?,?)",
            (*span, *_CLAIMING),
        ):
            claims[vehicle][at] = tuple(claim)
        for number in keys.keys() | events.keys():
            rows = events[number]
            yield from self._events(keys.get(number), rows)
            wanted = project([row.event for row in rows])
            yield from self._stays(self._known(wanted.stays), stays[number])
            judged = {
                at: (str(verdict), self._at(instead))
                for at, (verdict, instead) in self._known(wanted.judged).items()
            }
            yield from self._verdicts(judged, verdicts[number])
            claiming = {at for at, (verdict, _) in judged.items() if verdict in _CLAIMING}
            yield from self._claims(
                {row.at: _claim(row.event) for row in rows if row.at in claiming}, claims[number]
            )

    def _events(self, key: VehicleKey | None, rows: list[Row]) -> Iterator[Difference]:
        """What is wrong with the rows of a vehicle's events, and with being there."""
        entries = {
            row.event.position: row.event.order for row in rows if row.event.kind == Kind.ENTRY
        }
        for row in rows:
            event, belongs, place = row.event, row.event.vehicle, row.event.order
            if event.kind in NAMING and event.names is not None:
                if event.names in entries:
                    belongs, place = key, max(place, entries[event.names])
                elif elsewhere := self._entry(event.names):
                    belongs, place = elsewhere.vehicle, max(place, elsewhere.order)
            if row.beyond_cut(cut_of(self._run, row.at)) or belongs is None or belongs != key:
                yield self._difference(row.at, "stands under another vehicle than its own")
            if wrong := row.wrong(place):
                yield self._difference(row.at, wrong)

    def _entry(self, position: Position) -> Event | None:
        """The entry at a position, if one that counts is there."""
        at = self._at(position)
        up_to = cut_of(self._run, at) if at is not None else None
        if up_to is not None and position.seq > up_to:
            return None
        row = self._run("SELECT skeleton, sealed FROM events WHERE at=?", (at,)).fetchone()
        try:
            event = read(*row) if row is not None else None
        except ProtocolError:
            return None
        if event is None or event.kind != Kind.ENTRY or event.vehicle is None:
            return None
        return event

    def _stays(self, wanted: dict[int, Stay], held: dict[int, sqlite3.Row]) -> Iterator[Difference]:
        self.counted += len(held)
        for at in sorted(held.keys() | wanted.keys()):
            if at not in held:
                yield self._difference(at, "opened a stay that is not there")
            elif at not in wanted:
                yield self._difference(at, "opened no stay, and one is there")
            elif wrong := self._wrong_columns(wanted[at], held[at]):
                yield self._difference(at, f"its stay says another {' and '.join(wrong)}")

    def _verdicts(
        self, wanted: Mapping[int, tuple[str, int | None]], held: Mapping[int, tuple[str, int]]
    ) -> Iterator[Difference]:
        for at in sorted(wanted.keys() | held.keys()):
            if wanted.get(at) != held.get(at):
                is_, must = (one[0] if one else "nothing" for one in (held.get(at), wanted.get(at)))
                what = f"judged {is_}, must be {must}"
                yield self._difference(at, what if is_ != must else f"{what} for another event")

    def _claims(
        self, wanted: Mapping[int, _Claim], held: Mapping[int, _Claim]
    ) -> Iterator[Difference]:
        for at in sorted(wanted.keys() & held.keys()):
            if wanted[at] != held[at]:
                yield self._difference(at, "its conflict shows another fee or entry than it says")
        for at in sorted(wanted.keys() - held.keys()):
            yield self._difference(at, "its conflict does not show what it says")

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
        return _difference(self._streams, at, what)


def _claim(event: Event) -> _Claim:
    """The fee of an event, and the entry that it names."""
    return (event.facts.fee if event.facts is not None else None, *(event.names or _NO_ENTRY))


def _streams(connection: sqlite3.Connection) -> dict[int, Stream]:
    rows = connection.execute("SELECT no, origin, epoch FROM streams")
    return {number: Stream(origin, epoch) for number, origin, epoch in rows}


def _difference(streams: Mapping[int, Stream], at: int, what: str) -> Difference:
    stream = streams.get(at >> SEQ_BITS, Stream("?", at >> SEQ_BITS))
    return Difference(*stream, at & SEQ_MASK, at & SEQ_MASK, what)
