"""What systemd says of the units: that it understands them, and how exposed they leave us."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).resolve().parents[2] / "systemd"
UNIT = SYSTEMD / "zparkd.service"
GATEWAY = SYSTEMD / "zparkd-web.service"
BACKUP = SYSTEMD / "zparkd-backup.service"
TIMER = SYSTEMD / "zparkd-backup.timer"
CAMERA = SYSTEMD / "zparkd-camera.service"
UPLINK = SYSTEMD / "zparkd-uplink.service"
FLEET = SYSTEMD / "zparkd-fleet.service"
UNITS = pytest.mark.parametrize(
    "unit", [UNIT, GATEWAY, BACKUP, CAMERA, UPLINK, FLEET], ids=lambda unit: unit.stem
)
EXPOSURE = 1.2

needs_analyze = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed"
)


def settings(unit: Path = UNIT) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.read_text("utf-8").splitlines():
        if setting := re.fullmatch(r"(\w+)=(.*)", line):
            found.setdefault(setting[1], []).append(setting[2])
    return found


def analyze(verb: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["systemd-analyze", "--no-pager", verb, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )


def verify(folder: Path, text: str) -> "subprocess.CompletedProcess[str]":
    """What systemd says of a unit whose programs exist."""
    for program in (
        "zparkd",
        "zparkctl",
        "zparkd-web",
        "zparkd-camera",
        "zparkd-uplink",
        "zparkd-fleet",
    ):
        text = text.replace(f"=/usr/bin/{program} ", f"={shutil.which('true')} ")
    unit = folder / UNIT.name
    unit.write_text(text)
    return analyze("verify", "--man=no", "--recursive-errors=no", str(unit))


@needs_analyze
@UNITS
def test_systemd_understands_all_of_it(tmp_path: Path, unit: Path) -> None:
    done = verify(tmp_path, unit.read_text("utf-8"))
    assert (done.returncode, done.stderr) == (0, "")


@needs_analyze
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("WatchdogSec=30s", "WatchdogSecs=30s"),
        ("ProtectSystem=strict", "ProtectSystem=strcit"),
        ("ExecStart=/usr/bin/zparkd ", "ExecStart=/usr/bin/no-such-program "),
    ],
)
def test_a_planted_mistake_is_found(tmp_path: Path, old: str, new: str) -> None:
    text = UNIT.read_text("utf-8")
    assert text.count(old) == 1
    assert verify(tmp_path, text.replace(old, new)).returncode != 0


@needs_analyze
@UNITS
def test_the_exposure_is_low_and_would_rise_with_a_line_less(tmp_path: Path, unit: Path) -> None:
    threshold = f"--threshold={EXPOSURE * 10:.0f}"
    done = analyze("security", "--offline=true", threshold, str(unit))
    assert done.returncode == 0, done.stdout
    less = tmp_path / unit.name
    less.write_text(unit.read_text("utf-8").replace("CapabilityBoundingSet=\n", ""))
    assert analyze("security", "--offline=true", threshold, str(less)).returncode != 0


@pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="systemd-sysusers is missing")
def test_the_user_can_be_made() -> None:
    command = ["systemd-sysusers", "--dry-run", str(SYSTEMD / "zparkd.sysusers")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_the_daemon_counts_on_is_in_it() -> None:
    unit = settings()
    assert unit["Type"] == ["notify"], "notify-reload is not known to systemd 252"
    assert unit["RestartPreventExitStatus"] == ["78"]
    assert unit["ExecStart"] == ["/usr/bin/zparkd -c /etc/zparkd/zparkd.toml"]
    assert unit["ExecReload"] == ["/usr/bin/zparkctl -c /etc/zparkd/zparkd.toml reload"]
    assert "ExecStartPre" not in unit, "its exit status would not keep systemd from trying again"
    assert unit["StateDirectory"] == unit["RuntimeDirectory"] == ["zparkd"]
    assert unit["User"] == unit["Group"] == ["zparkd"]
    assert unit["WatchdogSec"] == ["30s"]


def test_what_zeromq_needs_is_let_through() -> None:
    unit = settings()
    assert "AF_NETLINK" in unit["RestrictAddressFamilies"][0].split()
    assert unit["SystemCallFilter"][-1] == "sched_setscheduler"


def test_the_gateway_may_read_what_it_needs_and_not_the_key() -> None:
    unit = settings(GATEWAY)
    assert unit["DynamicUser"] == ["yes"]
    assert unit["Group"] == settings()["Group"]
    assert unit["InaccessiblePaths"] == ["-/etc/zparkd/central.key"]
    assert unit["RestartPreventExitStatus"] == ["78"]
    assert "ReadWritePaths" not in unit


@needs_analyze
def test_a_backup_is_made_every_night_also_where_one_was_missed() -> None:
    timer = settings(TIMER)
    assert analyze("calendar", timer["OnCalendar"][0]).returncode == 0
    assert timer["Persistent"] == ["true"]
    options = settings(BACKUP)["Environment"][0]
    assert "backup $ZPARKD_BACKUP_OPTIONS" in settings(BACKUP)["ExecStart"][0]
    assert "--keep" in options
    assert options.split("--into ")[1].startswith("/var/lib/zparkd/backups")
    assert "zparkd/backups" in settings(BACKUP)["StateDirectory"][0]


def test_the_cameras_process_may_not_read_the_key_and_keeps_its_outbox() -> None:
    unit = settings(CAMERA)
    assert unit["DynamicUser"] == ["yes"]
    assert unit["User"] == unit["SupplementaryGroups"] == ["zparkd-camera"]
    assert unit["ReadWritePaths"] == ["-/etc/zparkd/cameras.d"]
    assert unit["InaccessiblePaths"] == ["-/etc/zparkd/central.key"]
    assert unit["StateDirectory"] == ["zparkd-camera"]
    assert unit["RestartPreventExitStatus"] == ["78"]
    assert unit["SystemCallFilter"][-1] == "sched_setscheduler"
