"""The import rules: core <- daemon, core <- client <- cli, and a core that reaches nothing outside.

Read from the source, so that an import inside a function counts too. `lint-imports` (setup.cfg)
holds the same along chains of imports.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "zparkd"

# What each part of zparkd may import of it; a name also allows all below it.
MAY_IMPORT = {
    "core": ("core",),
    "daemon": ("daemon", "core"),
    "client": ("client", "core"),
    # Both find the socket and the database through the same file, read by the same code.
    "cli": ("cli", "client", "core", "daemon.config"),
    "web": ("web", "client", "core", "daemon.config"),
    "camera": (
        *("camera", "client", "core"),
        *("daemon.config_keys", "daemon.config_values", "daemon.toml_places"),
    ),
    "uplink": ("uplink", "client", "core"),
}

# fmt: off
OUTSIDE = frozenset(
    {
        "aiohttp", "asyncio", "builtins", "concurrent", "ctypes", "fcntl", "fileinput", "ftplib",
        "getpass", "glob", "http", "importlib", "io", "logging", "loguru", "mmap",
        "multiprocessing", "os", "pathlib", "platform", "queue", "random", "requests", "resource",
        "sched", "secrets", "select", "selectors", "shelve", "shutil", "signal", "socket",
        "socketserver", "sqlite3", "sqlite_utils", "ssl", "subprocess", "sys", "tempfile",
        "threading", "time", "urllib", "uuid", "watchdog", "zmq",
    }
)
# fmt: on
OUTSIDE_CALLS = frozenset({"open", "print", "input", "breakpoint", "eval", "exec", "__import__"})
OUTSIDE_NAMES = frozenset(
    {
        "datetime.datetime.now",
        "datetime.datetime.today",
        "datetime.datetime.utcnow",
        "datetime.date.today",
        "os.urandom",
    }
)


def imports(tree: ast.Module, package: str) -> Iterator[tuple[int, str, str | None]]:
    """Yield (line, full name imported, name it is known by), relative imports resolved.

    The last is None after `import a.b`, which makes `a` known by its own name.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, alias.asname
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            base = parents[: len(parents) - node.level + 1] if node.level else []
            base += [node.module] if node.module else []
            for alias in node.names:
                yield node.lineno, ".".join([*base, alias.name]), alias.asname or alias.name


def within(name: str, roots: tuple[str, ...]) -> bool:
    return any(name == root or name.startswith(root + ".") for root in roots)


def wrong_way(source: str, module: str) -> list[str]:
    """Return the imports in the source of `module` (such as "core/wire.py") that the rule bars."""
    folders = module.split("/")[:-1]
    package = ".".join(["zparkd", *folders])
    allowed = tuple(f"zparkd.{name}" for name in MAY_IMPORT[folders[0]])
    parts = tuple(f"zparkd.{name}" for name in MAY_IMPORT)
    return [
        f"{module}:{line}: imports {name}"
        for line, name, _ in imports(ast.parse(source), package)
        if name == "zparkd.*" or (within(name, parts) and not within(name, allowed))
    ]


