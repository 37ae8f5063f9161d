"""`zparkctl audit`, the log and the live list: who opened by hand or by force, and why."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from click.testing import CliRunner, Result

from tests.cli.conftest import Central
from tests.support.gateway import Gateway
from tests.support.harness import ask
from zparkd.cli.main import main
from zparkd.storage.store import Store
from zparkd.testbed.loopback import LoopbackSite, wait_for


@pytest.fixture(scope="module")
def site() -> Iterator[LoopbackSite]:
    with TemporaryDirectory(prefix="zp-") as folder, LoopbackSite(Path(folder), 2) as site:
        site.start()
        yield site


def run(site: LoopbackSite, at: int, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-c", str(site.centrals[at].config), *arguments])


def rows(site: LoopbackSite, at: int) -> list[dict[str, object]]:
    result = run(site, at, "audit", "--json")
    assert result.exit_code == 0, result.stderr
    found = orjson.loads(result.stdout)
    assert isinstance(found, list)
    return found


def test_an_act_at_one_central_is_told_at_all_and_survives_a_reload(site: LoopbackSite) -> None:
    fields = {"force": True, "reason": "no ticket", "staff_id": "nv01", "direction": "EXIT"}
    ask(site.centrals[0], "out-1", "BARRIER_OPEN", plate_id="29A12345", **fields)
    ask(site.centrals[0], "out-1", "BARRIER_OPEN", force=True, reason="a fire engine")
    with Gateway(site.centrals[0]) as gateway:
        fields = {"edge_id": "out-1", "force": True, "reason": "tried out"}
        assert gateway.http.post("/api/edge/barrier/open", json=fields).json()["success"] is True
    wait_for("all is at the other", lambda: len(rows(site, 1)) == 3)
    assert rows(site, 0) == rows(site, 1)
    by_root, by_hand, forced = rows(site, 1)
    assert (forced["who"], forced["why"], forced["plate_id"]) == ("nv01", "no ticket", "29A12345")
    assert (forced["kind"], forced["forced"]) == ("VEHICLE_EXIT", True)
    assert (by_hand["who"], by_hand["why"]) == ("edge out-1", "a fire engine")
    assert by_root["who"] in ("root", "local user")
    with Gateway(site.centrals[1]) as gateway:
        assert gateway.get("/api/audit").json()["audit"] == rows(site, 1)
        assert gateway.get("/api/audit", limit=1).json()["audit"] == rows(site, 1)[:1]
        assert gateway.get("/api/audit", since="2000-01-01", to="2000-01-02").json()["audit"] == []
        assert gateway.get("/api/audit", since="soon").status_code == 400
        live = gateway.get("/api/events", limit=3).json()["events"]
        told = [(event["who"], event["why"], event["forced"]) for event in live]
        assert told == [(row["who"], row["why"], True) for row in rows(site, 1)]


def test_people_see_who_and_why(site: LoopbackSite) -> None:
    ask(site.centrals[0], "out-2", "BARRIER_OPEN", force=True, reason="a tow truck")
    lines = run(site, 0, "audit").stdout.splitlines()
    assert lines[0].split() == ["TIME", "WHAT", "ABOUT", "AT", "WHO", "WHY"]
    assert lines[1].endswith("central-1/out-2  edge out-2  a tow truck")
    assert run(site, 0, "audit", "--since", "2999-01-01").stdout == "audit: none\n"
    assert len(run(site, 0, "audit", "--limit", "1").stdout.splitlines()) == 2


def test_a_time_that_is_none_is_named(central: Central) -> None:
    Store(central.database, "central-1", "lot-a", "Asia/Ho_Chi_Minh").close()
    assert central.run("audit").stdout == "audit: none\n"
    result = central.run("audit", "--since", "yesterday")
    assert result.exit_code == 2
    assert "'yesterday' is no time" in result.stderr
