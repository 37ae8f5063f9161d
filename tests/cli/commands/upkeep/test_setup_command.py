"""`zparkctl setup`: everything in its place, twice is as good as once, and no file is lost."""

import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import orjson
import pytest
import zmq
from click.testing import CliRunner, Result

from tests.cli.conftest import ROOT
from zparkd.cli.commands.upkeep import setup
from zparkd.cli.main import main
from zparkd.config.load import load, read_secret_key

PLACED = [
    "etc/zparkd/camera.toml.example",
    "etc/zparkd/cameras.d/in-1.toml.example",
    "etc/zparkd/edges.d/edge-1.toml.example",
    "etc/zparkd/peers.d/central-2.toml.example",
    "etc/zparkd/zparkd.toml",
    "usr/local/lib/systemd/catalog/zparkd.catalog",
    "usr/local/lib/systemd/catalog/zparkd.vi.catalog",
    "usr/local/lib/systemd/system/zparkd-backup.service",
    "usr/local/lib/systemd/system/zparkd-backup.timer",
    "usr/local/lib/systemd/system/zparkd-camera.service",
    "usr/local/lib/systemd/system/zparkd-fleet.service",
    "usr/local/lib/systemd/system/zparkd-uplink.service",
    "usr/local/lib/systemd/system/zparkd-web.service",
    "usr/local/lib/systemd/system/zparkd.service",
    "usr/local/lib/sysusers.d/zparkd.conf",
]


@pytest.fixture(autouse=True)
def _no_configuration_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZPARKD_CONFIG", raising=False)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["setup", *map(str, arguments)], prog_name="zparkctl")


