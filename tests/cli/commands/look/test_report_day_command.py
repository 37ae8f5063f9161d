"""`zparkctl report day` and `report check`, at real centrals and at none."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner, Result

from tests.cli.conftest import Central
from tests.support.vehicles import OTHER, Book
from zparkd.cli.main import main
from zparkd.config.load import SecurityMode
from zparkd.core.events.event import Event
from zparkd.storage.store import Store
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite

DAY = "2024-12-02"


def hold(central: Central | LoopbackCentral, events: list[Event], id: str = "central-1") -> None:
    """Have these events in its database; its daemon does not run."""
    with closing(Store(central.database, id, "lot-a", "Asia/Ho_Chi_Minh")) as store:
        for event in events:
            store.append(event)
        while store.unsettled:
            store.settle()
        store.commit()


def a_day() -> Book:
    book = Book()
    entry = book.entry("central-1", 0)
    book.exit("central-2", 3600, names=entry)
    return book


def test_in_plain_mode_it_is_not_signed_and_says_so(central: Central, tmp_path: Path) -> None:
    hold(central, a_day().events)
    out = tmp_path / "day.json"
    done = central.run("report", "day", DAY, "--out", str(out))
    assert (done.exit_code, "it is not signed" in done.stderr) == (0, True)
    close = json.loads(out.read_text())
    assert close["totals"]["shift"][0]["revenue"] == 25_000
    assert close["heads"] == [["central-1", 1, 1], ["central-2", 1, 1]]
    checked = central.run("report", "check", str(out))
    assert checked.exit_code == 0, checked.stderr
    assert "calculated again from the same events: equal" in checked.stdout
    again = central.run("report", "day", DAY, "--out", str(out))
    assert (again.exit_code, "is not overwritten" in again.stderr) == (1, True)


def test_what_came_later_is_listed_and_is_no_fault(central: Central, tmp_path: Path) -> None:
    book = a_day()
    hold(central, book.events)
    out = tmp_path / "day.json"
    assert central.run("report", "day", DAY, "--out", str(out)).exit_code == 0
    before = len(book.events)
    book.entry("central-3", 60, of=OTHER)
    book.exit("central-3", 1800, of=OTHER, fee=7_000)
    hold(central, book.events[before:])
    checked = central.run("report", "check", str(out), "--json")
    assert checked.exit_code == 0, checked.stderr
    told = json.loads(checked.stdout)
    assert (told["equal"], told["differs"], told["since"]["events"]) == (True, [], 2)
    assert [event["plate_id"] for event in told["since"]["of_the_day"]] == [OTHER.plate_id] * 2
    assert any("fees 32000" in line for line in told["since"]["changed"])
    assert "since: 2 events, 2 of the day" in central.run("report", "check", str(out)).stdout


def test_a_figure_that_was_changed_is_found(central: Central, tmp_path: Path) -> None:
    hold(central, a_day().events)
    out = tmp_path / "day.json"
    central.run("report", "day", DAY, "--out", str(out))
    changed = tmp_path / "changed.json"
    changed.write_text(out.read_text().replace("25000", "15000"))
    checked = central.run("report", "check", str(changed))
    assert checked.exit_code == 1
    assert "differs: revenue_by_type" in checked.stderr


def test_events_that_are_not_here_are_named(central: Central, tmp_path: Path) -> None:
    book = a_day()
    with TemporaryDirectory(prefix="zp-") as folder:
        other = Central(Path(folder))
        hold(other, book.events)
        out = tmp_path / "day.json"
        assert other.run("report", "day", DAY, "--out", str(out)).exit_code == 0
    hold(central, book.events[:1])
    checked = central.run("report", "check", str(out))
    assert checked.exit_code == 1
    assert "1 event of central-2 that it was made of are not here" in checked.stderr


def test_a_day_that_is_none_or_not_over(central: Central, tmp_path: Path) -> None:
    hold(central, [])
    out = ("--out", str(tmp_path / "x"))
    assert "'soon' is no day" in central.run("report", "day", "soon", *out).stderr
    later = central.run("report", "day", "2099-01-01", *out)
    assert (later.exit_code, "is not over yet" in later.stderr) == (1, True)
    bad = tmp_path / "bad"
    bad.write_text("{}")
    assert "is no close of a day" in central.run("report", "check", str(bad)).stderr


@pytest.fixture(scope="module")
def keyed() -> Iterator[LoopbackSite]:
    with (
        TemporaryDirectory(prefix="zp-") as folder,
        LoopbackSite(Path(folder), 2, mode=SecurityMode.CURVE) as site,
    ):
        site.start()
        yield site


def report(central: LoopbackCentral, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-c", str(central.config), "report", *arguments])


def test_with_keys_it_is_signed_and_genuine_by_the_key_alone(
    keyed: LoopbackSite, tmp_path: Path
) -> None:
    one, two = keyed.centrals
    out = tmp_path / "day.json"
    done = report(one, "day", DAY, "--out", str(out))
    assert done.exit_code == 0, done.stderr
    for central in (one, two):
        checked = report(central, "check", str(out))
        assert "signed by central-1, key " in checked.stdout
        assert checked.exit_code == 0, checked.stderr
    elsewhere = ["-c", str(tmp_path / "none.toml"), "report", "check", str(out)]
    assert one.public_key is not None
    by_key = CliRunner().invoke(main, [*elsewhere, "--public-key", one.public_key])
    assert by_key.exit_code == 0, by_key.stderr
    assert "not calculated again: the events are not on this machine" in by_key.stdout
    assert two.public_key is not None
    other_key = CliRunner().invoke(main, [*elsewhere, "--public-key", two.public_key])
    assert (other_key.exit_code, "is not known as that of" in other_key.stderr) == (1, True)
    assert CliRunner().invoke(main, elsewhere).exit_code == 78
    forged = tmp_path / "forged.json"
    forged.write_text(out.read_text().replace('"open_at_start": 0', '"open_at_start": 7'))
    changed = report(two, "check", str(forged))
    assert (changed.exit_code, "changed after it was signed" in changed.stderr) == (1, True)
