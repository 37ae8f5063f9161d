"""`bin/test --fast` and `--costs`: what starts a program is left out, or fails and says so."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.effort import Cost, dearest, table

ROOT = Path(__file__).resolve().parent.parent
CONFTEST = "from tests.conftest import pytest_addoption, pytest_configure\n"
PLANTED = """
import os
import subprocess

def test_seen():
    subprocess.run(["/bin/true"], check=True)

def test_hidden():
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)

def test_none():
    assert True
"""


def run(folder: Path, *options: str) -> str:
    """What pytest prints of the planted tests, which know these options."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_planted.py").write_text(PLANTED)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(folder)),
            *("-p", "no:cacheprovider", "-rA", *options, str(folder)),
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return done.stdout


def test_fast_leaves_out_what_starts_a_program_and_fails_what_does_so_unseen(
    tmp_path: Path,
) -> None:
    said = run(tmp_path, "--fast")
    assert re.search(r"^PASSED \S*::test_none$", said, re.MULTILINE)
    assert re.search(r"^FAILED \S*::test_hidden", said, re.MULTILINE)
    assert "mark it with @pytest.mark.programs" in said
    assert "test_seen" not in said.rpartition("short test summary")[2]
    assert "1 deselected" in said


def test_costs_shows_what_each_folder_takes_and_the_dearest_tests(tmp_path: Path) -> None:
    said = run(tmp_path, "--costs")
    assert "| all | 3 |" in said
    assert re.search(r"^ +[0-9.]+ s +[0-9.]+ s  \S*::test_hidden$", said, re.MULTILINE)
    costs = {"a": Cost(2, 1.4, 9.0), "b": Cost(1, 3.0, 3.5)}
    assert table(costs)[2:] == [
        "| b | 1 | 3 s | 4 s |",
        "| a | 2 | 1 s | 9 s |",
        "| all | 3 | 4 s | 12 s |",
    ]
    assert dearest(costs, 1) == ["   9.0 s    1.4 s  a"]