def dotted(node: ast.expr) -> str | None:
    """Return "a.b.c" of such an expression, None of any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (left := dotted(node.value)):
        return f"{left}.{node.attr}"
    return None


def impure(source: str, module: str) -> list[str]:
    """Return where the source reaches a socket, file, clock, thread or source of randomness."""
    tree = ast.parse(source)
    known_by: dict[str, str] = {}
    faults = []
    for line, name, short in imports(tree, "zparkd.core"):
        if short:
            known_by[short] = name
        if name.partition(".")[0] in OUTSIDE or name in OUTSIDE_NAMES:
            faults.append(f"{module}:{line}: imports {name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in OUTSIDE_CALLS:
                faults.append(f"{module}:{node.lineno}: calls {node.func.id}()")
        elif isinstance(node, ast.Attribute) and (name := dotted(node)):
            first, _, rest = name.partition(".")
            if f"{known_by.get(first, first)}.{rest}" in OUTSIDE_NAMES:
                faults.append(f"{module}:{node.lineno}: reads {name}")
    return faults


def modules(part: str) -> list[tuple[str, str]]:
    """Return (path below zparkd/, source) of each module of a part."""
    paths = sorted((PACKAGE / part).rglob("*.py"))
    return [(path.relative_to(PACKAGE).as_posix(), path.read_text("utf-8")) for path in paths]


def test_every_part_has_its_rule() -> None:
    parts = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {"core", "daemon", "client"} <= parts <= set(MAY_IMPORT)
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_imports_run_one_way(part: str) -> None:
    assert [fault for path, text in modules(part) for fault in wrong_way(text, path)] == []


def test_core_reaches_nothing_outside() -> None:
    found = modules("core")
    assert len(found) > 1
    assert [fault for path, text in found for fault in impure(text, path)] == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("core/wire.py", "import zparkd.daemon.bus"),
        ("core/wire.py", "from zparkd.daemon import bus"),
        ("core/wire.py", "from zparkd import client"),
        ("core/wire.py", "from zparkd import *"),
        ("core/wire.py", "from ..daemon import bus"),
        ("core/deep/wire.py", "from ...cli.main import main"),
        ("core/wire.py", "def f():\n    from zparkd.cli import main"),
        ("core/wire.py", "if TYPE_CHECKING:\n    from zparkd.daemon.bus import Bus"),
        ("daemon/main.py", "from zparkd.client.edge import EdgeClient"),
        ("daemon/main.py", "from zparkd.cli import output"),
        ("daemon/main.py", "import zparkd.web"),
        ("daemon/__init__.py", "from ..cli import output"),
        ("client/edge.py", "from zparkd.daemon.config import load"),
        ("client/edge.py", "from zparkd.cli import output"),
        ("cli/main.py", "from zparkd.daemon import store"),
        ("cli/main.py", "from zparkd.daemon import *"),
        ("cli/main.py", "from zparkd.daemon.configuration import load"),
        ("cli/main.py", "import zparkd.web.app"),
        ("web/app.py", "from zparkd.cli import output"),
        ("web/app.py", "from zparkd.daemon.store import Store"),
        ("camera/lane.py", "from zparkd.daemon.config import load"),
        ("camera/lane.py", "from zparkd.web.app import build"),
        ("uplink/feed.py", "from zparkd.web import app"),
    ],
)
def test_a_planted_import_is_caught(module: str, source: str) -> None:
    assert len(wrong_way(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("core/wire.py", "from zparkd.core import events\nfrom .heads import Heads\nimport json"),
        ("daemon/main.py", "from zparkd import __version__\nfrom zparkd.core.wire import decode"),
        ("client/edge.py", "import zmq\nfrom zparkd.core import wire"),
        ("cli/main.py", "from zparkd.daemon import config\nimport zparkd.daemon.config"),
        ("cli/main.py", "from zparkd.client import control\nfrom zparkd.core.plates import norm"),
        ("web/app.py", "from zparkd.daemon.config import load"),
        ("camera/lane.py", "from zparkd.daemon.config_values import as_text"),
    ],
)
def test_a_right_import_is_let_through(module: str, source: str) -> None:
    assert wrong_way(source, module) == []


@pytest.mark.parametrize(
    "source",
    [
        *(f"import {name}" for name in sorted(OUTSIDE)),
        "import os.path",
        "import time as t",
        "from time import monotonic",
        "from pathlib import Path",
        "from os import urandom",
        "def f():\n    import random",
        "text = open('/etc/passwd').read()",
        "def f():\n    print('here')",
        "name = input()",
        "__import__('zmq')",
        "import datetime\nnow = datetime.datetime.now()",
        "import datetime as dt\nnow = dt.datetime.now(dt.UTC)",
        "from datetime import datetime\nnow = datetime.now()",
        "from datetime import datetime as D\nnow = D.utcnow()",
        "from datetime import datetime\nclock = datetime.now",
        "from datetime import datetime, date\nday = date.today()",
        "import datetime\nday = datetime.date.today()",
    ],
)
def test_a_planted_way_out_is_caught(source: str) -> None:
    assert len(impure(source, "core/planted.py")) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import json\nimport re\nfrom zoneinfo import ZoneInfo\nimport msgspec\nimport orjson",
        "from datetime import UTC, datetime\nwhen = datetime.fromtimestamp(0, UTC)",
        "def step(clock):\n    return clock.now(), clock.today()",
        "def f(door):\n    door.open()\n    door.print()",
        "from zparkd.core import events\nfrom .time_rule import order",
    ],
)
def test_what_stays_inside_is_let_through(source: str) -> None:
    assert impure(source, "core/planted.py") == []
