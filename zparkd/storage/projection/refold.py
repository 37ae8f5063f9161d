"""Folding a vehicle again, from a place in its past on, in pieces that any number of turns may do.

Rows before the stay from which it starts are never touched, and those after it are what they
should be or are made so: what is broken off is begun anew. Stays keep their ids.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice
from operator import itemgetter
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from zparkd.core import limits
from zparkd.core.events.event import Event, Kind, Position, SortKey, read
from zparkd.core.log import HeldStay
from zparkd.core.stays.corrections import CORRECTIONS, ENDINGS, repeated
from zparkd.core.stays.endings import endings, fold_key
from zparkd.core.stays.fold import (
    Fold,
    Gathered,
    Judgement,
    Verdict,
    fold_place,
)
from zparkd.storage.correction_table import Corrections, GatheredRow
from zparkd.storage.projection.stay_table import Stays
from zparkd.storage.projection.vehicle_table import Vehicles
from zparkd.storage.stream_table import Streams

_T = TypeVar("_T")
JUDGE = "INSERT OR REPLACE INTO verdicts (at, vehicle, verdict, instead) VALUES (?,?,?,?)"
_CLAIM = "INSERT OR REPLACE INTO claims (at, fee, origin, epoch, seq) VALUES (?,?,?,?,?)"
_LIGHT = limits.EVENTS_PER_PIECE // 4  # what a step costs that neither reads nor writes
_Judgement = tuple[str, int | None]
# What became of events that say what they claim in the list of conflicts.
CLAIMING = frozenset(
    (Verdict.WAITING, Verdict.ENDED_NOTHING, Verdict.GAVE_WAY, Verdict.CHARGED_NOTHING)
)


def claim(run: Callable[..., object], at: int | None, event: Event) -> None:
    """Keep what an event that did not count says, as core read it: SQL reads no JSON."""
    assert event.facts is not None
    names = event.names or (None, None, None)
    fee = event.facts.amount if event.kind == Kind.CHARGED else event.facts.fee
    run(_CLAIM, (at, fee, *names))


class _Past(NamedTuple):
    """The events of a vehicle from a stay on, and what the tables say became of each."""

    events: list[Event]
    judged: dict[int, _Judgement]


class Refold:
    """Makes the rows of one vehicle those of the fold. All within the caller's transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        streams: Streams,
        stays: Stays,
        vehicles: Vehicles,
        corrections: Corrections,
    ) -> None:
        self._run = connection.execute
        self._corrections = corrections
        self._streams = streams
        self._stays = stays
        self._vehicles = vehicles

    def pieces(self, number: int, place: int) -> Iterator[int]:
        """Fold a vehicle again; each step looks at about the number of events that it yields."""
        start = self._stays.last_before(number, place)
        first = start.stay.entry_key if start is not None else SortKey(-1, "", 0, 0)
        past = _Past([], {})
        yield from self._read_past(number, first.order, past)
        at = self._streams.at
        share = len(past.events) // 4  # what each of the steps over all of them costs
        gone = self._repeated_before(past) if start is not None else {}
        yield share
        repeats = repeated(event for event in past.events if event.position not in gone) | gone
        yield share
        entries = {event.position: event.key for event in past.events if event.kind == Kind.ENTRY}
        keys = {event.position: event.key for event in past.events}
        counting = [event for event in past.events if event.position not in repeats]
        yield share
        # As `in_fold_order` sorts them, but for what takes long of that: to find their places.
        placed: list[tuple[tuple[object, ...], Event]] = []
        for part in _parts(counting):
            placed += [(fold_place(event, entries), event) for event in part]
            yield _LIGHT
        placed.sort(key=itemgetter(0))
        yield share
        ending = endings(counting, entries, repeats)
        fold = Fold(self._vehicles.numbered(number).key, None, repeats, ending)
        verdicts: dict[int | None, _Judgement | None] = {}
        for in_order in _parts(placed):
            for _, event in in_order:
                if event.kind in ENDINGS and _ends_one_before(event, first, keys, repeats):
                    continue
                if fold_key(event, entries) >= first:
                    fold.take(event)
                    verdicts[at(event.position)] = None
            yield _LIGHT
        for verdict, instead_of in (
            (Verdict.REPEATED, repeats),
            (Verdict.SUPERSEDED, fold.superseded),
        ):
            for pairs in _parts(instead_of.items()):
                for position, instead in pairs:
                    verdicts[at(position)] = (verdict.value, at(instead))
                yield _LIGHT
        for verdict, judged in (
            (Verdict.ENDED_NOTHING, fold.ended_nothing),
            (Verdict.GAVE_WAY, fold.gave_way),
        ):
            for positions in _parts(judged):
                for position in positions:
                    verdicts[at(position)] = (verdict.value, None)
                yield _LIGHT
        yield from self._replace(fold, number, first)
        yield from self._rejudge(number, verdicts, past)
        self._vehicles.numbered(number).open = self._stays.open_of(number)

    def corrected(self, number: int, waits: Callable[[int], bool]) -> Iterator[int]:
        """Fold a vehicle again that corrections have to do with, from all that bears on it.

        `waits` tells which vehicles are to be folded again as well.
        """
        rows: dict[Position, GatheredRow] = {}
        events: list[Event] = []
        for part in self._corrections.gather(number, limits.EVENTS_PER_PIECE):
            for row in part:
                event = self._corrections.read(row.skeleton, row.personal)
                rows[event.position] = row
                events.append(replace(event, skeleton=b"", personal_part=b""))
            yield len(part)
        key = self._vehicles.numbered(number).key
        gathered = Gathered(events)
        yield len(events)
        found = gathered.of(key)
        yield len(events)
        stays = self._stays
        before = [held for piece in stays.since(number, -1) for held in piece]
        before += self._held_by_others(gathered.members(key), before)
        ids = _kept_ids(before, found.stays, lambda entry: _counting(entry, found.judged))
        kept = set(ids.values())
        for held in before:
            if held.id in kept:
                continue
            opener = gathered.here.get(held.stay.entry)
            now = gathered.found.vehicle_of(opener, gathered.here) if opener is not None else key
            to = self._vehicles.get(now).no
            if to != number and waits(to):  # which takes it, or what is left of it, from there
                stays.hand_over(held.id, to)
            else:
                stays.delete(held.id)
        for entry, stay in found.stays.items():
            if entry in ids:
                stays.hand_over(ids[entry], number)
                stays.update(ids[entry], stay)
            else:
                stays.insert(stay, number)
        yield len(before)
        for event in gathered.members(key):
            self._judge(rows[event.position], event, number, found.judged.get(event.position))
            if event.kind == Kind.CHARGED:
                counts, charged = event.position in found.charged, found.charged.get(event.position)
                for_stay = self._streams.at(charged) if charged is not None else None
                at = rows[event.position].at
                self._corrections.charge(at, event, for_stay, counts=counts)
        self._vehicles.numbered(number).open = stays.open_of(number)

    def _held_by_others(
        self, events: Iterable[Event], own: Iterable[HeldStay]
    ) -> Iterator[HeldStay]:
        """The stays that entries of a vehicle opened while they were another one's."""
        ours = {held.id for held in own}
        for event in events:
            if event.kind == Kind.ENTRY:
                held = self._stays.of_entry(self._streams.at(event.position))
                if held is not None and held.id not in ours:
                    yield held

    def _judge(
        self, row: GatheredRow, event: Event, number: int, judgement: Judgement | None
    ) -> None:
        """Write what became of an event, where that is another than before."""
        instead = judgement.instead if judgement is not None else None
        instead_at = self._streams.at(instead) if instead is not None else None
        held = (row.verdict, row.instead, row.judged_under)
        if judgement is None:
            if row.verdict is not None:
                self._run("DELETE FROM verdicts WHERE at=?", (row.at,))
        elif held != (judgement.verdict.value, instead_at, number):
            self._run("DELETE FROM verdicts WHERE at=?", (row.at,))
            self._run(JUDGE, (row.at, number, judgement.verdict.value, instead_at))
            if judgement.verdict in CLAIMING:
                claim(self._run, row.at, event)

    def _read_past(self, number: int, order: int, past: _Past) -> Iterator[int]:
        """Read the events of a vehicle from a place on; those that wait are not placed yet."""
        after = (order, -1, -1)
        while True:
            rows = self._run(
                "SELECT p.at, p.place, p.timestamp, e.skeleton, e.sealed, d.verdict, d.instead"
                " FROM places p JOIN events e ON e.at = p.at LEFT JOIN verdicts d ON d.at = p.at"
                " WHERE p.vehicle=? AND (p.place, p.timestamp, p.at) > (?,?,?)"
                " ORDER BY p.place, p.timestamp, p.at LIMIT ?",
                (number, *after, limits.EVENTS_PER_PIECE),
            ).fetchall()
            for at, _, _, skeleton, sealed, verdict, instead in rows:
                if verdict == Verdict.WAITING.value:
                    continue
                event = read(skeleton, sealed)
                if event.kind in CORRECTIONS:
                    continue  # of another vehicle: they are about nothing here
                if verdict is not None:
                    past.judged[at] = (verdict, instead)
                past.events.append(replace(event, skeleton=b"", personal_part=b""))
            yield len(rows)
            if len(rows) < limits.EVENTS_PER_PIECE:
                return
            after = rows[-1][1:3] + rows[-1][:1]

    def _repeated_before(self, past: _Past) -> dict[Position, Position]:
        """The acts that are those of an event before the ones that were read."""
        position, read_here = self._streams.position, {e.position for e in past.events}
        return {
            position(at): position(instead)
            for at, (verdict, instead) in past.judged.items()
            if verdict == Verdict.REPEATED.value
            and instead is not None
            and position(instead) not in read_here
        }

    def _rejudge(
        self, number: int, wanted: Mapping[int | None, _Judgement | None], past: _Past
    ) -> Iterator[int]:
        """Write the verdicts that are others than before."""
        events = {self._streams.at(event.position): event for event in past.events}
        changed = 0
        for at, judgement in wanted.items():
            held = past.judged.get(at) if at is not None else None
            if judgement == held:
                continue
            if held is not None:
                self._run("DELETE FROM verdicts WHERE at=?", (at,))
            if judgement is not None:
                self._run(JUDGE, (at, number, *judgement))
                if judgement[0] in CLAIMING:
                    claim(self._run, at, events[at])
            changed += 1
            if not changed % limits.EVENTS_PER_PIECE:
                yield limits.EVENTS_PER_PIECE

    def _replace(self, fold: Fold, number: int, first: SortKey) -> Iterator[int]:
        """Make the stays of a vehicle from `first` on those of the fold, keeping their ids."""
        stays = self._stays
        before: list[HeldStay] = []
        for piece in stays.since(number, first.order):
            before += [held for held in piece if held.stay.entry_key >= first]
            yield len(piece)
        ids = _kept_ids(before, fold.stays, fold.stay_of)
        kept = set(ids.values())
        stays_before = {held.id: held.stay for held in before}
        changes = [held.id for held in before if held.id not in kept]
        for count, id in enumerate(changes, 1):
            stays.delete(id)
            if not count % limits.EVENTS_PER_PIECE:
                yield limits.EVENTS_PER_PIECE
        # An id moves from a newer entry to an older one, which no kept row names yet.
        changed = 0
        for entry, stay in fold.stays.items():
            id = ids.get(entry, 0)
            if not id:
                stays.insert(stay, number)
            elif stays_before[id] != stay:
                stays.update(id, stay)
            else:
                continue
            changed += 1
            if not changed % limits.EVENTS_PER_PIECE:
                yield limits.EVENTS_PER_PIECE


