"""`zparkctl report` and `GET /api/reports`, against real centrals."""

import csv
import io
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from click.testing import CliRunner, Result

from tests.cli.conftest import Central
from tests.support.gateway import Gateway
from tests.support.harness import ask, enter, leave, wait_equal
from tests.support.vehicles import BIKE, CAR, OTHER, Book
from zparkd.cli.main import main
from zparkd.core.reports.records import Name
from zparkd.storage.store import Store
from zparkd.testbed.loopback import LoopbackSite

DAY = ("--from", "2024-12-02", "--to", "2024-12-02")


@pytest.fixture
def day(central: Central) -> Central:
    """A day on which three came, two left, one of them by force, and one is still there."""
    book = Book()
    car = book.entry("central-1", 0)
    bike = book.entry("central-1", 600, of=BIKE)
    book.exit("central-2", 3600, names=car)
    book.exit("central-2", 7200, of=BIKE, names=bike, fee=5000, forced=True)
    book.entry("central-2", 7300, of=CAR)
    book.exit("central-1", 7400, of=OTHER, forced=True, fee=0)
    with closing(Store(central.database, "central-1", "lot-a", "Asia/Ho_Chi_Minh")) as store:
        for event in book.events:
            store.append(event)
        store.settle()
        store.commit()
    return central


def report(central: Central, name: str, *more: str) -> dict[str, object]:
    result = central.run("report", name, *more, "--json")
    assert result.exit_code == 0, result.stderr
    found = orjson.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_json_says_which_time_how_complete_and_the_sums(day: Central) -> None:
    found = report(day, "revenue", *DAY)
    rows = found.pop("rows")
    assert found == {
        "success": True,
        "report": "revenue",
        "from": "2024-12-02T00:00:00+07:00",
        "to": "2024-12-03T00:00:00+07:00",
        "by": "type",
        "totals": [
            {
                "currency": "VND",
                "exits": 2,
                "fees": 30_000,
                "adjustments": 0,
                "revenue": 30_000,
                "unmatched_exits": 1,
                "unmatched": 0,
            }
        ],
        "complete_until": "2024-12-03T00:00:00+07:00",
        "missing": [],
    }
    assert isinstance(rows, list)
    assert [(row["key"], row["fees"]) for row in rows] == [("car", 25_000), ("motorbike", 5_000)]


def test_a_shift_is_one_row(day: Central) -> None:
    times = ("--from", "2024-12-02 19:30", "--to", "2024-12-02 20:30")
    [row] = report(day, "shift", *times)["rows"]  # type: ignore[misc]
    assert row == {  # type: ignore[has-type]
        "key": None,
        "open_at_start": 2,
        "in": 0,
        "out": 1,
        "closed": 0,
        "open_at_end": 1,
        "currency": "VND",
        "exits": 1,
        "fees": 25_000,
        "adjustments": 0,
        "revenue": 25_000,
        "unmatched_exits": 0,
        "unmatched": 0,
        "exceptions": 0,
    }


def test_exceptions_say_who_and_why(day: Central) -> None:
    rows = report(day, "exceptions", *DAY)["rows"]
    assert isinstance(rows, list)
    assert [(row["kind"], row["plate_id"], row["who"], row["why"]) for row in rows] == [
        ("FORCED", BIKE.plate_id, "edge edge-1", "because"),
        ("UNMATCHED", OTHER.plate_id, "edge edge-1", "because"),
    ]


@pytest.mark.parametrize("name", list(Name))
def test_people_see_a_table(day: Central, name: Name) -> None:
    shown = day.run("report", name, *DAY)
    assert shown.exit_code == 0, shown.stderr
    first, header, *rows = shown.stdout.splitlines()
    assert first == f"{name}, 2024-12-02 00:00:00 to 2024-12-03 00:00:00"
    assert header == header.upper()
    assert rows
    empty = day.run("report", name, "--from", "2020-01-01", "--to", "2020-01-01")
    assert empty.exit_code == 0


