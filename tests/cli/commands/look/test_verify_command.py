"""`zparkctl verify`: a sound database has no difference, and a damaged one is told where."""

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import given

from tests.cli.conftest import Central
from tests.support.examples import examples
from tests.support.tariffs import flat
from tests.support.vehicles import BIKE, T0_MS, Book, any_sets
from zparkd.core.events.event import Event, Kind, Personal, Position, write
from zparkd.core.events.payloads import PassChanged, PolicySet, Reference, StaffChanged, TariffSet
from zparkd.core.replication import limits
from zparkd.storage.projection.following import Following
from zparkd.storage.store import Store
from zparkd.verify import workers


def keep(database: Path, events: list[Event]) -> None:
    with closing(Store(database, "a", "lot-a", "Asia/Ho_Chi_Minh")) as store:
        for event in events:
            store.append(event)
        store.settle()
        store.commit()


@pytest.fixture
def kept(central: Central) -> Central:
    """A central whose database holds nine events in two streams, and four stays."""
    book = Book()
    for number in range(3):
        entry = book.entry("a", number * 100)
        book.exit("b", number * 100 + 50, names=entry)
    bike = book.entry("a", 0, of=BIKE)
    book.entry("b", 10, of=BIKE)
    book.confirm("a", 20, bike, of=BIKE)
    keep(central.database, book.events)
    return central


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE claims SET fee = 1", "b/1, 1: its conflict shows another fee or entry"),
        ("UPDATE claims SET seq = 9", "b/1, 1: its conflict shows another fee or entry"),
        ("DELETE FROM claims", "b/1, 1: its conflict does not show what it says"),
    ],
)
def test_a_conflict_that_shows_other_than_its_event_says_is_named(
    central: Central, damage: str, said: str
) -> None:
    book = Book()
    entry = book.entry("a", 0)
    book.exit("a", 50, names=entry)
    book.exit("b", 60, names=entry)
    keep(central.database, book.events)
    assert central.run("verify").exit_code == 0
    with closing(sqlite3.connect(central.database)) as connection, connection:
        connection.execute(damage)
    result = central.run("verify")
    assert result.exit_code == 1
    assert said in result.stderr + result.stdout


@examples(15)
@given(any_sets())
def test_whatever_the_daemon_stores_is_sound(events: list[Event]) -> None:
    with TemporaryDirectory() as folder:
        database = Path(folder) / "zparkd.db"
        keep(database, events)
        result = Central(Path(folder)).run("verify", "--json")
    assert result.exit_code == 0, result.stderr
    found = orjson.loads(result.stdout)
    assert found["events"] == len(events)
    assert found["streams"] == len({event.position.stream for event in events})


