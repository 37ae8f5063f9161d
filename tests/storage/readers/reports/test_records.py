"""Reports from the database of a real store, against an oracle that goes through all events."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.oracle import reports as oracle
from tests.sim.oracle.events import read as read_again
from tests.sim.oracle.held import Held
from tests.sim.oracle.stays import site_time
from tests.storage.test_conflicts_view import ODD
from tests.support.vehicles import T0_MS, Book, any_sets
from zparkd.core import limits
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, Kind, VehicleKey, read
from zparkd.core.reports.counting import report
from zparkd.core.reports.period import period
from zparkd.core.reports.records import COUNTED_BY, Asked, By, Name, Table
from zparkd.storage.readers.reports.records import STAYS, TOUCHING, records
from zparkd.storage.store import Store

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@contextmanager
def kept(events: Iterable[Event]) -> Iterator[Store]:
    """A store that holds these events."""
    with closing(Store(Path(":memory:"), "central-1", "lot-a", "Asia/Ho_Chi_Minh")) as store:
        for event in events:
            store.append(event)
        store.settle()
        store.commit()
        store.connection.row_factory = sqlite3.Row  # as readers have it
        yield store


def of(store: Store, name: Name, by: By | None, time: oracle.Time) -> Table:
    asked = Asked(name, by, time.since, time.until, time.zone)
    return report(asked, records(store.connection, asked))


def held(events: Iterable[Event]) -> Held:
    return Held(read_again(event.skeleton, event.personal_part) for event in events)


def times() -> st.SearchStrategy[oracle.Time]:
    """Times about which something happens, from an empty one to one that holds all."""
    steps = [*range(-3, 12), 60, 3600, 7200, -3600, -100 * 86_400, 100 * 86_400]
    moments = st.sampled_from(steps).map(lambda second: T0_MS + 1000 * second)
    off = st.sampled_from([0, 1, 500, -1])
    pairs = st.tuples(moments, moments, off, off)
    return pairs.map(
        lambda pair: oracle.Time(
            *sorted((pair[0] + pair[2], pair[1] + pair[3])),
            ZONE,  # type: ignore[arg-type]
        )
    )


def by_key(table: Table, *columns: str) -> dict[Any, tuple[Any, ...]]:
    return {row["key"]: tuple(row[column] for column in columns) for row in table.rows}


@settings(max_examples=30, deadline=None)
@given(any_sets(), times())
def test_every_report_counts_what_going_through_all_events_counts(
    events: list[Event], time: oracle.Time
) -> None:
    with kept(events) as store:
        known = held(events)
        for by in COUNTED_BY[Name.TRAFFIC]:
            found = by_key(of(store, Name.TRAFFIC, by, time), "in", "out", "closed")
            assert found == oracle.traffic(known, by, time)
        for by in COUNTED_BY[Name.REVENUE]:
            table = of(store, Name.REVENUE, by, time)
            assert {
                (row["key"], row["currency"]): (
                    *(row["fees"], row["exits"], row["unmatched"], row["unmatched_exits"]),
                    row["adjustments"],
                )
                for row in table.rows
            } == oracle.revenue(known, by, time)
        for by in COUNTED_BY[Name.INSIDE]:
            table = of(store, Name.INSIDE, by, time)
            wanted = oracle.inside(known, by, time.until, ZONE)
            if by is None:
                there = [(row["event_id"], row["camera_type"]) for row in table.rows]
                assert Counter(there) == wanted  # two stays may have one id
            else:
                assert {row["key"]: row["inside"] for row in table.rows} == wanted
            assert table.totals == [{"inside": sum(wanted.values())}]
        odd = of(store, Name.EXCEPTIONS, None, time)
        listed = [(row["time"], row["kind"], row["plate_id"] or "") for row in odd.rows]
        wanted_odd = [
            (site_time(ms, ZONE), kind, plate or "")
            for ms, kind, plate in oracle.exceptions(known, time)
        ]
        assert sorted(listed) == sorted(wanted_odd)
        assert [one[0] for one in listed] == sorted(one[0] for one in listed)


@settings(max_examples=30, deadline=None)
@given(any_sets(), times())
def test_a_shift_hands_over_what_it_took_over_and_what_came_and_went(
    events: list[Event], time: oracle.Time
) -> None:
    with kept(events) as store:
        known = held(events)
        first, *more = of(store, Name.SHIFT, None, time).rows
        start, _, end = oracle.occupancy(known.stays().values(), time)
        assert (first["open_at_start"], first["open_at_end"]) == (start, end)
        assert start + first["in"] - first["out"] - first["closed"] == end
        came = oracle.traffic(known, None, time).get(None, (0, 0, 0))
        assert (first["in"], first["out"], first["closed"]) == came
        assert first["exceptions"] == len(oracle.exceptions(known, time))
        money = {row["currency"]: (row["fees"], row["unmatched"]) for row in (first, *more)}
        wanted = oracle.revenue(known, None, time)
        assert money == (
            {currency: (sums[0], sums[2]) for (_, currency), sums in wanted.items()}
            or {None: (0, 0)}
        )
        by_type = of(store, Name.SHIFT, By.TYPE, time).rows
        for column in ("open_at_start", "in", "out", "closed", "open_at_end", "exceptions"):
            assert sum(row[column] or 0 for row in by_type) <= first[column]


@settings(max_examples=30, deadline=None)
@given(any_sets(), times())
def test_occupancy_is_that_of_each_hour_day_and_type(
    events: list[Event], time: oracle.Time
) -> None:
    with kept(events) as store:
        stays = list(held(events).stays().values())
        if time.until - time.since < 3 * DAY_MS:
            for by in (By.HOUR, By.DAY):
                found = of(store, Name.OCCUPANCY, by, time).rows
                wanted = [
                    (key, *oracle.occupancy(stays, oracle.Time(since, until, ZONE)))
                    for key, since, until in oracle.spans(by, time)
                ]
                columns = ("key", "open_at_start", "most", "open_at_end")
                assert [tuple(row[column] for column in columns) for row in found] == wanted
        for row in of(store, Name.OCCUPANCY, By.TYPE, time).rows:
            mine = [stay for stay in stays if stay.vehicle[0] == row["key"]]
            told = (row["open_at_start"], row["most"], row["open_at_end"])
            assert told == oracle.occupancy(mine, time)


@settings(max_examples=25, deadline=None)
@given(any_sets(), times(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_no_report(
    events: list[Event], time: oracle.Time, chance: Any
) -> None:
    streams: dict[Any, list[Event]] = {}
    for event in events:
        streams.setdefault(event.position.stream, []).append(event)
    other: list[Event] = []
    while any(streams.values()):
        stream = chance.choice([stream for stream, left in streams.items() if left])
        other.append(streams[stream].pop(0))
    with kept(events) as one, kept(other) as two:
        for name, choices in COUNTED_BY.items():
            for by in choices:
                if by is By.HOUR and time.until - time.since > 3 * DAY_MS:
                    continue
                assert of(one, name, by, time) == of(two, name, by, time)


def test_two_shifts_that_follow_one_another_share_nothing() -> None:
    book = Book()
    entry = book.entry("central-1", 0)
    book.exit("central-1", 3600, names=entry)
    at = T0_MS + HOUR_MS
    with kept(book.events) as store:
        [before] = of(store, Name.SHIFT, None, oracle.Time(T0_MS, at, ZONE)).rows
        [after] = of(store, Name.SHIFT, None, oracle.Time(at, at + HOUR_MS, ZONE)).rows
    assert (before["in"], before["out"], before["open_at_end"], before["fees"]) == (1, 0, 1, 0)
    assert (after["in"], after["out"], after["open_at_start"], after["fees"]) == (0, 1, 1, 25_000)


@pytest.mark.parametrize("day", ["2025-03-30", "2025-10-26"], ids=["23 hours", "25 hours"])
def test_the_hours_of_a_day_on_which_clocks_are_set(day: str) -> None:
    zone = ZoneInfo("Europe/Berlin")
    since, until = period(day, day, zone, 0)
    assert (until - since) // HOUR_MS == (23 if day == "2025-03-30" else 25)
    time = oracle.Time(since, until, zone)
    with kept([]) as store:
        hours = of(store, Name.OCCUPANCY, By.HOUR, time).rows
        days = of(store, Name.OCCUPANCY, By.DAY, time).rows
    assert [row["key"] for row in hours] == [key for key, _, _ in oracle.spans("hour", time)]
    assert [row["key"] for row in days] == [day]


def test_a_report_of_years_uses_the_indexes() -> None:
    with kept([]) as store:
        for condition in TOUCHING:
            plan = store.connection.execute(
                f"EXPLAIN QUERY PLAN {STAYS}{condition}", {"since": 1, "until": 2}
            ).fetchall()
            assert not any(row["detail"].startswith("SCAN s") for row in plan), condition


def test_two_opens_by_hand_in_one_moment_are_two_exceptions() -> None:
    book = Book()
    for _ in range(2):
        book.write("a", Kind.MANUAL, 0, of=None, forced=True)
    whole = oracle.Time(T0_MS - DAY_MS, T0_MS + DAY_MS, ZONE)  # type: ignore[arg-type]
    with kept(book.events) as store:
        assert len(of(store, Name.EXCEPTIONS, None, whole).rows) == 2


def odd_events() -> list[Event]:
    """What a member can record and core reads: at all ends of time, of any fee, oddly put."""
    book = Book()
    first_s, last_s = -T0_MS // 1000, (limits.TIME_SHOWN_MS_MAX - T0_MS) // 1000
    for number, (since_s, until_s) in enumerate(
        [(first_s, last_s), (0, last_s), (first_s, 0), (10, 10), (last_s, last_s)]
    ):
        vehicle = VehicleKey("car", f"29A{number:05d}")
        entry = book.entry("a", since_s, of=vehicle)
        book.exit("a", until_s, of=vehicle, names=entry, fee=limits.FEE_MAX)
        book.exit("b", until_s, of=vehicle, fee=limits.FEE_MAX)
    events = list(book.events)
    for number, odd in enumerate(ODD):
        other = Book()
        written = other.exit(f"odd-{number}", 20, fee=limits.FEE_MAX)
        with suppress(ProtocolError):  # no event at all: nobody holds it
            skeleton = written.skeleton.replace(b'"data":{', b'"data":{' + odd)
            events.append(read(skeleton, written.personal_part))
    return events


@pytest.mark.parametrize("name", Name)
def test_no_event_that_a_member_can_make_keeps_a_report_from_being_made(name: Name) -> None:
    whole = oracle.Time(T0_MS - DAY_MS, T0_MS + DAY_MS, ZONE)  # type: ignore[arg-type]
    with kept(odd_events()) as store:
        for by in COUNTED_BY[name]:
            table = of(store, name, by, whole)
            orjson.dumps([dict(row) for row in table.rows])
        assert store.open_conflicts() > 0
        assert store.connection.execute("SELECT count(*) FROM history").fetchone()[0] > 0
