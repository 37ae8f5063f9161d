"""The habits that a machine can hold: small rooms, short files, docstrings, no guessed sleeps."""

import ast
import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "zparkd").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

MOST_LINES = 500
MOST_FUNCTION_LINES = 60
MOST_MODULES = 16  # of a folder, its __init__.py left out
# A helper that waits on a condition looks again after a pause; nothing else in a test sleeps.
LONGEST_PAUSE_S = 0.1

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\bNotImplementedError\b")

Rule = Callable[[str], Iterator[str]]


def long_file(text: str) -> Iterator[str]:
    if (count := len(text.splitlines())) > MOST_LINES:
        yield f"1: {count} lines"


def long_function(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            count = (node.end_lineno or node.lineno) - node.lineno + 1
            if count > MOST_FUNCTION_LINES:
                yield f"{node.lineno}: {node.name} has {count} lines"


def no_docstring(text: str) -> Iterator[str]:
    if not ast.get_docstring(ast.parse(text)):
        yield "1: no docstring"


_DOCSTRING = re.compile(r'^ *""".*?"""$', re.MULTILINE | re.DOTALL)


@functools.cache
def known_words() -> frozenset[str]:
    """All that code and pages speak of, but for what docstrings say."""
    words = {part for path in MODULES for part in path.relative_to(ROOT).with_suffix("").parts}
    for path in MODULES:  # what only a docstring names is known nowhere
        words |= set(re.findall(r"\w+", _DOCSTRING.sub("", path.read_text("utf-8"))))
    for page in (ROOT / "docs").glob("*.md"):
        words |= set(re.findall(r"\w+", page.read_text("utf-8")))
    return frozenset(words)


def unknown_name(text: str) -> Iterator[str]:
    """Yield each name in a module's docstring that nothing has any more."""
    for name in re.findall(r"`([A-Za-z_][\w.]*)`", ast.get_docstring(ast.parse(text)) or ""):
        if gone := [part for part in name.split(".") if part and part not in known_words()]:
            yield f"1: {name}: there is no {gone[0]}"


def unfinished(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        if UNFINISHED.search(line):
            yield f"{number}: {line.strip()}"


def constant(node: ast.expr) -> float | None:
    """Return the value of an expression made of numbers alone, None of any other."""
    names = ast.Name | ast.Attribute | ast.Call | ast.Subscript
    if any(isinstance(part, names) for part in ast.walk(node)):
        return None
    value = eval(compile(ast.Expression(node), "<sleep>", "eval"), {})
    return float(value) if isinstance(value, int | float) else None


def guessed_sleep(text: str) -> Iterator[str]:
    """Yield each sleep of a constant time that is not the short pause of a `while` loop."""
    tree = ast.parse(text)
    looped = {
        id(part)
        for loop in ast.walk(tree)
        if isinstance(loop, ast.While)
        for part in ast.walk(loop)
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and node.args):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else None
        called = node.func.id if isinstance(node.func, ast.Name) else called
        if called != "sleep" or not (seconds := constant(node.args[0])):
            continue
        if id(node) not in looped or seconds > LONGEST_PAUSE_S:
            yield f"{node.lineno}: sleeps {seconds} s; wait on a condition to a deadline"


def faults(paths: list[Path], rule: Rule) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{fault}"
        for path in paths
        for fault in rule(path.read_text("utf-8"))
    ]


def crowded(modules: list[Path]) -> list[str]:
    """Say of each folder with too many modules how many it has."""
    rooms = Counter(path.parent for path in modules if path.name != "__init__.py")
    return [
        f"{room}: {count} modules; find what of them belongs together, and give it a room"
        for room, count in sorted(rooms.items())
        if count > MOST_MODULES
    ]


def test_no_folder_has_more_modules_than_one_finds_ones_way_in() -> None:
    assert crowded(MODULES) == []


def test_a_crowded_folder_is_found() -> None:
    room = [Path("zparkd/core", f"part_{number}.py") for number in range(MOST_MODULES)]
    aside = [Path("zparkd/core/__init__.py"), Path("zparkd/core/events/event.py")]
    assert crowded([*room, *aside]) == []
    (found,) = crowded([*room, *aside, Path("zparkd/core/more.py")])
    assert found.startswith("zparkd/core: 17 modules")


@pytest.mark.parametrize(
    "rule",
    [long_file, long_function, no_docstring, unknown_name, unfinished],
)
def test_the_package_is_tidy(rule: Rule) -> None:
    assert MODULES
    assert faults(MODULES, rule) == []


def test_no_test_sleeps_for_a_guessed_time() -> None:
    assert faults(TESTS, guessed_sleep) == []


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        (long_file, "x = 1\n" * 501, "x = 1\n" * 500),
        (long_function, "def f():\n" + "    x = 1\n" * 60, "def f():\n" + "    x = 1\n" * 59),
        (long_function, "async def f():\n" + "    x = 1\n" * 60, ""),
        (no_docstring, "", '"""Shapes."""'),
        (no_docstring, "import re", '"""Shapes."""\nimport re'),
        (unknown_name, '"""See `core.nowhere_to_be_found`."""', '"""See `core.stays`."""'),
        (unfinished, "x = 1  # TODO: more", "x = 'TODOS'"),
        (unfinished, "raise NotImplementedError", "raise ValueError"),
        (guessed_sleep, "time.sleep(1)", "time.sleep(deadline - now)"),
        (guessed_sleep, "sleep(0.02)", "while not done():\n    sleep(0.02)"),
        (guessed_sleep, "while not done():\n    time.sleep(0.5)", "time.sleep(0)"),
        (guessed_sleep, "await asyncio.sleep(2 * 0.5)", "nap(1)"),
        (guessed_sleep, "for _ in range(9):\n    time.sleep(0.05)", ""),
    ],
)
def test_a_planted_fault_is_caught(rule: Rule, bad: str, good: str) -> None:
    assert len(list(rule(bad))) == 1
    assert list(rule(good)) == []