def placed(root: Path) -> dict[str, tuple[bytes, int]]:
    """All files below, with their content and modification time."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_all_is_put_in_its_place_and_the_next_command_told(tmp_path: Path) -> None:
    result = run("--root", tmp_path, "--id", "gate-1", "--site", "lot-b")
    assert result.exit_code == 0, result.output
    assert list(placed(tmp_path)) == PLACED
    for path in PLACED:
        assert f"made     /{path}" in result.output
    assert "systemctl enable --now zparkd" in result.output.splitlines()[-1]
    config = load(tmp_path / "etc/zparkd/zparkd.toml")
    assert (config.central_id, config.site) == ("gate-1", "lot-b")
    modes = {
        path: stat.S_IMODE((tmp_path / path).stat().st_mode)
        for path in ("etc/zparkd", "etc/zparkd/peers.d", "var/lib/zparkd", "etc/zparkd/zparkd.toml")
    }
    assert list(modes.values()) == [0o750, 0o770, 0o750, 0o640]


def test_the_gateways_unit_is_placed_where_the_gateway_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "_has_gateway", lambda: False)
    run("--root", tmp_path, "--bin", "/opt/zparkd/bin")
    unit = tmp_path / "usr/local/lib/systemd/system/zparkd-web.service"
    assert not unit.exists()
    monkeypatch.undo()
    said = run("--root", tmp_path, "--bin", "/opt/zparkd/bin")
    assert "/opt/zparkd/bin/zparkd-web user add NAME --role admin\n" in said.stdout
    assert "\nExecStart=/opt/zparkd/bin/zparkd-web -c /etc/zparkd/zparkd.toml" in unit.read_text()


def test_what_cameras_need_is_placed_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "_has_camera", lambda: False)
    run("--root", tmp_path, "--bin", "/opt/zparkd/bin")
    assert not [path for path in placed(tmp_path) if "camera" in path]
    monkeypatch.undo()
    run("--root", tmp_path, "--bin", "/opt/zparkd/bin")
    unit = tmp_path / "usr/local/lib/systemd/system/zparkd-camera.service"
    assert "\nExecStart=/opt/zparkd/bin/zparkd-camera -c /etc/zparkd/camera" in unit.read_text()


def test_the_daemon_may_write_peers_also_where_an_earlier_setup_kept_it_from_that(
    tmp_path: Path,
) -> None:
    run("--root", tmp_path)
    peers = tmp_path / "etc/zparkd/peers.d"
    peers.chmod(0o750)
    assert "updated  /etc/zparkd/peers.d" in run("--root", tmp_path).output
    assert stat.S_IMODE(peers.stat().st_mode) == 0o770


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    run("--root", tmp_path)
    before = placed(tmp_path)
    result = run("--root", tmp_path, "--id", "another", "--site", "other")
    assert result.exit_code == 0
    assert placed(tmp_path) == before
    assert {line.split()[0] for line in result.output.partition("\n\n")[0].splitlines()} == {"kept"}


def test_an_update_renews_the_program_and_leaves_the_configuration(tmp_path: Path) -> None:
    run("--root", tmp_path)
    unit = tmp_path / "usr/local/lib/systemd/system/zparkd.service"
    new = unit.read_bytes()
    unit.write_text("[Service]\n")
    config = tmp_path / "etc/zparkd/zparkd.toml"
    config.write_text("not even TOML")
    peer = tmp_path / "etc/zparkd/peers.d/central-2.toml"
    peer.write_text("mine")
    result = run("--root", tmp_path)
    assert "updated  /usr/local/lib/systemd/system/zparkd.service" in result.output
    assert unit.read_bytes() == new
    assert config.read_text() == "not even TOML"
    assert peer.read_text() == "mine"


def test_the_address_is_written_where_one_is_given(tmp_path: Path) -> None:
    run("--root", tmp_path, "--address", "192.168.1.101")
    assert load(tmp_path / "etc/zparkd/zparkd.toml").listen.address == "192.168.1.101"
    refused = run("--root", tmp_path, "--address", "tcp://192.168.1.101")
    assert refused.exit_code == 2
    assert "--address" in refused.output


def test_nothing_for_a_package_holds_a_secret_key(tmp_path: Path) -> None:
    answer = orjson.loads(run("--root", tmp_path, "--json").stdout)
    assert answer["public_key"] is None
    assert not list(tmp_path.rglob("*.key"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_the_key_is_made_once_for_the_daemon_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "central.key"
    monkeypatch.setattr(setup, "KEY_FILE", file)
    monkeypatch.setattr(setup, "USER", "daemon")
    made, kept = (setup.central_key(setup.Machine(None)) for _ in range(2))
    assert made == kept
    found = file.stat()
    assert (pwd.getpwuid(found.st_uid).pw_name, stat.S_IMODE(found.st_mode)) == ("daemon", 0o600)
    assert zmq.curve_public(read_secret_key(file)).decode() == made


@pytest.mark.parametrize(
    ("name", "id"),
    [("Gate_1.example.com", "gate-1"), ("-x" * 30, "x-" * 15 + "x"), ("đ", "central-1")],
)
def test_the_id_is_the_hosts_name_where_none_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, id: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    run("--root", tmp_path)
    written = tomllib.loads((tmp_path / "etc/zparkd/zparkd.toml").read_text())
    assert written["central"]["id"] == id
    load(tmp_path / "etc/zparkd/zparkd.toml")


def test_the_unit_runs_the_programs_that_were_installed(tmp_path: Path) -> None:
    run("--root", tmp_path, "--bin", "/opt/zparkd/bin", "--lib", "/usr/lib")
    unit = (tmp_path / "usr/lib/systemd/system/zparkd.service").read_text()
    assert "ExecStart=/opt/zparkd/bin/zparkd -c /etc/zparkd/zparkd.toml\n" in unit
    assert "ExecReload=/opt/zparkd/bin/zparkctl -c /etc/zparkd/zparkd.toml reload\n" in unit
    assert "/usr/bin" not in unit
    assert (tmp_path / "usr/lib/sysusers.d/zparkd.conf").exists()


def test_json_lists_what_was_done(tmp_path: Path) -> None:
    answer = orjson.loads(run("--root", tmp_path, "--json").stdout)
    assert answer["success"] is True
    assert {"what": "made", "path": "/etc/zparkd"} in answer["done"]
    assert answer["next"]


@pytest.mark.parametrize("wrong", [("--id", "Gate 1"), ("--site", ""), ("--id", "a" * 33)])
def test_a_name_that_can_not_be_is_a_wrong_command_line(tmp_path: Path, wrong: tuple[str]) -> None:
    result = run("--root", tmp_path, *wrong)
    assert result.exit_code == 2
    assert wrong[0] in result.output
    assert placed(tmp_path) == {}


def test_another_configuration_file_is_a_wrong_command_line(tmp_path: Path) -> None:
    arguments = ["-c", str(tmp_path / "x.toml"), "setup", "--root", str(tmp_path)]
    result = CliRunner().invoke(main, arguments, prog_name="zparkctl")
    assert result.exit_code == 2
    assert "--root" in result.output


def test_only_root_sets_up_the_machine_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = run()
    assert result.exit_code == 1
    assert "must be root" in result.output


def test_a_program_that_the_unit_hides_is_refused_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "venv" / "bin"
    home.mkdir(parents=True)
    for program in ("zparkd", "zparkctl"):
        (home / program).touch()
    monkeypatch.setattr(sys, "argv", [str(home / "zparkctl")])
    monkeypatch.setattr(setup, "HIDDEN", (tmp_path,))
    with pytest.raises(LookupError, match="/opt/zparkd"):
        setup.find_programs()
    monkeypatch.setattr(setup, "HIDDEN", ())
    assert setup.find_programs() == home


def test_what_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("a file")
    result = run("--root", tmp_path)
    assert result.exit_code == 1
    assert "not done: " in result.output


# --- the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that `pip install .` makes; built from a copy, which the build may litter."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "setup.cfg", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("zparkd", "systemd", "etc"):
        unneeded = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=unneeded)
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(out), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "No matching distribution found for setuptools" in done.stderr:
        pytest.skip("setuptools, which builds wheels, can't be had here")
    assert done.returncode == 0, done.stderr
    (made,) = out.iterdir()
    return made


def test_the_wheel_holds_all_modules_and_what_setup_places(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "zparkd").rglob("*.py")
        if not path.name.startswith(".")
    }
    assert modules <= names
    data = {f"zparkd/data/systemd/{path.name}" for path in (ROOT / "systemd").iterdir()}
    data |= {
        "zparkd/data/etc/zparkd.toml",
        "zparkd/data/etc/policy.toml",
        "zparkd/data/etc/peers.d/central-2.toml.example",
        "zparkd/data/etc/edges.d/edge-1.toml.example",
        "zparkd/data/etc/camera.toml.example",
        "zparkd/data/etc/cameras.d/in-1.toml.example",
    }
    examples = [*(ROOT / "etc/tariffs").iterdir(), *(ROOT / "etc/prometheus").iterdir()]
    data |= {f"zparkd/data/{path.relative_to(ROOT)}" for path in examples}
    assert {name for name in names if name.startswith("zparkd/data/")} == data


def test_setup_works_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    installed, root = tmp_path / "installed", tmp_path / "root"
    zipfile.ZipFile(wheel).extractall(installed)
    command = [sys.executable, "-m", "zparkd.cli.main", "setup", "--root", str(root)]
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run(
        command, cwd=installed, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(placed(root)) == PLACED
