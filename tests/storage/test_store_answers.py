"""What the rules ask of the database, answered."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.vehicles import BIKE, CAR, OTHER, T0_MS, Book, LaterKind
from zparkd.core import limits
from zparkd.core.events.event import Event, Kind, Personal, Position, Stream, VehicleKey
from zparkd.core.members.words import MemberDisowned
from zparkd.core.replication.peer_state import PeerNote
from zparkd.storage.store import Store


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store(Path(":memory:"), "a", "lot-a", "Asia/Ho_Chi_Minh")
    yield store
    store.close()


@pytest.fixture
def book() -> Book:
    return Book()


def keep(store: Store, *events: Event) -> None:
    for event in events:
        store.append(event)
    store.settle()
    store.commit()


# --- the log ----------------------------------------------------------------------------------


def test_a_page_ends_with_its_stream_its_count_or_its_size(store: Store, book: Book) -> None:
    mine = [book.entry("a", at, of=OTHER) for at in range(5)]
    keep(store, *mine, book.entry("b", 1))
    stream, every = Stream("a", 1), [(event.skeleton, event.personal_part) for event in mine]
    size = len(every[0][0]) + len(every[0][1])
    assert list(store.page(stream, 0, 99, 10**6)) == every
    assert list(store.page(stream, 4, 99, 10**6)) == every[4:]
    assert list(store.page(stream, 5, 99, 10**6)) == []
    assert list(store.page(stream, 0, 2, 10**6)) == every[:2]
    assert list(store.page(stream, 0, 99, 1)) == every[:1], "the event that passes the size"
    assert list(store.page(stream, 0, 99, size)) == every[:1]
    assert list(store.page(stream, 0, 99, size + 1)) == every[:2]
    assert list(store.page(Stream("z", 1), 0, 99, 10**6)) == []


def test_an_event_of_an_unknown_kind_is_kept_as_it_came(store: Store, book: Book) -> None:
    unknown = book.write("a", LaterKind.TOWED, 10)
    keep(store, unknown, book.entry("a", 20))
    first = next(iter(store.page(Stream("a", 1), 0, 9, 9999)))
    assert first == (unknown.skeleton, unknown.personal_part)
    assert store.event(unknown.position) == unknown
    assert store.last_order(CAR) == T0_MS + 20_000, "it says nothing of a vehicle"


def test_an_event_that_is_not_here_is_none(store: Store, book: Book) -> None:
    keep(store, book.entry("a", 10))
    assert store.event(Position("a", 1, 2)) is None
    assert store.event(Position("a", 2, 1)) is None
    assert store.stay_of(Position("a", 1, 2)) is None
    assert store.stay_of(Position("z", 1, 1)) is None


def test_the_newest_stamp_of_an_origin_is_that_over_all_its_runs(store: Store, book: Book) -> None:
    assert store.last_stamp("a") == 0
    keep(store, book.entry("a", 10), book.entry("a", 20, shown=7), book.entry("b", 30))
    assert store.last_stamp("a") == T0_MS + 7_000
    keep(store, book.write(Stream("a", 2), Kind.ENTRY, 9))
    assert store.last_stamp("a") == T0_MS + 9_000


# --- by request, edge and id ------------------------------------------------------------------


def test_acts_are_all_events_of_one_edge_and_request_oldest_first(store: Store, book: Book) -> None:
    act = ("edge-1", "r1")
    newer = book.exit("a", 30, act=act, names=Position("z", 1, 1))
    seen = book.write("b", Kind.SEEN, 20, act=act, of=BIKE)
    older = book.entry("b", 10, act=act)
    book.entry("b", 40, act=("edge-1", "r2"))
    book.entry("b", 50, act=("edge-2", "r1"))
    keep(store, *book.events)
    assert store.acts("edge-1", "r1") == [older, seen, newer]
    assert store.acts("edge-9", "r1") == []


def test_opens_of_an_edge_are_told_by_arrival_newest_first(store: Store, book: Book) -> None:
    edge = ("edge-1", None)
    entry = book.entry("a", 10, act=edge)
    book.confirm("a", 20, names=entry, act=edge)
    out = book.exit("a", 30, act=edge)
    book.write("a", Kind.SEEN, 40, act=edge)
    manual = book.write("a", Kind.MANUAL, 5, act=edge, of=None, forced=True)  # stamped before
    book.entry("a", 60, act=("edge-2", None), of=BIKE)
    keep(store, *book.events)
    assert store.opens_of("edge-1", 9) == [manual, out, entry]
    assert store.opens_of("edge-1", 2) == [manual, out]
    # Whose origin was disowned opened nothing.
    store.connection.execute("UPDATE events SET edge_id = NULL WHERE kind = 'VEHICLE_EXIT'")
    assert store.opens_of("edge-1", 9) == [manual, entry]


def test_an_entry_is_found_by_what_its_id_says(store: Store, book: Book) -> None:
    stay, superseded = book.entry("a", 10), book.entry("b", 10)
    book.entry("a", 10, of=OTHER)
    raised = book.entry("c", 99, shown=20)
    keep(store, *book.events)
    assert store.find("a", T0_MS + 10_000, "29A12345") == stay
    assert store.find("b", T0_MS + 10_000, "29A12345") == superseded
    assert store.find("c", T0_MS + 20_000, "29A12345") == raised
    assert store.find("c", T0_MS + 99_000, "29A12345") is None
    assert store.find("a", T0_MS + 10_000, "30F00000") is None
    assert store.find("z", T0_MS + 10_000, "29A12345") is None


def test_an_id_says_the_plate_that_the_entry_said_whatever_it_was_corrected_to(
    store: Store, book: Book
) -> None:
    misread, superseded = book.entry("a", 10, of=OTHER), book.entry("a", 10)
    book.correct("a", 20, misread, CAR)
    keep(store, *book.events)
    assert store.inside("29A12345")[0].stay.entry == misread.position
    assert store.find("a", T0_MS + 10_000, "29A12345") == superseded
    assert store.find("a", T0_MS + 10_000, "30F99999") == misread


def test_an_exit_is_found_by_an_id_of_its_own_only_where_it_names_no_entry(
    store: Store, book: Book
) -> None:
    entry = book.entry("a", 10)
    book.exit("a", 20, names=entry)
    unmatched = book.exit("a", 30, forced=True)
    keep(store, *book.events)
    assert store.find("a", T0_MS + 20_000, "29A12345") is None
    assert store.find("a", T0_MS + 30_000, "29A12345") == unmatched


def test_a_stamp_is_taken_by_any_event_of_the_plate_whatever_its_type(
    store: Store, book: Book
) -> None:
    keep(
        store,
        book.entry("a", 99, shown=10, of=BIKE),
        book.exit("a", 20, names=Position("z", 1, 1)),
        book.write("a", Kind.SEEN, 30),
        book.entry("a", 40, of=OTHER),
    )
    seconds = [T0_MS + at * 1000 for at in range(100)]
    free = {ms: store.free_stamp("29A12345", ms) for ms in seconds}
    assert [seconds.index(ms) for ms in seconds if free[ms] != ms] == [10, 20, 30]
    assert all(free[seconds[at]] == seconds[at] + 1 for at in (10, 20, 30))


@examples(40)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from([CAR, BIKE])), max_size=12),
    st.integers(0, 60),
    st.integers(1, 9),
)
def test_a_free_stamp_is_the_first_that_no_event_of_the_plate_carries(
    runs: list[tuple[int, VehicleKey]], from_ms: int, length: int
) -> None:
    store, book, carried = Store(Path(":memory:"), "z", "lot-a", "UTC"), Book(), set()
    for start, vehicle in runs:
        for ms in range(start, start + length):
            carried.add(T0_MS + ms)
            book.entry("a", ms / 1000, of=vehicle)
    keep(store, *book.events)
    free = store.free_stamp("29A12345", T0_MS + from_ms)
    assert free not in carried
    assert all(ms in carried for ms in range(T0_MS + from_ms, free))


def test_the_last_order_is_that_of_any_event_of_the_vehicle(store: Store, book: Book) -> None:
    assert store.last_order(CAR) == 0
    keep(store, book.exit("a", 20, shown=1, names=Position("z", 1, 1)))
    assert store.last_order(CAR) == T0_MS + 20_000
    keep(store, book.write("a", Kind.SEEN, 30), book.entry("a", 40, of=BIKE))
    assert store.last_order(CAR) == T0_MS + 30_000


# --- stays ------------------------------------------------------------------------------------


def test_the_ids_of_superseded_and_repeated_entries_lead_to_the_stay(
    store: Store, book: Book
) -> None:
    act = ("edge-1", "r1")
    stay = book.entry("a", 10)
    superseded, repeated = book.entry("b", 20, act=act), book.entry("c", 30, act=act)
    keep(store, *book.events)
    held = store.stay_of(stay.position)
    assert held is not None
    assert held.stay.entry == stay.position
    assert store.stay_of(superseded.position) == held
    assert store.stay_of(repeated.position) == held
    keep(store, book.exit("c", 40, names=repeated))
    closed = store.stay_of(repeated.position)
    assert closed is not None
    assert (closed.id, closed.stay.closer) == (held.id, book.events[-1].position)


def test_an_entry_that_counts_no_more_belongs_to_no_stay_before_all_is_folded(
    store: Store, book: Book
) -> None:
    entries = [book.entry("b", at, of=of) for at, of in ((10, CAR), (20, BIKE), (30, OTHER))]
    keep(store, *entries)
    nothing = MemberDisowned("b", ())
    store.append(book.say(Stream("c", 1), Kind.DISOWNED, nothing, Personal(salt="c1")))
    store.settle(1)
    assert store.unsettled
    assert [store.stay_of(entry.position) for entry in entries] == [None] * 3


def test_what_is_void_and_waits_goes_on_waiting_where_another_entry_counts_no_more(
    store: Store, book: Book
) -> None:
    entry = book.entry("b", 10)
    out = book.exit("a", 30, names=book.next_position("d"))
    keep(store, entry, out, book.void("a", 40, out))
    nothing = MemberDisowned("b", ())
    keep(store, book.say(Stream("c", 1), Kind.DISOWNED, nothing, Personal(salt="c1")))
    assert store.inside("29A12345") == []
    rows = store.connection.execute("SELECT count(*) FROM waiting").fetchall()
    assert rows == [(1,)]


def test_an_exit_belongs_to_no_stay(store: Store, book: Book) -> None:
    keep(store, book.entry("a", 10), book.exit("a", 20), book.exit("b", 30))
    assert store.stay_of(book.events[1].position) is None
    assert store.stay_of(book.events[2].position) is None


def test_inside_are_the_open_stays_of_all_vehicles_of_a_plate(store: Store, book: Book) -> None:
    car, bike = book.entry("a", 10), book.entry("a", 20, of=BIKE)
    keep(store, *book.events, book.entry("a", 30, of=OTHER))
    assert {held.stay.entry for held in store.inside("29A12345")} == {car.position, bike.position}
    assert store.vehicles_inside() == 3
    keep(store, book.exit("a", 40))
    assert [held.stay.entry for held in store.inside("29A12345")] == [bike.position]
    assert store.vehicles_inside() == 2


def test_questions_are_answered_before_the_commit_too(store: Store, book: Book) -> None:
    entry = book.entry("a", 10, act=("edge-1", "r1"))
    store.append(entry)
    assert store.inside("29A12345")[0].stay.entry == entry.position
    assert store.event(entry.position) == entry
    assert store.acts("edge-1", "r1") == store.opens_of("edge-1", 1) == [entry]
    assert store.free_stamp("29A12345", entry.timestamp) == entry.timestamp + 1
    assert len(list(store.page(Stream("a", 1), 0, 9, 9999))) == 1


# --- peers and messages set aside -------------------------------------------------------------

SYNC_STATE = "SELECT * FROM p2p_sync_state ORDER BY 1"


def test_what_peers_hold_is_remembered_and_shown(store: Store) -> None:
    notes = [PeerNote("b", T0_MS, [("a", 1, 7)]), PeerNote("c", 0, [])]
    store.note_peers(("b", "c"), notes, T0_MS + 61_000)
    store.commit()
    assert store.peer_notes() == notes
    cursor = store.connection.execute(SYNC_STATE)
    assert [column[0] for column in cursor.description] == [
        "peer_central_id",
        "last_sync_timestamp",
        "last_sync_time",
        "updated_at",
    ]
    assert cursor.fetchall() == [
        ("b", T0_MS, "2024-12-02 19:00:00", "2024-12-02 19:01:01"),
        ("c", 0, None, "2024-12-02 19:01:01"),
    ]


def test_a_peer_that_is_configured_no_more_is_shown_no_more(store: Store) -> None:
    notes = [PeerNote("b", 1, [("a", 1, 7)]), PeerNote("c", 2, [])]
    store.note_peers(("b", "c"), notes, 5)
    store.note_peers(("c",), [], 6)
    store.commit()
    assert store.peer_notes() == [PeerNote("c", 2, [])]
    store.note_peers(("b", "c"), [PeerNote("b", 1, [])], 7)
    assert store.peer_notes() == [PeerNote("b", 1, []), PeerNote("c", 2, [])]


def test_of_what_peers_hold_only_what_changed_is_written(store: Store) -> None:
    store.note_peers(("b",), [PeerNote("b", 1, [("a", 1, 7), ("a", 2, 9)])], 5)
    store.note_peers(("b",), [PeerNote("b", 3, [("a", 1, 8), ("a", 2, 0)])], 6)
    assert store.commit() is True
    assert store.peer_notes() == [PeerNote("b", 3, [("a", 1, 8)])]
    store.note_peers(("b",), [], 9)
    assert store.commit() is False, "nothing new"


def test_what_peers_hold_is_written_again_after_a_rollback(store: Store) -> None:
    store.note_peers(("b",), [], 4)
    notes = [PeerNote("b", 1, [])]
    store.note_peers(("b",), notes, 5)
    store.rollback()
    assert store.peer_notes() == []
    store.note_peers(("b",), notes, 5)
    assert store.commit() is True
    assert store.peer_notes() == notes


def test_only_the_newest_messages_are_set_aside(store: Store) -> None:
    for number in range(limits.MESSAGES_SET_ASIDE + 3):
        store.set_aside(f"message {number}", T0_MS)
    store.commit()
    kept = [row[0] for row in store.connection.execute("SELECT message FROM set_aside")]
    assert kept == [f"message {number + 3}" for number in range(limits.MESSAGES_SET_ASIDE)]
