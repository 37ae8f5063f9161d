"""The group of commands itself: its help, its usage errors, and how little it imports."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from tests.cli.conftest import ROOT, Central
from zparkd import __version__
from zparkd.cli.main import COMMANDS, main


def test_help_lists_every_command_without_importing_any() -> None:
    result = CliRunner().invoke(main, ["--help"], prog_name="zparkctl")
    assert result.exit_code == 0
    for name, where in COMMANDS.items():
        assert f"  {name}" in result.output
        assert where.summary in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_listed_command_is_there_and_explains_itself(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"], prog_name="zparkctl")
    assert result.exit_code == 0
    assert f"Usage: zparkctl {name}" in result.output


def test_version() -> None:
    result = CliRunner().invoke(main, ["--version"], prog_name="zparkctl")
    assert result.output == f"zparkctl, version {__version__}\n"


def test_the_file_is_found_by_the_environment(
    central: Central, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZPARKD_CONFIG", str(central.file))
    result = CliRunner().invoke(main, ["config", "check"], prog_name="zparkctl")
    assert result.exit_code == 0
    assert str(central.file) in result.output


@pytest.mark.parametrize("arguments", [["fly"], ["status", "--fly"], ["-c"], ["config", "fly"]])
def test_a_wrong_command_line_exits_2(central: Central, arguments: list[str]) -> None:
    assert central.spawn(*arguments).returncode == 2


def test_status_imports_no_more_than_it_needs(central: Central) -> None:
    code = (
        "import sys\n"
        "from zparkd.cli.main import main\n"
        f"main(['-c', {str(central.file)!r}, 'status'], standalone_mode=False)\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert {"zparkd.cli.commands.look.status", "zmq", "click", "orjson"} <= loaded
    heavy = {"sqlite3", "sqlite_utils", "loguru", "watchdog", "msgspec", "rich", "asyncio"}
    assert loaded & heavy == set()
    assert {name for name in loaded if name.startswith("zparkd.cli.")} == {
        "zparkd.cli.main",
        "zparkd.cli.context",
        "zparkd.cli.commands",
        "zparkd.cli.commands.look",
        "zparkd.cli.commands.look.nagios",
        "zparkd.cli.commands.look.status",
        "zparkd.cli.output",
    }
