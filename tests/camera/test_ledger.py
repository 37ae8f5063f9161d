"""What outlives the process: the outbox in order and bounded, passages, reads taken."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from zparkd.camera import ledger as ledger_module
from zparkd.camera.ledger import Ledger, LedgerError
from zparkd.camera.passages import Passage, State
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
    monkeypatch.setattr(ledger_module, "_TIDY_EVERY", 1)
    monkeypatch.setattr(ledger_module, "PASSAGES_KEPT", 2)
    ledger = opened()
    old_ms = NOW_MS - 49 * 3_600_000
    ledger.keep("in-1", Passage("old", read("OLD1", old_ms), old_ms, old_ms, State.OPENED))
    for number in range(3):
        at_ms = NOW_MS - number
        ledger.keep("in-1", Passage(str(number), read(f"NEW{number}"), at_ms, at_ms, State.OPENED))
    names = [passage.request_id for passage in ledger.recent("in-1")]
    assert names == ["1", "0"]
    assert not ledger.knows("in-1", "OLD1", old_ms, 1)


def test_one_process_has_the_file(opened: Callable[[], Ledger], tmp_path: Path) -> None:
    opened()
    code = (
        "import sys; from pathlib import Path; from zparkd.camera.ledger import *;"
        "Ledger(Path(sys.argv[1]), lambda: 0)"
    )
    other = [sys.executable, "-c", code, str(tmp_path / "outbox.db")]
    done = subprocess.run(other, capture_output=True, text=True, check=False, timeout=60)
    assert "is another zparkd-camera running with it" in done.stderr


def test_a_file_that_can_t_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="can't be used"):
        closing(Ledger(tmp_path / "file" / "outbox.db", lambda: 0))
