"""What an event costs the database, in steps of SQLite: a figure that no busy machine changes."""

from collections.abc import Callable, Iterable
from pathlib import Path

from tests.core.vehicles import Book
from zparkd.core.events import Event, Position, VehicleKey
from zparkd.daemon.store import Store

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