@pytest.mark.programs
def test_processes_that_share_the_work_find_the_same(
    kept: Central, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_WORTH_EVENTS", 1)
    monkeypatch.setattr(workers.os, "cpu_count", lambda: 2)
    sound = kept.run("verify", "--json")
    assert (sound.exit_code, orjson.loads(sound.stdout)["stays"]) == (0, 4)
    with closing(sqlite3.connect(kept.database)) as connection, connection:
        connection.execute(f"DELETE FROM events WHERE at = {A} + 2")
    assert "stream a/1, 2: missing" in kept.run("verify").stderr


def test_a_gap_is_named_wherever_in_the_questions_it_falls(
    central: Central, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DIGEST_EVENTS", 2)
    book = Book()
    for number in range(7):
        book.entry("a", number)
    keep(central.database, book.events)
    assert central.run("verify").exit_code == 0
    with closing(sqlite3.connect(central.database)) as connection, connection:
        connection.execute(f"DELETE FROM events WHERE at BETWEEN {A} + 2 AND {A} + 5")
    assert "stream a/1, 2 to 5: missing" in central.run("verify").stderr


def test_a_sound_database_exits_0_and_says_what_was_looked_at(kept: Central) -> None:
    result = kept.run("verify")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{kept.database}: 2 streams, 9 events, 4 stays: no difference\n"
    assert orjson.loads(kept.run("verify", "--json").stdout) == {
        "success": True,
        "streams": 2,
        "events": 9,
        "stays": 4,
        "peers": [],
        "differences": [],
    }


A, B = "(1 << 40)", "(2 << 40)"  # the first stream of the database, and the second
DAMAGES = [
    (f"DELETE FROM events WHERE at = {A} + 2", "stream a/1, 2: missing"),
    (f"DELETE FROM events WHERE at > {A} + 3", "stream a/1, 4 to 5: missing"),
    (f"DELETE FROM events WHERE at > {B}", "stream b/1, 1 to 4: missing"),
    (
        f"UPDATE events SET skeleton = replace(skeleton, '25000', '15000') WHERE at = {B} + 1",
        "stream b/1, 1: changed: the chain breaks here",
    ),
    (
        f"UPDATE events SET skeleton = replace(skeleton, 'prev', 'pref') WHERE at = {A} + 2",
        "stream a/1, 2: can't be read",
    ),
    (
        f'UPDATE events SET skeleton = replace(skeleton, \'"prev":"\', \'"prev":"00\')'
        f" WHERE at = {A} + 3",
        "stream a/1, 3: changed: the chain breaks here",
    ),
    (
        f"UPDATE events SET sealed = replace(sealed, '29A', '29B') WHERE at = {A} + 1",
        "stream a/1, 1: its personal part is not the one that it seals",
    ),
    ("UPDATE events SET timestamp = 1", "1 to 5: its row says another timestamp"),
    (f"UPDATE events SET kind = '' WHERE at = {B} + 1", "its row says another kind"),
    (f"UPDATE places SET place = 1 WHERE at = {B} + 1", "its row says another place"),
    ("UPDATE streams SET head_hash = '' WHERE no = 1", "a/1, 5: not the hash that the head has"),
    ("UPDATE streams SET head = 3 WHERE no = 1", "a/1, 4 to 5: beyond the head of the stream"),
    ("DELETE FROM streams WHERE no = 2", "stream ?/2, 1 to 4: events of a stream that is not"),
    (f"UPDATE places SET vehicle = 2 WHERE at = {A} + 1", "1: stands under another vehicle"),
    ("DELETE FROM places", "1 to 5: stands under another vehicle than its own"),
    (f"UPDATE sessions SET fee = 1 WHERE entry = {A} + 2", "a/1, 2: its stay says another fee"),
    (f"DELETE FROM sessions WHERE entry = {A} + 2", "a/1, 2: opened a stay that is not there"),
    ("DELETE FROM verdicts", "stream b/1, 4: judged nothing, must be SUPERSEDED"),
    ("UPDATE verdicts SET verdict = 'WAITING'", "b/1, 4: judged WAITING, must be SUPERSEDED"),
    ("UPDATE verdicts SET instead = 5", "judged SUPERSEDED, must be SUPERSEDED for another event"),
    (f"UPDATE sessions SET vehicle = 9 WHERE entry = {A} + 4", "under a vehicle that is not known"),
    (
        f"UPDATE sessions SET entry = {B} + 4 WHERE entry = {A} + 4",
        "stream b/1, 4: opened no stay, and one is there",
    ),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES, ids=[damage for damage, _ in DAMAGES])
def test_a_damage_is_named_by_stream_and_range(kept: Central, damage: str, said: str) -> None:
    with closing(sqlite3.connect(kept.database)) as connection, connection:
        # `replace` of SQLite makes text of a blob, which a row of ours never holds.
        connection.create_function(
            "replace", 3, lambda text, old, new: text.replace(old.encode(), new.encode())
        )
        connection.execute(damage)
    result = kept.run("verify", "--json")
    assert result.exit_code == 1
    assert said in result.stderr
    printed = orjson.loads(result.stdout)
    assert printed["success"] is False
    assert len(printed["differences"]) == len(result.stderr.splitlines()) - 1
    assert set(printed["differences"][0]) == {"origin", "epoch", "first", "last", "what", "peer"}


@pytest.fixture
def priced(central: Central) -> Central:
    """A central with two tariffs, a policy, a pass that was changed, and one who left."""
    changes: list[tuple[Kind, Reference, Personal]] = [
        (Kind.TARIFF, TariffSet(1, flat(1)), Personal("00")),
        (Kind.TARIFF, TariffSet(2, flat(2)), Personal("00")),
        *(
            (Kind.PASS, PassChanged("car", "2025-12-01", day), Personal("00", "29A12345"))
            for day in ("2025-12-30", "2025-12-31")
        ),
        (Kind.STAFF, StaffChanged(), Personal("00", staff_id="nv01", name="An")),
        (Kind.STAFF, StaffChanged(removed=True), Personal("00", staff_id="nv01")),
        (Kind.POLICY, PolicySet(1, {}), Personal("00", watch={"30F1": "stolen"})),
    ]
    events: list[Event] = []
    for seq, (kind, data, personal) in enumerate(changes, 1):
        prev = events[-1].hash if events else ""
        times = {"timestamp": T0_MS + seq, "order": T0_MS + seq}
        at = Position("a", 1, seq)
        events.append(write(at, kind, prev=prev, facts=data, personal=personal, **times))
    keep(central.database, events)
    return central


def test_reference_data_is_what_its_events_come_to(priced: Central) -> None:
    assert priced.run("verify").exit_code == 0, priced.run("verify").stderr


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (f"DELETE FROM tariffs WHERE at = {A} + 1", "a/1, 1: not what the table tariffs says"),
        ("UPDATE tariffs SET version = 3", "a/1, 1 to 2: not what the table tariffs says"),
        ("UPDATE policies SET watch = NULL", "a/1, 7: not what the table policies says"),
        ("UPDATE passes SET valid_until = '2026'", "a/1, 4: not what the table passes says"),
        ("UPDATE passes SET plate_id = '30F1'", "a/1, 4: not what the table passes says"),
        (f"UPDATE staff SET removed = 0, at = {A} + 5", "a/1, 6: not what the table staff says"),
    ],
)
def test_other_reference_data_is_named_by_its_event(
    priced: Central, damage: str, said: str
) -> None:
    with closing(sqlite3.connect(priced.database)) as connection, connection:
        connection.execute(damage)
    result = priced.run("verify")
    assert result.exit_code == 1
    assert said in result.stderr


