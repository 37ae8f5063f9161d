"""docs/guarantees.md: each promise says what breaks it, and names tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def promises(page: str) -> dict[str, str]:
    """The sections of the page that are a promise each, by their titles."""
    parts = re.split(r"^## ([0-9]+\. .*)$", page, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def wrong(title: str, text: str) -> list[str]:
    """What a promise lacks, and which of its tests there are not."""
    faults = [f"{title}: no {part}" for part in ("What breaks it.", "Shown by") if part not in text]
    named = NAMED.findall(text)
    if not named:
        faults.append(f"{title}: no test")
    for file, name in named:
        path = ROOT / file
        tree = ast.parse(path.read_text("utf-8")) if path.exists() else ast.Module([], [])
        tests = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if name not in tests or not name.startswith("test_"):
            faults.append(f"{title}: there is no {file}::{name}")
    return faults


def test_there_are_promises() -> None:
    numbers = [int(title.split(".")[0]) for title in promises(PAGE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 5


@pytest.mark.parametrize(("title", "text"), promises(PAGE).items())
def test_each_promise_says_what_breaks_it_and_which_tests_show_it(title: str, text: str) -> None:
    assert wrong(title, text) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("**Shown by** `tests/test_tidy.py::test_x`", "no What breaks it."),
        ("**What breaks it.** Rain. **Shown by** nobody.", "no test"),
        ("`tests/core/test_clock.py::test_that_is_not_there`", "there is no tests/core/test_clock"),
        ("`tests/core/test_nothing.py::test_x`", "there is no tests/core/test_nothing.py"),
        ("`tests/core/test_clock.py::at`", "there is no tests/core/test_clock.py::at"),
    ],
)
def test_a_promise_that_lacks_something_is_noticed(text: str, fault: str) -> None:
    assert any(fault in found for found in wrong("1. It holds", text))
