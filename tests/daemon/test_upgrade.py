"""What an older version kept unread is read by a newer one, wherever it got it from."""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.centrals import Driven, meet
from tests.support.examples import examples
from tests.support.tariffs import flat
from tests.support.vehicles import CAR, Book, any_sets
from zparkd.core import limits
from zparkd.core.events import event as reading
from zparkd.core.events.event import ERASED, Event, Kind, Personal, Position, Stream, read, write
from zparkd.core.events.payloads import TariffSet
from zparkd.core.members.words import MemberDisowned
from zparkd.core.stays.corrections import CORRECTIONS, ENDINGS
from zparkd.core.stays.fold import project
from zparkd.storage.projection import rereading
from zparkd.storage.projection.projector import Projection
from zparkd.storage.readers.log import StoredLog
from zparkd.storage.store import Store
from zparkd.verify.log import check_log
from zparkd.verify.ranges import chunks

OLD = frozenset(Kind) - {Kind.EXIT, *CORRECTIONS, *ENDINGS}


def opened(path: Path) -> Store:
    return Store(path, "z", "lot-a", "Asia/Ho_Chi_Minh")


@contextmanager
def older() -> Iterator[None]:
    """A version that knows no exits, and no corrections."""
    with patch.object(reading, "_KINDS", OLD):
        yield


def feed(store: Store, events: Iterable[Event]) -> None:
    """Let a store take in events as its version reads them."""
    for event in events:
        store.append(read(event.skeleton, event.personal_part))
    store.settle()
    store.commit()


def finish(store: Store) -> None:
    while store.unsettled:
        store.settle(limits.EVENTS_FOLDED_PER_TURN)
        store.commit()


def rows(store: Store, table: str) -> list[Any]:
    return store.connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()


@examples(25)
@given(any_sets(), st.integers(0, 30), st.sampled_from([200, 2]))
def test_after_an_upgrade_all_is_as_if_it_had_always_been_known(
    tmp_path_factory: Any, events: list[Event], first: int, piece: int
) -> None:
    path = tmp_path_factory.mktemp("upgrade") / "zparkd.db"
    with older(), closing(opened(path)) as store:
        feed(store, events[:first])
    with patch.object(limits, "EVENTS_PER_PIECE", piece), closing(opened(path)) as store:
        feed(store, events[first:])
        finish(store)
        stays = {
            Position(origin, epoch, at & (1 << 40) - 1): closed_by
            for origin, epoch, at, closed_by in store.connection.execute(
                "SELECT o.origin, o.epoch, s.entry, s.closed_by"
                " FROM sessions s JOIN streams o ON o.no = s.entry >> 40"
            )
        }
        expected = project(events).stays
        assert stays == {entry: stay.closed_by for entry, stay in expected.items()}
        unread = {event.position for event in events if not event.is_read}
        assert store.connection.execute("SELECT count(*) FROM unread").fetchone() == (len(unread),)


def test_what_was_disowned_before_the_upgrade_counts_no_more_after_it(tmp_path: Path) -> None:
    book, path = Book(), tmp_path / "zparkd.db"
    book.say(Stream("a", 9), Kind.DISOWNED, MemberDisowned("b", ()), Personal(""))
    book.say(Stream("b", 1), Kind.TARIFF, TariffSet(1, flat(1)), Personal(""))
    book.entry("b", 10)
    with (
        patch.object(reading, "_KINDS", OLD - {Kind.DISOWNED, Kind.TARIFF}),
        closing(opened(path)) as store,
    ):
        feed(store, book.events)
        assert len(store.inside(CAR.plate_id)) == 1
    with closing(opened(path)) as store:
        finish(store)
        assert store.inside(CAR.plate_id) == []
        assert store.reference.tariff() is None


def test_rereading_goes_on_after_a_restart(tmp_path: Path) -> None:
    book, path = Book(), tmp_path / "zparkd.db"
    for number in range(300):
        book.exit("a", 2 * number + 1, names=book.entry("a", 2 * number))
    with older(), closing(opened(path)) as store:
        feed(store, book.events)
        assert store.rereading == 0
    with closing(opened(path)) as store:
        assert store.rereading == 300
        store.settle(10)
        store.commit()
        assert 0 < store.rereading < 300
    with closing(opened(path)) as store:
        finish(store)
        assert store.rereading == 0
        assert len(store.inside("29A12345")) == 0
    with closing(opened(path)) as store:
        assert not store.unsettled, "nothing is read twice"


def test_a_tariff_with_a_key_that_only_the_new_version_knows_counts_after_the_upgrade(
    tmp_path: Path,
) -> None:
    step = {"every_minutes": 60, "amount": 1_000}
    document = {"rate": [{"camera_type": "car", "step": [step]}]}
    tariff = write(
        Position("a", 1, 1),
        Kind.TARIFF,
        timestamp=5,
        order=5,
        prev="",
        facts=TariffSet(2, document),
        personal=Personal("salt"),
    )
    path = tmp_path / "zparkd.db"
    with (
        patch.object(reading, "is_sound", lambda _: False),
        patch.object(rereading, "__version__", "0.0.9"),
        closing(opened(path)) as store,
    ):
        feed(store, [tariff])
        assert store.reference.tariff() is None
    with closing(opened(path)) as store:
        finish(store)
        held = store.reference.tariff()
        assert held is not None
        assert held.tariff.version == 2


