"""`zparkctl config import`: the earlier system's file, and all that can be wrong with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import zmq
from click.testing import CliRunner, Result

from zparkd.cli.commands.upkeep.keygen import new_key
from zparkd.cli.main import main
from zparkd.config.load import load, secret_key


def config() -> dict[str, Any]:
    """As the earlier system wrote it."""
    return {
        "this_central": {
            "id": "central-1",
            "ip": "192.168.1.101",
            "p2p_port": 9000,
            "api_port": 8000,
        },
        "peer_centrals": [
            {"id": "central-2", "ip": "192.168.1.102", "p2p_port": 9000},
            {"id": "central-3", "ip": "192.168.1.103", "p2p_port": 9100},
        ],
    }


class Import:
    """Imports a configuration into a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.old = folder / "p2p_config.json"
        self.folder = folder / "etc"
        self.file = self.folder / "zparkd.toml"

    def run(self, said: object, *more: str) -> Result:
        self.old.write_bytes(said if isinstance(said, bytes) else orjson.dumps(said))
        arguments = ["-c", str(self.file), "config", "import", str(self.old), *more]
        if "--site" not in more:
            arguments += ["--site", "lot-a"]
        return CliRunner().invoke(main, arguments)

    def written(self) -> set[str]:
        found = self.folder.rglob("*")
        return {str(path.relative_to(self.folder)) for path in found if path.is_file()}


@pytest.fixture
def to(tmp_path: Path) -> Import:
    return Import(tmp_path)


def test_it_becomes_a_configuration_that_the_daemon_takes(to: Import) -> None:
    result = to.run(config())
    assert result.exit_code == 0, result.stderr
    wanted = {"zparkd.toml", "peers.d/central-2.toml", "peers.d/central-3.toml"}
    assert to.written() == wanted
    assert result.stdout.splitlines() == [
        f"{to.folder}/peers.d/central-2.toml: written",
        f"{to.folder}/peers.d/central-3.toml: written",
        f"{to.file}: written",
    ]
    loaded = load(to.file)
    assert (loaded.central_id, loaded.site) == ("central-1", "lot-a")
    listen = loaded.listen
    assert (listen.address, listen.bus_port, listen.edge_port) == ("192.168.1.101", 9000, 9002)
    peers = [(peer.id, peer.address, peer.bus_port, peer.sync_port) for peer in loaded.peers]
    assert peers == [
        ("central-2", "192.168.1.102", 9000, 9001),
        ("central-3", "192.168.1.103", 9100, 9101),
    ]


def test_what_a_person_must_know_is_said_beside_the_output(to: Import) -> None:
    said = to.run(config()).stderr
    assert "mode is plain" in said
    assert "zparkd-web --port 8000" in said


def test_it_ends_with_what_to_do_for_keys(to: Import) -> None:
    said = to.run(config()).stderr
    steps = said.split("give all of them keys:\n")[1].splitlines()
    key = to.folder / "central.key"
    assert steps[0] == f"1. make the key of this central: zparkctl keygen {key}"
    assert "(central-2, central-3) into peers.d/central-1.toml" in steps[1]
    assert "edges.d/EDGE_ID.toml" in steps[2]
    assert 'mode = "curve"' in steps[3]
    assert steps[-1] == f"5. see that it is right: zparkctl -c {to.file} config check"


def test_its_steps_make_a_configuration_with_keys(to: Import) -> None:
    to.run({**config(), "peer_centrals": []})
    secret = new_key(to.folder / "central.key")
    (to.folder / "edges.d").mkdir()
    public = zmq.curve_public(new_key(to.folder / "camera.key")).decode()
    (to.folder / "edges.d" / "gate-1.toml").write_text(f'id = "gate-1"\npublic_key = "{public}"\n')
    text = to.file.read_text("utf-8")
    text = text.replace('mode = "plain"', 'mode = "curve"').replace("allow_insecure = true\n", "")
    to.file.write_text(f'{text}secret_key_file = "{to.folder}/central.key"\n')
    loaded = load(to.file)
    assert secret_key(loaded) == secret
    assert [lane.id for lane in loaded.lanes] == ["gate-1"]


def test_json_lists_what_was_written(to: Import) -> None:
    printed = orjson.loads(to.run(config(), "--json").stdout)
    assert printed["success"] is True
    assert printed["written"][-1] == str(to.file)
    assert len(printed["written"]) == 3


