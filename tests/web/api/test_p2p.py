"""`/api/p2p/…`: the configuration, written by the daemon and applied live; peers tested."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import zmq

from tests.support.gateway import Gateway
from tests.support.harness import peer_row
from tests.web.conftest import MakeSite
from zparkd.config.load import SecurityMode
from zparkd.testbed.loopback import LoopbackCentral, free_ports, wait_for


def config_of(gateway: Gateway) -> dict[str, Any]:
    answer = gateway.get("/api/p2p/config").json()
    assert answer["success"] is True
    return answer["config"]


def put(gateway: Gateway, config: object, **headers: str):
    return gateway.http.put("/api/p2p/config", json=config, headers=headers)


def sync_states(gateway: Gateway) -> list[dict[str, Any]]:
    return gateway.get("/api/p2p/sync-state").json()["sync_state"]


def as_peer(central: LoopbackCentral) -> dict[str, Any]:
    peer = {"id": central.id, "ip": "127.0.0.1", "p2p_port": central.ports[0]}
    if central.ports[1] != central.ports[0] + 1:
        peer["sync_port"] = central.ports[1]
    return peer


def files(central: LoopbackCentral) -> dict[str, bytes]:
    folder = central.folder / "peers.d"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())} | {
        "": central.config.read_bytes()
    }


def test_a_standalone_central_shows_what_the_earlier_system_did(gateway: Gateway) -> None:
    assert config_of(gateway) == {
        "this_central": {
            "id": "central-1",
            "ip": "127.0.0.1",
            "p2p_port": gateway.central.ports[0],
            "api_port": gateway.port,
        },
        "peer_centrals": [],
    }
    status = gateway.get("/api/p2p/status").json()
    assert status["success"] is True
    assert (status["this_central"], status["running"]) == ("central-1", True)
    assert (status["standalone_mode"], status["total_peers"], status["peers"]) == (True, 0, [])
    assert gateway.get("/api/p2p/sync-state").json() == {"success": True, "sync_state": []}


def test_a_peer_is_added_connected_changed_and_removed_live(make_site: MakeSite) -> None:
    with make_site(2, links=[]) as site:
        here, there = site.centrals
        there.knows(here)
        site.start()
        with Gateway(here) as gateway:
            config = config_of(gateway)
            config["peer_centrals"] = [as_peer(there)]
            answer = put(gateway, config)
            assert answer.json() == {"success": True, "config": config}
            assert config_of(gateway) == config
            wait_for("connected", lambda: peer_row(here, "central-2")["connected"])
            assert gateway.get("/api/p2p/status").json()["total_peers"] == 1
            wait_for(
                "a sync state", lambda: gateway.get("/api/p2p/sync-state").json()["sync_state"]
            )
            [state] = gateway.get("/api/p2p/sync-state").json()["sync_state"]
            assert list(state) == [
                "peer_central_id",
                "last_sync_timestamp",
                "last_sync_time",
                "updated_at",
            ]
            tested = gateway.http.post("/api/p2p/test-connection?peer_id=central-2").json()
            assert (tested["success"], tested["peer_id"]) == (True, "central-2")
            assert 0 < tested["latency_ms"] < 3000

            written = files(here)
            assert put(gateway, config).status_code == 200
            assert files(here) == written, "what does not differ is not written"

            there.stop()
            no = gateway.http.post("/api/p2p/test-connection?peer_id=central-2")
            assert (no.status_code, no.json()["success"]) == (502, False)
            assert no.json()["error"]["code"] == "unreachable"

            config["peer_centrals"] = []
            assert put(gateway, config).json()["config"] == config
            assert gateway.get("/api/p2p/status").json()["standalone_mode"] is True
            gone = gateway.http.post("/api/p2p/test-connection?peer_id=central-2")
            assert (gone.status_code, gone.json()["error"]["code"]) == (404, "unknown_peer")


def test_what_is_not_said_of_a_peer_stays(gateway: Gateway) -> None:
    config = config_of(gateway)
    full = {"id": "central-2", "ip": "127.0.0.1", "p2p_port": 9100, "sync_port": 9200}
    put(gateway, {**config, "peer_centrals": [full]})
    plain = {"id": "central-2", "ip": "localhost", "p2p_port": 9100}
    [peer] = put(gateway, {**config, "peer_centrals": [plain]}).json()["config"]["peer_centrals"]
    assert peer == {**plain, "sync_port": 9200}
    again = {**plain, "sync_port": None}
    [peer] = put(gateway, {**config, "peer_centrals": [again]}).json()["config"]["peer_centrals"]
    assert peer == plain
    put(gateway, config)


def test_a_file_that_a_person_named_is_kept_under_its_name(gateway: Gateway) -> None:
    folder = gateway.central.folder / "peers.d"
    (folder / "ours.toml").write_text('# by hand\nid = "central-7"\naddress = "127.0.0.1"\n')
    config = config_of(gateway)
    config["peer_centrals"] = [{"id": "central-7", "ip": "127.0.0.1", "p2p_port": 9300}]
    put(gateway, config)
    assert [path.name for path in folder.iterdir()] == ["ours.toml"]
    assert tomllib.loads((folder / "ours.toml").read_text())["bus_port"] == 9300
    put(gateway, {**config, "peer_centrals": []})
    assert list(folder.iterdir()) == []


PEER = {"id": "central-2", "ip": "127.0.0.1", "p2p_port": 9100}


@pytest.mark.parametrize(
    ("this", "peers", "status", "said"),
    [
        ({"id": "central-9"}, [], 409, "central-1"),
        ({"id": None}, [], 409, "central-1"),
        ({"api_port": 1}, [], 400, "this_central.api_port"),
        ({"ip": "not an address"}, [], 422, "this_central.ip: "),
        ({"p2p_port": 70000}, [], 422, "this_central.p2p_port: "),
        ({"p2p_port": "9000"}, [], 422, "this_central.p2p_port: "),
        ({"colour": "red"}, [], 400, "this_central.colour"),
        ({}, "central-2", 400, "peer_centrals"),
        ({}, ["central-2"], 400, "peer_centrals[0]"),
        ({}, [{"id": "central-2"}], 400, "peer_centrals[0].ip"),
        ({}, [PEER, {**PEER, "ip": "x y"}], 422, "peer_centrals[1].ip: "),
        ({}, [PEER, {**PEER, "p2p_port": 0}], 422, "peer_centrals[1].p2p_port: "),
        ({}, [PEER, PEER], 422, "peer_centrals[1].id: "),
        ({}, [{**PEER, "id": "central-1"}], 422, "peer_centrals[0].id: "),
        ({}, [{**PEER, "id": "../../etc/passwd"}], 422, "peer_centrals[0].id: "),
        ({}, [{**PEER, "id": ["central-2"]}], 422, "peer_centrals[0].id: "),
        ({}, [{**PEER, "sync_port": 9100}], 422, "sync_port"),
        ({}, [{**PEER, "p2p_port": 65535}], 422, "65535"),
        ({}, [{**PEER, "ip": "192.168.1.102"}], 422, "loopback"),
        ({}, [{**PEER, "public_key": "short"}], 422, "peer_centrals[0].public_key: "),
        ({}, [{**PEER, "name": "two"}], 400, "peer_centrals[0].name"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_changed(
    gateway: Gateway, this: dict[str, Any], peers: Any, status: int, said: str
) -> None:
    before, config = files(gateway.central), config_of(gateway)
    config["this_central"] |= this
    answer = put(gateway, {**config, "peer_centrals": peers})
    assert (answer.status_code, answer.json()["success"]) == (status, False), answer.text
    assert said in answer.json()["error"]["message"]
    assert files(gateway.central) == before
    assert gateway.central.status()["config_error"] is None


@pytest.mark.parametrize("body", [{}, [], {"this_central": {"id": "central-1"}}, "x", None])
def test_a_body_that_is_no_configuration_is_refused(gateway: Gateway, body: object) -> None:
    assert put(gateway, body).status_code == 400


def test_a_change_does_not_undo_that_of_another(gateway: Gateway) -> None:
    first = gateway.get("/api/p2p/config")
    config, tag = first.json()["config"], first.headers["etag"]
    assert put(gateway, {**config, "peer_centrals": [PEER]}, **{"If-Match": tag}).status_code == 200
    late = put(gateway, config, **{"If-Match": tag})
    assert (late.status_code, late.json()["error"]["code"]) == (412, "changed_meanwhile")
    assert put(gateway, config).status_code == 200


def test_this_central_moves_to_another_port_and_back(make_site: MakeSite) -> None:
    with make_site(1) as site:
        [here] = site.centrals
        site.start()
        with Gateway(here) as gateway:
            config = config_of(gateway)
            text = here.config.read_text()
            [port] = free_ports(1)
            config["this_central"]["p2p_port"] = port
            assert put(gateway, config).json()["config"] == config
            assert here.config.read_text() == text.replace(
                f"bus_port = {here.ports[0]}", f"bus_port = {port}"
            )
            config["this_central"]["p2p_port"] = here.ports[2]
            taken = put(gateway, config)
            assert taken.status_code == 422
            assert "edge_port" in taken.json()["error"]["message"]
            assert config_of(gateway)["this_central"]["p2p_port"] == port
            config["this_central"]["p2p_port"] = here.ports[0]
            assert put(gateway, config).status_code == 200
            assert here.config.read_text() == text


def test_a_folder_that_the_daemon_may_not_write_is_said(gateway: Gateway, tmp_path: Path) -> None:
    folder = gateway.central.folder / "peers.d"
    kept = folder.rename(folder.with_name("aside"))
    folder.write_text("in the way")
    config = config_of(gateway)
    try:
        answer = put(gateway, {**config, "peer_centrals": [PEER]})
    finally:
        folder.unlink()
        kept.rename(folder)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "unwritable")
    assert "nothing was changed" in answer.json()["error"]["message"]


def test_with_keys_in_use_all_of_it_works_and_a_wrong_key_is_told(make_site: MakeSite) -> None:
    with make_site(2, links=[], mode=SecurityMode.CURVE) as site:
        here, there = site.centrals
        there.knows(here)
        here.admits("desk")
        site.start()
        with Gateway(here) as gateway:
            config = config_of(gateway)
            without = put(gateway, {**config, "peer_centrals": [as_peer(there)]})
            assert without.status_code == 422
            assert "public_key" in without.json()["error"]["message"]

            with_key = {**as_peer(there), "public_key": there.public_key}
            assert put(gateway, {**config, "peer_centrals": [with_key]}).status_code == 200
            wait_for("connected", lambda: peer_row(here, "central-2")["connected"])
            again = put(gateway, {**config, "peer_centrals": [as_peer(there)]})
            assert again.json()["config"]["peer_centrals"] == [with_key], "its key stays"
            test = "/api/p2p/test-connection?peer_id=central-2"
            assert gateway.http.post(test).json()["success"] is True
            body = {"edge_id": "desk", "plate_id": "29A12345"}
            assert gateway.http.post("/api/edge/barrier/open", json=body).json()["success"] is True

            other = {**with_key, "public_key": here.public_key}
            assert put(gateway, {**config, "peer_centrals": [other]}).status_code == 422
            other["public_key"] = zmq.curve_keypair()[0].decode()
            assert put(gateway, {**config, "peer_centrals": [other]}).status_code == 200
            refused = gateway.http.post(test)
            assert (refused.status_code, refused.json()["success"]) == (504, False)
            assert "keys" in refused.json()["error"]["message"]


def test_a_control_socket_that_moves_is_followed(make_site: MakeSite) -> None:
    with make_site(1) as site:
        [here] = site.centrals
        site.start()
        with Gateway(here) as gateway:
            text = here.config.read_text()
            here.config.write_text(text.replace('"control.sock"', '"moved.sock"'))
            wait_for("it moved", lambda: not (here.folder / "control.sock").exists())
            wait_for("it is found", lambda: gateway.get("/api/p2p/status").status_code == 200)