def test_a_new_fold_folds_every_vehicle_again(tmp_path: Path) -> None:
    book, path = Book(), tmp_path / "zparkd.db"
    book.entry("a", 1)
    with closing(opened(path)) as store:
        feed(store, book.events)
        store.writing().execute("UPDATE sessions SET confirmed = 1")
        store.commit()
    with closing(opened(path)) as store:
        assert not store.unsettled
    with (
        patch.object(rereading, "FOLD_VERSION", rereading.FOLD_VERSION + 1),
        closing(opened(path)) as store,
    ):
        finish(store)
        assert store.connection.execute("SELECT confirmed FROM sessions").fetchone() == (0,)


def test_edges_are_answered_once_what_was_unread_is_read(tmp_path: Path) -> None:
    with older():
        driven = Driven("central-1", peers=[], path=tmp_path / "zparkd.db")
        driven.open(plate_id="29A00001", direction="ENTRY")
        driven.wait(60)
        book = Book()
        for number in range(600):
            book.exit("a", number)
        feed(driven.store, book.events)
    driven.restart()
    driven.wait(60)
    assert driven.central.serves_edges(driven.now) is False
    turns = 0
    while not driven.central.serves_edges(driven.now):
        driven.step()
        turns += 1
    assert turns > 1
    assert driven.store.rereading == 0
    driven.store.close()


def test_an_event_on_which_the_rules_blow_up_stops_no_upgrade(tmp_path: Path) -> None:
    book, path = Book(), tmp_path / "zparkd.db"
    entry = book.entry("a", 1)
    book.exit("a", 2, names=entry, fee=666)
    book.exit("a", 3)
    with older(), closing(opened(path)) as store:
        feed(store, book.events)
    with closing(opened(path)) as store:
        project_one = Projection.add_again

        def blow_up(projection: Projection, at: int, event: Event) -> None:
            assert event.facts is None or event.facts.fee != 666
            project_one(projection, at, event)

        with patch.object(Projection, "add_again", blow_up):
            with pytest.raises(AssertionError):
                finish(store)
            store.rollback()
            finish(store)
        assert store.rereading == 0
        assert store.unprojected() == 1
        assert not store.inside("29A12345")


# --- personal parts that were forgotten ---------------------------------------------------------


def erased(event: Event) -> Event:
    return read(event.skeleton, ERASED)


def test_an_event_whose_personal_part_was_forgotten_stops_no_stream() -> None:
    book = Book()
    entry, exit = book.entry("central-1", 1), book.exit("central-1", 2)
    after = book.entry("central-1", 3)
    one = Driven("central-1", peers=["central-2", "central-3"], epoch=9)
    for event in (entry, erased(exit), after):
        one.store.append(event)
    one.store.settle()
    one.store.commit()
    two = Driven("central-2", peers=["central-1", "central-3"])
    three = Driven("central-3", peers=["central-1", "central-2"])
    meet(one, two)
    meet(two, three)
    for driven in (one, two, three):
        held = list(driven.store.page(entry.position.stream, 0, 9, 10**6))
        assert held[1] == (exit.skeleton, b"null")
        assert driven.history() == one.history() or driven is not one
        assert driven.central.counters.faults == 0
    assert [len(driven.history()) for driven in (one, two, three)] == [1, 1, 1]


def test_a_personal_part_that_is_held_stays_where_a_peer_has_forgotten_it() -> None:
    book = Book()
    entry = book.entry("central-1", 1)
    one, two = (
        Driven("central-1", peers=["central-2"], epoch=9),
        Driven("central-2", peers=["central-1"]),
    )
    for driven, event in ((one, erased(entry)), (two, entry)):
        driven.store.append(event)
        driven.store.settle()
        driven.store.commit()
    one.open(plate_id="29A00001", direction="ENTRY")
    meet(one, two)
    held = two.store.event(entry.position)
    assert held is not None
    assert held.personal_part == entry.personal_part


def test_verify_takes_a_forgotten_personal_part_for_what_the_skeleton_says(tmp_path: Path) -> None:
    book = Book()
    entry = book.entry("a", 1)
    found = []
    for number, event in enumerate((entry, erased(entry))):
        with closing(opened(tmp_path / f"{number}.db")) as store:
            feed_as_read = [event]
            store.append(feed_as_read[0])
            store.settle()
            store.commit()
            log = StoredLog(store.connection)
            [chunk] = chunks(log.heads)
            found.append(check_log(store.connection, [chunk]))
    assert [one.differences for one in found] == [[], []]
    assert found[0].digests == found[1].digests
