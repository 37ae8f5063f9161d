"""The core reaches nothing outside by what it calls: no file, no clock, no terminal.

What may be imported, by the core and by each room, `lint-imports` holds (setup.cfg). Here is what
it can't see: builtins, and names of modules that the core needs for something else. Nobody but
storage/ says anything to the database of a central, or knows how the keys of events are packed.
"""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "zparkd"

OUTSIDE_CALLS = frozenset({"open", "print", "input", "breakpoint", "eval", "exec", "__import__"})
OUTSIDE_NAMES = frozenset(
    {
        "datetime.datetime.now",
        "datetime.datetime.today",
        "datetime.datetime.utcnow",
        "datetime.date.today",
    }
)


def known_by(tree: ast.Module) -> dict[str, str]:
    """The names that a module imports, by those under which it knows them."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def dotted(node: ast.expr) -> str | None:
    """Return "a.b.c" of such an expression, None of any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (left := dotted(node.value)):
        return f"{left}.{node.attr}"
    return None


def impure(source: str, module: str) -> list[str]:
    """Return where the source calls or reads what is outside."""
    tree = ast.parse(source)
    names, faults = known_by(tree), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in OUTSIDE_CALLS:
                faults.append(f"{module}:{node.lineno}: calls {node.func.id}()")
        elif isinstance(node, ast.Attribute) and (name := dotted(node)):
            first, _, rest = name.partition(".")
            if f"{names.get(first, first)}.{rest}" in OUTSIDE_NAMES:
                faults.append(f"{module}:{node.lineno}: reads {name}")
    return faults


def modules(part: str) -> list[tuple[str, str]]:
    """Return (path below zparkd/, source) of each module of a part."""
    paths = sorted((PACKAGE / part).rglob("*.py"))
    return [(path.relative_to(PACKAGE).as_posix(), path.read_text("utf-8")) for path in paths]


def test_core_reaches_nothing_outside() -> None:
    found = modules("core")
    assert len(found) > 1
    assert [fault for path, text in found for fault in impure(text, path)] == []


@pytest.mark.parametrize(
    "source",
    [
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
        "from datetime import UTC, datetime\nwhen = datetime.fromtimestamp(0, UTC)",
        "def step(clock):\n    return clock.now(), clock.today()",
        "def f(door):\n    door.open()\n    door.print()",
    ],
)
def test_what_stays_inside_is_let_through(source: str) -> None:
    assert impure(source, "core/planted.py") == []


OTHER_DATABASES = ("storage", "fleet", "camera")
"""The rooms that may hold SQL: of a central, of the fleet, and of the camera bridge's outbox."""
_SQL = re.compile(
    r"\b(SELECT\s|INSERT\s+(OR|INTO)\b|UPDATE\s+\w+\s+SET\b|DELETE\s+FROM\b|PRAGMA\s|VACUUM\b"
    r"|(CREATE|ALTER|DROP)\s+(TABLE|VIEW|INDEX|TRIGGER)\b)"
)
_STATEMENTS = ("execute", "executemany", "executescript")
_SEQ_BITS = 40


def database_talk(source: str, module: str) -> list[str]:
    """Return where the source holds SQL, has some run, or packs a key of an event."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if _SQL.search(node.value):
                faults.append(f"{module}:{node.lineno}: holds SQL")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in _STATEMENTS:
                faults.append(f"{module}:{node.lineno}: has SQL run")
        elif (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.LShift | ast.RShift)
            and isinstance(node.right, ast.Constant)
            and node.right.value == _SEQ_BITS
        ):
            faults.append(f"{module}:{node.lineno}: packs a key")
    return faults


def test_storage_alone_talks_to_the_database() -> None:
    others = [
        (path, text) for path, text in modules(".") if path.partition("/")[0] not in OTHER_DATABASES
    ]
    assert len(others) > 100
    assert [fault for path, text in others for fault in database_talk(text, path)] == []


@pytest.mark.parametrize(
    "source",
    [
        'query = "SELECT 1"',
        'query = f"""\nSELECT {columns}\nFROM history"""',
        'a = "INSERT INTO peers VALUES (?)"',
        'a = "INSERT OR REPLACE"',
        'a = "UPDATE outages SET back_ms=?"',
        'a = "DELETE FROM outages WHERE id=?"',
        'a = "PRAGMA quick_check(1)"',
        'a = "WITH made AS (SELECT 1)"',
        "def f(connection, text):\n    return connection.execute(text)",
        "at = number << 40 | seq",
        "number = at >> 40",
    ],
)
def test_planted_talk_with_the_database_is_caught(source: str) -> None:
    assert len(database_talk(source, "web/planted.py")) == 1


@pytest.mark.parametrize(
    "source",
    ['say("Select a lane; update it, delete it.")', "size = 1 << 20", "STATE = 'DELETED'"],
)
def test_plain_words_are_no_talk_with_the_database(source: str) -> None:
    assert database_talk(source, "web/planted.py") == []
