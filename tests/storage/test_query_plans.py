"""No question costs more where there are millions of events: none goes through a whole table."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.support.vehicles import CAR, OTHER, Book
from zparkd.core.events.event import Stream
from zparkd.storage import edges_seen
from zparkd.storage.readers import arrivals, conflicts, figures, incidents, vehicles
from zparkd.storage.readers.connection import await_stays, read_only
from zparkd.storage.readers.outgoing import Source
from zparkd.storage.readers.stays import StayFilter, stays
from zparkd.storage.store import Store

# What grows with the years. What has a row a stream, a peer or an edge does not.
GROWING = ("events", "arrivals", "places", "acts", "opens", "sessions", "vehicles", "verdicts")
_TABLES = re.compile(
    r"(?:FROM|JOIN)\s+(\w+)(?:\s+(?!WHERE|ORDER|JOIN|LEFT|ON|USING|LIMIT|UNION|GROUP)(\w+))?"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database in which all happened that has rows: stays, conflicts, what waits."""
    path, book = tmp_path / "zparkd.db", Book()
    with closing(Store(path, "a", "lot-a", "Asia/Ho_Chi_Minh")) as store:
        first = book.entry("a", 10, act=("edge-1", "r1"))
        for event in (
            first,
            book.confirm("a", 11, names=first),
            book.exit("b", 20, names=first, act=("edge-2", "r2")),
            book.entry("b", 30, of=OTHER),
            book.entry("c", 31, of=OTHER),
            book.exit("c", 5),
            book.exit("c", 50, names=book.next_position("d")),
        ):
            store.append(event)
        store.settle()
        store.commit()
    return path


def opened(path: Path) -> closing[Store]:
    return closing(Store(path, "a", "lot-a", "Asia/Ho_Chi_Minh"))


@contextmanager
def no_scans(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Fails where a statement that is run meanwhile reads a table from one end to the other."""
    said: set[str] = set()
    connection.set_trace_callback(said.add)
    try:
        yield
    finally:
        connection.set_trace_callback(None)
    assert said, "nothing was asked"
    with closing(sqlite3.connect(path)) as other:
        for statement in said:
            if not re.match(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)", statement, re.IGNORECASE):
                continue
            names = {alias or table: table for table, alias in _TABLES.findall(statement)}
            bounded = re.search(r"ORDER BY \S+ (DESC )?LIMIT", statement)
            for *_, step in other.execute(f"EXPLAIN QUERY PLAN {statement}"):
                scanned = re.match(r"SCAN (\w+)( USING COVERING INDEX| USING INDEX)?", step)
                if scanned is None or bounded:
                    continue
                table = names.get(scanned[1], scanned[1])
                partial = re.search(r"INDEX (verdicts_to_look_at|sessions_remarked)", step)
                assert table not in GROWING or partial, f"{step}: {statement}"


GATE: dict[str, Callable[[Store], object]] = {
    "an act": lambda store: store.acts("edge-1", "r1"),
    "the last opens": lambda store: store.opens_of("edge-1", 64),
    "a readable id": lambda store: store.find("a", 1, CAR.plate_id),
    "a free stamp": lambda store: store.free_stamp(CAR.plate_id, 1),
    "the last order": lambda store: store.last_order(CAR),
    "what is beyond": lambda store: store.beyond(CAR, 1),
    "who is inside": lambda store: store.inside(CAR.plate_id),
    "a page": lambda store: list(store.page(Stream("a", 1), 0, 9, 10**6)),
    "the first of a time": lambda store: store.head_before(Stream("a", 1), 2**50),
    "the last stamp": lambda store: store.last_stamp("a"),
}


@pytest.mark.parametrize("what", GATE)
def test_a_gate_asks_for_rows_by_an_index(path: Path, what: str) -> None:
    with opened(path) as store, no_scans(store.connection, path):
        GATE[what](store)


def test_events_of_every_sort_are_recorded_without_going_through_tables(path: Path) -> None:
    book = Book()
    entry = book.entry("e", 100, act=("edge-1", "r9"))
    events = [
        entry,
        book.entry("e", 90, of=OTHER),
        book.exit("e", 110, act=("edge-1", "r9")),
        book.exit("e", 120, names=entry),
        book.exit("e", 130, names=book.next_position("f")),
        book.entry("f", 5, of=OTHER),
    ]
    with opened(path) as store, no_scans(store.connection, path):
        for event in events:
            store.append(event)
            store.settle()
            store.commit()
            store.write_behind()


READERS: dict[str, Callable[[sqlite3.Connection], object]] = {
    "whether stays are shown": await_stays,
    "the newest": arrivals.newest,
    "what arrived": lambda db: arrivals.arrived(db, 3, 9),
    "what arrived last": lambda db: arrivals.arrived_last(db, 9),
    "who passed": lambda db: arrivals.passed_since(db, 0),
    "the last passages": lambda db: arrivals.last_passages(db, 9),
    "what an outage brought": lambda db: incidents.meanwhile(db, 0, 3, None),
    "the story of a vehicle": lambda db: vehicles.story(db, CAR.plate_id, 9),
    "the stays of a plate": lambda db: stays(db, StayFilter(plate_id=CAR.plate_id), 9),
    "events by central": lambda db: figures.events_by_central(db, 9),
    "what a peer lacks": lambda db: figures.oldest_lacking(db, 9),
    "stays to look at": figures.stays_remarked,
    "the stay of a conflict": lambda db: conflicts.stay_of(db, f"a_1_{CAR.plate_id}", "car"),
    "when edges were seen": lambda db: edges_seen.read(db, ["edge-1"]),
}


@pytest.mark.parametrize("what", READERS)
def test_a_reader_asks_for_rows_by_an_index(path: Path, what: str) -> None:
    with closing(read_only(path)) as connection, no_scans(connection, path):
        READERS[what](connection)


def test_the_uplink_reads_on_by_an_index(path: Path) -> None:
    source = Source(path)
    source.look()
    with closing(source):
        assert len(source.after(2, 3)) == 3
    with closing(sqlite3.connect(path)) as connection, no_scans(connection, path):
        connection.execute(
            "SELECT a.no FROM arrivals a JOIN events e ON e.at = a.at WHERE a.no > 2 ORDER BY a.no"
        )