def test_an_empty_database_is_sound(central: Central) -> None:
    keep(central.database, [])
    assert "0 streams, 0 events, 0 stays: no difference" in central.run("verify").stdout


def test_it_reads_beside_the_daemon_and_changes_nothing(kept: Central) -> None:
    with closing(Store(kept.database, "a", "lot-a", "Asia/Ho_Chi_Minh")) as store:
        store.writing()
        before = kept.database.read_bytes()
        assert kept.run("verify").exit_code == 0
        assert kept.database.read_bytes() == before


def test_no_database_exits_1(central: Central) -> None:
    assert central.run("verify").exit_code == 1


def test_a_database_that_is_none_exits_1(central: Central) -> None:
    central.database.write_text("this is no database, but long enough to be looked at" * 99)
    result = central.run("verify", "--json")
    assert result.exit_code == 1
    assert orjson.loads(result.stdout)["error"]["code"] == "damaged"


def test_an_event_that_zparkd_failed_on_is_named_as_such(
    central: Central, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = Book().entry("b", 0)
    with closing(Store(central.database, "a", "lot-a", "Asia/Ho_Chi_Minh")) as store:

        def fails(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(Following, "add", fails)
        assert not store.append_apart(event)
        store.commit()
    result = central.run("verify")
    assert result.exit_code == 1
    assert "changes nothing here: zparkd failed on it (ZeroDivisionError)" in result.stderr