def test_csv_opens_in_a_spreadsheet_and_computes_nothing(central: Central) -> None:
    book = Book()
    book.entry("central-1", 0, act=("=1+1", None))
    store = Store(central.database, "central-1", "lot-a", "Asia/Ho_Chi_Minh")
    with closing(store):
        for event in book.events:
            store.append(event)
        store.commit()
    book.entry("central-1", 0)
    printed = central.spawn("report", "inside", "--csv").stdout
    assert printed.startswith("\ufeff")
    header, *rows = csv.reader(io.StringIO(printed.removeprefix("\ufeff")))
    assert header[0] == "plate_id"
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


def test_what_is_no_time_or_no_choice_is_named(day: Central) -> None:
    def told(*arguments: str) -> str:
        result = day.run("report", *arguments)
        assert result.exit_code == 2
        return result.stderr

    assert "'soon' is no time" in told("traffic", "--from", "soon")
    assert "from is after to" in told("traffic", "--from", "2025-01-03", "--to", "2025-01-01")
    assert "at most 400 days" in told("traffic", "--from", "2020-01-01", "--to", "2025-01-01")
    assert "staff" in told("inside", "--by", "staff")
    assert "one of the two" in told("inside", "--json", "--csv")


@pytest.fixture(scope="module")
def site() -> Iterator[LoopbackSite]:
    with TemporaryDirectory(prefix="zp-") as folder, LoopbackSite(Path(folder), 2) as site:
        site.start()
        site.wait_connected()
        yield site


def run(site: LoopbackSite, at: int, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-c", str(site.centrals[at].config), "report", *arguments])


def test_all_centrals_and_the_gateway_report_the_same(site: LoopbackSite) -> None:
    one, two = site.centrals
    enter(one, "29A12345")
    leave(two, "29A12345")
    ask(two, "in-9", "BARRIER_OPEN", force=True, reason="a fire engine", staff_id="nv01")
    enter(two, "30F11111")
    wait_equal([one, two], when=lambda found: len(found) == 2)
    site.wait_equal()
    today = date.today()  # whatever the site's is meanwhile, it is one of these days
    first, last = (str(today + timedelta(days=days)) for days in (-2, 2))
    with Gateway(two) as gateway:
        for name in Name:
            if name is Name.INSIDE:
                continue  # how long they are inside is another second
            asked = (name, "--from", first, "--to", last, "--json")
            rows = [orjson.loads(run(site, at, *asked).stdout)["rows"] for at in (0, 1)]
            answer = gateway.get(f"/api/reports/{name}", **{"from": first, "to": last}).json()
            assert rows[0] == rows[1] == answer["rows"], name
            assert rows[0]
        days = {"from": first, "to": last}
        by_staff = gateway.get("/api/reports/exceptions", by="staff", **days).json()["rows"]
        assert by_staff == [{"key": "nv01", "kind": "BARRIER_MANUAL_OPEN", "count": 1}]
        file = gateway.get("/api/reports/traffic", format="csv")
        assert file.text.startswith("\ufeffkey,in,out,closed\r\n")
        assert file.headers["content-type"].startswith("text/csv")
        assert gateway.get("/api/reports/money").status_code == 404
        assert gateway.get("/api/reports/shift", by="hour").status_code == 400
        assert gateway.get("/api/reports/shift", **{"from": "soon"}).status_code == 400


def test_who_is_away_is_missing_and_what_is_before_is_complete(central: Central) -> None:
    central.add(
        "peers.d/central-2.toml", 'id = "central-2"\naddress = "127.0.0.1"\nbus_port = 9500\n'
    )
    Store(central.database, "central-1", "lot-a", "Asia/Ho_Chi_Minh").close()
    found = report(central, "traffic")
    assert (found["missing"], found["complete_until"]) == (["central-2"], None)
    shown = central.run("report", "traffic")
    assert "not complete: never heard of central-2" in shown.stderr
