"""`zparkd-camera test` and `status`, and what is sent that no camera sends."""

import asyncio
import json
import socket
from pathlib import Path

import httpx
import pytest

from tests.camera.relay import Relay
from tests.camera.rig import CAPTURED, Bridge, hikvision, now_ms
from zparkd.camera.intake.server import Server
from zparkd.camera.lane.album import Album
from zparkd.camera.read import MESSAGE_BYTES

CENTRALS = ["tcp://127.0.0.1:1"]


@pytest.mark.programs
def test_a_captured_message_is_shown_as_what_it_becomes(bridge: Bridge) -> None:
    bridge.lane("in-1", CENTRALS, direction="ENTRY", camera_type="car")
    file = bridge.folder / "now.xml"
    file.write_bytes(hikvision("29A-123.45", confidence=97))
    done = bridge.run("test", "in-1", str(file))
    assert done.returncode == 0, done.stderr
    lines = [line.split(None, 1) for line in done.stdout.splitlines()]
    assert ["plate", "29A12345"] in lines
    assert ["confidence", "0.97"] in lines
    assert ["direction", "forward; here ENTRY"] in lines
    assert ["becomes", "BARRIER_OPEN"] in lines
    request = json.loads(next(line for line in done.stdout.splitlines() if '"type"' in line))
    assert request["edge_id"] == "in-1"
    assert request["camera_type"] == "car"


@pytest.mark.programs
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("hikvision-anpr.xml", "recorded as seen, nothing opens"),
        ("hikvision-again.xml", "the camera sends it again"),
        ("hikvision-unknown.xml", "nothing: a misread, counted"),
        ("hikvision-heartbeat.xml", "no reads in it: event videoloss"),
        ("hikvision-multipart.bin", "picture  detectionPicture.jpg"),
    ],
)
def test_what_opens_nothing_is_told_why(bridge: Bridge, name: str, shown: str) -> None:
    bridge.lane("in-1", CENTRALS)
    done = bridge.run("test", "in-1", str(CAPTURED / name))
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout


@pytest.mark.programs
def test_what_a_script_asks_is_json(bridge: Bridge) -> None:
    bridge.lane("in-1", CENTRALS)
    done = bridge.run("test", "in-1", str(CAPTURED / "hikvision-anpr.xml"), "--json")
    [read] = json.loads(done.stdout)["reads"]
    assert read["request"]["plate_id"] == "29A12345"
    assert read["raw"]["confidence"] == "97"


@pytest.mark.programs
def test_what_is_no_message_of_the_lane_s_camera_ends_with_1(bridge: Bridge) -> None:
    bridge.lane("in-1", CENTRALS)
    done = bridge.run("test", "in-1", str(CAPTURED / "rekor-group.json"))
    assert done.returncode == 1
    assert "not a message of hikvision: no XML" in done.stderr
    done = bridge.run("test", "in-9", str(CAPTURED / "rekor-group.json"))
    assert (done.returncode, "write one of in-1" in done.stderr) == (1, True)
    assert bridge.run("test", "in-1", "no-such-file").returncode == 1


@pytest.mark.programs
def test_status_shows_each_lane_and_69_where_nothing_runs(bridge: Bridge) -> None:
    bridge.lane("in-1", CENTRALS, dry_run=True)
    bridge.lane("in-2", CENTRALS, silent_after_s=0.001)
    done = bridge.run("status")
    assert done.returncode == 69
    assert "systemctl start zparkd-camera" in done.stderr
    bridge.start()
    bridge.send("in-1", hikvision("unknown"))
    done = bridge.run("status")
    head, one, two = done.stdout.splitlines()
    assert head.split()[:2] == ["LANE", "EDGE"]
    assert one.split()[:2] == ["in-1", "in-1"]
    assert two.split()[-1] == "silent"
    lanes = json.loads(bridge.run("status", "--json").stdout)["lanes"]
    assert [lane["misreads"] for lane in lanes] == [1, 0]


@pytest.mark.programs
def test_a_message_that_is_too_long_or_slow_or_wrong_is_refused_and_counted(
    bridge: Bridge, relay: Relay
) -> None:
    bridge.lane("in-1", CENTRALS, f'[barrier]\nkind = "http"\nurl = "{relay.url}/open"\n')
    bridge.start()
    assert bridge.send("in-1", b"x" * (MESSAGE_BYTES + 1))[0] == 413
    assert bridge.send("in-1", b"x")[0] == 400
    assert bridge.send("in-1", b"x", method="DELETE")[0] == 405
    half = socket.create_connection(("127.0.0.1", bridge.port))
    half.sendall(b"POST /in-1 HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
    half.close()
    assert bridge.send("in-1", hikvision("29A12345", now_ms() - 60_000))[0] == 200
    shown = bridge.status()["in-1"]
    assert shown["unreadable"] == 2
    assert shown["reads"] == 1
    assert relay.opened == []


@pytest.mark.programs
def test_who_holds_connections_open_keeps_no_camera_out(bridge: Bridge) -> None:
    bridge.lane("in-1", CENTRALS, dry_run=True)
    bridge.start()
    held = []
    for _ in range(300):
        one = socket.socket()
        one.bind(("127.0.0.9", 0))
        one.connect(("127.0.0.1", bridge.port))
        one.sendall(b"POST /in-1 HT")
        held.append(one)
    assert bridge.send("in-1", hikvision("unknown"))[0] == 200
    assert bridge.status()["in-1"]["misreads"] == 1
    for one in held:
        one.close()


@pytest.mark.parametrize(
    ("asker", "asked", "status"),
    [
        ("192.0.2.7", "192.0.2.2", 403),
        ("2001:db8::7", "2001:db8::2", 403),
        ("192.0.2.2", "192.0.2.2", 200),
        ("127.0.0.1", "127.0.0.1", 200),
        ("::1", "::1", 200),
    ],
)
def test_status_and_pictures_are_for_this_machine_alone(
    tmp_path: Path, asker: str, asked: str, status: int
) -> None:
    server = Server([], Album(tmp_path / "pictures", 1, 1), {})
    transport = httpx.ASGITransport(server.app(), client=(asker, 50_000))

    async def ask(path: str) -> int:
        host = f"[{asked}]" if ":" in asked else asked
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return (await client.get(path)).status_code

    assert asyncio.run(ask("/-/status")) == status
    assert asyncio.run(ask("/-/pictures/x")) == (404 if status == 200 else status)
