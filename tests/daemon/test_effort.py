"""What an event costs the database, in steps of SQLite: a figure that no busy machine changes."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.support.vehicles import OTHER, Act, Book
from zparkd.core import limits
from zparkd.core.events.event import Event, Kind, Personal, Position, Stream, VehicleKey
from zparkd.core.members.words import MemberDisowned, MemberRestored
from zparkd.storage.store import Store

STEPS = 100


def opened() -> Store:
    return Store(Path(":memory:"), "central-9", "lot-a", "Asia/Ho_Chi_Minh")


def effort(store: Store, work: Callable[[], object]) -> int:
    """The steps of SQLite's machine that `work` takes, in hundreds."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    store.connection.set_progress_handler(step, STEPS)
    try:
        work()
    finally:
        store.connection.set_progress_handler(None, STEPS)
    return count


def feed(store: Store, events: Iterable[Event]) -> None:
    for event in events:
        store.append(event)
    store.settle()
    store.commit()


def plate(number: int) -> VehicleKey:
    return VehicleKey("car", f"29A{number:05}")


def exits(book: Book, first: int, count: int) -> list[Event]:
    """Exits whose entries stand in the stream of another central, and are not here."""
    return [
        book.exit("out", n, of=plate(n), names=Position("in", 1, n), act=("edge-1", f"out {n}"))
        for n in range(first, first + count)
    ]


def entries(book: Book, count: int) -> list[Event]:
    return [
        book.entry("in", n, of=plate(n), act=("edge-2", f"in {n}")) for n in range(1, count + 1)
    ]


def test_an_event_costs_the_same_however_many_exits_wait_for_their_entries() -> None:
    young, old = opened(), opened()
    few, many = Book(), Book()
    feed(young, exits(few, 1, 300))
    feed(old, exits(many, 1, 6_000))
    more = effort(young, lambda: feed(young, exits(few, 301, 100)))
    most = effort(old, lambda: feed(old, exits(many, 6_001, 100)))
    assert most < 1.5 * more
    more = effort(young, lambda: feed(young, entries(few, 200)))
    most = effort(old, lambda: feed(old, entries(many, 200)))
    assert most < 1.5 * more


# --- one vehicle with a long past -------------------------------------------------------------


def turns(store: Store, event: Event) -> list[int]:
    """The effort of each turn until an event is wholly taken in."""

    def turn(*events: Event) -> None:
        for event in events:
            store.append(event)
        store.settle(limits.EVENTS_FOLDED_PER_TURN)
        store.commit()

    took = [effort(store, lambda: turn(event))]
    while store.unsettled:
        took.append(effort(store, turn))
    return took


@pytest.mark.parametrize("act", [("edge-1", None), ("edge-1", "again")])
def test_a_late_event_of_a_vehicle_with_a_long_past_costs_no_long_turn(act: Act) -> None:
    longest = {}
    for past in (1_000, 8_000):
        store, book = opened(), Book()
        feed(store, [book.entry("a", 100 + n, act=act) for n in range(past)])
        late = book.entry("b", 1, act=act)
        took = turns(store, late)
        longest[past] = max(took)
        assert len(took) > 1
        stays = store.connection.execute("SELECT entry_ms FROM sessions").fetchall()
        assert stays == [(late.timestamp,)]
    assert longest[8_000] < 1.5 * longest[1_000]


def test_a_free_stamp_costs_no_more_than_to_look_at_the_taken_ones_once() -> None:
    took = {}
    for taken in (1_000, 8_000):
        store, book = opened(), Book()
        feed(store, [book.entry("a", 100 + n / 1000) for n in range(taken)])
        now_ms = book.events[0].timestamp
        assert store.free_stamp("29A12345", now_ms) == now_ms + taken
        took[taken] = effort(store, lambda: store.free_stamp("29A12345", now_ms))  # noqa: B023
    assert took[8_000] < 16 * took[1_000]


def test_exits_that_wait_for_one_entry_are_placed_a_few_a_turn() -> None:
    longest = {}
    for waiting in (1_000, 4_000):
        store, book = opened(), Book()
        entry = book.next_position("b")
        feed(store, [book.exit("a", 100 + n, names=entry) for n in range(waiting)])
        longest[waiting] = max(turns(store, book.entry("b", 1)))
        assert store.connection.execute("SELECT count(*) FROM waiting").fetchone() == (0,)
        [(left,)] = store.connection.execute(
            "SELECT count(*) FROM verdicts WHERE verdict = 'ENDED_NOTHING'"
        ).fetchall()
        assert left == waiting - 1
    assert longest[4_000] < 1.5 * longest[1_000]


@pytest.mark.parametrize("entries", [1, None], ids=["one entry", "entries"])
def test_a_disowning_costs_no_long_turn_however_many_exits_name_what_counts_no_more(
    entries: int | None,
) -> None:
    longest = {}
    for past in (1_000, 4_000):
        store, book = opened(), Book()
        begun = [book.entry("c", 10 * n) for n in range(entries or past)]
        left = [book.exit("a", 10 * n + 1, names=begun[n % len(begun)]) for n in range(past)]
        feed(store, sorted(book.events, key=lambda event: event.key))
        word = book.say(Stream("b", 9), Kind.DISOWNED, MemberDisowned("c", ()), Personal(""))
        took = turns(store, word)
        longest[past] = max(took)
        assert store.connection.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
        assert store.connection.execute("SELECT count(*) FROM waiting").fetchone() == (len(left),)
        word = book.say(Stream("b", 9), Kind.RESTORED, MemberRestored("c"), Personal(""))
        longest[past] = max(longest[past], *turns(store, word))
        ended = store.connection.execute("SELECT count(*) FROM sessions WHERE closed_by='EXIT'")
        assert ended.fetchone() == (len(begun),)
    assert longest[4_000] < 1.5 * longest[1_000]


def test_what_a_turn_left_undone_is_done_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "zparkd.db"
    store, book = Store(path, "z", "lot-a", "Asia/Ho_Chi_Minh"), Book()
    feed(store, [book.entry("a", 100 + n) for n in range(1_000)])
    late = book.entry("b", 1)
    store.append(late)
    store.settle(10)
    store.commit()
    store.close()
    store = Store(path, "z", "lot-a", "Asia/Ho_Chi_Minh")
    assert store.unsettled
    [held] = store.inside("29A12345")
    while store.unsettled:
        store.settle(100)
    [held] = store.inside("29A12345")
    assert held.stay.entry == late.position
    store.close()


def test_a_vehicle_that_is_asked_for_is_folded_before_others_that_wait_longer() -> None:
    store, book = opened(), Book()
    feed(store, [book.entry("a", 100 + n) for n in range(2_000)])
    feed(store, [book.entry("b", 10, of=OTHER), book.entry("b", 15, of=OTHER)])
    store.append(book.entry("c", 1))
    store.append(book.exit("c", 12, of=OTHER))
    [held] = store.inside(OTHER.plate_id)
    assert held.stay.entry == Position("b", 1, 2)
    assert store.unsettled
