"""What the events of a vehicle come to, whatever order they are told in."""

import pytest

from tests.support.vehicles import (
    BIKE,
    CAR,
    ENDED_NOTHING,
    OTHER,
    T0_MS,
    WAITING,
    Book,
    superseded_by,
)
from zparkd.core.events.event import Position
from zparkd.core.stays.fold import ClosedBy, Projection, Remark, Stay, project


@pytest.fixture
def book() -> Book:
    return Book()


# --- entries ----------------------------------------------------------------------------------


def test_an_entry_opens_a_stay(book: Book) -> None:
    entry = book.entry("a", 10, shown=9, act=("edge-7", "r1"), marked=True)
    assert book.stay() == Stay(
        CAR,
        entry.position,
        entry_order=T0_MS + 10_000,
        entry_ms=T0_MS + 9_000,
        entry_marked=True,
        entry_forced=False,
        edge_id="edge-7",
        plate_view="view 1",
        confidence=0.51,
    )


def test_of_two_entries_the_older_is_the_stay_and_the_newer_points_to_it(book: Book) -> None:
    newer = book.entry("a", 20)
    newest = book.entry("a", 30)
    older = book.entry("b", 10)
    assert book.stay().entry == older.position
    assert book.fate(newer) == book.fate(newest) == superseded_by(older)


def test_of_two_entries_at_one_moment_that_of_the_first_central_id_is_older(book: Book) -> None:
    second, first = book.entry("b", 10), book.entry("a", 10)
    assert book.stay().entry == first.position
    assert book.fate(second) == superseded_by(first)


def test_who_is_older_is_told_by_order_not_by_the_time_shown(book: Book) -> None:
    newer, older = book.entry("a", 20, shown=-500), book.entry("b", 10)
    assert book.stay().entry == older.position
    assert book.fate(newer) == superseded_by(older)


def test_two_entries_with_an_exit_between_are_two_stays(book: Book) -> None:
    first, out, second = book.entry("a", 10), book.exit("b", 20), book.entry("a", 30)
    stays = book.outcome().stays
    assert stays[first.position].closer == out.position
    assert stays[second.position].closed_by is None


def test_a_car_and_a_motorbike_of_one_plate_are_two_vehicles(book: Book) -> None:
    book.entry("a", 10, of=CAR)
    book.entry("a", 20, of=BIKE)
    book.exit("a", 30, of=CAR)
    inside = {stay.vehicle: stay.closed_by for stay in book.outcome().stays.values()}
    assert inside == {CAR: ClosedBy.EXIT, BIKE: None}


# --- exits ------------------------------------------------------------------------------------


def test_an_exit_ends_the_open_stay_with_its_fee_time_and_edge(book: Book) -> None:
    entry = book.entry("a", 10)
    out = book.exit("b", 3670.9, names=entry, fee=5_000, act=("edge-9", None))
    stay = book.stay()
    assert (stay.closed_by, stay.closer) == (ClosedBy.EXIT, out.position)
    assert (stay.exit_ms, stay.exit_edge_id) == (T0_MS + 3_670_900, "edge-9")
    assert (stay.fee, stay.currency, stay.duration_s) == (5_000, "VND", 3660)
    assert stay.remarks == ()


def test_an_exit_that_names_a_superseded_entry_counts_for_the_winner(book: Book) -> None:
    older, newer = book.entry("a", 10), book.entry("b", 20)
    out = book.exit("b", 30, names=newer, fee=7)
    stay = book.stay()
    assert (stay.entry, stay.closer, stay.fee) == (older.position, out.position, 7)
    assert stay.duration_s == 20
    assert stay.remarks == (Remark.OTHER_ENTRY,)


def test_out_and_in_again_on_one_side_and_out_on_the_other_is_outside(book: Book) -> None:
    first = book.entry("a", 10)
    book.exit("a", 20, names=first)
    again = book.entry("a", 30)
    out = book.exit("b", 40, names=first)
    stay = book.outcome().stays[again.position]
    assert stay.closer == out.position
    assert stay.remarks == (Remark.OTHER_ENTRY,)


