"""The recipes of docs/security.md, run on real centrals as they stand there. No test lives here.

A line `central-1# COMMAND` is run as on that machine: `/etc/zparkd` is its folder, and NEW the
public key that `keygen` last printed.
"""

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass

from tests.support.harness import PATIENCE_S, ROOT
from zparkd.testbed.loopback import LoopbackCentral

_STEP = re.compile(r"^([a-z0-9-]+)# (.+)$")


@dataclass
class Step:
    """One command on one machine."""

    machine: str
    command: str


def recipe(title: str) -> list[Step]:
    """The commands under a heading, in order."""
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    section = page.split(f"### {title}\n")[1].split("\n#")[0] + "\n"
    lines = section.split("```console\n")[1].split("```")[0].splitlines()
    steps = [Step(match[1], match[2]) for line in lines if (match := _STEP.match(line))]
    assert steps
    return steps


@dataclass
class Machines:
    """Centrals as machines on which a shell runs."""

    centrals: dict[str, LoopbackCentral]
    new_key: str | None = None

    def run(self, step: Step) -> None:
        central = self.centrals[step.machine]
        command = step.command.replace("/etc/zparkd", str(central.folder))
        if self.new_key is not None:
            command = command.replace("NEW", self.new_key)
        zparkctl = f"{sys.executable} -m zparkd.cli.main -c {shlex.quote(str(central.config))}"
        command = re.sub(r"^zparkctl\b", zparkctl, command)
        done = subprocess.run(
            ["sh", "-ec", command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, (step, done.stderr)
        if " keygen " in command:
            self.new_key = done.stdout.strip()
