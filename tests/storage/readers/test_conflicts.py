"""Conflicts as work: open until somebody has looked at them, at all centrals alike."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.centrals import Driven, meet, pair
from tests.support.vehicles import Book, event_sets
from zparkd.core.events.event import Event, Kind, Personal, Position, Stream
from zparkd.core.events.payloads import Acknowledged, Staff
from zparkd.core.members.roster_changes import Refused
from zparkd.core.principal import Principal
from zparkd.core.turn import Acknowledge, ImportStaff
from zparkd.storage.readers.conflicts import Row, conflict_id, conflicts, find
from zparkd.storage.store import Store

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


@contextmanager
def kept(events: list[Event]) -> Iterator[Store]:
    with closing(Store(Path(":memory:"), "a", "lot-a", "Asia/Ho_Chi_Minh")) as store:
        for event in events:
            store.append(event)
        while store.unsettled:
            store.settle()
        store.commit()
        yield store


def listed(store: Store, *, all: bool = False) -> list[Row]:
    """As a reader sees them."""
    connection = store.connection
    connection.row_factory = sqlite3.Row
    try:
        return conflicts(connection, ZONE, all=all)
    finally:
        connection.row_factory = None


def acknowledgements(about: list[tuple[str, Position]]) -> list[Event]:
    book = Book()
    for kind, position in about:
        origin, epoch, seq = position
        said = Acknowledged(kind, (origin, epoch, seq), "seen", "nv01")
        book.say(Stream("office", 1), Kind.ACKNOWLEDGED, said, Personal("x"))
    return book.events


@settings(max_examples=60, deadline=None)
@given(event_sets(), st.data())
def test_what_is_open_is_what_nobody_looked_at_in_whatever_order_it_comes(
    events: list[Event], data: st.DataObject
) -> None:
    with kept(events) as store:
        rows = listed(store)
        assert store.open_conflicts() == len(rows) == len(listed(store, all=True))
        assert len({row["id"] for row in rows}) == len(rows)
        found = [find(store.connection, ZONE, row["id"]) for row in rows]
    named = [(one.kind, one.about) for one in found if one is not None]
    assert len(named) == len(rows)
    some = data.draw(st.lists(st.sampled_from(named), max_size=8)) if named else []
    some += [("FORCED", Position("a", 1, 1)), ("TOWED", Position("nowhere", 1, 1))]
    acks = acknowledgements(some)
    orders = [[*events, *acks], [*acks, *events]]
    open_ids = {conflict_id(*one) for one in named} - {conflict_id(*one) for one in some}
    for order in orders:
        with kept(order) as store:
            assert {row["id"] for row in listed(store)} == open_ids
            assert store.open_conflicts() == len(open_ids)
            every = listed(store, all=True)
            assert {row["id"] for row in every if row["acknowledged"] is None} == open_ids
            assert len(every) == len(rows)
            assert all(re.fullmatch("[a-z2-7]{8}", row["id"]) for row in every)


def two_gates() -> tuple[Driven, Driven]:
    """A car that entered on both sides of a cut, and both sides know it."""
    one, two = pair()
    one.open("edge-1", direction="ENTRY")
    two.wait(5)
    two.open("edge-1", direction="ENTRY")
    meet(one, two)
    return one, two


def ack(driven: Driven, staff_id: str | None = "nv01", by: Principal | None = None) -> object:
    """Acknowledge the newest open conflict; what that comes to."""
    row = listed(driven.store)[0]
    found = find(driven.store.connection, ZONE, row["id"])
    assert found is not None
    origin, epoch, seq = found.about
    said = Acknowledged(found.kind, (origin, epoch, seq), "seen", staff_id, by)
    (outcome,) = driven.step(Acknowledge(said)).outcomes
    return outcome


def test_said_at_one_central_it_is_done_at_all() -> None:
    one, two = two_gates()
    assert [row["id"] for row in listed(one.store)] == [row["id"] for row in listed(two.store)]
    assert one.store.open_conflicts() == two.store.open_conflicts() == 1
    assert isinstance(ack(two), int)
    assert (one.store.open_conflicts(), two.store.open_conflicts()) == (1, 0)
    meet(one, two)
    assert one.store.open_conflicts() == two.store.open_conflicts() == 0
    [row] = listed(one.store, all=True)
    assert row["acknowledged"]["who"] == "nv01"
    assert row["acknowledged"]["why"] == "seen"
    assert listed(one.store, all=True) == listed(two.store, all=True)


def test_said_on_both_sides_of_a_cut_the_older_word_is_shown_at_both() -> None:
    one, two = two_gates()
    ack(one, "nv01")
    two.wait(3)
    ack(two, "nv02")
    meet(one, two)
    told = [listed(driven.store, all=True)[0]["acknowledged"] for driven in (one, two)]
    assert told[0] == told[1]
    assert told[0]["who"] == "nv01"


def test_who_is_not_on_the_list_of_staff_can_not_say_it() -> None:
    one, _ = two_gates()
    one.step(ImportStaff([Staff("nv07")]))
    refused = ack(one, "nv01")
    assert isinstance(refused, Refused)
    assert refused.code == "not_staff"
    assert "nv01 is not on the staff list" in str(refused)
    assert one.store.open_conflicts() == 1
    assert isinstance(ack(one, "nv07"), int)
    assert one.store.open_conflicts() == 0


def test_somebody_logged_in_need_not_say_who_they_are() -> None:
    one, _ = two_gates()
    one.step(ImportStaff([Staff("nv07")]))
    assert isinstance(ack(one, None, Principal(uid=0)), Refused)
    assert isinstance(ack(one, None, Principal(login="lan")), int)
    [row] = listed(one.store, all=True)
    assert row["acknowledged"]["who"] == "lan"
