"""What is installed is what is locked, by version and hash, and the build says what that is."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from zparkd import __version__

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
WANTED = {
    "run": [],
    "web": ["web"],
    "camera": ["camera"],
    "uplink": ["uplink"],
    "fleet": ["fleet"],
    "test": ["web", "camera", "uplink", "fleet", "test"],
    "fuzz": ["web", "camera", "uplink", "fleet", "test", "fuzz"],
}
SHIPPED = ("run", "web", "camera", "uplink", "fleet")  # what a user may install
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}( \\)?")


def pins(name: str) -> dict[str, Requirement]:
    """The requirements in a lock file, by name."""
    lines = (LOCKS / f"{name}.txt").read_text("utf-8").splitlines()
    found = [Requirement(line.removesuffix(" \\")) for line in lines if re.match(r"\w", line)]
    return {canonicalize_name(pin.name): pin for pin in found}


def version(pin: Requirement) -> Version:
    [only] = pin.specifier
    assert only.operator == "=="
    return Version(only.version)


def here(requirement: Requirement) -> bool:
    """Whether it is needed on this machine, with no extra."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


@pytest.mark.parametrize("name", WANTED)
def test_what_is_asked_for_is_locked_within_its_range(name: str) -> None:
    locked = pins(name)
    asked = PROJECT["project"]["dependencies"] + [it for of in WANTED[name] for it in EXTRAS[of]]
    for requirement in map(Requirement, asked):
        if requirement.name != "zparkd":
            pin = locked[canonicalize_name(requirement.name)]
            assert version(pin) in requirement.specifier, f"{requirement}: run bin/lock"


def test_what_builds_it_is_locked_within_a_bounded_range() -> None:
    for text in PROJECT["build-system"]["requires"]:
        requirement = Requirement(text)
        assert any(part.operator == "<" for part in requirement.specifier)
        assert version(pins("build")[requirement.name]) in requirement.specifier


@pytest.mark.parametrize("file", sorted(LOCKS.glob("*.txt")), ids=lambda file: file.name)
def test_a_lock_file_names_versions_and_hashes_and_no_index(file: Path) -> None:
    text = file.read_text("utf-8")
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
    hashes = 1
    for line in text.splitlines():
        if re.match(r"\w", line):
            assert hashes, f"before {line}"
            hashes = 0
        elif not line.lstrip().startswith("#"):
            assert HASH.fullmatch(line.strip()), line
            hashes += 1
    assert hashes


def test_all_lock_files_have_the_same_version_of_a_package() -> None:
    whole = pins("fuzz")
    for name in ("run", "web", "camera", "test"):
        for package, pin in pins(name).items():
            assert version(pin) == version(whole[package])


def fingerprint(root: Path) -> str:
    """What a venv in this folder is made for."""
    script = f'root="{root}"; . "{ROOT}/bin/venv.sh"; fingerprint'
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def _up_to_date() -> None:
    made_for = ROOT / ".venv" / "made-for-test"
    if not made_for.exists() or made_for.read_text("utf-8") != fingerprint(ROOT):
        pytest.skip("this venv was made for other locks; bin/test brings it up to date")


@pytest.mark.usefixtures("_up_to_date")
def test_this_venv_has_what_is_locked() -> None:
    installed = {
        canonicalize_name(found.metadata["Name"]): found.version
        for found in metadata.distributions()
    }
    wanted = {
        name: str(version(pin)) for name, pin in (pins("test") | pins("build")).items() if here(pin)
    }
    assert {name: installed.get(name) for name in wanted} == wanted


def test_a_venv_is_made_for_the_locked_versions_too(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(LOCKS, tmp_path / "requirements")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)

    before = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == before
    for name in ("build", "run", "web", "test"):
        with (tmp_path / "requirements" / f"{name}.txt").open("a") as file:
            file.write("# changed\n")
        changed = fingerprint(tmp_path)
        assert changed != before
        before = changed


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, _up_to_date: None) -> dict[str, Any]:
    """The bill of materials that the build makes."""
    place = tmp_path_factory.mktemp("built")
    done = subprocess.run(
        [ROOT / "bin" / "build", place], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    wheel, bill = map(Path, done.stdout.split())
    assert wheel.name == f"zparkd-{__version__}-py3-none-any.whl"
    assert wheel.is_file()
    found: dict[str, Any] = json.loads(bill.read_text("utf-8"))
    return found


def test_the_build_makes_a_bill_of_materials_of_all_that_is_locked(built: dict[str, Any]) -> None:
    assert (built["bomFormat"], built["specVersion"], built["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(
        r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", built["serialNumber"]
    )
    ours = built["metadata"]["component"]
    assert (ours["name"], ours["version"]) == ("zparkd", __version__)
    locked = {name: pin for file in SHIPPED for name, pin in pins(file).items()}
    assert len(locked) > len(pins("web"))
    components = {component["name"]: component for component in built["components"]}
    assert {name: found["version"] for name, found in components.items()} == {
        name: str(version(pin)) for name, pin in locked.items()
    }
    text = "".join((LOCKS / f"{file}.txt").read_text("utf-8") for file in SHIPPED)
    hashes = [it["content"] for found in components.values() for it in found["hashes"]]
    assert sorted(hashes) == sorted(set(re.findall("sha256:([0-9a-f]{64})", text)))
    for name, found in components.items():
        assert found["type"] == "library"
        assert found["bom-ref"] == found["purl"] == f"pkg:pypi/{name}@{found['version']}"
        always = name in pins("run") and locked[name].marker is None
        assert found["scope"] == ("required" if always else "optional")
        told = {it["value"] for it in found.get("properties", ()) if it["name"] == "zparkd:extra"}
        extras = {file for file in SHIPPED[1:] if name in pins(file)}
        assert told == (set() if name in pins("run") else extras)


def test_the_build_says_what_needs_what(built: dict[str, Any]) -> None:
    needs = {entry["ref"]: set(entry["dependsOn"]) for entry in built["dependencies"]}
    names = {component["bom-ref"] for component in built["components"]}
    assert set(needs) == names | {built["metadata"]["component"]["bom-ref"]}
    assert set().union(*needs.values()) == names
    refs = {component["name"]: component["bom-ref"] for component in built["components"]}
    every = {name: pin for file in SHIPPED for name, pin in pins(file).items()}
    for name, ref in refs.items():
        if here(every[name]):
            said = map(Requirement, metadata.requires(name) or [])
            installed = {refs[canonicalize_name(one.name)] for one in said if here(one)}
            assert installed <= needs[ref], name
