"""`zparkctl completion`: scripts of three shells, and what they are told."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from tests.cli.conftest import ROOT
from zparkd.cli.main import COMMANDS, main


@pytest.mark.programs
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_names_the_program_and_how_to_use_it(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert result.stdout.startswith("# ")
    assert "zparkctl" in result.stdout.splitlines()[0]
    assert f"_ZPARKCTL_COMPLETE={shell}_complete" in result.stdout


def test_another_shell_is_a_wrong_command_line() -> None:
    assert CliRunner().invoke(main, ["completion", "tcsh"]).exit_code == 2


def completed(*words: str) -> set[str]:
    """What is offered for the last of these words."""
    asked = {
        "_ZPARKCTL_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["zparkctl", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(
        [sys.executable, "-c", "from zparkd.cli.main import main; main(prog_name='zparkctl')"],
        cwd=ROOT,
        env=os.environ | asked,
        capture_output=True,
        text=True,
        check=True,
    )
    return {line.partition(",")[2] for line in done.stdout.splitlines()}


def test_commands_subcommands_and_options_are_offered() -> None:
    assert completed("") == set(COMMANDS)
    assert completed("con") == {"config", "conflicts"}
    assert completed("peer", "") == {"add", "list", "remove", "test"}
    assert "--interval" in completed("status", "--")
