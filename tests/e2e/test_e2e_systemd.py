"""The units under a real systemd: who owns what, and what each may write and read."""

from collections.abc import Iterator

import orjson
import pytest

from tests.camera.rig import hikvision
from tests.support.booted import Booted, booted
from zparkd.testbed.loopback import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PATIENCE_S = 60.0
LANE = """edge_id = "in-1"
centrals = "in-1.json"
source = "hikvision"
allow = ["127.0.0.1"]
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    """A machine on which central-1 runs as a service, as setup left it."""
    with booted(tmp_path_factory.mktemp("machine")) as made:
        made.run("zparkctl", "setup", "--site", "lot-a", "--id", "central-1")
        made.run("systemctl", "start", "zparkd")
        yield made


def status(machine: Booted) -> dict[str, object]:
    found: dict[str, object] = orjson.loads(machine.run("zparkctl", "status", "--json"))
    return found


def exists(machine: Booted, path: str) -> bool:
    return machine.run("sh", "-c", f"test -e {path} && echo yes || echo no").strip() == "yes"


def test_setup_gives_each_service_what_it_writes_and_nothing_else(machine: Booted) -> None:
    assert {
        path: machine.owner_and_mode(path)
        for path in (
            "/etc/zparkd",
            "/etc/zparkd/peers.d",
            "/etc/zparkd/edges.d",
            "/etc/zparkd/cameras.d",
            "/etc/zparkd/central.key",
            "/etc/zparkd/zparkd.toml",
            "/var/lib/zparkd",
        )
    } == {
        "/etc/zparkd": "root:zparkd 750",
        "/etc/zparkd/peers.d": "root:zparkd 770",
        "/etc/zparkd/edges.d": "root:zparkd 770",
        "/etc/zparkd/cameras.d": "root:zparkd-camera 770",
        "/etc/zparkd/central.key": "zparkd:zparkd 600",
        "/etc/zparkd/zparkd.toml": "root:zparkd 640",
        "/var/lib/zparkd": "zparkd:zparkd 750",
    }


def test_a_camera_joins_and_opens_with_both_services_under_their_units(machine: Booted) -> None:
    token = machine.run("zparkctl", "invite", "--edge", "in-1", "--direction", "ENTRY").strip()
    file = "/etc/zparkd/cameras.d/in-1.json"
    machine.run("zparkctl", "join", "-", "--edge-file", file, given=token)
    wait_for(
        "the daemon wrote the camera's file",
        lambda: exists(machine, "/etc/zparkd/edges.d/in-1.toml"),
        PATIENCE_S,
    )
    assert machine.owner_and_mode("/etc/zparkd/edges.d/in-1.toml") == "zparkd:zparkd 640"
    assert machine.owner_and_mode(file) == "zparkd-camera:zparkd-camera 600"
    machine.run("tee", "/etc/zparkd/cameras.d/in-1.toml", given=LANE)
    machine.run("cp", "/etc/zparkd/camera.toml.example", "/etc/zparkd/camera.toml")
    machine.run("systemctl", "start", "zparkd-camera")
    sent = f"""
import http.client, sys
asking = http.client.HTTPConnection("127.0.0.1", 8070, timeout=30)
asking.request("POST", "/in-1", {hikvision("29A12345")!r}, {{"Content-Type": "application/xml"}})
sys.exit(asking.getresponse().status != 200)
"""

    machine.run("tee", "/opt/bin/send.py", given=sent)
    send = "/usr/bin/python3 /opt/bin/send.py && echo ok || true"
    wait_for(
        "zparkd-camera takes the read",
        lambda: "ok" in machine.run("sh", "-c", send),
        PATIENCE_S,
    )
    wait_for("it is inside", lambda: status(machine)["vehicles_inside"] == 1, PATIENCE_S)


def test_a_central_joins_and_its_file_is_the_daemon_s(machine: Booted) -> None:
    token = machine.run("zparkctl", "invite", "central-2").strip()
    config = "/srv/central-2/zparkd.toml"
    machine.run("mkdir", "/srv/central-2")
    machine.run(
        "tee",
        config,
        given='[central]\nid = "central-2"\nsite = "lot-a"\n[listen]\nbus_port = 9100\n'
        'control = "control.sock"\n[storage]\npath = "zparkd.db"\n[security]\n'
        'secret_key_file = "central.key"\n',
    )
    machine.run("zparkctl", "-c", config, "join", "-", given=token)
    machine.run("systemd-run", "--unit=central-2", "/opt/bin/zparkd", "-c", config)
    wait_for("it is connected", lambda: status(machine)["connected_peers"] == 1, PATIENCE_S)
    assert machine.owner_and_mode("/etc/zparkd/peers.d/central-2.toml") == "zparkd:zparkd 640"
    assert status(machine)["problems"] == []


def test_a_key_is_changed_by_root_and_stays_the_daemon_s_own(machine: Booted) -> None:
    before = machine.run("zparkctl", "keygen", "--public", "/etc/zparkd/central.key")
    machine.run("zparkctl", "member", "rotate-key")
    assert machine.run("zparkctl", "keygen", "--public", "/etc/zparkd/central.key") != before
    assert machine.owner_and_mode("/etc/zparkd/central.key") == "zparkd:zparkd 600"
    wait_for("both are connected", lambda: status(machine)["connected_peers"] == 1, PATIENCE_S)
    machine.run("systemctl", "restart", "zparkd")
    wait_for("both are connected", lambda: status(machine)["connected_peers"] == 1, PATIENCE_S)


def test_a_key_that_waited_is_changed_by_the_daemon_within_its_unit(machine: Booted) -> None:
    key = ("zparkctl", "keygen", "--public", "/etc/zparkd/central.key")
    before = machine.run(*key)
    machine.run("systemctl", "stop", "central-2")
    wait_for("it is away", lambda: status(machine)["connected_peers"] == 0, PATIENCE_S)
    said = machine.run("zparkctl", "member", "rotate-key", "--wait", "0", fails=True)
    assert "central-2" in said
    config = "/srv/central-2/zparkd.toml"
    machine.run("systemd-run", "--unit=central-2b", "/opt/bin/zparkd", "-c", config)
    wait_for("the key is another", lambda: machine.run(*key) != before, PATIENCE_S)
    assert machine.owner_and_mode("/etc/zparkd/central.key") == "zparkd:zparkd 600"
    wait_for("both are connected", lambda: status(machine)["connected_peers"] == 1, PATIENCE_S)
    wait_for("nothing is wrong", lambda: status(machine)["problems"] == [], PATIENCE_S)


def test_the_cameras_process_may_not_read_the_key_nor_write_the_configuration(
    machine: Booted,
) -> None:
    show = ("systemctl", "show", "--property=MainPID", "--value", "zparkd-camera")
    leader = machine.run(*show).strip()
    who = ("setpriv", "--reuid=zparkd-camera", "--regid=zparkd", "--groups=zparkd-camera")
    inside = ("nsenter", f"--target={leader}", "--mount", *who)
    key = machine.run(*inside, "cat", "/etc/zparkd/central.key", fails=True)
    assert "Permission denied" in key
    machine.run(*inside, "touch", "/etc/zparkd/zparkd.toml", fails=True)
    # Its group may write there, as the daemon does.
    touched = machine.run(*inside, "touch", "/etc/zparkd/edges.d/another.toml", fails=True)
    assert "Read-only file system" in touched
    machine.run(*inside, "touch", "/etc/zparkd/cameras.d/in-1.json")
