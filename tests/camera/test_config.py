"""The files of zparkd-camera: what they come to, and what each fault is told as."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import zmq

from tests.camera.rig import ROOT, Bridge
from zparkd.camera.barriers import BarrierKind
from zparkd.camera.config import load
from zparkd.camera.config_values import BARRIER_KEYS, LANE_KEYS, MAIN_KEYS
from zparkd.camera.read import Travel
from zparkd.camera.sources import Source
from zparkd.config.toml import ConfigError
from zparkd.core.site import Direction

CENTRALS = ["tcp://127.0.0.1:9002"]
LEAST = 'edge_id = "e"\ncentrals = ["tcp://127.0.0.1:9002"]\nsource = "hikvision"\n'


def faults(bridge: Bridge) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load(bridge.config)
    folder = f"{bridge.folder}/"
    return [str(fault).removeprefix(folder) for fault in refused.value.faults]


def lane_file(bridge: Bridge, text: str, name: str = "in-1.toml") -> None:
    (bridge.folder / "cameras.d" / name).write_text(text)


def test_what_is_not_written_has_a_default(bridge: Bridge) -> None:
    bridge.config.write_text("")
    bridge.lane("in-1", CENTRALS)
    config = load(bridge.config)
    assert config.listen == ("127.0.0.1", 8070)
    assert config.outbox == Path("/var/lib/zparkd-camera/outbox.db")
    assert config.pictures == Path("/var/lib/zparkd-camera/pictures")
    [lane] = config.lanes
    assert (lane.path, lane.window_s, lane.dry_run) == ("/in-1", 6.0, False)
    assert (lane.direction, lane.camera_type, lane.source) == (None, None, Source.HIKVISION)
    assert lane.barrier.kind is BarrierKind.NONE


def test_a_lane_that_goes_both_ways_says_what_each_way_means(bridge: Bridge) -> None:
    text = 'allow = ["10.0.0.1"]\ndirection = { forward = "ENTRY", reverse = "EXIT" }\n'
    lane_file(bridge, LEAST + text)
    [lane] = load(bridge.config).lanes
    assert lane.direction == {Travel.FORWARD: Direction.ENTRY, Travel.REVERSE: Direction.EXIT}


def test_paths_are_relative_to_the_file_that_names_them(bridge: Bridge) -> None:
    secret = bridge.folder / "cameras.d" / "in-1.secret"
    secret.write_text("open-sesame")
    secret.chmod(0o600)
    bridge.lane("in-1", CENTRALS, secret_file="in-1.secret")
    config = load(bridge.config)
    assert config.outbox == bridge.folder / "outbox.db"
    assert config.lanes[0].secret is not None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("edge = 1", "unknown key; write edge_id"),
        ("path = 'x'", '4: path: "x" does not match'),
        ("path = '/-/status'", "does not match"),
        ("window_s = 61", "is not from 0 to 60; write seconds"),
        ("sure = 2", "is not from 0 to 1"),
        ("allow = ['nobody']", "write such as"),
        ("direction = 'IN'", 'write "ENTRY" or "EXIT"'),
        ("direction = { sideways = 'ENTRY' }", "only forward and reverse"),
        ("timezone = 'Asia/Hanoi'", "is not a known time zone"),
        ("dry_run = 'yes'", "is not a boolean"),
        ("secret_file = 'no-such-file'", "no such file; write the secret into it"),
        ("public_keys = ['x']", "is no public key"),
        ("secret_key_file = 'x.key'", "go together; write both, or neither"),
        ("[json]\nplate = 'a'", 'has no meaning with source = "hikvision"'),
        ("[mqtt]\ncamera = 'a'", "has no meaning"),
        ("[barrier]\nkind = 'laser'", "is not known here"),
        ("[barrier]\nkind = 'http'", '5: barrier.url: is missing; write url = "http://'),
        ("[barrier]\nkind = 'command'", "argv: is missing"),
        ("[barrier]\nkind = 'command'\nargv = ['sh']", "no whole path of a program"),
        ("[barrier]\nkind = 'command'\nargv = ['/bin/sh']\nurl = 'http://a/'", "remove it"),
        ("[barrier]\nkind = 'http'\nurl = 'http://u:p@a/'", "the user in credentials_file"),
        ("barrier = 1", "is not a section; write [barrier]"),
    ],
)
def test_a_fault_is_told_with_its_line_and_the_way_out(
    bridge: Bridge, text: str, fault: str
) -> None:
    allow = "" if text.startswith("allow") else "allow = ['10.0.0.1']\n"
    first, second = (allow, text) if text.startswith("[") else (text + "\n", allow)
    lane_file(bridge, f"{LEAST}{first}{second}")
    found = [line for line in faults(bridge) if fault in line]
    assert found, faults(bridge)
    assert found[0].startswith("cameras.d/in-1.toml:")


@pytest.mark.parametrize("source", ["json", "frigate"])
def test_a_source_that_needs_a_section_says_so(bridge: Bridge, source: str) -> None:
    lane_file(bridge, LEAST.replace("hikvision", source) + "allow = ['10.0.0.1']")
    name = {"json": "json", "frigate": "mqtt"}[source]
    assert f'{name}: is missing; source = "{source}" needs a section [{name}]' in faults(bridge)[0]


def test_a_lane_that_anybody_could_open_is_refused(bridge: Bridge) -> None:
    lane_file(bridge, LEAST)
    [fault] = faults(bridge)
    assert "anybody could open this barrier" in fault


def test_no_path_is_within_another_lane_s(bridge: Bridge) -> None:
    bridge.lane("in-1", CENTRALS)
    bridge.lane("in-2", CENTRALS, path="/in-1/other")
    [fault] = faults(bridge)
    assert fault.startswith("cameras.d/in-2.toml:1: path: ")


def test_without_lanes_there_is_nothing_to_do(bridge: Bridge) -> None:
    [fault] = faults(bridge)
    assert "names no lane; write cameras.d/LANE.toml" in fault


@pytest.mark.parametrize("listen", ["8070", "here:8070", "127.0.0.1:", "127.0.0.1:99999", 8070])
def test_listen_is_an_address_with_a_port(bridge: Bridge, listen: Any) -> None:
    bridge.lane("in-1", CENTRALS)
    value = listen if isinstance(listen, int) else f'"{listen}"'
    bridge.config.write_text(f"listen = {value}\n")
    assert any("camera.toml:1: listen: " in fault for fault in faults(bridge))


@pytest.mark.programs
def test_a_bad_file_ends_it_with_78_and_all_faults(bridge: Bridge) -> None:
    lane_file(bridge, "")
    done = bridge.run()
    assert done.returncode == 78
    assert all(f": {key}: is missing" in done.stderr for key in ("edge_id", "centrals", "source"))


def test_a_file_that_others_can_read_is_no_secret(bridge: Bridge) -> None:
    secret = bridge.folder / "secret"
    secret.write_text("open-sesame")
    secret.chmod(0o644)
    bridge.lane("in-1", CENTRALS, secret_file=str(secret))
    assert f"chmod 600 {secret}" in faults(bridge)[0]


def test_the_samples_are_good_and_show_every_key_and_default(bridge: Bridge) -> None:
    main = (ROOT / "etc" / "camera.toml.example").read_text()
    lane = (ROOT / "etc" / "cameras.d" / "in-1.toml.example").read_text()
    bridge.config.write_text(main)
    lane_file(bridge, lane)
    config = load(bridge.config)
    assert config.lanes[0].barrier.kind is BarrierKind.HTTP
    for text, keys in ((main, MAIN_KEYS), (lane, LANE_KEYS), (lane, BARRIER_KEYS)):
        shown = set(re.findall(r"^#?(?:\[)?(\w+)(?: = |\])", text, re.MULTILINE))
        assert set(keys) <= shown
    written = re.sub(r"^#(\w+ = )", r"\1", main, flags=re.MULTILINE)
    assert written != main
    bridge.config.write_text(written)
    assert load(bridge.config) == config


@pytest.mark.parametrize(("source", "section"), [("json", "json"), ("frigate", "mqtt")])
def test_the_sample_of_a_section_is_good(bridge: Bridge, source: str, section: str) -> None:
    lane = (ROOT / "etc" / "cameras.d" / "in-1.toml.example").read_text()
    head, _, tail = lane.partition(f"#[{section}]\n")
    body = tail.partition("\n\n")[0].replace("#", "").replace('credentials_file = "in-1.mqtt"', "")
    lane_file(bridge, head.replace('"hikvision"\n', f'"{source}"\n') + f"[{section}]\n{body}\n")
    assert load(bridge.config).lanes[0].source == source


def of_join(bridge: Bridge, edge_id: str = "e", centrals: int = 2) -> Path:
    """A file as `zparkctl join --edge-file` leaves it."""
    public, secret = (key.decode() for key in zmq.curve_keypair())
    rows = [
        {"id": f"central-{n}", "endpoint": f"tcp://10.0.0.{n}:9002", "public_key": public}
        for n in range(1, centrals + 1)
    ]
    file = bridge.folder / "cameras.d" / "in-1.json"
    kept = {"v": 1, "edge_id": edge_id, "site": "lot-a", "secret_key": secret, "centrals": rows}
    file.write_text(json.dumps(kept))
    file.chmod(0o600)
    return file


OF_JOIN = LEAST.replace('["tcp://127.0.0.1:9002"]', '"in-1.json"') + 'allow = ["10.0.0.9"]\n'


def test_the_file_of_a_join_says_where_the_centrals_are_and_what_their_keys_are(
    bridge: Bridge,
) -> None:
    file = of_join(bridge)
    lane_file(bridge, OF_JOIN)
    [lane] = load(bridge.config).lanes
    assert lane.centrals == ("tcp://10.0.0.1:9002", "tcp://10.0.0.2:9002")
    assert len(lane.public_keys) == 2
    assert lane.joined == file
    assert lane.secret_key_file is None


def test_a_file_of_a_join_that_can_t_be_used_is_told_with_the_way_out(bridge: Bridge) -> None:
    lane_file(bridge, OF_JOIN)
    file = bridge.folder / "cameras.d" / "in-1.json"
    assert faults(bridge) == [
        f"cameras.d/in-1.toml:2: centrals: {file}: no such file;"
        f" make it: zparkctl join TOKEN --edge-file {file}"
    ]
    of_join(bridge, centrals=0)
    assert "its join was cut off; give the same zparkctl join again" in faults(bridge)[0]
    file.write_text("{")
    assert "is no file of a camera that joined" in faults(bridge)[0]
    of_join(bridge, edge_id="another")
    assert 'in-1.toml:1: edge_id: "e" is not who joined' in faults(bridge)[0]
    assert 'write edge_id = "another"' in faults(bridge)[0]
    of_join(bridge)
    lane_file(bridge, OF_JOIN + 'secret_key_file = "x.key"\n')
    assert "secret_key_file: has no meaning beside the file of a join" in faults(bridge)[0]