@pytest.mark.parametrize("peers", [[], None])
def test_without_peers_it_is_standalone(to: Import, peers: list[object] | None) -> None:
    said = {**config(), "peer_centrals": peers}
    if peers is None:
        del said["peer_centrals"]
    assert to.run(said).exit_code == 0
    assert load(to.file).peers == ()


def test_existing_files_are_never_overwritten(to: Import) -> None:
    for name in ("zparkd.toml", "peers.d/central-3.toml"):
        path = to.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
        result = to.run(config())
        assert result.exit_code == 1
        assert f"{path}: exists" in result.stderr
        assert to.written() == {name}
        assert path.read_text() == "mine"
        path.unlink()


def test_a_peer_that_another_file_has_is_refused(to: Import) -> None:
    (to.folder / "peers.d").mkdir(parents=True)
    (to.folder / "peers.d" / "zz.toml").write_text('id = "central-2"\naddress = "10.0.0.1"\n')
    result = to.run(config())
    assert result.exit_code == 1
    assert f"{to.folder}/peers.d/zz.toml:1: id: " in result.stderr
    assert to.written() == {"peers.d/zz.toml"}


def with_this(**more: object) -> dict[str, Any]:
    said = config()
    said["this_central"] |= more
    return said


def with_peer(**more: object) -> dict[str, Any]:
    said = config()
    said["peer_centrals"][1] |= more
    return said


def without(section: str, field: str) -> dict[str, Any]:
    said = config()
    place = said[section] if section == "this_central" else said[section][1]
    del place[field]
    return said


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: with_this(id="Central 1"), "this_central.id: "),
        (lambda: with_this(id=1), "this_central.id: "),
        (lambda: with_this(ip="not an ip"), "this_central.ip: "),
        (lambda: with_this(ip="host.example"), "this_central.ip: "),
        (lambda: with_this(ip='"\n[x]'), "this_central.ip: "),
        (lambda: with_this(p2p_port=0), "this_central.p2p_port: "),
        (lambda: with_this(p2p_port="9000"), "this_central.p2p_port: "),
        (lambda: with_this(p2p_port=True), "this_central.p2p_port: "),
        (lambda: with_this(p2p_port=65534), "this_central.p2p_port: "),
        (lambda: with_this(api_port="x"), "this_central.api_port: "),
        (lambda: without("this_central", "ip"), "this_central.ip: is missing"),
        (lambda: {**config(), "this_central": None}, "this_central: is missing"),
        (lambda: {**config(), "peer_centrals": {}}, "peer_centrals: is no list"),
        (lambda: {**config(), "peer_centrals": [1]}, "peer_centrals[0]: is missing or no object"),
        (lambda: without("peer_centrals", "id"), "peer_centrals[1].id: is missing"),
        (lambda: with_peer(id="../../etc/x"), "peer_centrals[1].id: "),
        (lambda: with_peer(id="central-1"), "peer_centrals[1].id: 'central-1' is the id of this"),
        (lambda: with_peer(id="central-2"), "peer_centrals[1].id: "),
        (lambda: with_peer(ip="300.1.1.1"), "peer_centrals[1].ip: "),
        (lambda: with_peer(ip=""), "peer_centrals[1].ip: "),
        (lambda: with_peer(p2p_port=70000), "peer_centrals[1].p2p_port: "),
        (lambda: with_peer(p2p_port=65535), "peer_centrals[1].p2p_port: "),
        (lambda: [], "is no JSON object"),
        (lambda: b"{", "is no JSON"),
        (lambda: b"\xff", "is no JSON"),
    ],
)
def test_bad_input_exits_1_names_the_field_and_writes_nothing(
    to: Import, make: Callable[[], object], field: str
) -> None:
    result = to.run(make(), "--json")
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith(f"{to.old}: {field}")
    assert len(result.stderr.splitlines()) == 1
    assert orjson.loads(result.stdout)["error"]["code"] == "bad_import"
    assert to.written() == set()


def test_a_missing_file_exits_1(to: Import) -> None:
    arguments = ["-c", str(to.file), "config", "import", str(to.old), "--site", "lot-a"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert f"{to.old}: no such file" in result.stderr


@pytest.mark.parametrize("arguments", [(), ("--site", "Lot A"), ("--site", "")])
def test_a_site_must_be_named(to: Import, arguments: tuple[str, ...]) -> None:
    to.old.write_bytes(orjson.dumps(config()))
    command = ["-c", str(to.file), "config", "import", str(to.old), *arguments]
    assert CliRunner().invoke(main, command).exit_code == 2
    assert to.written() == set()
