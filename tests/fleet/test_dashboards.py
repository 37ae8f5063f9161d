"""Every query of the dashboards runs, and shows what is there."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.load import SimulatedSite
from tests.fleet.sites import Fleet
from tests.support.vehicles import Book
from zparkd.core.events.event import Kind, Personal, Stream
from zparkd.core.events.payloads import TariffSet

FOLDER = Path(__file__).resolve().parents[2] / "etc" / "grafana" / "dashboards"
RULES = Path(__file__).resolve().parents[2] / "zparkd" / "web" / "api" / "metrics.py"


RATE = {
    "camera_type": "car",
    "currency": "VND",
    "step": [{"every_minutes": 60, "amount": 5_000}],
}


def panels(name: str) -> list[dict[str, Any]]:
    board = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    found: list[dict[str, Any]] = board["panels"]
    assert len({panel["id"] for panel in found}) == len(found)
    return found


def titles(name: str) -> list[str]:
    return [panel["title"] for panel in panels(name)]


@pytest.fixture
def fleet(database: str) -> Iterator[Fleet]:
    made = Fleet(database)
    yield made
    made.close()


def as_grafana_asks(sql: str, site: str, from_s: int, to_s: int) -> str:
    """A query with Grafana's macros and variables put in."""
    sql = sql.replace("${site:sqlstring}", f"'{site}'")
    sql = sql.replace("$__unixEpochFrom()", str(from_s)).replace("$__unixEpochTo()", str(to_s))
    assert "$" not in sql
    return sql


def shown(fleet: Fleet) -> dict[str, list[tuple[Any, ...]]]:
    rows = {}
    for panel in panels("fleet"):
        [target] = panel["targets"]
        sql = as_grafana_asks(target["rawSql"], fleet.site, 0, 4_000_000_000)
        rows[panel["title"]] = fleet.connection.execute(sql.encode()).fetchall()
    return rows


def test_every_query_on_postgresql_shows_what_the_sites_recorded(fleet: Fleet) -> None:
    site = SimulatedSite(fleet.site, 1, most_inside=20)
    fleet.take(*site.events(300))
    book = Book()
    tariff = TariffSet(version=1, document={"rate": [RATE]})
    fleet.take(
        book.exit("b", 5),
        book.say(Stream("c", 1), Kind.TARIFF, tariff, Personal(salt="")),
    )
    rows = shown(fleet)
    assert rows["Vehicles inside"] == [(site.inside,)]
    assert rows["Revenue of the period"] == [(site.revenue,)]
    assert rows["To look at"] == [(1,)]
    assert sum(row[2] for row in rows["Revenue a day"]) == site.revenue
    assert sum(row[1] for row in rows["Entries and exits an hour"]) > 90
    assert rows["Inside, by site and type"][0][:3] == (fleet.site, "car", site.inside)
    assert rows["Exceptions, by kind"] == [(fleet.site, "ENDED_NOTHING", 1, 25_000)]
    assert rows["How far each site is"][0][3] == sum(fleet.heads.values())
    assert sum(row[1] for row in rows["How long stays last"]) > 50
    assert rows["The tariff that counts"][0][:3] == (fleet.site, 1, "c")
    assert [title for title, found in rows.items() if not found] == []


def test_every_query_on_an_empty_database_runs(fleet: Fleet) -> None:
    rows = shown(fleet)
    assert rows["Vehicles inside"] == [(0,)]


@pytest.mark.parametrize("title", titles("site"))
def test_a_query_on_prometheus_asks_for_metrics_that_there_are(title: str) -> None:
    [target] = next(panel for panel in panels("site") if panel["title"] == title)["targets"]
    source = RULES.read_text("utf-8")
    names = re.findall(r"zparkd_(\w+)", target["expr"])
    assert names
    for name in names:
        ways = [name, re.sub("_(sent|received)_", "_{way}_", name)]
        assert any(f'"{way}"' in source for way in ways), name


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    rules = {
        "groups": [
            {
                "name": "dashboard",
                "rules": [
                    {
                        "record": f"panel:{panel['id']}",
                        "expr": panel["targets"][0]["expr"].replace("$instance", ".*"),
                    }
                    for panel in panels("site")
                ],
            }
        ]
    }
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps(rules))  # JSON is YAML
    done = subprocess.run(
        ["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboards_ask_the_sources_that_are_provisioned() -> None:
    provisioned = (FOLDER.parent / "provisioning" / "datasources" / "zparkd.yaml").read_text()
    uids = set(re.findall(r"uid: (\S+)", provisioned))
    for name in ("fleet", "site"):
        assert {panel["datasource"]["uid"] for panel in panels(name)} <= uids
