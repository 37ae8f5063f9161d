"""Who is disowned changes what events come to: the tables are those of the set, by any route."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.storage.projection.test_projector import PLANS, Fed, feed
from tests.support.examples import examples
from tests.support.positions import positions
from tests.support.tariffs import flat
from tests.support.vehicles import Book, event_sets
from zparkd.core import limits
from zparkd.core.events.event import Event, Kind, Personal, Stream
from zparkd.core.events.payloads import Pass, PassChanged, Reference, Staff, StaffChanged, TariffSet
from zparkd.core.members.words import MemberDisowned, MemberRestored
from zparkd.core.reference.fold import project_reference
from zparkd.core.stays.fold import ClosedBy, Projection

CENTRALS = st.sampled_from(["a", "b", "c", "d"])
WORDS: st.SearchStrategy[tuple[Kind, Reference, Personal]] = st.one_of(
    st.builds(
        lambda member, heads: (
            Kind.DISOWNED,
            MemberDisowned(member, tuple(heads.items())),
            Personal(""),
        ),
        CENTRALS,
        st.dictionaries(st.sampled_from([1, 2, 3, 9]), st.integers(1, 8), max_size=3),
    ),
    st.builds(lambda member: (Kind.RESTORED, MemberRestored(member), Personal("")), CENTRALS),
)
CHANGES: st.SearchStrategy[tuple[Kind, Reference, Personal]] = st.one_of(
    st.builds(
        lambda version: (Kind.TARIFF, TariffSet(version, flat(version)), Personal("")),
        st.integers(1, 3),
    ),
    st.builds(
        lambda plate, until, removed: (
            Kind.PASS,
            PassChanged("car", "2025-12-01", until, removed),
            Personal("", plate_id=plate),
        ),
        st.sampled_from(["29A12345", "30F99999"]),
        st.sampled_from(["2025-12-30", "2025-12-31"]),
        st.booleans(),
    ),
    st.builds(
        lambda name, removed: (
            Kind.STAFF,
            StaffChanged(removed),
            Personal("", staff_id="nv01", name=name),
        ),
        st.sampled_from(["A", "B"]),
        st.booleans(),
    ),
)


def said(*rows: tuple[str, tuple[Kind, Reference, Personal]]) -> list[Event]:
    """Events that are none of gates, in streams of their own."""
    book = Book()
    for origin, (kind, what, personal) in rows:
        book.say(Stream(origin, 9), kind, what, personal)
    return book.events


class Judged(Fed):
    """A store that is fed words about members too. Stays may come and go with them."""

    def _check_ids(self, expected: Projection) -> None:
        held = {entry: self.store.stay_of(entry) for entry in expected.stays}
        self.ids = {entry: stay.id for entry, stay in held.items() if stay is not None}
        assert len(set(self.ids.values())) == len(expected.stays)

    def _check_tables(self) -> None:
        super()._check_tables()
        wanted = project_reference(self.held)
        tariff = self.store.reference.tariff()
        assert (tariff.tariff.set_by if tariff is not None else None) == wanted.tariff
        for table, wanted_at in (("passes", wanted.passes), ("staff", wanted.staff)):
            assert positions(self.store.connection, table) == sorted(wanted_at.values())


@examples(60)
@given(
    event_sets(),
    st.lists(st.tuples(CENTRALS, WORDS | CHANGES), min_size=1, max_size=8),
    PLANS,
    PLANS,
    st.integers(1, 4),
)
def test_the_same_words_by_any_route_are_the_same_history(
    events: list[Event],
    words: list[tuple[str, tuple[Kind, Reference, Personal]]],
    plan: list[int],
    other: list[int],
    at_once: int,
) -> None:
    events = [*events, *said(*words)]
    with (
        patch.object(limits, "REJUDGED_PER_TURN", at_once),
        closing(Judged("a")) as one,
        closing(Judged("b")) as two,
    ):
        feed(one, events, plan)
        feed(two, events, other)
        one.write()
        two.write()
        assert one.history() == two.history()


@pytest.fixture
def fed() -> Iterator[Judged]:
    with closing(Judged()) as fed:
        yield fed


@pytest.fixture
def book() -> Book:
    return Book()


def disown(book: Book, voice: str, member: str, *heads: tuple[int, int]) -> Event:
    return book.say(Stream(voice, 9), Kind.DISOWNED, MemberDisowned(member, heads), Personal(""))


def restore(book: Book, voice: str, member: str) -> Event:
    return book.say(Stream(voice, 9), Kind.RESTORED, MemberRestored(member), Personal(""))


def test_a_stay_that_a_disowned_central_ended_is_open_again(fed: Judged, book: Book) -> None:
    entry = book.entry("a", 10)
    out = book.exit("c", 20, names=entry)
    fed.commit(entry, out)
    fed.commit(disown(book, "b", "c"))
    assert fed.content()[0][entry.position].closed_by is None
    fed.commit(restore(book, "b", "c"))
    assert fed.content()[0][entry.position].closed_by is ClosedBy.EXIT


def test_what_it_said_up_to_the_heads_of_the_vote_goes_on_counting(fed: Judged, book: Book) -> None:
    first, second = book.entry("c", 10), book.exit("c", 20)
    later = book.entry("c", 30)
    fed.commit(first, second, later, disown(book, "b", "c", (1, 2)))
    assert list(fed.content()[0]) == [first.position]


def test_what_comes_after_the_vote_never_counts(fed: Judged, book: Book) -> None:
    fed.commit(disown(book, "b", "c", (1, 1)))
    entry = book.entry("c", 10)
    fed.commit(entry, book.exit("c", 20), book.entry(Stream("c", 2), 30))  # type: ignore[arg-type]
    assert list(fed.content()[0]) == [entry.position]
    assert len(fed.store.heads) == 3


def test_an_exit_whose_entry_counts_no_more_waits_for_it(fed: Judged, book: Book) -> None:
    entry = book.entry("c", 10)
    fed.commit(entry, book.exit("a", 20, names=entry), disown(book, "b", "c"))
    assert fed.content()[0] == {}


def test_a_tariff_that_a_disowned_central_set_is_as_if_it_had_not_been(
    fed: Judged, book: Book
) -> None:
    def tariff(origin: str, version: int) -> Event:
        data = TariffSet(version, flat(version))
        return book.say(Stream(origin, 1), Kind.TARIFF, data, Personal(""))

    good = tariff("a", 1)
    fed.commit(good, tariff("c", limits.VERSION_MAX))
    fed.commit(disown(book, "b", "c"))
    held = fed.store.reference.tariff()
    assert held is not None
    assert held.tariff.set_by == good.position


def test_lists_are_as_if_a_disowned_central_had_not_changed_them(fed: Judged, book: Book) -> None:
    def change(origin: str, kind: Kind, data: Reference, **who: Any) -> Event:
        return book.say(Stream(origin, 1), kind, data, Personal("", **who))

    until = {"plate_id": "29A12345"}
    fed.commit(
        change("a", Kind.PASS, PassChanged("car", "2025-12-01", "2025-12-31"), **until),
        change("a", Kind.STAFF, StaffChanged(), staff_id="nv01", name="An"),
    )
    fed.commit(
        change("c", Kind.STAFF, StaffChanged(), staff_id="thief"),
        change("c", Kind.STAFF, StaffChanged(removed=True), staff_id="nv01"),
        change("c", Kind.PASS, PassChanged("car", "2025-12-01", "2025-12-31", True), **until),
    )
    assert fed.store.reference.staff() == [Staff("thief")]
    fed.commit(disown(book, "b", "c"))
    assert fed.store.reference.staff() == [Staff("nv01", "An")]
    assert fed.store.reference.passes() == [Pass("29A12345", "car", "2025-12-01", "2025-12-31")]


def test_a_long_past_is_judged_again_in_parts(fed: Judged, book: Book) -> None:
    for number in range(30):
        fed.append(book.entry("c", 2 * number), book.exit("c", 2 * number + 1))
    fed.commit()
    fed.append(disown(book, "b", "c"))
    with patch.object(limits, "REJUDGED_PER_TURN", 25):
        turns = 0
        while fed.store.unsettled:
            fed.store.settle()
            fed.store.commit()
            turns += 1
    assert turns >= 3
    fed.write()
    assert fed.content()[0] == {}


def test_words_are_read_again_after_a_rollback(fed: Judged, book: Book) -> None:
    entry = book.entry("c", 10)
    fed.commit(entry)
    fed.settle(disown(book, "b", "c"))
    assert fed.store.members.verdicts.disowned
    fed.undo()
    assert not fed.store.members.verdicts.disowned
    fed.write()
    assert list(fed.content()[0]) == [entry.position]


def test_a_lane_can_close_behind_what_counted_only_after_it_came(fed: Judged, book: Book) -> None:
    entry = book.entry("c", 10)
    assert entry.facts is not None
    fed.commit(disown(book, "b", "c"))
    fed.commit(entry)
    assert fed.store.opens_of(entry.facts.edge_id, 9) == []
    fed.commit(restore(book, "b", "c"))
    assert fed.store.opens_of(entry.facts.edge_id, 9) == [entry]
