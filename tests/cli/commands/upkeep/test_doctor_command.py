"""`zparkctl doctor`: each fault is found where it is planted, with the command that mends it."""

import socket
import sqlite3
from contextlib import closing

import orjson
import pytest

from tests.cli.conftest import Central
from zparkd.cli.commands.upkeep import doctor
from zparkd.storage.store import Store
from zparkd.testbed.loopback import free_ports


def looks(central: Central) -> list[dict[str, str]]:
    result = central.run("doctor", "--json")
    report = orjson.loads(result.stdout)
    faults = [one for one in report["findings"] if one["verdict"] == "fault"]
    assert result.exit_code == (1 if faults else 0)
    assert (report["faults"], report["success"]) == (len(faults), not faults)
    for one in report["findings"]:
        assert (one["mend"] is None) == (one["verdict"] == "good"), one
    return list(report["findings"])


def worse(central: Central, part: str) -> list[str]:
    """What is no good of a part."""
    found = [one for one in looks(central) if one["part"] == part]
    assert found, part
    return [
        f"{one['verdict']}: {one['text']} → {one['mend']}"
        for one in found
        if one["verdict"] != "good"
    ]


@pytest.fixture
def sound(central: Central) -> Central:
    """A central that never ran, on free ports, with a database."""
    ports = free_ports(3)
    text = central.file.read_text()
    for name, port in zip(("bus_port", "sync_port", "edge_port"), ports, strict=True):
        was = next(line for line in text.splitlines() if line.startswith(f"{name} ="))
        text = text.replace(was, f"{name} = {port}")
    central.file.write_text(text)
    Store(central.database, "central-1", "lot-a", "Asia/Ho_Chi_Minh").close()
    central.database.chmod(0o640)
    return central


@pytest.mark.programs
def test_a_sound_machine_has_no_fault_but_that_the_daemon_does_not_run(sound: Central) -> None:
    faults = [one for one in looks(sound) if one["verdict"] == "fault"]
    assert [one["part"] for one in faults] == ["daemon"]
    assert "systemctl start zparkd" in faults[0]["mend"]


@pytest.mark.programs
def test_files_of_the_roster_are_told_from_those_by_hand(sound: Central) -> None:
    peer = 'address = "127.0.0.1"\nbus_port = 9{}00\n'
    sound.add("peers.d/central-2.toml", 'id = "central-2"\n' + peer.format(2))
    mark = "# zparkd roster: kept up to date by the daemon\n"
    sound.add("peers.d/central-3.toml", f'{mark}id = "central-3"\n' + peer.format(3))
    [files] = [one for one in looks(sound) if one["part"] == "files"]
    assert files["text"].endswith("peers.d: 1 peers by the roster, by hand central-2")


def test_every_fault_of_the_configuration_is_listed_with_its_line(central: Central) -> None:
    central.file.write_text('[central]\nid = "A"\nsite = "lot-a"\n[bus]\nheartbeat = 1\n')
    found = worse(central, "configuration")
    assert len(found) >= 2
    assert any("zparkd.toml:2: central.id" in line for line in found)
    assert all("$EDITOR +" in line for line in found)


def test_a_missing_configuration_names_setup(central: Central) -> None:
    central.file.unlink()
    [found] = worse(central, "configuration")
    assert found.endswith("→ sudo zparkctl setup")


@pytest.mark.programs
def test_a_port_that_another_program_has_is_named(sound: Central) -> None:
    with socket.socket() as other:
        port = doctor.load(sound.file).listen.edge_port
        other.bind(("127.0.0.1", port))
        other.listen()
        [found] = worse(sound, "ports")
    assert f"edge_port {port} at 127.0.0.1: Address already in use" in found
    assert f"ss -ltnp sport = :{port}" in found


@pytest.mark.programs
def test_files_that_other_accounts_may_read_are_named(sound: Central) -> None:
    sound.database.chmod(0o644)
    [found] = worse(sound, "modes")
    assert found.startswith(f"fault: {sound.database} has mode 0644")
    assert found.endswith(f"sudo chmod o= {sound.database}")
    for path in sound.folder.glob("zparkd.db*"):
        path.chmod(0o640)
    assert worse(sound, "modes") == []


@pytest.mark.programs
def test_a_damaged_database_names_the_way_back(sound: Central) -> None:
    with sound.database.open("r+b") as opened:
        opened.seek(4096 * 3)
        opened.write(b"\xff" * 4096 * 20)
    assert any("restore" in line for line in worse(sound, "database"))


@pytest.mark.programs
def test_a_database_of_another_central_is_named(sound: Central) -> None:
    with closing(sqlite3.connect(sound.database)) as connection, connection:
        connection.execute("UPDATE meta SET value = 'central-9' WHERE key = 'central'")
    [found] = worse(sound, "database")
    assert "is of central-9 of site lot-a" in found


@pytest.mark.programs
@pytest.mark.parametrize(
    ("free", "took_ms", "wanted"),
    [
        (100_000_000_000, 1.0, []),
        (1_000_000_000, 50.0, ["warning", "warning"]),
        (10_000_000, 500.0, ["fault", "fault"]),
    ],
)
def test_a_full_or_slow_disk_is_found(
    sound: Central, monkeypatch: pytest.MonkeyPatch, free: int, took_ms: float, wanted: list[str]
) -> None:
    usage = type("Usage", (), {"free": free, "total": 10**12})()
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(doctor, "_fsync_ms", lambda _: took_ms)
    assert [line.partition(":")[0] for line in worse(sound, "disk")] == wanted


@pytest.mark.programs
def test_a_peer_that_is_not_there_is_named_with_its_port(sound: Central) -> None:
    [port] = free_ports(1)
    sound.add(
        "peers.d/central-2.toml",
        f'id = "central-2"\naddress = "127.0.0.1"\nbus_port = {port}\nsync_port = {port + 1}\n',
    )
    [found] = worse(sound, "peer central-2")
    assert f"nothing listens on port {port} there" in found


@pytest.mark.programs
def test_people_see_a_line_a_look_and_what_mends_it(sound: Central) -> None:
    lines = sound.run("doctor").stdout.splitlines()
    assert any(line.startswith("  ok  configuration: ") for line in lines)
    assert any(line.startswith("FAULT daemon: ") for line in lines)
    assert any("→ sudo systemctl start zparkd" in line for line in lines)
    assert "1 faults" in lines[-1]
