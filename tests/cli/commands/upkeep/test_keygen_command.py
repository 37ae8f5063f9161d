"""`zparkctl keygen`: a secret in a file of its owner's alone, its public key on standard output."""

import os
import pwd
import re
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import orjson
import pytest
import zmq

from tests.cli.conftest import Central


@pytest.fixture
def key(central: Central) -> Path:
    return central.folder / "central.key"


def test_a_new_key_is_private_and_its_public_key_stands_alone(central: Central, key: Path) -> None:
    before = os.umask(0)
    try:
        result = central.run("keygen", str(key))
    finally:
        os.umask(before)
    assert result.exit_code == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    secret = key.read_bytes()
    assert len(secret) == 41
    assert secret.endswith(b"\n")
    assert result.stdout == zmq.curve_public(secret.strip()).decode() + "\n"


def test_public_prints_it_again_and_needs_no_configuration(central: Central, key: Path) -> None:
    central.file.unlink()
    printed = central.run("keygen", str(key)).stdout
    assert central.run("keygen", "--public", str(key)).stdout == printed
    as_json = orjson.loads(central.run("keygen", str(key), "--public", "--json").stdout)
    fingerprint = as_json.pop("fingerprint")
    assert as_json == {"success": True, "public_key": printed.strip()}
    assert re.fullmatch("([A-Z2-7]{4}-){4}[A-Z2-7]{4}", fingerprint)
    shown = central.run("keygen", str(key), "--public").stderr
    assert shown == f"fingerprint {fingerprint}\n"


def test_no_two_keys_are_the_same(central: Central) -> None:
    first, second = (central.run("keygen", str(central.folder / name)).stdout for name in "ab")
    assert first != second


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_an_existing_file_is_never_overwritten(central: Central, key: Path, kind: str) -> None:
    if kind == "file":
        key.write_text("precious")
    else:
        key.symlink_to(central.folder / "elsewhere")
    result = central.run("keygen", str(key))
    assert result.exit_code == 1
    assert str(key) in result.stderr
    assert result.stdout == ""
    assert key.is_symlink() or key.read_text() == "precious"
    assert not (central.folder / "elsewhere").exists()


@pytest.mark.parametrize("content", [b"", b"too short\n", b"\xff" * 40, b"%" * 40, b"a" * 41])
def test_what_is_no_key_is_said_to_be_none(central: Central, key: Path, content: bytes) -> None:
    key.write_bytes(content)
    result = central.run("keygen", "--public", str(key))
    assert result.exit_code == 1
    assert "no secret key" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("arguments", [("--public", "no/such.key"), ("no/such.key",)])
def test_a_missing_file_or_folder_is_named(central: Central, arguments: tuple[str, ...]) -> None:
    result = central.run("keygen", *arguments)
    assert result.exit_code == 1
    assert "no/such.key: no such file" in result.stderr


READ = """
import os, sys
os.setgroups([])
os.setgid(int(sys.argv[3]))
os.setuid(int(sys.argv[2]))
print(open(sys.argv[1]).read())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to make a key for another account")
@pytest.mark.parametrize("of", ["central", "camera"])
def test_a_key_that_root_makes_is_the_services_and_not_its_groups(
    central: Central, of: str
) -> None:
    service = pwd.getpwnam("daemon")
    with tempfile.TemporaryDirectory(prefix="zp-") as name:
        folder = Path(name)
        os.chown(folder, 0, service.pw_gid)
        folder.chmod(0o750)
        key = folder / f"{of}-new.key"
        assert central.run("keygen", str(key)).exit_code == 0
        found = key.stat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (service.pw_uid, 0o600)

        def read(uid: int) -> "subprocess.CompletedProcess[str]":
            who = (str(key), str(uid), str(service.pw_gid))
            command = [sys.executable, "-I", "-c", READ, *who]
            return subprocess.run(command, capture_output=True, text=True, check=False)

        assert read(service.pw_uid).stdout.strip() == key.read_text().strip()
        gateway = read(65_533)  # of its group, as the gateway is
        assert "PermissionError" in gateway.stderr
