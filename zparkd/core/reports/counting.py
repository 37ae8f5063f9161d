"""The reports: each is a pure function of the records of a time.

    inside       who is inside at the end of the time
    occupancy    how many were inside: at the beginning of each row, at most, at its end
    traffic      who came in, left by an exit, or was ended otherwise (`closed`)
    revenue      what was paid: fees at the exit or by hand, and what was charged afterwards
    exceptions   what did not fit, and what people did
    shift        what one shift hands to the next

What a stay comes to counts when it is over: one that ends before it begins, by clocks that were
wrong, ends when it begins. So who is open at the start, came, left and was closed makes who is open
at the end. Money counts when it was taken.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from zparkd.core.clock import site_time
from zparkd.core.reports.period import day_ms
from zparkd.core.reports.records import Asked, By, Exceptional, Name, Paid, Records, Stay, Table

_QUARTER_MS = 900_000  # the offsets of all zones are whole quarters of an hour
_EXIT = "EXIT"

_MONEY = (*("currency", "exits", "fees", "adjustments", "revenue", "unmatched_exits", "unmatched"),)
_MOVES = ("open_at_start", "in", "out", "closed", "open_at_end")
_LISTED = (*("time", "kind", "plate_id", "camera_type", "gate", "who", "why", "fee", "event_id"),)
_VEHICLES = (
    *("plate_id", "plate_view", "camera_type", "gate", "entry_time", "duration_s", "event_id"),
)

Key = str | None


def report(asked: Asked, records: Records) -> Table:
    """The report that is asked for."""
    return _REPORTS[asked.name](asked, records)


class Keys:
    """The key of a row by what is counted; hours and days are those of the site."""

    def __init__(self, asked: Asked) -> None:
        self._by, self._zone = asked.by, asked.zone
        self._known: dict[int, str] = {}

    def of(self, ms: int, camera_type: str | None, gate: str | None, staff: str | None) -> Key:
        """Where something counts that happened then, at this gate."""
        match self._by:
            case By.TYPE:
                return camera_type
            case By.GATE:
                return gate
            case By.STAFF:
                return staff
            case By.DAY | By.HOUR:
                return self.at(ms)
        return None

    def at(self, ms: int) -> str:
        """The hour, `YYYY-MM-DD HH:00`, or the day of a time."""
        quarter = ms // _QUARTER_MS
        key = self._known.get(quarter)
        if key is None:
            text = site_time(quarter * _QUARTER_MS, self._zone)
            key = self._known[quarter] = text[:10] if self._by is By.DAY else f"{text[:13]}:00"
        return key


# --- who came and went ---------------------------------------------------------------------------


@dataclass(slots=True)
class _Moves:
    """How many were there, came and went; `most` is how many were inside at once."""

    open_at_start: int = 0
    came: int = 0
    out: int = 0
    closed: int = 0
    most: int = 0

    @property
    def open_at_end(self) -> int:
        return self.open_at_start + self.came - self.out - self.closed

    def told(self) -> dict[str, int]:
        values = (self.open_at_start, self.came, self.out, self.closed, self.open_at_end)
        return dict(zip(_MOVES, values, strict=True))


def _open_at(stay: Stay, ms: int) -> bool:
    return stay.entry_ms < ms and (stay.ended_ms is None or stay.ended_ms >= ms)


def _moved(asked: Asked, stays: Iterable[Stay]) -> dict[Key, _Moves]:
    """Who came and went by key."""
    keys, found = Keys(asked), defaultdict[Key, _Moves](_Moves)
    for stay in stays:
        if _open_at(stay, asked.since_ms):
            key = keys.of(asked.since_ms, stay.camera_type, stay.entry_gate, stay.entry_staff)
            found[key].open_at_start += 1
        if asked.since_ms <= stay.entry_ms < asked.until_ms:
            key = keys.of(stay.entry_ms, stay.camera_type, stay.entry_gate, stay.entry_staff)
            found[key].came += 1
        ended_ms = stay.ended_ms
        if ended_ms is not None and asked.since_ms <= ended_ms < asked.until_ms:
            key = keys.of(ended_ms, stay.camera_type, stay.left_gate, stay.left_staff)
            if stay.closed_by == _EXIT:
                found[key].out += 1
            else:
                found[key].closed += 1
    return found


def _sorted(keys: Iterable[Key]) -> list[Key]:
    """In alphabetical order; what has no key comes last."""
    return sorted(keys, key=lambda key: (key is None, key or ""))


def _traffic(asked: Asked, records: Records) -> Table:
    found = _moved(asked, records.stays)
    rows: list[dict[str, Any]] = []
    for key in _sorted(found):
        moves = found[key]
        if moves.came or moves.out or moves.closed:
            row = {"key": key, "in": moves.came, "out": moves.out, "closed": moves.closed}
            rows.append(row)
    total = {name: sum(row[name] for row in rows) for name in ("in", "out", "closed")}
    return Table(("key", "in", "out", "closed"), rows, [total])


def _occupancy(asked: Asked, records: Records) -> Table:
    if asked.by is By.TYPE:
        return _occupancy_by_type(asked, records)
    steps: list[tuple[int, int, str]] = []
    inside = 0
    for stay in records.stays:
        inside += _open_at(stay, asked.since_ms)
        steps += _steps(asked, stay)
    steps.sort()
    rows = []
    at = 0
    for key, until_ms in _spans(asked):
        moves = _Moves(open_at_start=inside, most=inside)
        while at < len(steps) and steps[at][0] < until_ms:
            inside += _step(moves, steps[at])
            moves.most = max(moves.most, inside)
            at += 1
        rows.append({"key": key, **moves.told(), "most": moves.most})
    return Table(("key", *_MOVES, "most"), rows)


def _occupancy_by_type(asked: Asked, records: Records) -> Table:
    found: dict[str, _Moves] = defaultdict(_Moves)
    steps: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for stay in records.stays:
        found[stay.camera_type].open_at_start += _open_at(stay, asked.since_ms)
        steps[stay.camera_type] += _steps(asked, stay)
    rows = []
    for key in sorted({*found, *records.capacity}):
        moves = found[key]
        inside = moves.most = moves.open_at_start
        for step in sorted(steps[key]):
            inside += _step(moves, step)
            moves.most = max(moves.most, inside)
        capacity = records.capacity.get(key)
        rows.append({"key": key, **moves.told(), "most": moves.most, "capacity": capacity})
    return Table(("key", *_MOVES, "most", "capacity"), rows)


def _steps(asked: Asked, stay: Stay) -> Iterator[tuple[int, int, str]]:
    """When it came and when it was over, in the time. Of one moment, who leaves is counted first.

    But a stay that is over as it begins comes before it goes.
    """
    ended_ms = stay.ended_ms
    if asked.since_ms <= stay.entry_ms < asked.until_ms:
        yield stay.entry_ms, 1, "in"
    if ended_ms is not None and asked.since_ms <= ended_ms < asked.until_ms:
        what = "out" if stay.closed_by == _EXIT else "closed"
        yield ended_ms, 2 if ended_ms == stay.entry_ms else 0, what


def _step(moves: _Moves, step: tuple[int, int, str]) -> int:
    """Count a step; by how many it changes who is inside."""
    match step[2]:
        case "in":
            moves.came += 1
            return 1
        case "out":
            moves.out += 1
        case _:
            moves.closed += 1
    return -1


def _spans(asked: Asked) -> Iterator[tuple[str, int]]:
    """The hours or days of a time, each with the ms before which it ends."""
    keys, at_ms = Keys(asked), asked.since_ms
    while at_ms < asked.until_ms:
        key = keys.at(at_ms)
        if asked.by is By.DAY:
            next_ms = _next_day_ms(at_ms, asked)
        else:
            next_ms = (at_ms // _QUARTER_MS + 1) * _QUARTER_MS
            while keys.at(next_ms) == key:
                next_ms += _QUARTER_MS
        yield key, min(next_ms, asked.until_ms)
        at_ms = next_ms


def _next_day_ms(ms: int, asked: Asked) -> int:
    """The beginning of the day after; 26 hours later is the next day, however clocks are set."""
    begun_ms = day_ms(datetime.fromtimestamp(ms / 1000, asked.zone), asked.zone)
    return day_ms(datetime.fromtimestamp(begun_ms / 1000 + 26 * 3600, asked.zone), asked.zone)


def _inside(asked: Asked, records: Records) -> Table:
    at_ms = asked.until_ms
    open_stays = [stay for stay in records.stays if _open_at(stay, at_ms)]
    total = [{"inside": len(open_stays)}]
    if asked.by is None:
        rows = [
            _vehicle(stay, asked)
            for stay in sorted(open_stays, key=lambda stay: (stay.entry_ms, stay.event_id))
        ]
        return Table(_VEHICLES, rows, total)
    keys = Keys(asked)
    counts = Counter(
        keys.of(stay.entry_ms, stay.camera_type, stay.entry_gate, None) for stay in open_stays
    )
    rows = [{"key": key, "inside": counts[key]} for key in _sorted(counts)]
    return Table(("key", "inside"), rows, total)


def _vehicle(stay: Stay, asked: Asked) -> dict[str, Any]:
    values = (
        *(stay.plate_id, stay.plate_view, stay.camera_type, stay.entry_gate),
        *(site_time(stay.entry_ms, asked.zone), (asked.until_ms - stay.entry_ms) // 1000),
        stay.event_id,
    )
    return dict(zip(_VEHICLES, values, strict=True))


# --- what was paid -------------------------------------------------------------------------------


@dataclass(slots=True)
class _Money:
    """What was taken in one currency."""

    exits: int = 0
    fees: int = 0
    adjustments: int = 0
    unmatched_exits: int = 0
    unmatched: int = 0

    def add(self, other: "_Money") -> None:
        self.exits += other.exits
        self.fees += other.fees
        self.adjustments += other.adjustments
        self.unmatched_exits += other.unmatched_exits
        self.unmatched += other.unmatched

    def told(self, currency: str | None) -> dict[str, Any]:
        revenue = self.fees + self.adjustments
        values = (
            *(currency, self.exits, self.fees, self.adjustments, revenue),
            *(self.unmatched_exits, self.unmatched),
        )
        return dict(zip(_MONEY, values, strict=True))


_Sums = dict[tuple[Key, str], _Money]


class _Till:
    """What was taken, by key and currency, while stays pass by."""

    def __init__(self, asked: Asked) -> None:
        self.sums: _Sums = {}
        self._asked = asked
        self._keys = Keys(asked)

    def _sum(self, ms: int, type: str, gate: Key, staff: Key, currency: str) -> _Money | None:
        if not self._asked.since_ms <= ms < self._asked.until_ms:
            return None
        key = self._keys.of(ms, type, gate, staff)
        return self.sums.setdefault((key, currency), _Money())

    def pass_by(self, stays: Iterable[Stay]) -> Iterator[Stay]:
        """The stays, each counted on its way."""
        for stay in stays:
            self._fee(stay)
            yield stay

    def _fee(self, stay: Stay) -> None:
        if stay.fee is None or stay.left_ms is None or stay.currency is None:
            return
        found = self._sum(
            stay.left_ms, stay.camera_type, stay.left_gate, stay.left_staff, stay.currency
        )
        if found is not None:
            found.exits += 1
            found.fees += stay.fee

    def rest(self, unmatched: Iterable[Paid], charges: Iterable[Paid]) -> None:
        """Count what was taken beside the fees of stays."""
        for paid in unmatched:
            found = self._sum(paid.time_ms, paid.camera_type, paid.gate, paid.staff, paid.currency)
            if found is not None:
                found.unmatched_exits += 1
                found.unmatched += paid.amount
        for paid in charges:
            found = self._sum(paid.time_ms, paid.camera_type, paid.gate, paid.staff, paid.currency)
            if found is not None:
                found.adjustments += paid.amount


def _by_key(sums: _Sums) -> list[tuple[Key, str]]:
    return sorted(sums, key=lambda one: (one[0] is None, one[0] or "", one[1]))


def _revenue(asked: Asked, records: Records) -> Table:
    till = _Till(asked)
    for _ in till.pass_by(records.stays):
        pass
    till.rest(records.unmatched, records.charges)
    rows = [{"key": key, **till.sums[key, named].told(named)} for key, named in _by_key(till.sums)]
    return Table(("key", *_MONEY), rows, _totals(till.sums))


def _totals(sums: _Sums) -> list[dict[str, Any]]:
    totals: dict[str, _Money] = defaultdict(_Money)
    for (_, currency), money in sums.items():
        totals[currency].add(money)
    return [totals[currency].told(currency) for currency in sorted(totals)]


# --- what was exceptional, and a shift -----------------------------------------------------------


def _in_time(asked: Asked, found: Iterable[Exceptional]) -> list[Exceptional]:
    return [one for one in found if asked.since_ms <= one.time_ms < asked.until_ms]


def _exceptions(asked: Asked, records: Records) -> Table:
    found = _in_time(asked, records.exceptions)
    if asked.by is None:
        found.sort(key=lambda one: (one.time_ms, one.kind, one.event_id or ""))
        rows = [
            dict(zip(_LISTED, (site_time(one.time_ms, asked.zone), *one[1:]), strict=True))
            for one in found
        ]
        return Table(_LISTED, rows, [{"count": len(rows)}])
    keys = Keys(asked)
    counts = Counter(
        (keys.of(one.time_ms, one.camera_type, one.gate, one.who), one.kind) for one in found
    )
    order = sorted(counts, key=lambda one: (one[0] is None, one[0] or "", one[1]))
    rows = [{"key": key, "kind": kind, "count": counts[key, kind]} for key, kind in order]
    return Table(("key", "kind", "count"), rows, [{"count": len(found)}])


def _shift(asked: Asked, records: Records) -> Table:
    """A row a key and currency; what is no money stands in the first of a key."""
    till = _Till(asked)
    moved = _moved(asked, till.pass_by(records.stays))
    till.rest(records.unmatched, records.charges)
    keys = Keys(asked)
    odd = Counter(
        keys.of(one.time_ms, one.camera_type, one.gate, one.who)
        for one in _in_time(asked, records.exceptions)
    )
    found: set[Key] = {*moved, *odd, *(key for key, _ in till.sums)}
    if asked.by is None:
        found.add(None)
    rows: list[dict[str, Any]] = []
    for key in _sorted(found):
        told: dict[str, Any] = {"key": key, **_told(asked, moved.get(key, _Moves()))}
        currencies = sorted(currency for one, currency in till.sums if one == key)
        money = [till.sums[key, currency].told(currency) for currency in currencies]
        first, *more = money or [_Money().told(None)]
        rows.append({**told, **first, "exceptions": odd[key]})
        rows += [{**dict.fromkeys(told), "key": key, **each, "exceptions": None} for each in more]
    return Table(("key", *_MOVES, *_MONEY, "exceptions"), rows, _totals(till.sums))


def _told(asked: Asked, moves: _Moves) -> dict[str, int | None]:
    """Who was there by gate or staff means nothing: a vehicle leaves where another let it in."""
    told: dict[str, int | None] = {**moves.told()}
    if asked.by in (By.GATE, By.STAFF):
        told |= {"open_at_start": None, "open_at_end": None}
    return told


_REPORTS: dict[Name, Callable[[Asked, Records], Table]] = {
    Name.INSIDE: _inside,
    Name.OCCUPANCY: _occupancy,
    Name.TRAFFIC: _traffic,
    Name.REVENUE: _revenue,
    Name.EXCEPTIONS: _exceptions,
    Name.SHIFT: _shift,
}
