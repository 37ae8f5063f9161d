"""What people say of events afterwards, and entries that nobody drove in on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.vehicles import (
    BIKE,
    CAR,
    ENDED_NOTHING,
    FEE,
    OTHER,
    WAITING,
    Book,
    corrected,
    repeats,
    superseded_by,
)
from zparkd.core.events.event import Event, Kind, Position, VehicleKey
from zparkd.core.stays.fold import ClosedBy, Judgement, Remark, Verdict, project

VOIDED = Judgement(Verdict.VOIDED, None)
GAVE_WAY = Judgement(Verdict.GAVE_WAY, None)
CHARGED_NOTHING = Judgement(Verdict.CHARGED_NOTHING, None)


@pytest.fixture
def book() -> Book:
    return Book()


# --- of another vehicle -----------------------------------------------------------------------


def test_a_corrected_entry_moves_with_its_exit_and_confirmation_under_the_same_id(
    book: Book,
) -> None:
    entry = book.entry("a", 10)
    book.confirm("a", 15, names=entry)
    out = book.exit("b", 20, names=entry)
    book.correct("b", 30, entry, OTHER)
    stay = book.stay()
    assert (stay.vehicle, stay.entry, stay.closer) == (OTHER, entry.position, out.position)
    assert (stay.confirmed, stay.plate_view) == (True, "view 2")
    assert stay.event_id == entry.event_id
    assert stay.remarks == (Remark.CORRECTED,)


def test_a_correction_of_the_type_leaves_the_plate(book: Book) -> None:
    entry = book.entry("a", 10)
    book.correct("a", 20, entry, BIKE)
    assert book.stay().vehicle == BIKE
    assert book.stay().event_id == entry.event_id


def test_of_two_corrections_of_one_event_the_later_counts(book: Book) -> None:
    entry = book.entry("a", 10)
    book.correct("a", 30, entry, OTHER)
    book.correct("b", 20, entry, BIKE)
    assert book.stay().vehicle == OTHER


def test_a_corrected_entry_is_superseded_by_an_older_one_of_its_new_vehicle(book: Book) -> None:
    older, entry = book.entry("a", 5, of=OTHER), book.entry("b", 10)
    out = book.exit("b", 20, names=entry)
    book.correct("b", 30, entry, OTHER)
    assert book.fate(entry) == superseded_by(older)
    assert (book.stay().entry, book.stay().closer) == (older.position, out.position)


def test_what_an_entry_kept_superseded_counts_once_that_entry_is_another_vehicles(
    book: Book,
) -> None:
    ghost, entry = book.entry("a", 5), book.entry("b", 10)
    book.correct("a", 20, ghost, OTHER)
    assert {stay.vehicle for stay in book.outcome().stays.values()} == {CAR, OTHER}
    assert book.fate(entry) is None


def test_correcting_one_record_of_an_act_corrects_the_act(book: Book) -> None:
    act = ("edge-1", "r1")
    older, newer = book.entry("a", 10, act=act), book.entry("b", 20, act=act)
    book.correct("b", 30, newer, OTHER)
    book.exit("b", 40, names=newer)
    assert book.stay().vehicle == OTHER
    assert book.stay().entry == older.position
    assert book.fate(newer) == repeats(older)


def test_an_exit_that_names_no_entry_can_be_another_vehicles(book: Book) -> None:
    ghost = book.entry("a", 10)
    out = book.exit("b", 20, of=OTHER, forced=True)
    book.correct("b", 30, out, CAR)
    assert (book.stay().entry, book.stay().closer) == (ghost.position, out.position)
    assert book.stay().remarks == (Remark.OTHER_ENTRY, Remark.FORCED, Remark.CORRECTED)


def test_an_exit_that_names_an_entry_goes_where_that_goes_and_nowhere_else(book: Book) -> None:
    entry = book.entry("a", 10)
    out = book.exit("a", 20, names=entry)
    book.correct("a", 30, out, OTHER)
    assert book.stay().vehicle == CAR


# --- void -------------------------------------------------------------------------------------


def test_a_void_entry_has_no_stay_and_its_exit_is_a_conflict(book: Book) -> None:
    entry = book.entry("a", 10)
    out = book.exit("a", 20, names=entry)
    book.void("a", 30, entry)
    assert book.outcome().stays == {}
    assert (book.fate(entry), book.fate(out)) == (VOIDED, ENDED_NOTHING)


def test_what_names_a_void_entry_ends_what_is_open_at_its_place(book: Book) -> None:
    ghost, entry = book.entry("a", 5), book.entry("b", 10)
    out = book.exit("b", 20, names=ghost)
    book.void("a", 30, ghost)
    assert (book.stay().entry, book.stay().closer) == (entry.position, out.position)


def test_a_void_exit_opens_the_stay_again(book: Book) -> None:
    out = book.exit("a", 20, names=book.entry("a", 10))
    book.void("a", 30, out)
    assert book.stay().closed_by is None


def test_a_void_act_is_void_whichever_of_its_records_was_named(book: Book) -> None:
    act = ("edge-1", "r1")
    older, newer = book.entry("a", 10, act=act), book.entry("b", 20, act=act)
    book.void("b", 30, newer)
    assert book.outcome().stays == {}
    assert (book.fate(older), book.fate(newer)) == (VOIDED, repeats(older))


def test_a_void_of_a_void_makes_it_as_if_neither_had_been(book: Book) -> None:
    entry = book.entry("a", 10)
    first = book.void("a", 20, entry)
    second = book.void("b", 30, first)
    assert book.stay().entry == entry.position
    book.void("c", 40, second)
    assert book.outcome().stays == {}


def test_a_void_correction_leaves_the_one_before_it(book: Book) -> None:
    entry = book.entry("a", 10)
    book.correct("a", 20, entry, BIKE)
    book.void("b", 40, book.correct("a", 30, entry, OTHER))
    assert book.stay().vehicle == BIKE


def test_void_beats_correct_also_where_it_is_older(book: Book) -> None:
    entry = book.entry("a", 10)
    book.void("a", 20, entry)
    book.correct("b", 30, entry, OTHER)
    assert book.outcome().stays == {}


def test_a_correction_applies_only_to_what_is_lower_in_order(book: Book) -> None:
    entry = book.entry("a", 10)
    book.void("b", 10, entry)
    book.correct("b", 5, entry, OTHER)
    assert book.stay().vehicle == CAR


def test_a_void_confirmation_was_never(book: Book) -> None:
    entry = book.entry("a", 10)
    book.void("a", 30, book.confirm("a", 20, names=entry))
    assert not book.stay().confirmed


def test_a_correction_waits_for_what_it_names_in_the_end(book: Book) -> None:
    entry = book.entry("a", 10)
    void = book.void("b", 20, entry)
    again = book.void("b", 30, void)
    early = project([void, again])
    assert early.judged == {void.position: WAITING, again.position: WAITING}
    assert book.stay().entry == entry.position


def test_corrections_that_name_each_other_wait(book: Book) -> None:
    one = book.void("a", 10, Position("b", 1, 1))
    two = book.void("b", 20, one)
    assert book.outcome().judged == {one.position: WAITING, two.position: WAITING}


# --- by hand ----------------------------------------------------------------------------------


def test_an_entry_by_hand_says_so_while_inside_and_after(book: Book) -> None:
    entry = book.entry("a", 10, by_hand=True)
    assert book.stay().remarks == (Remark.ENTERED_BY_HAND,)
    book.exit("a", 20, names=entry)
    assert book.stay().remarks == (Remark.ENTERED_BY_HAND,)


def test_a_stay_closed_by_hand_has_its_fee_and_says_so(book: Book) -> None:
    closed = book.close("a", 20, book.entry("a", 10), fee=FEE)
    stay = book.stay()
    assert (stay.closed_by, stay.closer, stay.fee) == (
        ClosedBy.CORRECTION,
        closed.position,
        FEE,
    )
    assert stay.remarks == (Remark.CLOSED_BY_HAND,)


@pytest.mark.parametrize("left", [15, 30])
def test_a_close_gives_way_to_the_exit_of_its_entry_whatever_the_order(
    book: Book, left: int
) -> None:
    entry = book.entry("a", 10)
    closed = book.close("a", 20, entry, fee=5)
    out = book.exit("b", left, names=entry)
    assert book.stay().closer == out.position
    assert book.fate(closed) == GAVE_WAY


def test_a_close_stands_where_the_vehicle_came_again_before_that_exit(book: Book) -> None:
    entry = book.entry("a", 10)
    closed = book.close("a", 20, entry)
    again = book.entry("a", 30)
    out = book.exit("b", 40, names=entry)
    stays = book.outcome().stays
    assert stays[entry.position].closer == closed.position
    assert stays[again.position].closer == out.position
    assert stays[again.position].remarks == (Remark.OTHER_ENTRY,)


def test_a_close_of_a_superseded_entry_ends_the_stay_that_counts(book: Book) -> None:
    entry, double = book.entry("a", 10), book.entry("b", 20)
    closed = book.close("b", 30, double)
    assert (book.stay().entry, book.stay().closer) == (entry.position, closed.position)


def test_of_two_closes_of_one_entry_the_later_counts(book: Book) -> None:
    entry = book.entry("a", 10)
    first, later = book.close("a", 20, entry, fee=1), book.close("b", 30, entry, fee=2)
    assert (book.stay().closer, book.stay().fee) == (later.position, 2)
    assert book.fate(first) == GAVE_WAY


def test_a_close_ends_only_the_stay_that_it_names(book: Book) -> None:
    entry = book.entry("a", 10)
    book.exit("a", 20)
    again = book.entry("a", 30)
    closed, paid = book.close("a", 40, entry), book.close("a", 50, entry, fee=5)
    assert book.outcome().stays[again.position].closed_by is None
    assert (book.fate(closed), book.fate(paid)) == (None, GAVE_WAY)


# --- charges ----------------------------------------------------------------------------------


def test_charges_add_up_and_leave_the_fee(book: Book) -> None:
    entry = book.entry("a", 10)
    out = book.exit("a", 20, names=entry)
    book.charge("a", 30, entry, 10_000)
    book.charge("b", 30, out, -3_000)
    assert (book.stay().fee, book.stay().adjusted) == (FEE, 7_000)


def test_a_charge_follows_its_entry_to_the_stay_that_counts(book: Book) -> None:
    double = book.entry("b", 20)
    book.charge("b", 30, double, 500)
    older = book.entry("a", 10)
    assert (book.stay().entry, book.stay().adjusted) == (older.position, 500)
    book.correct("b", 40, older, OTHER)
    assert {s.vehicle: s.adjusted for s in book.outcome().stays.values()} == {OTHER: 0, CAR: 500}


def test_a_charge_without_a_stay_is_kept_as_a_conflict(book: Book) -> None:
    entry = book.entry("a", 10)
    charge = book.charge("a", 20, entry, 500)
    book.void("a", 30, entry)
    assert book.outcome().charged == {charge.position: None}
    assert book.fate(charge) == CHARGED_NOTHING


def test_a_void_charge_was_never(book: Book) -> None:
    entry = book.entry("a", 10)
    book.void("a", 30, book.charge("a", 20, entry, 500))
    assert book.stay().adjusted == 0
    assert book.outcome().charged == {}


# --- not taken --------------------------------------------------------------------------------


def test_an_entry_that_was_not_taken_ends_without_a_fee(book: Book) -> None:
    entry = book.entry("a", 10)
    untaken = book.not_taken("a", 130, entry)
    stay = book.stay()
    assert (stay.closed_by, stay.closer, stay.fee) == (
        ClosedBy.NOT_TAKEN,
        untaken.position,
        None,
    )


@pytest.mark.parametrize("at", [20, 200])
def test_it_gives_way_to_a_confirmation_and_to_an_exit_of_the_entry(book: Book, at: int) -> None:
    entry = book.entry("a", 10)
    book.not_taken("a", 130, entry)
    book.confirm("b", at, names=entry)
    assert book.stay().closed_by is None
    out = book.exit("b", at + 1, names=entry)
    assert book.stay().closer == out.position


def test_with_another_entry_before_that_exit_the_one_not_taken_counts_for_it(book: Book) -> None:
    entry = book.entry("a", 10)
    book.not_taken("a", 130, entry)
    again = book.entry("b", 150)
    out = book.exit("c", 200, names=entry)
    assert (book.stay().entry, book.stay().closer) == (again.position, out.position)
    assert book.fate(entry) == superseded_by(again)


def test_an_entry_that_was_not_taken_is_in_no_others_way(book: Book) -> None:
    entry = book.entry("a", 10)
    again = book.entry("b", 20)
    untaken = book.not_taken("a", 130, entry)
    stays = book.outcome().stays
    assert stays[entry.position].closer == untaken.position
    assert stays[again.position].closed_by is None


def test_it_ends_its_entry_only_where_that_itself_counts(book: Book) -> None:
    older, double = book.entry("a", 10), book.entry("b", 20)
    book.not_taken("b", 140, double)
    assert (book.stay().entry, book.stay().closed_by) == (older.position, None)


# --- misread, over capacity -------------------------------------------------------------------


def test_an_exit_that_was_read_as_another_plate_says_so(book: Book) -> None:
    entry = book.entry("a", 10)
    book.exit("a", 20, names=entry, plate_read="29A12346")
    assert book.stay().plate_read == "29A12346"
    assert book.stay().remarks == (Remark.MISREAD,)


def test_it_was_no_misread_once_the_entry_is_corrected_to_that_plate(book: Book) -> None:
    entry = book.entry("a", 10)
    book.exit("a", 20, names=entry, plate_read="29A12346")
    book.correct("a", 30, entry, VehicleKey("car", "29A12346"))
    assert book.stay().remarks == (Remark.CORRECTED,)


def test_what_people_know_of_a_stay_is_no_conflict(book: Book) -> None:
    book.entry("a", 10, over_capacity=True)
    assert book.stay().remarks == (Remark.OVER_CAPACITY,)
    told = (Remark.CORRECTED, Remark.CLOSED_BY_HAND, Remark.ENTERED_BY_HAND)
    assert not any(it.is_conflict for it in (*told, Remark.MISREAD, Remark.OVER_CAPACITY))
    assert Remark.FORCED.is_conflict


# --- what is always so ------------------------------------------------------------------------


@examples(100)
@given(st.data())
def test_corrections_in_any_order_and_repetition_are_the_same_history(data: st.DataObject) -> None:
    events = data.draw(corrected())
    shuffled = data.draw(st.permutations(events + events[::3]))
    assert project(shuffled) == project(events)


@examples(100)
@given(corrected())
def test_each_act_ends_a_stay_or_opens_one_or_is_judged(events: list[Event]) -> None:
    came_to = project(events)
    openers = [stay.entry for stay in came_to.stays.values()]
    closers = [stay.closer for stay in came_to.stays.values() if stay.closed_by is ClosedBy.EXIT]
    acts = {e.position for e in events if e.facts and e.kind in (Kind.ENTRY, Kind.EXIT)}
    assert sorted([*openers, *closers, *(came_to.judged.keys() & acts)]) == sorted(acts)


@examples(100)
@given(corrected())
def test_no_money_is_lost(events: list[Event]) -> None:
    came_to = project(events)
    amounts = {e.position: e.facts.amount for e in events if e.facts and e.facts.amount}
    beside = sum(amounts[at] for at, stay in came_to.charged.items() if stay is None)
    adjusted = sum(stay.adjusted for stay in came_to.stays.values())
    dropped = [at for at in amounts if at not in came_to.charged]
    assert beside + adjusted == sum(amounts[at] for at in came_to.charged)
    assert {came_to.judged[at].verdict for at in dropped} <= {Verdict.VOIDED, Verdict.WAITING}


@examples(100)
@given(corrected())
def test_a_void_that_is_void_is_as_if_neither_had_been(events: list[Event]) -> None:
    last = max(event.order for event in events)
    book = Book()
    book.events = list(events)
    before = project(events)
    here = {event.position for event in events if event.vehicle is not None}
    named = next((event for event in events if event.position in here), None)
    if named is None:
        return
    order_s = (last - 1_733_140_800_000) / 1000
    first = book.void("z", order_s + 1, named)
    if project(book.events).judged.get(first.position) == WAITING:
        return
    book.void("z", order_s + 2, first)
    after = project(book.events)
    assert (after.stays, after.charged) == (before.stays, before.charged)
    assert {k: v for k, v in after.judged.items() if k != first.position} == before.judged
