"""The lines that people of the earlier system type, with the answers that they know.

They run in a shell as they were written down, against one, two and three centrals; only the
addresses are those of the gateways here.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import Gateway
from tests.support.harness import QUICK
from zparkd.testbed.loopback import LoopbackSite, wait_for

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="curl is missing")

OPEN = """curl -X POST http://192.168.1.101:8000/api/edge/barrier/open \\
  -d '{"edge_id": "edge-1", "plate_id": "29A12345"}'"""
HISTORY = "curl http://192.168.1.102:8000/api/parking/history"
STATUS = "curl http://192.168.1.101:8000/api/p2p/status"


class Typed:
    """A site, its gateways, and a shell in which lines are typed."""

    def __init__(self, site: LoopbackSite, gateways: list[Gateway]) -> None:
        self.site = site
        self.gateways = gateways

    def type(self, line: str) -> str:
        for number, gateway in enumerate(self.gateways, 1):
            line = line.replace(f"http://192.168.1.10{number}:8000", gateway.url)
        line = line.replace("http://localhost:8000", self.gateways[0].url)
        done = subprocess.run(
            ["bash", "-c", f"curl() {{ command curl -s --noproxy '*' \"$@\"; }}; {line}"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.stdout

    def json(self, line: str) -> Any:
        return json.loads(self.type(line))

    def stays(self, number: int, plate: str) -> list[dict[str, Any]]:
        line = f"curl http://192.168.1.10{number}:8000/api/parking/history"
        return [row for row in self.json(line)["history"] if row["plate_id"] == plate]

    def wait(self, what: str, line: str) -> None:
        """Type a line until it prints something."""
        wait_for(what, lambda: self.type(line).strip())


@contextmanager
def typed(count: int) -> Iterator[Typed]:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="zp-"))
        site = stack.enter_context(LoopbackSite(Path(folder), count, more=QUICK))
        site.start()
        site.wait_connected()
        yield Typed(site, [stack.enter_context(Gateway(central)) for central in site.centrals])


@pytest.fixture(scope="module")
def one() -> Iterator[Typed]:
    with typed(1) as shell:
        yield shell


@pytest.fixture(scope="module")
def three() -> Iterator[Typed]:
    with typed(3) as shell:
        yield shell


def test_one_central_shows_that_it_is_standalone(one: Typed) -> None:
    answer = one.json("curl http://localhost:8000/api/p2p/status")
    known = {
        "success": True,
        "this_central": "central-1",
        "running": True,
        "standalone_mode": True,
        "total_peers": 0,
        "connected_peers": 0,
        "peers": [],
    }
    assert {key: answer[key] for key in known} == known
    assert isinstance(answer["messages_sent"], int)
    assert isinstance(answer["messages_received"], int)


def test_one_central_lets_in_and_out(one: Typed) -> None:
    line = OPEN.replace("192.168.1.101", "localhost")
    entry = one.json(line)
    assert (entry["success"], entry["action"]) == (True, "ENTRY")
    assert entry["event_id"].startswith("central-1_")
    assert entry["event_id"].endswith("_29A12345")
    assert isinstance(entry["history_id"], int)
    seen = one.json(
        "curl -X POST http://localhost:8000/api/edge/detection -d '"
        '{"edge_id": "edge-1", "plate_id": "29A12345", "plate_view": "29A-123.45",'
        ' "camera_type": "car", "direction": "ENTRY", "confidence": 0.95}'
        "'"
    )
    assert seen["success"] is True
    assert seen["vehicle_info"]["already_inside"] is True
    close = 'curl -X POST http://localhost:8000/api/edge/barrier/close -d \'{"edge_id": "edge-1"}\''
    assert one.json(close)["action"] == "ENTRY_CONFIRMED"
    exit_ = one.json(line.replace("edge-1", "edge-8"))
    assert (exit_["action"], exit_["event_id"]) == ("EXIT", entry["event_id"])
    assert (exit_["fee"], exit_["duration"]) == (25000, "0 phút")


def test_the_settings_page_reads_and_saves(one: Typed) -> None:
    config = one.json("curl http://localhost:8000/api/p2p/config")["config"]
    assert set(config) == {"this_central", "peer_centrals"}
    body = json.dumps(config)
    line = f"curl -X PUT -H 'Content-Type: application/json' -d '{body}'"
    assert one.json(f"{line} http://localhost:8000/api/p2p/config") == {
        "success": True,
        "config": config,
    }


@pytest.fixture(scope="module")
def two() -> Iterator[Typed]:
    with typed(2) as shell:
        yield shell


@pytest.fixture(params=[pytest.param(2, marks=pytest.mark.slow), 3])
def several(request: pytest.FixtureRequest) -> Typed:
    shell: Typed = request.getfixturevalue({2: "two", 3: "three"}[request.param])
    return shell


@pytest.mark.programs
def test_centrals_that_are_connected(several: Typed) -> None:
    answer = several.json(STATUS)
    others = len(several.gateways) - 1
    assert (answer["standalone_mode"], answer["total_peers"]) == (False, others)
    assert answer["connected_peers"] == others
    peer = answer["peers"][0]
    assert (peer["peer_id"], peer["peer_ip"]) == ("central-2", "127.0.0.1")
    assert (peer["peer_port"], peer["connected"]) == (several.site.centrals[1].ports[0], True)
    assert peer["last_ping_time"][4] == "-"
    line = "curl -X POST 'http://192.168.1.101:8000/api/p2p/test-connection?peer_id=central-2'"
    assert several.json(line)["success"] is True


@pytest.mark.programs
def test_in_at_one_central_and_out_at_another(several: Typed) -> None:
    assert several.json(OPEN)["action"] == "ENTRY"
    several.wait("the entry is there", f"{HISTORY} | grep 29A12345")
    [stay] = several.stays(2, "29A12345")
    assert (stay["sync_status"], stay["status"]) == ("SYNCED", "IN")
    left = several.json(OPEN.replace("192.168.1.101", "192.168.1.102").replace("edge-1", "edge-8"))
    assert left["action"] == "EXIT"
    wait_for("the exit is back", lambda: several.stays(1, "29A12345")[0]["exit_time"])
    [stay] = several.stays(1, "29A12345")
    assert (stay["fee"], stay["exit_edge_id"]) == (25000, "edge-8")


def test_two_at_once_come_to_one(three: Typed) -> None:
    first = OPEN.replace("29A12345", "30F67890")
    second = first.replace("192.168.1.101", "192.168.1.102").replace("edge-1", "edge-5")
    three.type(f"{first} & {second} & wait")
    three.site.wait_equal()
    found = [[stay["event_id"] for stay in three.stays(n, "30F67890")] for n in (1, 2, 3)]
    assert len(found[0]) == 1
    assert found[0] == found[1] == found[2]


def test_a_detection_with_its_content_type_and_view(three: Typed) -> None:
    line = """curl -X POST http://192.168.1.101:8000/api/edge/barrier/open \\
      -H "Content-Type: application/json" \\
      -d '{"edge_id": "edge-1", "plate_id": "51A00001", "plate_view": "51A-000.01"}'"""
    assert three.json(line)["success"] is True
    three.wait("it is found", f"{HISTORY} | grep 51A00001")


def test_what_a_central_missed_is_there_when_it_is_back(three: Typed) -> None:
    away = three.site.centrals[1]
    away.stop()
    line = """for i in {1..10}; do
      curl -X POST http://192.168.1.101:8000/api/edge/barrier/open \\
        -d "{\\"edge_id\\": \\"edge-1\\", \\"plate_id\\": \\"TEST00$i\\"}"
    done"""
    assert three.type(line).count('"ENTRY"') == 10
    assert three.type(f"{HISTORY} | grep TEST001") == "", "the database is read, and has it not"
    away.start()
    three.wait("they are there", f"{HISTORY} | grep TEST0010")
    assert all(three.stays(2, f"TEST00{number}") for number in range(1, 11))
    three.site.wait_connected()
    states = three.json("curl http://192.168.1.101:8000/api/p2p/sync-state")
    assert states["success"] is True
    assert [state["peer_central_id"] for state in states["sync_state"]] == [
        "central-2",
        "central-3",
    ]
    assert all(state["last_sync_timestamp"] > 0 for state in states["sync_state"])
    assert all(len(state["last_sync_time"]) == 19 for state in states["sync_state"])


def test_a_daemon_that_is_away_is_said(one: Typed) -> None:
    one.site.centrals[0].stop()
    answer = one.json("curl http://localhost:8000/api/p2p/status")
    assert (answer["success"], answer["error"]["code"]) == (False, "daemon_unreachable")
    assert one.json(OPEN.replace("192.168.1.101", "localhost"))["success"] is False
    assert one.json("curl http://localhost:8000/api/parking/history")["success"] is True