def test_an_exit_older_than_the_entry_it_names_stands_right_after_that_entry(book: Book) -> None:
    entry, out = book.entry("a", 20), book.exit("b", 10)
    early = book.exit("b", 10, names=entry)
    stay = book.stay()
    assert (stay.entry, stay.closer) == (entry.position, early.position)
    assert stay.remarks == (Remark.NEGATIVE_DURATION,)
    assert stay.duration_s == 0
    assert book.fate(out) == ENDED_NOTHING


def test_an_exit_brought_behind_its_entry_comes_before_all_that_is_newer(book: Book) -> None:
    entry = book.entry("a", 20)
    tied = book.exit("a", 20, names=entry)
    early = book.exit("b", 10, names=entry)
    again = book.entry("a", 21)
    stays = book.outcome().stays
    assert stays[entry.position].closer == early.position
    assert book.fate(tied) == ENDED_NOTHING
    assert stays[again.position].closed_by is None


def test_of_two_exits_the_older_ends_the_stay_and_the_newer_is_kept_with_its_fee(
    book: Book,
) -> None:
    entry = book.entry("a", 10)
    newer = book.exit("a", 30, names=entry, fee=2)
    older = book.exit("b", 20, names=entry, fee=1)
    assert (book.stay().closer, book.stay().fee) == (older.position, 1)
    assert book.fate(newer) == ENDED_NOTHING
    assert newer.facts is not None
    assert newer.facts.fee == 2


def test_an_exit_before_an_entry_that_it_does_not_name_ends_nothing(book: Book) -> None:
    out = book.exit("a", 10)
    book.entry("b", 20)
    assert book.stay().closed_by is None
    assert book.fate(out) == ENDED_NOTHING


def test_an_exit_of_a_stay_that_is_over_ends_nothing(book: Book) -> None:
    entry = book.entry("a", 10)
    book.entry("a", 20, names=entry, forced=True)
    book.exit("a", 30)
    late = book.exit("b", 40, names=entry)
    assert book.fate(late) == ENDED_NOTHING


@pytest.mark.parametrize("forced", [False, True])
def test_an_exit_waits_for_the_entry_it_names_and_is_not_lost(book: Book, forced: bool) -> None:
    entry = book.entry("a", 20)
    out = book.exit("b", 30, names=entry, forced=forced)
    other = book.entry("b", 10)
    judged = project([out, other]).judged
    assert judged == {out.position: WAITING}
    assert project([out, other]).stays[other.position].closed_by is None
    assert book.stay().closer == out.position


def test_an_exit_that_names_what_is_no_entry_waits(book: Book) -> None:
    entry = book.entry("a", 10)
    confirm = book.confirm("a", 20, names=entry)
    unreadable = book.entry("a", 25, of=None)
    assert book.fate(book.exit("a", 30, names=confirm)) == WAITING
    assert book.fate(book.exit("a", 35, names=unreadable)) == WAITING
    assert book.fate(book.exit("a", 40, names=book.next_position("a"))) == WAITING
    assert book.stay().closed_by is None


def test_an_exit_belongs_to_the_vehicle_of_the_entry_it_names(book: Book) -> None:
    misread = book.entry("a", 10, of=OTHER)
    book.entry("a", 10, of=CAR)
    book.exit("a", 20, of=CAR, names=misread)
    closed = {stay.vehicle: stay.closed_by for stay in book.outcome().stays.values()}
    assert closed == {OTHER: ClosedBy.EXIT, CAR: None}


def test_a_forced_exit_with_no_stay_open_is_kept_as_a_conflict(book: Book) -> None:
    out = book.exit("a", 10, forced=True, fee=0)
    assert book.outcome() == Projection({}, {out.position: ENDED_NOTHING}, {})


def test_a_forced_exit_ends_the_stay_that_is_open_at_its_place(book: Book) -> None:
    book.exit("a", 30, forced=True, fee=0)
    book.entry("b", 20)
    stay = book.stay()
    assert (stay.closed_by, stay.fee) == (ClosedBy.EXIT, 0)
    assert stay.remarks == (Remark.OTHER_ENTRY, Remark.FORCED)


# --- confirmations ----------------------------------------------------------------------------


