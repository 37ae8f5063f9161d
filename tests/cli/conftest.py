"""A central's files and a daemon to talk to, for the tests of zparkctl."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.scripted import Asked, Script, Scripted
from zparkd.cli.main import main

ROOT = Path(__file__).resolve().parents[2]


class Central:
    """The directory of one central: `file` is its configuration, `control` its socket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "zparkd.toml"
        self.control = folder / "control.sock"
        self.database = folder / "zparkd.db"
        self.write()

    def write(self, *, address: str = "127.0.0.1", edge_port: int = 9002, more: str = "") -> None:
        other = 9000 if edge_port not in (9000, 9001) else 9100
        self.file.write_text(
            f'[central]\nid = "central-1"\nsite = "lot-a"\n'
            f'[listen]\naddress = "{address}"\nbus_port = {other}\nsync_port = {other + 1}\n'
            f'edge_port = {edge_port}\ncontrol = "control.sock"\n'
            f'[storage]\npath = "zparkd.db"\n'
            f'[security]\nmode = "plain"\nallow_insecure = true\n{more}'
        )

    def add(self, path: str, text: str) -> Path:
        file = self.folder / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file

    def daemon(self, script: Script) -> Scripted:
        return Scripted(script, f"ipc://{self.control}")

    def run(self, *arguments: str) -> Result:
        """Run zparkctl in this process."""
        return CliRunner().invoke(main, ["-c", str(self.file), *arguments], prog_name="zparkctl")

    def spawn(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run zparkctl as a user does: in a process of its own, with its output piped."""
        command = [sys.executable, "-m", "zparkd.cli.main", "-c", str(self.file), *arguments]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def central() -> Iterator[Central]:
    # Not tmp_path: a socket's path has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="zp-") as folder:
        yield Central(Path(folder))


@pytest.fixture
def answering() -> Callable[..., Script]:
    """Scripts of a daemon that gives every command the same answer."""

    def answering(**answer: object) -> Script:
        def script(asked: Asked, earlier: list[Asked]) -> None:
            asked.reply({"v": 1, "id": asked.request["id"], **answer})

        return script

    return answering
