"""What people did, found in the database: the same as by going through all events one by one."""

import random
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given

from tests.support.examples import examples
from tests.support.tariffs import AIRPORT
from tests.support.vehicles import OTHER, Book, made_up
from zparkd.core.audit import COLUMNS
from zparkd.core.events.event import Event, Kind, Personal, Stream
from zparkd.core.events.payloads import PassChanged, StaffChanged, TariffSet
from zparkd.core.members.roster_words import JoinRefused, Role
from zparkd.core.principal import Principal
from zparkd.storage.readers.connection import read_only
from zparkd.storage.readers.reports.audit import acts
from zparkd.storage.store import Store

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
PASSAGES = (
    *("VEHICLE_ENTRY_PENDING", "VEHICLE_ENTRY_CONFIRMED", "VEHICLE_EXIT", "VEHICLE_SEEN"),
    "VEHICLE_ENTRY_NOT_TAKEN",
)


def kept(file: Path, events: list[Event]) -> Path:
    with closing(Store(file, "central-1", "lot-a", "Asia/Ho_Chi_Minh")) as store:
        for event in events:
            store.append(event)
        store.settle()
        store.commit()
    return file


def found(file: Path, **more: int) -> list[dict[str, object]]:
    with closing(read_only(file)) as connection:
        return acts(connection, ZONE, **more)


def what_there_is() -> Book:
    book = Book()
    book.entry("central-1", 0)
    book.write("central-1", Kind.MANUAL, 10, of=None, forced=True)
    book.exit("central-2", 20, of=OTHER, forced=True, fee=0)
    here = Stream("central-1", 1)
    by = Principal(login="lan")
    book.say(here, Kind.TARIFF, TariffSet(3, AIRPORT, by), Personal("a"))
    passed = PassChanged("car", "2025-12-01", "2025-12-31", removed=True, by=Principal(uid=0))
    book.say(here, Kind.PASS, passed, Personal("b", plate_id="29A12345"))
    book.say(here, Kind.STAFF, StaffChanged(), Personal("c", staff_id="nv07"))
    refused = JoinRefused(Role.CENTRAL, "central-9", "it is used", "10.0.0.9", ("central-1", 1, 1))
    book.say(here, Kind.JOIN_REFUSED, refused, Personal("d"))
    return book


def test_each_act_is_told_with_who_what_where_and_why(tmp_path: Path) -> None:
    rows = found(kept(tmp_path / "db", what_there_is().events))
    assert all(tuple(row) == COLUMNS for row in rows)
    told = {row["kind"]: (row["who"], row["about"], row["why"], row["edge_id"]) for row in rows}
    assert told == {
        "BARRIER_MANUAL_OPEN": ("edge edge-1", None, "because", "edge-1"),
        "VEHICLE_EXIT": ("edge edge-1", "30F99999", "because", "edge-1"),
        "TARIFF_SET": ("lan", "version 3", None, None),
        "PASS_CHANGED": ("root", "29A12345, 2025-12-01 to 2025-12-31, removed", None, None),
        "STAFF_CHANGED": ("external API", "nv07", None, None),
        "MEMBER_JOIN_REFUSED": ("10.0.0.9", "central-9", "it is used", None),
    }
    assert [row["time_ms"] for row in rows] == sorted(
        (row["time_ms"] for row in rows), reverse=True
    )
    assert all(row["counts"] for row in rows)
    assert rows[0]["time"] == "2024-12-02 19:00:20"


def test_it_is_bounded_by_time_and_number(tmp_path: Path) -> None:
    file = kept(tmp_path / "db", what_there_is().events)
    everything = found(file)
    ten_s = 1_733_140_810_000
    assert [row["kind"] for row in found(file, since_ms=ten_s)] == [
        "VEHICLE_EXIT",
        "BARRIER_MANUAL_OPEN",
    ]
    assert [row["kind"] for row in found(file, since_ms=ten_s, until_ms=ten_s + 1)] == [
        "BARRIER_MANUAL_OPEN"
    ]
    assert found(file, limit=2) == everything[:2]


def test_passages_are_not_gone_through(tmp_path: Path) -> None:
    file = kept(tmp_path / "db", what_there_is().events)
    from zparkd.storage.readers.reports import audit

    with closing(read_only(file)) as connection:
        plan = connection.execute(
            f"EXPLAIN QUERY PLAN {audit.SELECT_ACTS}", {"since": 0, "until": 2**62}
        ).fetchall()
    assert any("acts_of_people" in row["detail"] for row in plan)


def a_persons(event: Event) -> bool:
    """By its own words, read as plain JSON."""
    data = orjson.loads(event.skeleton)["data"]
    return event.is_read and (
        event.kind not in PASSAGES or bool(data.get("forced") or data.get("by_hand"))
    )


@examples(40)
@given(made_up())
def test_no_act_is_missed_and_the_order_of_arrival_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event]
) -> None:
    folder = tmp_path_factory.mktemp("acts")
    rows = found(kept(folder / "one", events))
    wanted = {tuple(event.position) for event in events if a_persons(event)}
    assert {tuple(row["position"]) for row in rows} == wanted  # type: ignore[arg-type]
    streams: dict[Stream, list[Event]] = {}
    for event in events:
        streams.setdefault(event.position.stream, []).append(event)
    order = list(streams.values())
    random.Random(1).shuffle(order)
    again = found(kept(folder / "two", [event for stream in order for event in stream]))
    assert again == rows
