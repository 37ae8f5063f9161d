"""`zparkctl verify` with peers: what they hold is compared, and who can't be asked is named."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from tests.support.vehicles import Book
from zparkd.cli.main import main
from zparkd.config.load import SecurityMode
from zparkd.core.events.event import Event
from zparkd.storage.store import Store
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, new_key
from zparkd.verify import peer_query


def verify(central: LoopbackCentral) -> tuple[int, dict[str, Any], str]:
    """Exit code, JSON and what people are told where something is wrong."""
    result = CliRunner().invoke(main, ["-c", str(central.config), "verify", "--json"])
    assert result.stdout, result.output
    return result.exit_code, orjson.loads(result.stdout), result.stderr


@contextmanager
def damaged(central: LoopbackCentral, damage: str) -> Iterator[None]:
    """Its database with a damage, which is mended afterwards; the daemon may run."""
    with closing(sqlite3.connect(central.database, timeout=10)) as connection:
        tables = ("events", "sessions")
        for table in tables:
            connection.execute(f"CREATE TEMP TABLE {table}_kept AS SELECT * FROM main.{table}")
        try:
            with connection:
                connection.execute(damage)
            yield
        finally:
            with connection:
                for table in tables:
                    connection.execute(f"DELETE FROM main.{table}")
                    connection.execute(f"INSERT INTO main.{table} SELECT * FROM {table}_kept")


def keep(central: LoopbackCentral, events: list[Event]) -> None:
    with closing(Store(central.database, central.id, "lot-a", "Asia/Ho_Chi_Minh")) as store:
        for event in events:
            store.append(event)
        store.settle()
        store.commit()


@pytest.fixture(scope="module")
def site() -> Iterator[LoopbackSite]:
    """Two centrals that hold the same 8 events of an earlier run, and two of this one."""
    book = Book()
    for number in range(4):
        entry = book.entry("central-7", number * 100)
        book.exit("central-8", number * 100 + 50, names=entry)
    with TemporaryDirectory(prefix="zp-") as folder, LoopbackSite(Path(folder), 2) as site:
        for central in site.centrals:
            keep(central, book.events)
        site.start()
        with site.centrals[0].edge("gate") as camera:
            camera.open_barrier("30F-111.11", direction="ENTRY")
            camera.open_barrier("30F-111.11", direction="EXIT")
        site.wait_connected()
        site.wait_equal()
        yield site


def test_peers_that_hold_the_same_are_said_to(site: LoopbackSite) -> None:
    for central, other in (site.centrals, site.centrals[::-1]):
        code, said, _ = verify(central)
        assert code == 0
        assert said["peers"] == [
            {
                "peer_id": other.id,
                "answered": True,
                "error": None,
                "log": "equal",
                "history": "equal",
            }
        ]


BYTE = "CAST(replace(CAST({} AS TEXT), '{}', '{}') AS BLOB)"
ONE, TWO = "(1 << 40)", "(2 << 40)"  # the streams of central-7 and central-8


@pytest.mark.parametrize(
    ("damage", "origin", "first", "last"),
    [
        (
            f"UPDATE events SET skeleton = {BYTE.format('skeleton', '0.53', '0.54')}"
            f" WHERE at = {ONE} + 3",
            "central-7",
            3,
            3,
        ),
        (
            f"UPDATE events SET sealed = {BYTE.format('sealed', 'view', 'vjew')}"
            f" WHERE at BETWEEN {TWO} + 2 AND {TWO} + 3",
            "central-8",
            2,
            3,
        ),
        (f"DELETE FROM events WHERE at = {TWO} + 1", "central-8", 1, 1),
    ],
    ids=["a byte of a skeleton", "a byte of two personal parts", "an event that is gone"],
)
def test_what_a_peer_holds_otherwise_is_named_by_stream_and_range(
    site: LoopbackSite, damage: str, origin: str, first: int, last: int
) -> None:
    here, there = site.centrals
    with damaged(there, damage):
        code, said, told = verify(here)
    assert code == 1
    assert said["differences"] == [
        {
            "origin": origin,
            "epoch": 1,
            "first": first,
            "last": last,
            "what": "not the event that central-2 holds",
            "peer": "central-2",
        }
    ]
    seqs = str(first) if first == last else f"{first} to {last}"
    assert f"stream {origin}/1, {seqs}: not the event that central-2 holds" in told
    assert said["peers"][0]["log"] == "differs"
    assert said["peers"][0]["history"] == "not compared: the log differs"
    assert said["stays"] is None


def test_a_history_that_is_another_is_named_though_the_log_is_the_same(site: LoopbackSite) -> None:
    here, there = site.centrals
    with damaged(there, f"UPDATE sessions SET fee = 1 WHERE entry = {ONE} + 2"):
        code, said, told = verify(here)
    assert code == 1
    assert "stream central-7/1, 2: the stay that began here is not the one that central-2" in told
    assert (said["peers"][0]["log"], said["peers"][0]["history"]) == ("equal", "differs")


def test_ids_of_stays_may_differ(site: LoopbackSite) -> None:
    here, there = site.centrals
    with damaged(there, "UPDATE sessions SET id = id + 1000"):
        assert verify(here)[0] == 0


def test_traffic_is_no_difference(site: LoopbackSite) -> None:
    over = threading.Event()

    def come_and_go(central: LoopbackCentral) -> None:
        with central.edge(f"lane-of-{central.id}") as camera:
            while not over.is_set():
                for direction in ("ENTRY", "EXIT"):
                    camera.open_barrier("51H-000.01", direction=direction)

    # The same vehicle at both: each overtakes the other's stays again and again.
    lanes = [threading.Thread(target=come_and_go, args=(central,)) for central in site.centrals]
    for lane in lanes:
        lane.start()
    try:
        for _ in range(5):
            code, said, told = verify(site.centrals[0])
            assert (code, said["peers"][0]["log"]) == (0, "equal"), told
    finally:
        over.set()
        for lane in lanes:
            lane.join()
    site.wait_equal()
    code, said, told = verify(site.centrals[0])
    assert (code, said["peers"][0]["history"]) == (0, "equal"), told


def test_an_unreachable_peer_is_named_and_another_answer_is_enough(
    site: LoopbackSite, tmp_path: Path
) -> None:
    here = site.centrals[0]
    gone = LoopbackCentral(tmp_path / "gone", "central-3")
    here.knows(gone)
    try:
        code, said, _ = verify(here)
    finally:
        here.peer_file("central-3").unlink()
    assert code == 0
    absent = said["peers"][1]
    assert (absent["peer_id"], absent["answered"]) == ("central-3", False)
    assert "connection refused" in absent["error"]


def test_no_peer_that_answers_exits_1(tmp_path: Path) -> None:
    here = LoopbackCentral(tmp_path / "here", "central-1")
    here.knows(LoopbackCentral(tmp_path / "gone", "central-2"))
    keep(here, Book().events)
    code, said, told = verify(here)
    assert code == 1
    assert (said["error"]["code"], said["differences"]) == ("no_peer", [])
    assert "central-2: not compared: connection refused" in told
    assert "no configured peer answered" in told


def test_keys_are_used_also_one_that_the_peer_has_just_changed_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peer_query, "_PATIENCE_S", 0.5)  # for the key that is not there any more
    with (
        TemporaryDirectory(prefix="zp-") as folder,
        LoopbackSite(Path(folder), 2, mode=SecurityMode.CURVE) as site,
    ):
        here, there = site.centrals
        keep(here, Book().events)
        there.start()
        code, said, _ = verify(here)
        assert (code, said["peers"][0]["log"], said["peers"][0]["history"]) == (0, "equal", "equal")
        file = here.peer_file(there.id)
        text = file.read_text().replace("public_key", "next_public_key")
        file.write_text(f'{text}public_key = "{new_key(here.folder / "older.key")}"\n')
        assert verify(here)[0] == 0


@pytest.fixture
def one_runs(tmp_path: Path) -> Iterator[LoopbackSite]:
    """Two centrals; only the second is started by the test. The first only verifies."""
    with TemporaryDirectory(prefix="zp-") as folder, LoopbackSite(Path(folder), 2) as site:
        yield site


def test_a_history_behind_is_not_compared(one_runs: LoopbackSite) -> None:
    here, there = one_runs.centrals
    book = Book()
    book.entry("central-7", 0)
    keep(here, book.events)
    book.exit("central-7", 60, names=book.events[0])
    book.entry("central-8", 99)
    keep(there, book.events)
    there.start()
    code, said, _ = verify(here)
    assert code == 0
    (peer,) = said["peers"]
    assert (peer["log"], peer["history"]) == ("equal", "not compared: 2 events behind")


def test_a_stream_with_two_continuations_is_named_from_where_they_part(
    one_runs: LoopbackSite,
) -> None:
    here, there = one_runs.centrals
    books = Book(), Book()
    for book in books:
        for number in range(1200):
            book.entry("central-7", number)
    for number, book in enumerate(books):
        for later in range(900):
            book.entry("central-7", 2000 + number + later)
    keep(here, books[0].events)
    keep(there, books[1].events[:2000])
    there.start()
    code, said, told = verify(here)
    assert code == 1
    assert len(said["differences"]) == 1
    assert "stream central-7/1, 1201 to 2000: not the event that central-2 holds" in told
