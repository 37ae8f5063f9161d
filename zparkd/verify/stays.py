"""The stays of a database compared with its log.

For every vehicle, its stays and verdicts must be those that `core.stays.fold.project` gives for
its events alone, and its events those that belong to it. So only some vehicles' events are in
memory at a time, and several processes can share the vehicles.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple, TypeVar

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, Kind, Position, VehicleKey, read
from zparkd.core.stays.corrections import CORRECTIONS, NAMING
from zparkd.core.stays.fold import Gathered, Projection, Stay, Verdict, project
from zparkd.storage.readers.connection import Connection, one_moment
from zparkd.storage.readers.log import Claim, StoredLog
from zparkd.verify.log import Row
from zparkd.verify.ranges import Difference

_Value = TypeVar("_Value")
_Held = Mapping[str, object]  # what a stay says in the database
_Verdict = tuple[str, int | None]  # and the key of the event that counts instead
_NO_ENTRY = (None, None, None)
_CLAIMING = (
    Verdict.WAITING.value,
    Verdict.ENDED_NOTHING.value,
    Verdict.GAVE_WAY.value,
    Verdict.CHARGED_NOTHING.value,
)


class StaysChecked(NamedTuple):
    """How many stays were looked at, and what is wrong with them."""

    stays: int
    differences: list[Difference]


def check_stays(connection: Connection, first: int, last: int) -> StaysChecked:
    """Look at the vehicles with these numbers, as they are in this moment."""
    with one_moment(connection):
        checker = _Checker(StoredLog(connection))
        found = list(checker.vehicles(first, last))
    return StaysChecked(checker.counted, found)


def stray_stays(connection: Connection) -> Iterator[Difference]:
    """Stays and verdicts of vehicles that are none."""
    log = StoredLog(connection)
    for table, key in log.without_vehicle():
        yield _difference(log, key, f"in {table} under a vehicle that is not known")


class _Checker:
    """The comparison at work. `counted` grows as stays are looked at."""

    def __init__(self, log: StoredLog) -> None:
        self._log = log
        self.counted = 0

    def vehicles(self, first: int, last: int) -> Iterator[Difference]:
        """What is wrong with the stays of these vehicles."""
        keys = self._log.vehicles(first, last)
        events: dict[int, list[Row]] = defaultdict(list)
        for vehicle, row in self._log.events_of(first, last):
            try:
                held = Row.read(row)
                events[vehicle].append(held._replace(event=self._log.named(held.event)))
            except ProtocolError as fault:
                yield self._difference(row.key, f"can't be read: {fault}")
        stays: dict[int, dict[int, _Held]] = defaultdict(dict)
        for vehicle, entry, said in self._log.stays_of(first, last):
            stays[vehicle][entry] = said
        verdicts: dict[int, dict[int, _Verdict]] = defaultdict(dict)
        for vehicle, at, verdict, instead in self._log.verdicts_of(first, last):
            verdicts[vehicle][at] = verdict, instead
        claims: dict[int, dict[int, Claim]] = defaultdict(dict)
        for vehicle, at, claim in self._log.claims_of(first, last, _CLAIMING):
            claims[vehicle][at] = claim
        for number in keys.keys() | events.keys():
            rows = events[number]
            yield from self._events(keys.get(number), rows)
            wanted = self._wanted(number, keys.get(number), rows)
            yield from self._stays(self._known(wanted.stays), stays[number])
            judged = {
                at: (str(verdict), self._at(instead))
                for at, (verdict, instead) in self._known(wanted.judged).items()
            }
            yield from self._verdicts(judged, verdicts[number])
            yield from self._claims(
                {
                    at: claimed
                    for at, (verdict, _) in judged.items()
                    if verdict in _CLAIMING and (claimed := self._claim(at)) is not None
                },
                claims[number],
            )

    def _wanted(self, number: int, key: VehicleKey | None, rows: list[Row]) -> Projection:
        """What a vehicle must come to: from its own events, and where corrections have to do with
        it from all that bears on it."""
        own = [row.event for row in rows if row.event.kind not in CORRECTIONS]
        waiting = [
            row.event
            for row in rows
            if row.event.kind in CORRECTIONS and self._log.waits(row.event.position)
        ]
        if key is None or number not in self._log.corrected:
            return project([*own, *waiting])
        with suppress(ProtocolError):
            own = [self._log.named(read(*parts)) for parts in self._log.gathered(number)]
        return Gathered([*own, *waiting]).of(key)

    def _claim(self, at: int) -> Claim | None:
        """The fee of an event, or the amount, and the event that it names."""
        parts = self._log.parts(self._log.position(at))
        try:
            event = read(*parts) if parts is not None else None
        except ProtocolError:
            return None
        if event is None or event.facts is None:
            return None
        fee = event.facts.amount if event.kind == Kind.CHARGED else event.facts.fee
        return Claim(fee, *(event.names or _NO_ENTRY))

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
            if row.beyond_cut(self._log.counts_up_to(row.key)) or belongs is None or belongs != key:
                yield self._difference(row.key, "stands under another vehicle than its own")
            if wrong := row.wrong(place):
                yield self._difference(row.key, wrong)

    def _entry(self, position: Position) -> Event | None:
        """The entry at a position, if one that counts is there."""
        at = self._at(position)
        up_to = self._log.counts_up_to(at) if at is not None else None
        if up_to is not None and position.seq > up_to:
            return None
        parts = self._log.parts(position)
        try:
            event = read(*parts) if parts is not None else None
        except ProtocolError:
            return None
        event = self._log.named(event) if event is not None else None
        if event is None or event.kind != Kind.ENTRY or event.vehicle is None:
            return None
        return event

    def _stays(self, wanted: dict[int, Stay], held: dict[int, _Held]) -> Iterator[Difference]:
        self.counted += len(held)
        for at in sorted(held.keys() | wanted.keys()):
            if at not in held:
                yield self._difference(at, "opened a stay that is not there")
            elif at not in wanted:
                yield self._difference(at, "opened no stay, and one is there")
            elif wrong := self._wrong_columns(wanted[at], held[at]):
                yield self._difference(at, f"its stay says another {' and '.join(wrong)}")

    def _verdicts(
        self, wanted: Mapping[int, _Verdict], held: Mapping[int, _Verdict]
    ) -> Iterator[Difference]:
        for at in sorted(wanted.keys() | held.keys()):
            if wanted.get(at) != held.get(at):
                is_, must = (one[0] if one else "nothing" for one in (held.get(at), wanted.get(at)))
                what = f"judged {is_}, must be {must}"
                yield self._difference(at, what if is_ != must else f"{what} for another event")

    def _claims(
        self, wanted: Mapping[int, Claim], held: Mapping[int, Claim]
    ) -> Iterator[Difference]:
        for at in sorted(wanted.keys() & held.keys()):
            if wanted[at] != held[at]:
                yield self._difference(at, "its conflict shows another fee or entry than it says")
        for at in sorted(wanted.keys() - held.keys()):
            yield self._difference(at, "its conflict does not show what it says")

    def _wrong_columns(self, stay: Stay, held: _Held) -> list[str]:
        """The columns of a stay that are not what its events come to."""
        wanted: Mapping[str, object] = {
            **{name: getattr(stay, name) for name in Stay.__struct_fields__},
            "closer": self._at(stay.closer),
            "remarks": ",".join(code for code in stay.remarks if code.is_conflict) or None,
            "notes": ",".join(code for code in stay.remarks if not code.is_conflict) or None,
        }
        return [name for name, must in wanted.items() if held.get(name, must) != must]

    # --- names of things ----------------------------------------------------------------------

    def _at(self, position: Position | None) -> int | None:
        return self._log.key(position) if position is not None else None

    def _known(self, by_position: Mapping[Position, _Value]) -> dict[int, _Value]:
        """The same by `at`, without those of streams that are not known: that was said before."""
        found = ((self._at(position), value) for position, value in by_position.items())
        return {at: value for at, value in found if at is not None}

    def _difference(self, at: int, what: str) -> Difference:
        return _difference(self._log, at, what)


def _difference(log: StoredLog, key: int, what: str) -> Difference:
    position = log.position(key)
    return Difference(*position, position.seq, what)
