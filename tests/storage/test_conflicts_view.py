"""The `conflicts` view: what a person should look at, for any set of events."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from tests.support.examples import examples
from tests.support.vehicles import BIKE, CAR, FEE, T0_MS, Book, event_sets
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import (
    Event,
    Position,
    read,
)
from zparkd.core.events.ids import event_id
from zparkd.core.stays.fold import Projection, Verdict, project
from zparkd.storage.store import Store

Row = dict[str, Any]


@pytest.fixture
def book() -> Book:
    return Book()


def stored(events: list[Event]) -> list[Row]:
    """What the view shows of these events."""
    with closing(Store(Path(":memory:"), "a", "lot-a", "Asia/Ho_Chi_Minh")) as store:
        for event in events:
            store.append(event)
        store.settle()
        store.commit()
        connection = store.connection
        connection.row_factory = sqlite3.Row
        query = "SELECT * FROM conflicts ORDER BY time_ms, event_id, kind"
        found = [dict(row) for row in connection.execute(query)]
        assert all(row.pop("open") == 1 and row.pop("about") > 0 for row in found)
        return found


def only(rows: list[Row]) -> Row:
    (row,) = rows
    return row


def readable(event: Event) -> str:
    id = event.event_id
    assert id is not None
    return id


def test_a_superseded_entry_points_to_the_stay_that_counts(book: Book) -> None:
    older = book.entry("a", 0)
    newer = book.entry("b", 60, act=("edge-7", None))
    assert only(stored(book.events)) == {
        "kind": "SUPERSEDED",
        "plate_id": CAR.plate_id,
        "camera_type": CAR.camera_type,
        "event_id": readable(newer),
        "stay": readable(older),
        "central": "b",
        "edge_id": "edge-7",
        "time": "2024-12-02 19:01:00",
        "fee": None,
        "time_ms": T0_MS + 60_000,
    }


def test_an_exit_that_ended_nothing_shows_its_fee_and_the_stay_it_was_meant_for(
    book: Book,
) -> None:
    entry = book.entry("a", 0)
    book.exit("a", 3600, names=entry)
    second = book.exit("b", 3700, names=entry, fee=30_000, act=("edge-2", None))
    row = only(stored(book.events))
    assert row["kind"] == "ENDED_NOTHING"
    assert (row["event_id"], row["stay"]) == (readable(second), readable(entry))
    assert (row["central"], row["edge_id"], row["fee"]) == ("b", "edge-2", 30_000)


def test_an_exit_that_names_a_superseded_entry_is_of_the_stay_that_counts(book: Book) -> None:
    older = book.entry("a", 0)
    newer = book.entry("b", 60)
    book.exit("a", 3600, names=older)
    book.exit("b", 3700, names=newer)
    ended_nothing, superseded = sorted(stored(book.events), key=lambda row: str(row["kind"]))
    assert (ended_nothing["kind"], superseded["kind"]) == ("ENDED_NOTHING", "SUPERSEDED")
    assert ended_nothing["stay"] == superseded["stay"] == readable(older)


def test_an_exit_by_force_without_an_entry_is_unmatched(book: Book) -> None:
    book.exit("a", 0, forced=True, fee=0)
    row = only(stored(book.events))
    assert (row["kind"], row["stay"], row["fee"]) == ("UNMATCHED", None, 0)


def test_what_waits_for_its_entry_is_there_until_it_comes(book: Book) -> None:
    entry = book.entry("a", 0)
    left = book.exit("b", 60, names=entry)
    row = only(stored([left]))
    assert (row["kind"], row["stay"], row["fee"]) == ("WAITING", None, FEE)
    assert stored([left, entry]) == []


def test_a_stay_stands_there_once_for_each_of_its_remarks(book: Book) -> None:
    entry = book.entry("a", 0)
    other = book.entry("b", 1)
    book.exit("c", 3600, names=other, forced=True, act=("edge-9", None))
    rows = [row for row in stored(book.events) if row["kind"] != "SUPERSEDED"]
    assert [row["kind"] for row in rows] == ["FORCED", "OTHER_ENTRY"]
    for row in rows:
        assert row["event_id"] == row["stay"] == readable(entry)
        assert (row["central"], row["edge_id"], row["fee"]) == ("c", "edge-9", FEE)
        assert row["time"] == "2024-12-02 20:00:00"


def test_an_act_recorded_twice_is_no_conflict(book: Book) -> None:
    book.entry("a", 0, act=("edge-1", "r1"))
    book.entry("b", 1, act=("edge-1", "r1"))
    assert stored(book.events) == []


def test_an_ordinary_day_has_none(book: Book) -> None:
    for vehicle, at in ((CAR, 0), (BIKE, 10), (CAR, 9000)):
        entry = book.entry("a", at, of=vehicle)
        book.confirm("a", at + 5, entry, of=vehicle)
        book.exit("b", at + 3600, of=vehicle, names=entry)
    assert stored(book.events) == []


# Members of `data` that SQL's JSON would read otherwise than core does, or not at all.
ODD = [
    b'"fee":7,"fee":8,',
    b'"\\u0066ee":7,',
    b'"names":null,',
    b'"x":"\\q",',
    b'"x":"\\ud800",',
    b'"x":"\xff\xfe",',
    b'"x":"\\u0000",',
    b'"x":1e999,',
    b'"x":' + b"9" * 400 + b",",
    b'"x":01,',
    b'"x":NaN,',
    b'"x":' + b"[" * 25 + b"]" * 25 + b",",
]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("waits", [False, True])
def test_fee_and_entry_are_those_that_core_reads_whatever_else_is_in_the_bytes(
    book: Book, odd: bytes, waits: bool
) -> None:
    entry = book.entry("a", 0)
    book.exit("a", 3600, names=entry)
    second = book.exit("b", 3700, names=entry, fee=30_000)
    try:
        event = read(second.skeleton.replace(b'"data":{', b'"data":{' + odd), second.personal_part)
    except ProtocolError:
        return  # no event at all: nobody holds it
    held = [event] if waits else [*book.events[:2], event]
    rows = stored(held)
    if event.facts is None:
        assert rows == []
        return
    row = only(rows)
    assert row["kind"] == ("WAITING" if waits else "ENDED_NOTHING")
    assert row["fee"] == event.facts.fee
    assert row["stay"] == (None if waits else readable(entry))


def meant(event: Event, outcome: Projection) -> Position | None:
    """The entry of the stay that an event is about."""
    at = event.names
    for _ in range(3):
        if at is None or at in outcome.stays:
            return at
        at = outcome.judged[at].instead if at in outcome.judged else None
    raise AssertionError("an entry that counts is at most two steps away")


def expected(events: list[Event]) -> list[tuple[str, str, str | None]]:
    """Kind, event_id and stay of what the view must show."""
    outcome = project(events)
    by_position = {event.position: event for event in events}
    stays = {
        at: event_id(at.origin, stay.entry_ms, stay.vehicle.plate_id)
        for at, stay in outcome.stays.items()
    }
    rows: list[tuple[str, str, str | None]] = [
        (str(remark), stays[at], stays[at])
        for at, stay in outcome.stays.items()
        for remark in stay.remarks
    ]
    for at, (verdict, instead) in outcome.judged.items():
        event = by_position[at]
        if verdict is Verdict.REPEATED:
            continue
        about = instead if verdict is Verdict.SUPERSEDED else meant(event, outcome)
        if verdict is Verdict.WAITING:
            about = None
        unmatched = verdict is Verdict.ENDED_NOTHING and event.names is None
        named = by_position.get(event.names) if event.names is not None else None
        of = named.vehicle if named is not None and verdict is Verdict.ENDED_NOTHING else None
        plate_id = (of or event.vehicle or CAR).plate_id
        id = event_id(at.origin, event.timestamp, plate_id)
        kind = "UNMATCHED" if unmatched else str(verdict)
        rows.append((kind, id, stays[about] if about is not None else None))
    return sorted(rows, key=str)


@examples(60)
@given(event_sets())
def test_it_shows_what_any_set_of_events_comes_to(events: list[Event]) -> None:
    rows = stored(events)
    shown = [(row["kind"], row["event_id"], row["stay"]) for row in rows]
    assert sorted(shown, key=str) == expected(events)
    for row in rows:
        assert {key for key, value in row.items() if value is None} <= {"fee", "stay"}
