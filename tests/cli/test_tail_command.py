"""`zparkctl tail`: a line an event, from a real daemon and for every kind."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from zoneinfo import ZoneInfo

import orjson
import pytest
from click.testing import CliRunner
from hypothesis import given, settings

from tests.cli.conftest import ROOT
from tests.core.vehicles import made_up
from zparkd.cli.loopback import LoopbackCentral, LoopbackSite, wait_for
from zparkd.cli.main import main
from zparkd.cli.tail import said
from zparkd.core.events import Event

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


@pytest.fixture(scope="module")
def central() -> Iterator[LoopbackCentral]:
    with TemporaryDirectory(prefix="zp-") as folder, LoopbackSite(Path(folder), 1) as site:
        site.start()
        yield site.centrals[0]


class Tail:
    """zparkctl at work on its own, and what it has printed."""

    def __init__(self, central: LoopbackCentral, out: Path, *arguments: str) -> None:
        self._central, self._out = central, out
        command = [sys.executable, "-m", "zparkd.cli.main", "-c", str(central.config), "tail"]
        with out.open("wb") as stdout:
            self.process = subprocess.Popen([*command, *arguments], cwd=ROOT, stdout=stdout)

    def lines(self, containing: str = "") -> list[str]:
        return [line for line in self._out.read_text().splitlines() if containing in line]

    def wait_until_it_hears(self) -> None:
        """Make events until one is printed: who subscribes late has missed what was before."""
        with self._central.edge("gate") as camera:

            def heard() -> bool:
                camera.open_barrier(force=True, reason="a fire engine")
                return bool(self.lines("BARRIER_MANUAL_OPEN"))

            wait_for("an event is printed", heard)

    def wait_for(self, containing: str, count: int = 1) -> list[str]:
        wait_for(f"{containing} is printed", lambda: len(self.lines(containing)) >= count)
        return self.lines(containing)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def test_each_event_is_a_line_of_json_until_it_is_interrupted(
    central: LoopbackCentral, tmp_path: Path
) -> None:
    with Tail(central, tmp_path / "out", "--json") as tail, central.edge("gate") as camera:
        tail.wait_until_it_hears()
        entry = camera.open_barrier("29A-123.45", direction="ENTRY", confidence=0.5)
        camera.open_barrier("29A-123.45", direction="EXIT")
        came, left = map(orjson.loads, tail.wait_for("29A12345", 2))
        tail.process.send_signal(signal.SIGINT)
        assert tail.process.wait(20) == 0
    assert (came["type"], left["type"]) == ("VEHICLE_ENTRY_PENDING", "VEHICLE_EXIT")
    assert came["event_id"] == entry["event_id"]
    assert (came["plate_id"], came["confidence"]) == ("29A12345", 0.5)
    assert (came["source_central"], came["edge_id"]) == ("central-1", "gate")
    assert (left["fee"], left["currency"]) == (25000, "VND")
    assert left["names"] == ["central-1", came["epoch"], came["seq"]]
    assert "salt" not in came


def test_people_see_columns_with_nothing_blank(central: LoopbackCentral, tmp_path: Path) -> None:
    with Tail(central, tmp_path / "out") as tail, central.edge("gate") as camera:
        (header,) = tail.wait_for("KIND")
        assert header.split() == ["TIME", "KIND", "PLATE", "TYPE", "AT", "FEE"]
        tail.wait_until_it_hears()
        camera.open_barrier("30F-111.11", direction="ENTRY")
        (line,) = tail.wait_for("30F11111")
    assert line.index("30F11111") == header.index("PLATE")
    assert line.split()[3:] == ["30F11111", "car", "central-1/gate", "none"]
    assert tail.lines("BARRIER_MANUAL_OPEN")[0].split()[3:] == [
        "none",
        "none",
        "central-1/gate",
        "none",
    ]


def test_no_daemon_exits_69_and_says_how_to_start_it() -> None:
    with TemporaryDirectory(prefix="zp-") as folder:
        stopped = LoopbackCentral(Path(folder) / "stopped", "central-1")
        result = CliRunner().invoke(main, ["-c", str(stopped.config), "tail", "--json"])
    assert result.exit_code == 69, result.stderr
    assert "systemctl start zparkd" in result.stderr
    assert orjson.loads(result.stdout)["running"] is False


@settings(max_examples=50)
@given(made_up())
def test_any_event_can_be_said(events: list[Event]) -> None:
    for event in events:
        told = said(event, ZONE)
        orjson.dumps(told)
        assert told["type"] == event.kind
        assert "salt" not in told
