"""What outlives the process: the outbox in order and bounded, passages, reads taken."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from zparkd.camera.lane import ledger as ledger_module
from zparkd.camera.lane.ledger import Ledger, LedgerError
from zparkd.camera.lane.passages import Passage, State
from zparkd.camera.read import Read, Travel

NOW_MS = 1_795_231_805_000


def read(plate: str = "29A12345", at_ms: int = NOW_MS) -> Read:
    return Read(plate, plate, 0.9, Travel.FORWARD, at_ms, uid="u", raw={"direction": "forward"})


def fields(name: str) -> dict[str, object]:
    return {"request_id": name, "plate_id": "29A12345"}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], Ledger]]:
    ledgers: list[Ledger] = []

    def open_again() -> Ledger:
        for ledger in ledgers:
            ledger.close()
        ledgers[:] = [Ledger(tmp_path / "outbox.db", lambda: NOW_MS)]
        return ledgers[0]

    yield open_again
    for ledger in ledgers:
        ledger.close()


def test_messages_come_out_in_the_order_they_went_in_each_once(
    opened: Callable[[], Ledger],
) -> None:
    ledger = opened()
    for name in ("a", "b", "a", "c"):
        ledger.put("in-1", NOW_MS, fields(name))
    ledger.put("in-2", NOW_MS, fields("d"))
    ledger = opened()
    told = []
    while (waiting := ledger.first("in-1")) is not None:
        told.append(waiting.request_id)
        assert waiting.fields == fields(waiting.request_id)
        ledger.told(waiting.request_id)
    assert told == ["a", "b", "c"]
    assert (ledger.waiting("in-1"), ledger.waiting()) == (0, 1)


def test_the_outbox_is_bounded_and_says_what_it_lost(
    opened: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "OUTBOX_MESSAGES", 3)
    ledger = opened()
    for name in "abcde":
        ledger.put("in-1", NOW_MS, fields(name))
    first = ledger.first("in-1")
    assert first is not None
    assert first.request_id == "c"
    assert ledger.counts("in-1") == {"lost": 2}
    assert opened().counts("in-1") == {"lost": 2}


def test_a_read_that_was_not_dealt_with_is_there_after_a_restart(
    opened: Callable[[], Ledger],
) -> None:
    ledger = opened()
    numbers = [ledger.take("in-1", NOW_MS, read(plate)) for plate in ("AAA1", "BBB2", "CCC3")]
    ledger.done(numbers[1])
    assert opened().taken("in-1") == [(numbers[0], read("AAA1")), (numbers[2], read("CCC3"))]


def test_a_passage_is_as_far_as_it_was_written_down(opened: Callable[[], Ledger]) -> None:
    ledger = opened()
    passage = Passage("one", read(), NOW_MS - 3_000, NOW_MS, State.ASKED)
    ledger.keep("in-1", passage)
    assert opened().unfinished("in-1") == [passage]
    passage.state = State.OPENED
    ledger = opened()
    ledger.keep("in-1", passage, "central-1_1_29A12345")
    ledger = opened()
    assert ledger.unfinished("in-1") == []
    assert ledger.recent("in-1") == [passage]
    assert ledger.recent("in-2") == []


@pytest.mark.parametrize(
    ("lane", "plate", "at_ms", "known"),
    [
        ("in-1", "29A12345", NOW_MS, True),
        ("in-1", "29A12345", NOW_MS - 9_000, True),
        ("in-1", "29A12345", NOW_MS + 6_001, False),
        ("in-1", "30F99999", NOW_MS, False),
        ("in-2", "29A12345", NOW_MS, False),
    ],
)
def test_what_was_dealt_with_at_about_that_time_is_known(
    opened: Callable[[], Ledger], lane: str, plate: str, at_ms: int, known: bool
) -> None:
    ledger = opened()
    ledger.keep("in-1", Passage("one", read(), NOW_MS - 3_000, NOW_MS, State.OPENED))
    assert ledger.knows(lane, plate, at_ms, 6_000) is known


def test_old_passages_go(opened: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "PASSAGES_KEPT", 2)
    ledger = opened()
    old_ms = NOW_MS - 49 * 3_600_000
    ledger.keep("in-1", Passage("old", read("OLD1", old_ms), old_ms, old_ms, State.OPENED))
    ledger.keep("in-1", Passage("new", read("NEW1"), NOW_MS, NOW_MS, State.OPENED))
    ledger.tidy()
    assert not ledger.knows("in-1", "OLD1", old_ms, 1)
    for number in range(1, 4):
        at_ms = NOW_MS - number
        ledger.keep("in-1", Passage(str(number), read(f"NEW{number}"), at_ms, at_ms, State.OPENED))
    ledger.tidy()
    assert [passage.request_id for passage in ledger.recent("in-1")] == ["1", "new"]


@pytest.mark.parametrize("rot", [b"no database at all" * 400, None])
def test_a_rotten_file_is_set_aside_and_the_lanes_go_on(
    opened: Callable[[], Ledger], tmp_path: Path, rot: bytes | None
) -> None:
    path = tmp_path / "outbox.db"
    ledger = opened()
    for number in range(300):
        ledger.put("in-1", NOW_MS, fields(f"{number:032d}"))
    ledger.close()
    whole = path.read_bytes()
    path.write_bytes(rot or whole[:8192] + bytes(8192) + whole[16384:])
    ledger = opened()
    assert ledger.waiting() == 0
    ledger.put("in-1", NOW_MS, fields("a"))
    assert ledger.waiting() == 1
    assert [file.name for file in tmp_path.glob("*broken*")] == [f"outbox.db.broken-{NOW_MS}"]


def test_a_file_of_a_later_version_is_left_alone(
    opened: Callable[[], Ledger], tmp_path: Path
) -> None:
    opened().close()
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as database:
        database.execute("PRAGMA user_version = 2")
    with pytest.raises(LedgerError, match="a later zparkd-camera"):
        opened()


def test_a_read_that_another_version_kept_otherwise_stops_nothing(
    opened: Callable[[], Ledger], tmp_path: Path
) -> None:
    ledger = opened()
    ledger.take("in-1", NOW_MS, read())
    ledger.close()
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as database:
        database.execute("UPDATE inbox SET read = '{\"other\": 1}'")
        database.commit()
    assert opened().taken("in-1") == []


def test_a_disk_that_fails_holds_up_nobody_and_is_shown(
    opened: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, databases = sqlite3.connect, []

    def kept(*arguments: Any, **more: Any) -> sqlite3.Connection:
        databases.append(connect(*arguments, **more))
        return databases[-1]

    monkeypatch.setattr(sqlite3, "connect", kept)
    ledger = opened()
    databases[-1].execute("PRAGMA max_page_count = 1")  # the disk is full
    for number in range(200):
        ledger.put("in-1", NOW_MS, {**fields(f"{number}"), "plate_view": "x" * 200})
        ledger.keep("in-1", Passage(f"{number}", read(), NOW_MS, NOW_MS, State.ASKED))
    assert ledger.fault is not None
    assert "full" in ledger.fault
    databases[-1].execute("PRAGMA max_page_count = 100000")
    ledger.put("in-1", NOW_MS, fields("again"))
    assert ledger.fault is None


def test_one_process_has_the_file(opened: Callable[[], Ledger], tmp_path: Path) -> None:
    opened()
    code = (
        "import sys; from pathlib import Path; from zparkd.camera.lane.ledger import *;"
        "Ledger(Path(sys.argv[1]), lambda: 0)"
    )
    other = [sys.executable, "-c", code, str(tmp_path / "outbox.db")]
    done = subprocess.run(other, capture_output=True, text=True, check=False, timeout=60)
    assert "is another zparkd-camera running with it" in done.stderr


def test_a_file_that_can_t_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="can't be used"):
        closing(Ledger(tmp_path / "file" / "outbox.db", lambda: 0))
