"""Other versions of zparkd than this one, as folders that a central can run from.

Wheels of releases lie in `tests/fixtures/VERSION/`; they are unpacked, not installed. What they
depend on is what this checkout has.
"""

import shutil
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WHEELS = sorted((ROOT / "tests/fixtures").glob("*/*.whl"))


def unpacked(wheel: Path, folder: Path) -> Path:
    """The folder of a release."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def before_exits(folder: Path) -> Path:
    """This version as it would be had it never heard of exits and tariffs, as version 0.0.9."""
    shutil.copytree(ROOT / "zparkd", folder / "zparkd")
    for name, new, old in (
        (
            "core/events/event.py",
            "frozenset(Kind)\n",
            "frozenset(Kind) - {Kind.EXIT, Kind.TARIFF}\n",
        ),
        ("__init__.py", '__version__ = "', '__version__ = "0.0.9"  # "'),
    ):
        file = folder / "zparkd" / name
        text = file.read_text()
        assert text.count(new) == 1, f"{name} has changed: say here how an older one differs"
        file.write_text(text.replace(new, old))
    return folder
