"""Every command explains itself with an example, and imports no more than a command needs."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from tests.cli.conftest import ROOT
from zparkd.cli.main import COMMANDS, main

HEAVY = {"sqlite_utils", "loguru", "watchdog", "rich", "asyncio", "hypothesis"}


def every_command(command: click.Command = main, *path: str) -> Iterator[tuple[str, ...]]:
    """The words of each command and group, as they are typed."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from every_command(found, *path, name)


@pytest.mark.parametrize("path", list(every_command()), ids=" ".join)
def test_help_has_an_example_and_a_summary(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*path, "--help"], prog_name="zparkctl")
    assert result.exit_code == 0
    usage = " ".join(["Usage: zparkctl", *path])
    assert result.output.startswith(usage)
    assert "Example: zparkctl" in result.output
    assert "--help" in result.output
    assert max(map(len, result.output.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_loads_nothing_heavy(name: str) -> None:
    code = (
        "import sys\n"
        "from zparkd.cli.main import main\n"
        f"main([{name!r}, '--help'], standalone_mode=False)\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stderr.split())
    assert COMMANDS[name].module in loaded
    assert not loaded & HEAVY
    of_daemon = {module for module in loaded if module.startswith("zparkd.daemon.")}
    assert of_daemon <= {
        "zparkd.config.load",
        "zparkd.config.schema",
        "zparkd.config.security",
        "zparkd.config.values",
        "zparkd.config.secret_key",
        "zparkd.config.toml",
    }
