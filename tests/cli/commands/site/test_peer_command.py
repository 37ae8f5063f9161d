"""`zparkctl peer list|add|remove`: what is written, what is refused, and who is told."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import Central
from tests.support.scripted import Script
from zparkd.config.load import load
from zparkd.core.keys import fingerprint

KEY = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
ADD = ("peer", "add", "central-2", "192.168.1.102")


@pytest.fixture
def added(central: Central) -> Path:
    return central.folder / "peers.d" / "central-2.toml"


def names(central: Central) -> set[str]:
    """All files of a central, also hidden ones."""
    return {str(path.relative_to(central.folder)) for path in central.folder.rglob("*")}


def test_add_writes_a_file_that_the_daemon_reads(central: Central, added: Path) -> None:
    ports = ("--sync-port", "9300", "--bus-port", "9200")
    result = central.run(*ADD, *ports, "--public-key", KEY)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"{added}: written, with the key {fingerprint(KEY)} (there: ")
    assert "zparkd is not reached" in result.stdout
    assert added.read_text() == (
        'id = "central-2"\naddress = "192.168.1.102"\nbus_port = 9200\nsync_port = 9300\n'
        f'public_key = "{KEY}"\n'
    )
    (peer,) = load(central.file).peers
    assert (peer.id, peer.bus_port, peer.sync_port) == ("central-2", 9200, 9300)
    assert names(central) == {"zparkd.toml", "peers.d", "peers.d/central-2.toml"}


def test_the_file_is_for_owner_and_group_whatever_the_umask(central: Central, added: Path) -> None:
    before = os.umask(0)
    try:
        central.run(*ADD)
    finally:
        os.umask(before)
    assert stat.S_IMODE(added.stat().st_mode) == 0o640
    assert stat.S_IMODE(added.parent.stat().st_mode) == 0o750
    assert added.stat().st_gid == central.file.stat().st_gid


def test_defaults_are_not_written_down(central: Central, added: Path) -> None:
    central.run(*ADD)
    assert added.read_text() == 'id = "central-2"\naddress = "192.168.1.102"\n'


def test_a_running_daemon_is_told(
    central: Central, added: Path, answering: Callable[..., Script]
) -> None:
    with central.daemon(answering(success=True)) as daemon:
        result = central.run(*ADD, "--json")
        central.run("peer", "remove", "central-2")
    assert orjson.loads(result.stdout) == {"success": True, "files": [str(added)], "applied": True}
    assert [request["command"] for request in daemon.requests] == [
        "reload",
        "member.list",  # whether it is a member of the roster, which is removed elsewhere
        "reload",
    ]


def test_what_the_daemon_can_not_apply_exits_78(
    central: Central, answering: Callable[..., Script]
) -> None:
    fault = "zparkd.toml:1: central.id: needs a restart; restart zparkd"
    with central.daemon(answering(success=False, faults=[fault])):
        result = central.run(*ADD)
    assert result.exit_code == 78
    assert result.stderr == f"{fault}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("central-2", "192.168.1"), "central-2.toml:2: address: "),
        (("central-2", 'x"\nbus_port = 1\n#'), "central-2.toml:2: address: "),
        (("central-2", "a\x7f"), "central-2.toml:2: address: "),
        (("central-2", "10.0.0.1", "--public-key", "short"), "central-2.toml:3: public_key: "),
        (("central-2", "10.0.0.1", "--bus-port", "65535"), "central-2.toml:3: sync_port: "),
        (("central-1", "10.0.0.1"), "central-1.toml:1: id: "),
    ],
)
def test_what_the_daemon_would_refuse_is_refused_and_leaves_nothing(
    central: Central, arguments: tuple[str, ...], said: str
) -> None:
    result = central.run("peer", "add", *arguments)
    assert result.exit_code == 78, result.output
    assert f"{central.folder}/peers.d/{said}" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert names(central) == {"zparkd.toml"}


def test_plain_traffic_beyond_loopback_is_refused_as_the_daemon_does(central: Central) -> None:
    text = central.file.read_text().replace("allow_insecure = true\n", "")
    central.file.write_text(text)
    result = central.run(*ADD)
    assert result.exit_code == 78
    assert "central-2.toml:2: address: mode plain protects nothing" in result.stderr
    assert central.run("peer", "add", "central-2", "127.0.0.1").exit_code == 0


def test_a_fault_that_is_there_already_is_told_and_nothing_written(central: Central) -> None:
    central.add("peers.d/x.toml", "id = 1\n")
    result = central.run(*ADD)
    assert result.exit_code == 78
    assert "x.toml:1: id: " in result.stderr
    assert "peers.d/central-2.toml" not in names(central)


@pytest.mark.parametrize("file", ["central-2.toml", "the-other.toml"])
def test_an_id_that_is_there_is_refused(central: Central, file: str) -> None:
    text = 'id = "central-2"\naddress = "10.0.0.9"\n'
    path = central.add(f"peers.d/{file}", text)
    result = central.run(*ADD)
    assert result.exit_code == 1
    assert "central-2 is there already" in result.stderr
    assert path.read_text() == text
    assert len(names(central)) == 3


@pytest.mark.parametrize(
    "arguments",
    [("../evil", "10.0.0.1"), ("Central", "10.0.0.1"), ("c2", "a", "--bus-port", "0"), ("c2",)],
)
def test_wrong_arguments_exit_2(central: Central, arguments: tuple[str, ...]) -> None:
    assert central.run("peer", "add", *arguments).exit_code == 2
    assert names(central) == {"zparkd.toml"}


def test_a_path_beside_the_working_directory_is_fine(
    central: Central, monkeypatch: pytest.MonkeyPatch, added: Path
) -> None:
    monkeypatch.chdir(central.folder)
    central.file = Path("zparkd.toml")
    central.add("edges.d/edge-1.toml", 'id = "edge-1"\n')
    assert central.run(*ADD).stdout.startswith("peers.d/central-2.toml: written")
    assert added.exists()


def test_remove_finds_the_file_by_its_id(central: Central, added: Path) -> None:
    central.run(*ADD)
    other = central.add("peers.d/other.toml", 'id = "central-3"\naddress = "10.0.0.3"\n')
    added.rename(added.with_name("second.toml"))
    result = central.run("peer", "remove", "central-2", "--json")
    assert result.exit_code == 0
    assert orjson.loads(result.stdout)["files"] == [str(added.with_name("second.toml"))]
    assert [path.name for path in added.parent.iterdir()] == [other.name]


@pytest.mark.parametrize("text", ["id = \n", 'address = "10.0.0.1"\n', "\xff"])
def test_remove_finds_a_file_at_fault_by_its_name(central: Central, added: Path, text: str) -> None:
    central.add("peers.d/central-2.toml", "").write_bytes(text.encode("latin-1"))
    assert central.run("peer", "remove", "central-2").exit_code == 0
    assert not added.exists()


def test_remove_of_what_is_not_there_exits_1(central: Central) -> None:
    central.add("peers.d/central-2.toml", 'id = "central-3"\naddress = "10.0.0.3"\n')
    result = central.run("peer", "remove", "central-2", "--json")
    assert result.exit_code == 1
    assert orjson.loads(result.stdout)["error"]["code"] == "unknown_peer"
    assert "peers.d/central-2.toml" in names(central)


def test_list_shows_all_with_defaults(central: Central) -> None:
    central.run(*ADD)
    central.run("peer", "add", "central-3", "10.0.0.3", "--public-key", KEY)
    assert orjson.loads(central.run("peer", "list", "--json").stdout)[0] == {
        "id": "central-2",
        "address": "192.168.1.102",
        "bus_port": 9000,
        "sync_port": 9001,
        "public_key": None,
        "next_public_key": None,
        "fingerprint": None,
        "written_by": "hand",
    }
    assert central.run("peer", "list").stdout == (
        "ID         ADDRESS        BUS PORT  SYNC PORT  FINGERPRINT               WRITTEN BY\n"
        "central-2  192.168.1.102      9000       9001  none                      hand\n"
        f"central-3  10.0.0.3           9000       9001  {fingerprint(KEY)}  hand\n"
    )


def test_no_peers_are_none(central: Central) -> None:
    assert central.run("peer", "list").stdout == "peers: none, this central is standalone\n"
    assert orjson.loads(central.run("peer", "list", "--json").stdout) == []