def test_a_confirmation_confirms_the_stay_of_its_entry_alone(book: Book) -> None:
    first = book.entry("a", 10)
    book.exit("a", 20)
    second = book.entry("a", 30)
    book.confirm("a", 40, names=first)
    stays = book.outcome().stays
    assert stays[first.position].confirmed
    assert not stays[second.position].confirmed


def test_a_confirmation_of_a_superseded_entry_counts_for_the_winner(book: Book) -> None:
    older, newer = book.entry("a", 10), book.entry("b", 20)
    book.confirm("b", 30, names=newer)
    assert book.stay().entry == older.position
    assert book.stay().confirmed


def test_a_confirmation_of_a_repeated_entry_counts_for_the_first(book: Book) -> None:
    act = ("edge-1", "r1")
    older, newer = book.entry("a", 10, act=act), book.entry("b", 20, act=act)
    book.confirm("b", 30, names=newer)
    assert book.stay().entry == older.position
    assert book.stay().confirmed


def test_a_confirmation_older_than_its_entry_or_after_its_exit_counts_too(book: Book) -> None:
    one, two = book.entry("a", 10), book.entry("a", 20, of=BIKE)
    book.exit("a", 30)
    book.confirm("b", 40, names=one)
    book.confirm("b", 15, names=two, of=BIKE)
    assert [stay.confirmed for stay in book.outcome().stays.values()] == [True, True]


def test_a_confirmation_waits_for_the_entry_it_names(book: Book) -> None:
    entry = book.entry("a", 10)
    confirm = book.confirm("b", 20, names=entry)
    assert project([confirm]) == Projection({}, {confirm.position: WAITING}, {})
    assert book.stay().confirmed
    assert book.outcome().judged == {}


# --- forced entries ---------------------------------------------------------------------------


def test_a_forced_entry_ends_the_stay_it_names_without_fee_and_opens_its_own(book: Book) -> None:
    stale = book.entry("a", 10)
    forced = book.entry("b", 75, names=stale, forced=True, act=("edge-5", None), fee=9)
    stays = book.outcome().stays
    ended = stays[stale.position]
    assert (ended.closed_by, ended.closer) == (ClosedBy.FORCED_ENTRY, forced.position)
    assert (ended.fee, ended.currency, ended.duration_s) == (None, None, 65)
    assert (ended.exit_ms, ended.exit_edge_id) == (T0_MS + 75_000, "edge-5")
    assert ended.remarks == (Remark.FORCED,)
    assert stays[forced.position].closed_by is None
    assert stays[forced.position].entry_forced
    assert book.outcome().judged == {}


def test_a_forced_entry_ends_the_stay_whose_superseded_entry_it_names(book: Book) -> None:
    older, newer = book.entry("a", 10), book.entry("b", 20)
    forced = book.entry("b", 30, names=newer, forced=True)
    assert book.outcome().stays[older.position].closer == forced.position


def test_a_forced_entry_ends_the_stay_whose_repeated_entry_it_names(book: Book) -> None:
    act = ("edge-1", "r1")
    older, newer = book.entry("a", 10, act=act), book.entry("b", 20, act=act)
    forced = book.entry("b", 30, names=newer, forced=True)
    assert book.outcome().stays[older.position].closer == forced.position


def test_a_forced_entry_beside_another_open_stay_is_an_ordinary_entry(book: Book) -> None:
    stale = book.entry("a", 10)
    book.exit("a", 20, names=stale)
    open_ = book.entry("a", 30)
    forced = book.entry("b", 40, names=stale, forced=True)
    unnamed = book.entry("b", 50, forced=True)
    absent = book.entry("b", 60, names=Position("z", 1, 1), forced=True)
    assert book.outcome().stays[open_.position].closed_by is None
    for entry in (forced, unnamed, absent):
        assert book.fate(entry) == superseded_by(open_)


def test_a_forced_entry_with_no_stay_open_waits_for_nothing_and_opens_one(book: Book) -> None:
    forced = book.entry("a", 10, names=Position("z", 1, 1), forced=True)
    assert book.stay().entry == forced.position
    assert book.outcome().judged == {}


def test_an_entry_that_names_a_stay_without_force_does_not_end_it(book: Book) -> None:
    first = book.entry("a", 10)
    second = book.entry("a", 20, names=first)
    assert book.stay().closed_by is None
    assert book.fate(second) == superseded_by(first)
