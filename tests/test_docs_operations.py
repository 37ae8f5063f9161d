"""The operations manual: every message of the log is in it, in both languages, with what to do."""

import re
from pathlib import Path

import pytest

from zparkd.logs.messages import Message

DOCS = Path(__file__).resolve().parent.parent / "docs"
LEVELS = {
    "operations.md": {
        "INFO": "info",
        "WARNING": "warning",
        "ERROR": "error",
        "CRITICAL": "critical",
    },
    "operations.vi.md": {
        "INFO": "thông tin",
        "WARNING": "cảnh báo",
        "ERROR": "lỗi",
        "CRITICAL": "nghiêm trọng",
    },
}
_ROW = re.compile(r"^\| `([A-Z_]+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


@pytest.mark.parametrize("page", LEVELS)
def test_every_message_is_there_with_its_level_and_what_to_do(page: str) -> None:
    rows = _ROW.findall((DOCS / page).read_text("utf-8"))
    told = {name: level for name, level, _ in rows}
    wanted = {message.name: LEVELS[page][message.value.level] for message in Message}
    assert told == wanted, f"add or mend rows of the table of messages in docs/{page}"
    assert len(rows) == len(told)
    assert all(what.strip() for _, _, what in rows)


def test_what_is_no_info_asks_for_something() -> None:
    rows = _ROW.findall((DOCS / "operations.md").read_text("utf-8"))
    for name, level, what in rows:
        if level != "info":
            assert not what.startswith("nothing"), name