def _parts(items: Iterable[_T]) -> Iterator[list[_T]]:
    """All of them, as many at once as one step looks at."""
    left = iter(items)
    while part := list(islice(left, limits.EVENTS_PER_PIECE)):
        yield part


def _ends_one_before(
    event: Event,
    first: SortKey,
    keys: Mapping[Position, SortKey],
    repeats: Mapping[Position, Position],
) -> bool:
    """Whether an ending names an act before the ones that are folded: nothing of it changes."""
    assert event.names is not None
    key = keys.get(repeats.get(event.names, event.names))
    return key is None or key < first


def _counting(entry: Position, judged: Mapping[Position, Judgement]) -> Position | None:
    """The entry that counts for one that opened no stay, as far as there is any."""
    at: Position | None = entry
    while at is not None and at in judged:
        at = judged[at].instead
    return at


def _kept_ids(
    before: Iterable[HeldStay],
    stays: Collection[Position],
    stay_of: Callable[[Position], Position | None],
) -> dict[Position, int]:
    """Which id each stay has: that of its entry, else of one that it took over."""
    ids: dict[Position, int] = {}
    moved: dict[Position, int] = {}
    for held in sorted(before):
        entry = held.stay.entry
        if entry in stays:
            ids[entry] = held.id
            continue
        winner = stay_of(entry)
        if winner is not None and winner in stays:
            moved.setdefault(winner, held.id)
    return moved | ids
