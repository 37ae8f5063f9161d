"""`zparkctl conflicts ack`, and the same over HTTP, at real centrals after a cut."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from click.testing import CliRunner, Result

from tests.support.gateway import Gateway
from tests.support.harness import QUICK, enter, wait_equal
from zparkd.cli.main import main
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for


@pytest.fixture(scope="module")
def site() -> Iterator[LoopbackSite]:
    """Two centrals that were apart while two cars entered at both of them, and are together."""
    with (
        TemporaryDirectory(prefix="zp-") as folder,
        LoopbackSite(Path(folder), 2, links=[], more=QUICK) as site,
    ):
        site.start()
        one, two = site.centrals
        for plate in ("51F00001", "51F00002"):
            enter(one, plate)
            enter(two, plate)
        one.knows(two)
        two.knows(one)
        wait_equal([one, two], when=lambda found: len(found) == 2)
        site.wait_equal()
        yield site


def run(site: LoopbackSite, at: int, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-c", str(site.centrals[at].config), *arguments])


def listed(site: LoopbackSite, at: int, *more: str) -> list[dict[str, object]]:
    result = run(site, at, "conflicts", "--json", *more)
    assert result.exit_code == 0, result.stderr
    found = orjson.loads(result.stdout)
    assert isinstance(found, list)
    return found


def test_the_log_says_once_what_came_of_the_cut(site: LoopbackSite) -> None:
    for central in site.centrals:

        def told(central: LoopbackCentral = central) -> int:
            return central.log.read_text().count(
                "2 new conflicts since the first of them was lost, 2 open"
            )

        wait_for("it is said", told)
        assert told() == 1


def test_one_that_is_acknowledged_is_open_nowhere(site: LoopbackSite) -> None:
    first, second = listed(site, 0)
    assert [row["id"] for row in listed(site, 1)] == [first["id"], second["id"]]
    said = ("--staff", "nv01", "--reason", "both cameras saw it")
    done = run(site, 1, "conflicts", "ack", str(first["id"]), *said)
    assert (done.exit_code, done.stdout) == (0, f"{first['id']}: SUPERSEDED is acknowledged\n")
    again = orjson.loads(run(site, 1, "conflicts", "ack", str(first["id"]), *said, "--json").stdout)
    assert (again["success"], again["already"]) == (True, True)
    for at, central in enumerate(site.centrals):
        wait_for("one is left", lambda central=central: central.status()["open_conflicts"] == 1)
        assert [row["id"] for row in listed(site, at)] == [second["id"]]
        told = {row["id"]: row["acknowledged"] for row in listed(site, at, "--all")}
        assert told[second["id"]] is None
        assert told[first["id"]]["who"] == "nv01"  # type: ignore[index]
    shown = run(site, 0, "conflicts", "--all", "--why").stdout
    assert "acknowledged by nv01 at central-2: both cameras saw it" in shown
    [act] = orjson.loads(run(site, 0, "audit", "--json", "--limit", "1").stdout)
    assert (act["kind"], act["who"], act["why"]) == (
        "CONFLICT_ACKNOWLEDGED",
        "nv01",
        "both cameras saw it",
    )
    assert run(site, 0, "verify").exit_code == 0
    with Gateway(site.centrals[0]) as gateway:
        [row] = gateway.get("/api/conflicts").json()["conflicts"]
        assert row["id"] == second["id"]
        assert len(gateway.get("/api/conflicts", all=1).json()["conflicts"]) == 2
        url = "/api/conflicts/ack"
        assert gateway.http.post(url, json={"id": row["id"]}).status_code == 400
        unknown = {"id": "aaaaaaaa", "reason": "x", "staff_id": "nv01"}
        assert gateway.http.post(url, json=unknown).status_code == 404
        fields = {"id": row["id"], "reason": "seen", "staff_id": "nv02"}
        assert gateway.http.post(url, json=fields).json() == {
            "success": True,
            "id": row["id"],
            "kind": "SUPERSEDED",
            "already": False,
        }
        assert gateway.get("/api/conflicts").json()["conflicts"] == []
        metrics = gateway.get("/metrics").text
        assert "zparkd_conflicts_open 0" in metrics
    assert run(site, 0, "conflicts").stdout == "conflicts: none\n"


def test_what_is_missing_or_not_known_is_named(site: LoopbackSite) -> None:
    assert run(site, 0, "conflicts", "ack", "aaaaaaaa").exit_code == 2
    unknown = run(site, 0, "conflicts", "ack", "aaaaaaaa", "--staff", "nv01", "--reason", "x")
    assert unknown.exit_code == 1
    assert "no such conflict; zparkctl conflicts --all lists them" in unknown.stderr
    empty = run(site, 0, "conflicts", "ack", "aaaaaaaa", "--staff", "nv01", "--reason", " ")
    assert "reason: why it is dealt with" in empty.stderr
