"""What is found wrong with a database before it is used, and what is taken for an older copy."""

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.vehicles import Book
from zparkd.core.events.event import Event
from zparkd.storage.commit_record import path_of
from zparkd.storage.damage import Damaged
from zparkd.storage.integrity import Missing, Tail, _tail
from zparkd.storage.store import Store

US = "central-1"
PAGE_BYTES = 4096
PARTS = ("", "-wal", ".mark")
WAY = "move zparkd.db, zparkd.db-wal and zparkd.db-shm away and start zparkd"


def opened(folder: Path) -> Store:
    return Store(folder / "zparkd.db", US, "lot-a", "Asia/Ho_Chi_Minh")


def keep(store: Store, *events: Event) -> None:
    """Each in a transaction of its own, as its edge waits for it."""
    for event in events:
        store.append(event)
        store.settle()
        store.commit()


def copied(store: Store, folder: Path, parts: tuple[str, ...] = PARTS) -> None:
    """Copy the files of a database in use: as a power cut would leave them."""
    folder.mkdir(exist_ok=True)
    for part in parts:
        source = store.path.with_name(f"zparkd.db{part}")
        if source.exists():
            shutil.copy(source, folder / source.name)


def life(book: Book, days: int) -> list[Event]:
    """A car that comes and goes."""
    events = []
    for day in range(days):
        events.append(book.entry(US, day * 1000))
        events.append(book.exit(US, day * 1000 + 500, names=events[-1]))
    return events


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a power cut leaves it, after 200 commits; not to be touched."""
    ran = tmp_path_factory.mktemp("ran")
    folder = tmp_path_factory.mktemp("left")
    with closing(opened(ran)) as store:
        days = life(Book(), 100)
        keep(store, *days[:100])
        store.connection.execute("PRAGMA wal_checkpoint(RESTART)")
        keep(store, *days[100:])
        copied(store, folder)
    assert live_bytes(folder / "zparkd.db-wal") > 100_000
    return folder


@pytest.fixture
def cut(left: Path, tmp_path: Path) -> Path:
    """The same, to do with as one likes."""
    return shutil.copytree(left, tmp_path / "cut")


def live_bytes(log: Path) -> int:
    """How far a log goes that began anew: what follows is older."""
    data = log.read_bytes()
    at = 32
    while data[at + 8 : at + 16] == data[16:24]:
        at += 24 + PAGE_BYTES
    return at


def cut_short(log: Path) -> None:
    """Take the second half of a log away, and a bit of what comes before."""
    frames = (live_bytes(log) - 32) // (24 + PAGE_BYTES)
    with log.open("r+b") as file:
        file.truncate(32 + frames // 2 * (24 + PAGE_BYTES) - 100)


def overwrite(file: Path, at: int, data: bytes) -> None:
    with file.open("r+b") as target:
        target.seek(at)
        target.write(data)


def test_what_a_power_cut_leaves_is_in_order(cut: Path) -> None:
    with closing(opened(cut)) as store:
        assert sum(store.heads.values()) == 200
        assert store.missing() is None
        assert not store.replaced


def test_a_write_ahead_log_that_lost_its_end_is_damage(cut: Path) -> None:
    cut_short(cut / "zparkd.db-wal")
    with pytest.raises(Damaged, match=r"the end of zparkd\.db-wal can't be read.* events") as told:
        opened(cut)
    assert WAY in str(told.value)
    assert "remove zparkd.db.mark and start zparkd" in str(told.value)


@pytest.mark.parametrize("at", [0, 8, 24, 32 + 12, 32 + 24 + 100])
def test_a_write_ahead_log_that_was_written_over_is_damage(cut: Path, at: int) -> None:
    overwrite(cut / "zparkd.db-wal", at, b"\x99" * 64)
    with pytest.raises(Damaged, match=r"zparkd\.db-wal can't be read"):
        opened(cut)


def test_without_the_mark_the_rest_of_a_damaged_log_is_used(cut: Path) -> None:
    cut_short(cut / "zparkd.db-wal")
    path_of(cut / "zparkd.db").unlink()
    with closing(opened(cut)) as store:
        assert 0 < sum(store.heads.values()) < 200


def test_an_uncommitted_end_of_the_log_is_no_damage(cut: Path) -> None:
    with (cut / "zparkd.db-wal").open("ab") as log:
        log.write(b"\x99" * 1000)
    with closing(opened(cut)) as store:
        assert sum(store.heads.values()) == 200


def test_an_older_copy_is_taken_and_what_it_lacks_is_known(tmp_path: Path) -> None:
    events = life(Book(), 20)
    older, ran = tmp_path / "older", tmp_path / "ran"
    ran.mkdir()
    with closing(opened(ran)) as store:
        keep(store, *events[:15])
        copied(store, older, ("", "-wal"))
        keep(store, *events[15:])
        copied(store, older, (".mark",))
    epoch = events[0].position.epoch
    with closing(opened(older)) as store:
        assert store.missing() == Missing(epoch, 40, 15)
        keep(store, *events[15:39])
        assert store.missing() == Missing(epoch, 40, 39)
        keep(store, events[39])
        assert store.missing() is None


def test_what_an_older_copy_lacks_is_known_also_after_the_next_start(tmp_path: Path) -> None:
    events = life(Book(), 20)
    older, ran = tmp_path / "older", tmp_path / "ran"
    ran.mkdir()
    with closing(opened(ran)) as store:
        keep(store, *events[:15])
        copied(store, older, ("", "-wal"))
        keep(store, *events[15:])
        copied(store, older, (".mark",))
    opened(older).close()
    with closing(opened(older)) as store:
        missing = store.missing()
        assert missing is not None
        assert (missing.seq, missing.held) == (40, 15)


def put_back(folder: Path) -> list[Event]:
    """A copy of a database as it was after 15 events, beside the mark of one that has 40."""
    events = life(Book(), 20)
    ran = folder / "ran"
    ran.mkdir()
    with closing(opened(ran)) as store:
        keep(store, *events[:15])
        copied(store, folder, ("", "-wal"))
        keep(store, *events[15:])
        copied(store, folder, (".mark",))
    return events


def test_a_power_cut_while_an_older_copy_catches_up_is_no_damage(tmp_path: Path) -> None:
    events, cut = put_back(tmp_path), tmp_path / "cut"
    with closing(opened(tmp_path)) as store:
        keep(store, *events[15:17])
        copied(store, cut)
    with (cut / "zparkd.db-wal").open("r+b") as log:
        log.seek(live_bytes(cut / "zparkd.db-wal"))
        log.write(b"\x99" * 1000)  # a commit that was under way
    with closing(opened(cut)) as store:
        assert store.missing() == Missing(events[0].position.epoch, 40, 17)


def test_a_log_that_lost_its_end_while_an_older_copy_catches_up_is_damage(tmp_path: Path) -> None:
    events, cut = put_back(tmp_path), tmp_path / "cut"
    with closing(opened(tmp_path)) as store:
        keep(store, *events[15:30])
        copied(store, cut)
    cut_short(cut / "zparkd.db-wal")
    with pytest.raises(Damaged, match=r"the end of zparkd\.db-wal can't be read.* events"):
        opened(cut)


def test_an_older_copy_that_caught_up_lacks_nothing_after_the_next_start(tmp_path: Path) -> None:
    events = put_back(tmp_path)
    with closing(opened(tmp_path)) as store:
        keep(store, *events[15:])
    assert path_of(tmp_path / "zparkd.db").read_text().split()[5:] == ["running"]
    with closing(opened(tmp_path)) as store:
        assert store.missing() is None


def test_another_database_in_its_place_is_told_from_an_older_copy(cut: Path) -> None:
    for part in ("", "-wal"):
        (cut / f"zparkd.db{part}").unlink()
    with closing(opened(cut)) as store:
        assert store.replaced
        assert store.missing() is None
        assert not store.heads
    with closing(opened(cut)) as store:
        assert not store.replaced


@pytest.fixture
def whole(cut: Path) -> Path:
    """A folder as a stop in good order leaves it."""
    store = opened(cut)
    store.stopped()
    store.close()
    assert not (cut / "zparkd.db-wal").exists()
    return cut


def test_a_file_that_is_no_database_is_damage(whole: Path) -> None:
    overwrite(whole / "zparkd.db", 0, b"no database at all, this is")
    with pytest.raises(Damaged, match=r"not a database.*move zparkd\.db"):
        opened(whole)


def test_a_file_that_was_cut_is_damage(whole: Path) -> None:
    file = whole / "zparkd.db"
    with file.open("r+b") as target:
        target.truncate(file.stat().st_size // 2)
    with pytest.raises(Damaged, match="malformed"):
        opened(whole)


def test_pages_that_were_written_over_are_damage(whole: Path) -> None:
    file = whole / "zparkd.db"
    size = file.stat().st_size
    overwrite(file, size // 2, random.Random(1).randbytes(size // 4))
    with pytest.raises(Damaged, match=WAY):
        opened(whole)


def change(folder: Path, *script: str) -> None:
    """What another program writes."""
    with closing(sqlite3.connect(folder / "zparkd.db", isolation_level=None)) as connection:
        for statement in script:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM events WHERE at = (SELECT max(at) FROM events)", "event 200 is not there"),
        ("DELETE FROM events WHERE at & 1023 = 195", "event 195 is not there"),
        ("DELETE FROM events", "event 200 is not there"),
        ("UPDATE streams SET head = 190", "event 190 is not there"),
        ("UPDATE streams SET head_hash = 'other'", "event 200 is not the one that was stored"),
        (
            "UPDATE events SET skeleton ="
            " CAST(replace(skeleton, '\"fee\":25000', '\"fee\":20000') AS BLOB)",
            "event 200",
        ),
        ("UPDATE events SET sealed = 'text'", "event 200: must be"),
        ("UPDATE events SET skeleton = x'99'", "event 200: no event"),
        (
            "UPDATE events SET sealed = CAST(replace(sealed, '29A', '29B') AS BLOB)",
            "event 200: a personal part is not the one",
        ),
    ],
)
def test_newest_events_that_are_gone_or_changed_are_damage(whole, statement, told) -> None:
    change(whole, statement)
    with pytest.raises(Damaged, match=f"stream central-1/[0-9]+: {told}"):
        opened(whole)


def test_a_change_of_one_byte_in_a_page_of_the_log_is_found_or_harms_nothing(whole: Path) -> None:
    """Whatever is changed in the file: it is refused as damaged, or opened; never an error."""
    file = whole / "zparkd.db"
    good = file.read_bytes()
    chance = random.Random(3)
    refused = 0
    for _ in range(60):
        data = bytearray(good)
        for _ in range(20):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
        for part in ("-wal", "-shm", ".mark"):
            (whole / f"zparkd.db{part}").unlink(missing_ok=True)
        try:
            opened(whole).close()
        except Damaged:
            refused += 1
    assert refused > 10


@pytest.mark.parametrize(
    ("data", "tail"),
    [(b"", Tail.WHOLE), (b"\0" * 31, Tail.TORN), (b"\0" * 5000, Tail.TORN)],
)
def test_a_log_of_nothing_is_whole_and_one_of_zeros_is_torn(tmp_path, data, tail) -> None:
    (tmp_path / "wal").write_bytes(data)
    assert _tail(tmp_path / "wal") is tail


def test_what_is_left_over_from_before_the_log_began_anew_is_no_damage(tmp_path: Path) -> None:
    file = tmp_path / "some.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES (randomblob(100000))")
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
        connection.execute("INSERT INTO t VALUES (1)")
        log = file.with_name("some.db-wal")
        assert log.stat().st_size > 100_000
        assert _tail(log) is Tail.WHOLE
