"""What events come to in PostgreSQL is what the rules say, however they came."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fleet.sites import Fleet, found_in, heads_of, message
from tests.support.vehicles import CAR, Book, any_sets
from zparkd.core.events.event import ERASED, Event, Kind, Personal, Position, Stream, read
from zparkd.core.events.payloads import VehicleErased
from zparkd.core.fleet import pseudonym
from zparkd.core.members.words import MemberDisowned, MemberRestored
from zparkd.core.site import Told
from zparkd.core.stays.erasure import positions, runs
from zparkd.core.stays.fold import Stay, project

STREAM = Stream("a", 1)


@pytest.fixture
def fleet(database: str) -> Iterator[Fleet]:
    made = Fleet(database)
    yield made
    made.close()


_COLUMNS = (
    "origin, epoch, seq, camera_type, plate_id, plate_view, edge_id, confidence, entry_ms,"
    " confirmed, closed_by, exit_origin, exit_epoch, exit_seq, exit_ms, exit_edge_id, fee,"
    " currency, duration_s, remarks"
)


def rows_of(fleet: Fleet) -> list[tuple[object, ...]]:
    return sorted(fleet.rows(f"SELECT {_COLUMNS} FROM stay WHERE site = %s"), key=str)


def row_of(stay: Stay) -> tuple[object, ...]:
    return (
        *(*stay.entry, *stay.vehicle, stay.plate_view, stay.edge_id, stay.confidence),
        *(stay.entry_ms, stay.confirmed, stay.closed_by and str(stay.closed_by)),
        *(stay.closer or (None,) * 3),
        *(stay.exit_ms, stay.exit_edge_id, stay.fee, stay.currency, stay.duration_s),
        ",".join(stay.remarks) or None,
    )


def expected(events: list[Event]) -> list[tuple[object, ...]]:
    return sorted(map(row_of, project(events).stays.values()), key=str)


def verdicts_of(fleet: Fleet) -> set[tuple[object, ...]]:
    return set(fleet.rows("SELECT origin, epoch, seq, verdict FROM verdicts WHERE site = %s"))


_WORDS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.integers(0, 6), st.booleans()),
    max_size=3,
)


@settings(
    max_examples=60,
    print_blob=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), events=any_sets(), words=_WORDS)
def test_stays_are_those_of_the_events_in_any_order_of_arrival_and_turns(
    fleet: Fleet, data: st.DataObject, events: list[Event], words: list[tuple[str, str, int, bool]]
) -> None:
    fleet.renew()
    book = Book()
    for n, (voice, member, head, against) in enumerate(words):
        said = MemberDisowned(member, ((1, head + 1),)) if against else MemberRestored(member)
        kind = Kind.DISOWNED if against else Kind.RESTORED
        book.say(Stream(voice, 90 + n), kind, said, Personal(salt=str(n)))
    events = [*events, *book.events]
    arrivals = data.draw(st.permutations(events))
    again = data.draw(st.lists(st.sampled_from(events), max_size=4)) if events else []
    arrivals += again
    cuts = sorted(data.draw(st.sets(st.integers(0, len(arrivals)), max_size=3)))
    for first, end in itertools.pairwise([0, *cuts, len(arrivals)]):
        if first < end:
            fleet.take(*arrivals[first:end])
        if data.draw(st.booleans()):
            fleet.restart()
    assert fleet.heads == heads_of(events)
    assert (fleet.waiting, fleet.aside) == (0, [])
    assert rows_of(fleet) == expected(events)
    judged = project(events).judged
    assert verdicts_of(fleet) == {(*at, str(one.verdict)) for at, one in judged.items()}


def test_a_stay_keeps_its_number_also_where_an_older_entry_takes_it_over(fleet: Fleet) -> None:
    book = Book()
    newer = book.entry("a", 10)
    older = book.entry("b", 5)
    fleet.take(newer)
    [(before,)] = fleet.rows("SELECT id FROM stay WHERE site = %s")
    fleet.take(older)
    assert fleet.rows("SELECT id, origin FROM stay WHERE site = %s") == [(before, "b")]
    fleet.take(book.exit("b", 20, names=older))
    assert fleet.rows("SELECT id, closed_by FROM stay WHERE site = %s") == [(before, "EXIT")]


def test_what_follows_a_gap_waits_and_counts_when_it_is_filled(fleet: Fleet) -> None:
    book = Book()
    events = [book.entry("a", n, of=CAR._replace(plate_id=f"29A0000{n}")) for n in range(6)]
    assert fleet.take(*events[:2], *events[3:]) == 2
    assert (fleet.heads, fleet.waiting) == ({STREAM: 2}, 3)
    fleet.restart()
    assert fleet.take(events[2]) == 4
    assert (fleet.heads, fleet.waiting) == ({STREAM: 6}, 0)
    assert rows_of(fleet) == expected(events)


def test_what_waited_and_comes_once_more_with_what_was_missing_waits_no_more(fleet: Fleet) -> None:
    book = Book()
    events = [book.entry("a", n, of=CAR._replace(plate_id=f"29A0000{n}")) for n in range(4)]
    fleet.take(events[0], events[2])
    fleet.take(events[1], events[3], events[2])
    assert (fleet.heads, fleet.waiting) == ({STREAM: 4}, 0)


def test_bytes_that_are_no_event_or_break_the_chain_are_put_aside_and_stop_no_other(
    fleet: Fleet,
) -> None:
    book, lie = Book(), Book()
    first, second = book.entry("a", 1), book.exit("a", 2)
    lie.entry("a", 7)
    false = lie.exit("a", 8)
    other = book.entry("b", 3)
    bad = message(fleet.site, other)._replace(data=b"\xff{}")
    assert fleet.takes([bad, *(message(fleet.site, one) for one in (first, false, other))]) == 2
    assert len(fleet.aside) == 2
    assert fleet.take(second) == 1
    assert rows_of(fleet) == expected([first, second, other])


def test_an_event_under_the_subject_of_another_origin_is_not_taken(fleet: Fleet) -> None:
    event = Book().entry("a", 1)
    sent = message(fleet.site, event)
    wrong = sent._replace(subject=sent.subject.replace(".a.", ".b."))
    assert fleet.takes([wrong]) == 0
    assert fleet.aside == [f"an event of a came as zparkd.{fleet.site}.b.VEHICLE_ENTRY_PENDING"]


def test_of_pseudonyms_the_stays_are_the_same_but_for_the_plate(fleet: Fleet) -> None:
    book = Book()
    events = [book.entry("a", 1), book.exit("a", 60), book.entry("a", 90)]
    fleet.take(*events, told=Told.PSEUDONYM)
    shown = pseudonym(CAR.plate_id, b"k" * 40)
    rows = [(*row[:4], shown, None, *row[6:]) for row in expected(events)]
    assert rows_of(fleet) == rows
    stored = b"".join(
        bytes(one) for (one,) in fleet.rows("SELECT personal FROM events WHERE site = %s")
    )
    assert CAR.plate_id.encode() not in stored
    assert b"view" not in stored


def test_without_personal_parts_the_chain_is_kept_and_there_are_no_stays(fleet: Fleet) -> None:
    book = Book()
    assert fleet.take(book.entry("a", 1), book.exit("a", 60), told=Told.NONE) == 2
    assert rows_of(fleet) == []


def test_an_event_that_comes_again_without_its_personal_part_is_forgotten(fleet: Fleet) -> None:
    book = Book()
    events = [book.entry("a", 1), book.exit("a", 60)]
    fleet.take(*events)
    erased = [read(event.skeleton, ERASED) for event in events]
    assert fleet.take(*erased) == 0
    assert rows_of(fleet) == []
    personal = fleet.rows("SELECT personal FROM events WHERE site = %s")
    assert {bytes(one) for (one,) in personal} == {b"null"}


@settings(
    max_examples=60,
    print_blob=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), events=any_sets())
def test_what_is_erased_is_of_a_vehicle_without_a_name_however_it_arrives(
    fleet: Fleet, data: st.DataObject, events: list[Event]
) -> None:
    fleet.renew()
    book = Book()
    named = data.draw(st.lists(st.sampled_from(events), max_size=6)) if events else []
    for n in range(data.draw(st.integers(1, 2))):
        some = data.draw(st.lists(st.sampled_from(named), min_size=1)) if named else []
        said = VehicleErased(tuple(runs([it.position for it in some])) or (("z", 1, 1, 1),))
        book.say(Stream("e", 90 + n), Kind.ERASED, said, Personal(salt=str(n)))
    events = [*events, *book.events]
    arrivals = data.draw(st.permutations(events))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(arrivals)), max_size=3)))
    for first, end in itertools.pairwise([0, *cuts, len(arrivals)]):
        if first < end:
            fleet.take(*arrivals[first:end])
        if data.draw(st.booleans()):
            fleet.restart()
    assert rows_of(fleet) == expected(events)
    judged = project(events).judged
    assert verdicts_of(fleet) == {(*at, str(one.verdict)) for at, one in judged.items()}
    gone = {at for event in book.events for at in positions(event.reference)}
    kept = fleet.rows("SELECT origin, epoch, seq, personal FROM events WHERE site = %s")
    for *at, personal in kept:
        assert (bytes(personal) == b"null") == (Position(*at) in gone)


def test_an_erased_plate_is_in_no_row_of_any_table_or_part_of_one(fleet: Fleet) -> None:
    book = Book()
    events = [book.entry("a", 1), book.exit("a", 60), book.exit("b", 70)]
    missing, waits = book.entry("c", 80), book.entry("c", 90)
    fleet.take(*events, waits)  # it waits for what is missing
    fleet.takes([message(fleet.site, missing)._replace(data=b"{" + CAR.plate_id.encode())])
    plate_id = CAR.plate_id.encode()
    assert found_in(fleet.connection, plate_id) >= {
        "events_other",
        "stay_other",
        "verdicts",
        "ahead",
        "aside",
    }
    said = VehicleErased(tuple(runs(it.position for it in [*events, missing, waits])))
    erase = book.say(Stream("e", 9), Kind.ERASED, said, Personal(salt="1"))
    fleet.take(erase)
    assert found_in(fleet.connection, plate_id) == set()
    fleet.take(missing)  # as a sender may have sent it before it knew
    assert found_in(fleet.connection, plate_id) == set()
    assert found_in(fleet.connection, b"view 1") == set()
    assert (fleet.heads, fleet.waiting) == (heads_of([*events, missing, waits, erase]), 0)
    shown = fleet.rows("SELECT plate_id, event_id FROM stays WHERE site = %s ORDER BY entry_ms")
    at = ["_".join(map(str, event.position)) for event in (events[0], missing)]
    assert shown == [(None, at[0]), (None, at[1])]


def test_an_event_that_the_rules_cannot_bear_is_kept_and_changes_nothing(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zparkd.fleet import fold

    book = Book()
    before, bad, after = book.entry("a", 1), book.exit("a", 2), book.entry("b", 3)
    step = fold.Steps.take

    def blows_up(self: fold.Steps, event: Event, no: int, act: int | None) -> None:
        if event.position == bad.position:
            raise ZeroDivisionError
        step(self, event, no, act)

    monkeypatch.setattr(fold.Steps, "take", blows_up)
    assert fleet.take(before, bad, after) == 3
    monkeypatch.undo()
    fleet.restart()
    assert fleet.heads == heads_of([before, bad, after])
    assert rows_of(fleet) == expected([before, after])
    later = book.exit("b", 9)
    fleet.take(later)
    assert rows_of(fleet) == expected([before, after, later])


def test_the_number_of_a_vehicle_is_the_same_in_every_process() -> None:
    from zparkd.fleet.fold import vehicle_number

    assert vehicle_number("lot-a", CAR) == vehicle_number("lot-a", CAR) != vehicle_number("b", CAR)
    assert -(2**63) <= vehicle_number("lot-a", CAR) < 2**63
    assert Position("a", 1, 1).stream == STREAM


def test_what_waits_here_and_in_the_database_is_taken_together(fleet: Fleet) -> None:
    book = Book()
    events = [book.entry("a", n, of=CAR._replace(plate_id=f"29A0000{n}")) for n in range(9)]
    assert fleet.take(events[0], events[2]) == 1
    assert fleet.take(events[1], *events[3:]) == 8
    assert fleet.heads == {STREAM: 9}
