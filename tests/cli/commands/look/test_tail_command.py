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
from hypothesis import given

from tests.cli.conftest import ROOT
from tests.support.examples import examples
from tests.support.vehicles import made_up
from zparkd.cli.commands.look.tail import said
from zparkd.cli.main import main
from zparkd.core.events.event import Event
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


@pytest.fixture(scope="module")
def site() -> Iterator[LoopbackSite]:
    with TemporaryDirectory(prefix="zp-") as folder, LoopbackSite(Path(folder), 2) as site:
        site.start()
        yield site


@pytest.fixture
def central(site: LoopbackSite) -> LoopbackCentral:
    return site.centrals[0]


class Tail:
    """zparkctl at work on its own, and what it has printed."""

    def __init__(self, central: LoopbackCentral, out: Path, *arguments: str) -> None:
        self._central, self._out = central, out
        command = [sys.executable, "-m", "zparkd.cli.main", "-c", str(central.config), "tail"]
        self._told = out.with_suffix(".err")
        with out.open("wb") as stdout, self._told.open("wb") as stderr:
            self.process = subprocess.Popen(
                [*command, *arguments], cwd=ROOT, stdout=stdout, stderr=stderr
            )

    def told(self) -> str:
        """What it printed on standard error."""
        return self._told.read_text()

    def lines(self, containing: str = "") -> list[str]:
        return [line for line in self._out.read_text().splitlines() if containing in line]

    def wait_until_it_hears(self) -> None:
        """Make events until one is printed: those from before it started are none of its."""
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
        assert header.split() == ["TIME", "KIND", "PLATE", "TYPE", "AT", "FEE", "BY", "HAND"]
        tail.wait_until_it_hears()
        camera.open_barrier("30F-111.11", direction="ENTRY")
        (line,) = tail.wait_for("30F11111")
    assert line.index("30F11111") == header.index("PLATE")
    assert line.split()[3:] == ["30F11111", "car", "central-1/gate", "none", "none"]
    by_hand = tail.lines("BARRIER_MANUAL_OPEN")[0]
    assert by_hand.split()[3:7] == ["none", "none", "central-1/gate", "none"]
    assert by_hand.endswith("forced by edge gate: a fire engine")


def test_what_came_from_another_central_is_printed_in_the_order_of_arrival(
    site: LoopbackSite, tmp_path: Path
) -> None:
    here, there = site.centrals
    with Tail(here, tmp_path / "out", "--json") as tail:
        tail.wait_until_it_hears()
        with there.edge("far") as camera:
            camera.open_barrier("51H-222.22", direction="ENTRY")
            camera.close_barrier("51H-222.22")
        came = [orjson.loads(line) for line in tail.wait_for("51H22222", 2)]
    assert [event["source_central"] for event in came] == ["central-2", "central-2"]
    assert [event["type"] for event in came] == ["VEHICLE_ENTRY_PENDING", "VEHICLE_ENTRY_CONFIRMED"]


def test_it_outlives_the_daemon_and_says_when_that_comes_and_goes(
    site: LoopbackSite, tmp_path: Path
) -> None:
    central = site.centrals[1]
    with Tail(central, tmp_path / "out", "--json") as tail, central.edge("gate") as camera:
        central.stop()
        wait_for("its end is told", lambda: "zparkd is not running" in tail.told())
        assert "systemctl start zparkd" in tail.told()
        central.start()
        wait_for("its return is told", lambda: "zparkd runs again" in tail.told())
        camera.open_barrier("60A-222.22", direction="ENTRY")
        tail.wait_for("60A22222")
        assert tail.process.poll() is None


def test_no_database_exits_1(tmp_path: Path) -> None:
    never_ran = LoopbackCentral(tmp_path / "new", "central-1")
    result = CliRunner().invoke(main, ["-c", str(never_ran.config), "tail", "--json"])
    assert result.exit_code == 1, result.stderr
    assert orjson.loads(result.stdout)["error"]["code"] == "no_database"


@examples(30)
@given(made_up())
def test_any_event_can_be_said(events: list[Event]) -> None:
    for event in events:
        told = said(event, ZONE)
        orjson.dumps(told)
        assert told["type"] == event.kind
        assert "salt" not in told
