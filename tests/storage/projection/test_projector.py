"""The stays in the database are those of the events in it, however these came."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.vehicles import CAR, OTHER, Book, any_sets, lived
from zparkd.core import limits
from zparkd.core.events.event import Event, Kind, Position, Stream, VehicleKey
from zparkd.core.members.votes import counting as meaning
from zparkd.core.stays.fold import (
    ClosedBy,
    Judgement,
    Projection,
    Remark,
    Stay,
    Verdict,
    project,
)
from zparkd.storage.store import Store

MEMORY = Path(":memory:")
Rows = list[dict[str, Any]]


class Fed:
    """A store that is fed events, and checked after each commit against all that it was fed."""

    def __init__(self, central_id: str = "a", path: Path = MEMORY) -> None:
        self._central_id, self._path = central_id, path
        self._open()
        self.held: list[Event] = []
        self.ids: dict[Position, int] = {}
        self._committed = (0, self.ids)
        self._ids_used: set[int] = set()
        self.between = False  # whether it was left unsettled since ids were looked at

    def _open(self) -> None:
        self.store = Store(self._path, self._central_id, "lot-a", "Asia/Ho_Chi_Minh")

    def close(self) -> None:
        self.store.close()

    def append(self, *events: Event) -> None:
        for event in events:
            self.store.append(event)
            self.held.append(event)

    def settle(self, *events: Event) -> None:
        """Append these too, settle, and check what the store answers."""
        self.append(*events)
        self.store.settle()
        while self.store.unsettled:
            self.store.settle()
        expected = project(self.held)
        self._check_ids(expected)
        for event in meaning(self.held):
            self._check_answer(event, expected)

    def commit(self, *events: Event) -> None:
        """Settle, keep it, and check what others see in the tables: they follow soon after."""
        self.settle(*events)
        self.store.commit()
        self._check_file()
        self._committed = (len(self.held), self.ids)
        self._ids_used |= set(self.ids.values())

    def leave(self, effort: int, *, commit: bool) -> None:
        """Settle no more than this, and keep it so."""
        self.store.settle(effort)
        if self.store.unsettled:
            self.between = True
        else:
            self.settle()
        if commit:
            self.store.commit()
            self._committed = (len(self.held), self.ids)

    def write(self, *, commit: bool = True) -> None:
        """Have the tables follow the log, by a transaction of their own, or within that one."""
        if commit:
            self.settle()
            self.commit()
        self.store.write_behind()
        assert self.store.behind == 0
        if commit:
            self._check_tables()
            self._check_log()

    def undo(self) -> list[Event]:
        """Lose what was not committed, by a rollback or a crash; it is returned."""
        if self._path == MEMORY:
            self.store.rollback()
        else:
            self.store.writing()  # so that nothing is written when it is closed
            self.store.close()
            self._open()
        count, self.ids = self._committed
        lost = self.held[count:]
        del self.held[count:]
        self.store.settle()
        self.store.commit()
        self._check_file()
        return lost

    def _check_file(self) -> None:
        """What others see, where there are others: a reader here has the rest written first."""
        if self._path != MEMORY:
            self._check_tables()

    def _check_tables(self) -> None:
        heads: dict[Stream, int] = {}
        for event in self.held:
            heads[event.position.stream] = event.position.seq
        assert self.store.heads == heads
        (row,) = self.rows("SELECT up_to FROM projected")
        assert row["up_to"] == len(self.held) - self.store.behind
        assert self.content() == project(self.held[: row["up_to"]])

    def _check_log(self) -> None:
        """The events are numbered in the order in which they came, and found by their acts."""
        arrived = self.rows(
            "SELECT no, origin, epoch, at & 1099511627775 AS seq FROM arrivals"
            " JOIN (SELECT no AS number, origin, epoch FROM streams) ON number = at >> 40"
        )
        assert sorted(tuple(row.values()) for row in arrived) == [
            (no, *event.position) for no, event in enumerate(self.held, 1)
        ]
        for event in meaning(self.held):
            edge_id, request_id = event.act
            if edge_id is not None and request_id is not None:
                assert event in self.store.acts(edge_id, request_id)

    def rows(self, query: str) -> Rows:
        if self._path == MEMORY:
            return _named(self.store.connection.execute(query))
        with closing(sqlite3.connect(self._path)) as other:
            return _named(other.execute(query))

    def content(self) -> Projection:
        """What `sessions`, `verdicts` and `charges` say, ids left out."""
        no = {
            row["no"]: (row["origin"], row["epoch"]) for row in self.rows("SELECT * FROM streams")
        }

        def position(at: int | None) -> Any:
            return None if at is None else Position(*no[at >> 40], at & (1 << 40) - 1)

        stays = {}
        for row in self.rows(
            "SELECT camera_type, plate_id, s.* FROM sessions s JOIN vehicles v ON v.no = s.vehicle"
        ):
            vehicle = VehicleKey(row.pop("camera_type"), row.pop("plate_id"))
            del row["id"]
            row |= {
                "vehicle": vehicle,
                "entry": position(row["entry"]),
                "closer": position(row["closer"]),
                "closed_by": row["closed_by"] and ClosedBy(row["closed_by"]),
                "remarks": tuple(
                    Remark(code)
                    for codes in (row["remarks"], row["notes"])
                    for code in (codes or "").split(",")
                    if code
                ),
            }
            del row["notes"]
            stays[row["entry"]] = Stay(**row)
        judged = {
            position(row["at"]): Judgement(Verdict(row["verdict"]), position(row["instead"]))
            for row in self.rows("SELECT * FROM verdicts")
        }
        charged = {
            position(row["at"]): position(row["stay"]) for row in self.rows("SELECT * FROM charges")
        }
        return Projection(stays, judged, charged)

    def history(self) -> Rows:
        """What readers see that is the same at each central."""
        rows = self.rows("SELECT * FROM history ORDER BY event_id, camera_type, entry_ms, edge_id")
        for row in rows:
            own = row["source_central"] == self._central_id
            assert row.pop("sync_status") == ("LOCAL" if own else "SYNCED")
            assert row.pop("id") > 0
        return sorted(rows, key=repr)

    def conflicts(self) -> list[str]:
        """The same of what does not fit, but for where the event is in this database."""
        return sorted(
            repr({name: value for name, value in row.items() if name != "about"})
            for row in self.rows("SELECT * FROM conflicts")
        )

    def _check_ids(self, expected: Projection) -> None:
        """An id stays with its stay, moves to an older entry only, and is never used again."""
        before = self.ids
        self.ids = {}
        for entry in expected.stays:
            held = self.store.stay_of(entry)
            assert held is not None
            self.ids[entry] = held.id
        assert len(set(self.ids.values())) == len(self.ids)
        if self.between:  # an id may have moved by way of what was left half done
            self.between = False
            return
        was = {id: entry for entry, id in before.items()}
        for entry, id in self.ids.items():
            if entry in before:
                assert id == before[entry], "an id changed"
            elif id in was:
                assert counting(was[id], expected) == entry, "an id moved to another stay"
            else:
                assert id not in self._ids_used, "an id was used again"
        for entry, id in before.items():
            winner = counting(entry, expected)
            if winner is not None and winner not in before:
                assert self.ids[winner] <= id, "a stay was taken over without its id"
                assert self.ids[winner] in was

    def _check_answer(self, event: Event, expected: Projection) -> None:
        """The store finds the stay of each entry, superseded or not, and what is inside."""
        held = self.store.stay_of(event.position)
        entry = counting(event.position, expected)
        assert (held.stay if held is not None else None) == expected.stays.get(entry)
        if event.vehicle is not None:
            plate_id = event.vehicle.plate_id
            if event.kind in (Kind.ENTRY, Kind.SEEN):
                assert self.store.last_order(event.vehicle) >= event.order
                assert self.store.free_stamp(plate_id, event.timestamp) > event.timestamp
            inside = {held.stay.entry for held in self.store.inside(plate_id)}
            assert inside == {
                stay.entry
                for stay in expected.stays.values()
                if stay.closed_by is None and stay.vehicle.plate_id == plate_id
            }


def _named(cursor: sqlite3.Cursor) -> Rows:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def counting(entry: Position | None, expected: Projection) -> Any:
    """The entry of the stay that this one belongs to; None where there is none."""
    while entry is not None and entry not in expected.stays:
        judged = expected.judged.get(entry)
        entry = judged.instead if judged is not None else None
    return entry


# --- however they came ------------------------------------------------------------------------

PLANS = st.lists(st.integers(0, 63), max_size=40)


def feed(fed: Fed, events: list[Event], plan: list[int]) -> None:
    """Append events in any order that keeps each stream's; `plan` says where, and what between."""
    waiting: dict[Stream, list[Event]] = {}
    for event in events:
        note(f"{event.key} {event.kind} {event.vehicle} names {event.names} {event.facts}")
        waiting.setdefault(event.position.stream, []).append(event)
    steps = iter(plan)
    while any(waiting.values()):
        step = next(steps, 0)
        streams = [stream for stream, left in waiting.items() if left]
        fed.append(waiting[streams[step % len(streams)]].pop(0))
        match step // 8:
            case 1:
                fed.write(commit=step % 2 == 1)
            case 2 | 3:
                fed.leave(step % 8, commit=step // 8 == 3)
            case 4:
                fed.settle()
            case 5 | 6:
                fed.commit()
            case 7:
                for lost in reversed(fed.undo()):
                    waiting[lost.position.stream].insert(0, lost)
    fed.commit()


@examples(100)
@given(
    any_sets(),
    PLANS,
    PLANS,
    st.sampled_from([limits.PLATES_REMEMBERED, 1]),
    st.sampled_from([limits.EVENTS_PER_PIECE, 1, 2]),
)
def test_the_same_events_by_any_route_are_the_same_history(
    events: list[Event], plan: list[int], other: list[int], plates_remembered: int, piece: int
) -> None:
    with (
        patch.object(limits, "PLATES_REMEMBERED", plates_remembered),
        patch.object(limits, "EVENTS_PER_PIECE", piece),
        closing(Fed("a")) as one,
        closing(Fed("b")) as two,
    ):
        feed(one, events, plan)
        feed(two, events, other)
        one.write()
        two.write()
        assert one.history() == two.history()
        assert one.conflicts() == two.conflicts()


@examples(15)
@given(lived() | any_sets(), PLANS)
def test_a_file_that_is_left_and_opened_again_goes_on_as_if_it_was_not(
    events: list[Event], plan: list[int]
) -> None:
    with (
        patch.object(limits, "EVENTS_PER_PIECE", 2),
        TemporaryDirectory() as directory,
        closing(Fed("a", Path(directory) / "zparkd.db")) as fed,
    ):
        feed(fed, events, plan)


# --- rare, and easily got wrong ---------------------------------------------------------------


@pytest.fixture
def fed() -> Iterator[Fed]:
    """A store in memory; whatever a test feeds it, its tables say the same in the end."""
    with closing(Fed()) as fed:
        yield fed
        fed.write()


@pytest.fixture
def book() -> Book:
    return Book()


def test_what_stands_before_a_stay_of_the_same_moment_is_left_alone(fed: Fed, book: Book) -> None:
    early, out = book.entry("a", 10), book.exit("a", 10)
    nothing, entry = book.exit("a", 10), book.entry("b", 10)
    fed.commit(early, out, nothing, entry, book.entry("b", 30))
    fed.commit(book.entry("c", 20))
    stays, judged, _ = fed.content()
    assert list(stays) == [early.position, entry.position]
    assert judged[nothing.position].verdict is Verdict.ENDED_NOTHING


def test_an_entry_that_takes_over_two_stays_has_the_id_of_the_first(fed: Fed, book: Book) -> None:
    act = ("edge-1", "r1")
    fed.commit(book.entry("b", 10), book.exit("b", 20, act=act), book.entry("b", 30))
    assert list(fed.ids.values()) == [1, 2]
    older = book.entry("a", 5)
    fed.commit(older, book.exit("c", 1, act=act))
    assert fed.ids == {older.position: 1}


def test_a_stay_that_takes_over_the_next_one_keeps_its_id(fed: Fed, book: Book) -> None:
    act = ("edge-1", "r1")
    entry = book.entry("b", 10)
    fed.commit(entry, book.exit("b", 20, act=act), book.entry("b", 30))
    fed.commit(book.exit("c", 1, act=act))
    assert fed.ids == {entry.position: 1}


def test_a_forced_entry_ends_the_stay_whose_superseded_entry_it_names(fed: Fed, book: Book) -> None:
    older, newer = book.entry("a", 10), book.entry("b", 20)
    fed.commit(older, newer)
    fed.commit(book.entry("b", 30, names=newer, forced=True))
    assert fed.content()[0][older.position].closed_by is ClosedBy.FORCED_ENTRY


def test_a_forced_entry_ends_the_stay_whose_repeated_entry_comes_to_light_late(
    fed: Fed, book: Book
) -> None:
    act = ("edge-1", "r1")
    older = book.entry("a", 10, act=act)
    forced = book.entry("c", 15, names=book.next_position("b"), forced=True)
    fed.commit(older, forced, book.exit("a", 17), book.entry("a", 18))
    assert fed.content()[0][older.position].closed_by is ClosedBy.EXIT
    fed.commit(book.entry("b", 20, act=act))
    assert fed.content()[0][older.position].closer == forced.position


def test_a_confirmation_of_a_repeated_entry_reaches_a_stay_long_over(fed: Fed, book: Book) -> None:
    act = ("edge-1", "r1")
    first = book.entry("a", 1, act=act)
    fed.commit(first, book.exit("a", 2), book.entry("a", 5))
    again = book.entry("b", 10, act=act)
    fed.commit(again)
    fed.commit(book.exit("c", 8), book.confirm("b", 20, names=again))
    assert fed.content()[0][first.position].confirmed


def test_a_close_that_names_an_act_whose_older_half_is_an_exit_gave_way(
    fed: Fed, book: Book
) -> None:
    act = ("edge-1", "r1")
    repeated = book.entry("b", 10, act=act)
    fed.commit(book.exit("a", 1, act=act), repeated)
    closed = book.close("c", 20, repeated, fee=0)
    fed.commit(closed)
    assert book.fate(closed) == Judgement(Verdict.GAVE_WAY, None)


def test_a_vehicle_that_is_forgotten_between_two_events_is_met_again(fed: Fed, book: Book) -> None:
    with patch.object(limits, "PLATES_REMEMBERED", 1):
        entry, other = book.entry("a", 10), book.entry("a", 20, of=OTHER)
        fed.append(entry, other, book.confirm("a", 30, names=entry))
        fed.commit(book.exit("a", 40, of=OTHER, names=other), book.exit("a", 50))
    assert [stay.closed_by for stay in fed.content()[0].values()] == [ClosedBy.EXIT] * 2


def test_what_waited_under_one_plate_and_is_of_another_raises_the_first_no_more(
    fed: Fed, book: Book
) -> None:
    entry = book.entry("a", 10)
    misread = book.exit("a", 500, names=book.next_position("b"))
    fed.commit(entry, misread)
    assert fed.store.last_order(CAR) == misread.order
    fed.commit(book.entry("b", 20, of=OTHER))
    assert fed.store.last_order(CAR) == entry.order
    assert fed.store.last_order(OTHER) == misread.order


def test_an_exit_that_was_void_while_it_waited_is_void_once_its_entry_comes(
    fed: Fed, book: Book
) -> None:
    entry = book.entry("a", 10)
    out = book.exit("b", 20, names=entry, of=OTHER)
    void = book.void("c", 30, out)
    fed.commit(out, void)
    fed.commit(entry)
    (stay,) = fed.content().stays.values()
    assert stay.closed_by is None


def test_a_stay_of_a_corrected_vehicle_is_told_as_it_is_within_the_turn(
    fed: Fed, book: Book
) -> None:
    first = book.entry("a", 10)
    fed.commit(first, book.exit("a", 20, names=first), book.charge("a", 30, first, 5))
    entry = book.entry("a", 40)
    fed.append(entry, book.exit("a", 50, names=entry))
    held = fed.store.stay_of(entry.position)
    assert held is not None
    assert held.stay.closed_by is ClosedBy.EXIT


def test_an_exit_that_turns_out_to_repeat_an_act_gives_back_the_stay_of_its_corrected_entry(
    fed: Fed, book: Book
) -> None:
    act = ("edge-1", "r1")
    entry = book.entry("b", 20)
    out = book.exit("b", 30, names=entry, act=act)
    fed.commit(entry, out, book.correct("b", 40, entry, OTHER))
    assert [it.closed_by for it in fed.content().stays.values()] == [ClosedBy.EXIT]
    fed.commit(book.entry("a", 10, act=act))  # the same request, where it was recorded first
    found = fed.content().stays.values()
    assert {(it.vehicle, it.closed_by) for it in found} == {(CAR, None), (OTHER, None)}
