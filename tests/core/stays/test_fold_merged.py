"""What merging does to the acts, fees and stays of several centrals, and what it never does."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.vehicles import (
    BIKE,
    CAR,
    DAY_S,
    ENDED_NOTHING,
    FEE,
    Book,
    LaterKind,
    event_sets,
    lived,
    repeats,
    superseded_by,
)
from zparkd.core.events.event import Event, Kind, Position, SortKey, VehicleKey
from zparkd.core.stays.fold import ClosedBy, Projection, Remark, Stay, Verdict, project


@pytest.fixture
def book() -> Book:
    return Book()


# --- one act twice ----------------------------------------------------------------------------


def test_one_act_recorded_twice_is_one_entry_and_no_conflict(book: Book) -> None:
    act = ("edge-1", "r1")
    newer, older = book.entry("a", 20, act=act), book.entry("b", 10, act=act)
    assert book.stay().entry == older.position
    assert book.outcome().judged == {newer.position: repeats(older)}


def test_an_exit_that_names_the_repeated_entry_counts_for_the_first(book: Book) -> None:
    act = ("edge-1", "r1")
    older, newer = book.entry("a", 10, act=act), book.entry("b", 20, act=act)
    out = book.exit("b", 30, names=newer)
    assert (book.stay().entry, book.stay().closer) == (older.position, out.position)


def test_of_one_exit_recorded_twice_the_older_counts_with_its_fee(book: Book) -> None:
    entry, act = book.entry("a", 10), ("edge-2", "r1")
    newer = book.exit("a", 30, names=entry, fee=2, act=act)
    older = book.exit("b", 20, names=entry, fee=1, act=act)
    assert book.stay().fee == 1
    assert book.fate(newer) == repeats(older)


def test_a_repeated_exit_does_not_end_the_next_stay(book: Book) -> None:
    act = ("edge-2", "r1")
    book.entry("a", 10)
    book.exit("a", 20, act=act)
    again = book.entry("a", 30)
    book.exit("b", 40, act=act)
    assert book.outcome().stays[again.position].closed_by is None


def test_an_entry_and_an_exit_of_one_act_are_one_act_too(book: Book) -> None:
    act = ("edge-1", "r1")
    entry, out = book.entry("a", 10, act=act), book.exit("b", 20, act=act)
    assert book.stay().closed_by is None
    assert book.fate(out) == repeats(entry)


def test_a_repeated_entry_whose_first_was_superseded_stays_an_alias(book: Book) -> None:
    act = ("edge-1", "r1")
    stay = book.entry("c", 5)
    older, newer = book.entry("a", 10, act=act), book.entry("b", 20, act=act)
    book.confirm("b", 30, names=newer)
    assert book.fate(older) == superseded_by(stay)
    assert book.fate(newer) == repeats(older)
    assert book.stay().confirmed


def test_a_waiting_exit_is_no_act_before_its_entry_is_here(book: Book) -> None:
    act = ("edge-1", "r1")
    entry = book.entry("a", 10)
    older = book.exit("b", 20, names=entry, act=act)
    newer = book.exit("c", 30, act=act)
    assert project([older, newer]).judged[newer.position] == ENDED_NOTHING
    assert book.fate(newer) == repeats(older)


@pytest.mark.parametrize(
    ("of", "act"), [(CAR, ("edge-2", "r1")), (CAR, ("edge-1", "r2")), (BIKE, ("edge-1", "r1"))]
)
def test_another_edge_request_or_vehicle_is_another_act(
    book: Book, of: object, act: tuple[str, str]
) -> None:
    book.entry("a", 10, act=("edge-1", "r1"))
    book.entry("b", 20, of=of, act=act)
    assert Verdict.REPEATED not in {judged.verdict for judged in book.outcome().judged.values()}


def test_acts_without_request_id_are_never_one(book: Book) -> None:
    first, second = book.entry("a", 10), book.entry("b", 20)
    assert book.fate(second) == superseded_by(first)


# --- fees and remarks -------------------------------------------------------------------------


def test_a_merge_never_changes_the_fee_only_the_duration(book: Book) -> None:
    newer = book.entry("b", 3600)
    book.exit("b", 7200, names=newer, fee=FEE)
    assert book.stay().duration_s == 3600
    book.entry("a", 0)
    assert (book.stay().fee, book.stay().duration_s) == (FEE, 7200)
    assert book.stay().remarks == (Remark.OTHER_ENTRY,)


@pytest.mark.parametrize(("entry", "out"), [(True, False), (False, True), (True, True)])
def test_a_stay_with_a_marked_stamp_is_marked(book: Book, entry: bool, out: bool) -> None:
    book.exit("a", 20, names=book.entry("a", 10, marked=entry), marked=out)
    assert book.stay().remarks == (Remark.MARKED_TIME,)


def test_a_negative_duration_is_nought_and_marked(book: Book) -> None:
    book.exit("a", 20, shown=9.999, names=book.entry("a", 10))
    assert book.stay().duration_s == 0
    assert book.stay().remarks == (Remark.NEGATIVE_DURATION,)


@pytest.mark.parametrize(("after_s", "absurd"), [(90 * DAY_S, False), (90 * DAY_S + 0.001, True)])
def test_an_absurd_duration_is_marked(book: Book, after_s: float, absurd: bool) -> None:
    book.exit("a", after_s, names=book.entry("a", 0))
    assert book.stay().duration_s == 90 * DAY_S
    assert book.stay().remarks == ((Remark.ABSURD_DURATION,) if absurd else ())


def test_a_stay_ended_by_force_is_marked(book: Book) -> None:
    book.exit("a", 20, names=book.entry("a", 10), forced=True)
    assert book.stay().remarks == (Remark.FORCED,)


@pytest.mark.parametrize("kind", [Kind.SEEN, Kind.MANUAL, LaterKind.TOWED, Kind.CONFIRM])
def test_what_is_no_act_or_says_too_little_changes_nothing(book: Book, kind: Kind) -> None:
    book.entry("a", 10)
    before = book.outcome()
    book.write("a", kind, 20)
    book.write("a", Kind.EXIT, 30, fee=None)
    assert book.outcome() == before


# --- what is always so ------------------------------------------------------------------------

always = examples(100)


def belongs_to(event: Event, events: dict[Position, Event]) -> VehicleKey | None:
    """The vehicle in whose history an event stands."""
    if event.kind in (Kind.EXIT, Kind.CONFIRM) and event.names in events:
        return events[event.names].vehicle
    return event.vehicle


def place(event: Event, events: dict[Position, Event]) -> tuple[SortKey, bool, SortKey]:
    """Where an event stands in the history of its vehicle."""
    named = events.get(event.names) if event.names is not None else None
    if event.kind == Kind.EXIT and named is not None and named.key > event.key:
        return named.key, True, event.key
    return event.key, False, event.key


def open_at(event: Event, came_to: Projection, events: dict[Position, Event]) -> Stay | None:
    """The stay of its vehicle that was open just before an event."""
    of, at = belongs_to(event, events), place(event, events)
    found = [
        stay
        for stay in came_to.stays.values()
        if stay.vehicle == of
        and place(events[stay.entry], events) < at
        and (stay.closer is None or place(events[stay.closer], events) >= at)
    ]
    assert len(found) <= 1, "two stays of one vehicle at one moment"
    return found[0] if found else None


def by_position(events: Iterable[Event]) -> dict[Position, Event]:
    return {event.position: event for event in events}


@always
@given(st.data())
def test_the_same_events_in_any_order_and_repetition_are_the_same_history(
    data: st.DataObject,
) -> None:
    events = data.draw(event_sets())
    shuffled = data.draw(st.permutations(events + events[::3]))
    assert project(shuffled) == project(events)


@always
@given(event_sets())
def test_each_act_has_exactly_one_fate(events: list[Event]) -> None:
    came_to = project(events)
    openers = [stay.entry for stay in came_to.stays.values()]
    closers = [stay.closer for stay in came_to.stays.values() if stay.closed_by is ClosedBy.EXIT]
    assert len(closers) == len(set(closers)), "an exit ends one stay at most"
    acts = {e.position for e in events if e.facts and e.kind in (Kind.ENTRY, Kind.EXIT)}
    confirmations = {e.position for e in events if e.facts and e.kind == Kind.CONFIRM}
    assert sorted([*openers, *closers, *(came_to.judged.keys() - confirmations)]) == sorted(acts)
    for position in came_to.judged.keys() & confirmations:
        assert came_to.judged[position].verdict is Verdict.WAITING


@always
@given(event_sets())
def test_what_became_of_an_act_is_what_stood_open_at_its_place(events: list[Event]) -> None:
    came_to, known = project(events), by_position(events)
    for position, (verdict, instead) in came_to.judged.items():
        event = known[position]
        stay = open_at(event, came_to, known) if verdict is not Verdict.WAITING else None
        match verdict:
            case Verdict.WAITING:
                named = known.get(event.names) if event.names is not None else None
                assert named is None or named.kind != Kind.ENTRY or named.facts is None
            case Verdict.SUPERSEDED:
                assert stay is not None
                assert stay.entry == instead
                assert stay.entry_key < event.key
            case Verdict.ENDED_NOTHING:
                assert stay is None
            case Verdict.REPEATED:
                assert instead is not None
                assert known[instead].key < event.key
    for stay in came_to.stays.values():
        beside = open_at(known[stay.entry], came_to, known)
        assert beside is None or beside.closer == stay.entry
        assert beside is None or beside.closed_by is ClosedBy.FORCED_ENTRY


@always
@given(event_sets())
def test_a_closed_stay_says_what_its_closer_says(events: list[Event]) -> None:
    known = by_position(events)
    for stay in project(events).stays.values():
        if stay.closer is None:
            assert (stay.closed_by, stay.exit_ms, stay.fee, stay.remarks) == (None, None, None, ())
            continue
        closer = known[stay.closer]
        assert closer.facts is not None
        assert stay.duration_s == max(0, closer.timestamp - stay.entry_ms) // 1000
        assert (Remark.NEGATIVE_DURATION in stay.remarks) is (closer.timestamp < stay.entry_ms)
        if stay.closed_by is ClosedBy.EXIT:
            assert (stay.fee, stay.currency) == (closer.facts.fee, closer.facts.currency)
            assert (Remark.OTHER_ENTRY in stay.remarks) is (closer.names != stay.entry)
        else:
            assert closer.facts.forced
            assert (stay.fee, stay.currency) == (None, None)


@always
@given(event_sets())
def test_no_vehicle_is_in_the_way_of_another(events: list[Event]) -> None:
    came_to, known = project(events), by_position(events)
    for of in {belongs_to(event, known) for event in events}:
        own = project(event for event in events if belongs_to(event, known) == of)
        assert list(own.stays.values()) == [s for s in came_to.stays.values() if s.vehicle == of]


@always
@given(lived())
def test_no_event_that_comes_later_in_order_changes_a_fee_that_counts(events: list[Event]) -> None:
    events.sort(key=lambda event: event.key)
    before: dict[Position | None, int | None] = {}
    for count in range(len(events) + 1):
        stays = project(events[:count]).stays.values()
        charged = {stay.closer: stay.fee for stay in stays if stay.closed_by is ClosedBy.EXIT}
        assert charged.items() >= before.items()
        before = charged
