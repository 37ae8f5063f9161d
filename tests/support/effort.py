"""What tests cost: which start programs, and how much processor time folders and tests take.

`--fast` leaves out what starts a program, or takes a site of real centrals, a browser or a server.
Which tests these are is read from their folder, and from the names that they, their fixtures and
their helpers use; a test that starts a program all the same fails then, and says so.
"""

import inspect
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Every test below these folders runs real programs, or whole simulated sites.
FOLDERS = ("e2e", "fleet", "package", "sim")
# What starts programs, as tests and the helpers that they call name it.
STARTS = frozenset(
    {"Gateway", "LoopbackCentral", "LoopbackSite", "Popen", "spawn", "subprocess", "zparkctl"}
)
_HELPERS = ("tests.", "zparkd.testbed.")

_EVENTS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec")


def starts_programs(item: pytest.Item) -> bool:
    """Whether a test starts programs, as far as that can be seen before it runs."""
    if any(ROOT / "tests" / folder in item.path.parents for folder in FOLDERS):
        return True
    if item.get_closest_marker("programs") is not None:
        return True
    if not isinstance(item, pytest.Function):
        return False
    fixtures = (found[-1].func for found in _fixtures(item))
    return not STARTS.isdisjoint(_used([item.function, *fixtures]))


def _fixtures(item: pytest.Function) -> list[Sequence[pytest.FixtureDef[Any]]]:
    return [*item._fixtureinfo.name2fixturedefs.values()]  # noqa: SLF001 # pytest has no other way


def _used(functions: Iterable[object]) -> set[str]:
    """All names that these functions and the helpers which they call use."""
    names: set[str] = set()
    waiting, seen = [*functions], set[FunctionType]()
    while waiting:
        function = waiting.pop()
        function = inspect.unwrap(function) if callable(function) else function
        if not isinstance(function, FunctionType) or function in seen:
            continue
        seen.add(function)
        named = set(_names(function.__code__))
        names |= named
        called = (function.__globals__.get(name) for name in named)
        waiting += (other for other in called if _is_helper(other))
    return names


def _is_helper(other: object) -> bool:
    return str(getattr(other, "__module__", "")).startswith(_HELPERS)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


class Fast:
    """Leaves out the tests that start programs, and fails those that do it all the same."""

    def __init__(self) -> None:
        self._running = False
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._running and event in _EVENTS:
            self._running = False
            pytest.fail(
                f"starts a program ({event} {arguments[0]!r}): mark it with @pytest.mark.programs,"
                " so that bin/test --fast leaves it out"
            )

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        left_out = [item for item in items if starts_programs(item)]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if not starts_programs(item)]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        self._running = True
        try:
            return (yield)
        finally:
            self._running = False


class Costs:
    """Sums up the processor time of each folder and test, with that of programs which ended in it.

    Beside it stands how long a test took by the clock: one that mostly waits is dear all the same.
    """

    DEAREST = 40

    def __init__(self) -> None:
        self._folders: dict[str, Cost] = defaultdict(Cost)
        self._tests: dict[str, Cost] = defaultdict(Cost)
        self._before = _cpu_s()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Iterator[None]:
        report = yield
        now = _cpu_s()
        report.cpu_s, self._before = now - self._before, now  # xdist hands it on
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        parts = Path(report.nodeid.partition("::")[0]).parts
        folder = "/".join(parts[:2]) if len(parts) > 2 else "tests"
        for cost in (self._folders[folder], self._tests[report.nodeid]):
            cost.tests += report.when == "call"
            cost.cpu_s += getattr(report, "cpu_s", 0.0)
            cost.wall_s += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("what each folder takes")
        for line in table(self._folders):
            terminalreporter.write_line(line)
        terminalreporter.section(f"the {self.DEAREST} tests that take longest")
        for line in dearest(self._tests, self.DEAREST):
            terminalreporter.write_line(line)


@dataclass
class Cost:
    """How many tests, their processor time and their time by the clock, in seconds."""

    tests: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0


def table(costs: Mapping[str, Cost]) -> list[str]:
    """Rows of folder, tests and seconds as a table, the dearest first, and what they come to."""
    rows = sorted(costs.items(), key=lambda row: -row[1].cpu_s)
    total = Cost(
        sum(cost.tests for _, cost in rows),
        sum(cost.cpu_s for _, cost in rows),
        sum(cost.wall_s for _, cost in rows),
    )
    return [
        "| folder | tests | processor time | by the clock |",
        "|---|---|---|---|",
        *(
            f"| {folder} | {cost.tests} | {cost.cpu_s:.0f} s | {cost.wall_s:.0f} s |"
            for folder, cost in (*rows, ("all", total))
        ),
    ]


def dearest(costs: Mapping[str, Cost], most: int) -> list[str]:
    """A line for each of the tests that take longest: by the clock, of processors, its name."""
    rows = sorted(costs.items(), key=lambda row: -row[1].wall_s)[:most]
    return [f"{cost.wall_s:6.1f} s {cost.cpu_s:6.1f} s  {name}" for name, cost in rows]


def _cpu_s() -> float:
    """The processor time of this process and of those it started that have ended, in seconds."""
    return sum(os.times()[:4])
