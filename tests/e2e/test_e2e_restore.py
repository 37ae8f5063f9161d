"""The restore drill: a backup, more traffic, a dead machine; what is back and what is not."""

from pathlib import Path

import orjson

from tests.e2e.conftest import MakeSite
from tests.support.harness import (
    NO_LIMIT,
    flood,
    opens,
    shared,
    wait_equal,
    wait_events,
    zparkctl,
)
from zparkd.testbed.loopback import LoopbackCentral


def restored(central: LoopbackCentral, copy: Path) -> dict[str, object]:
    done = zparkctl(central.config, "restore", str(copy), "--json")
    assert done.returncode == 0, done.stderr
    report = orjson.loads(done.stdout)
    assert isinstance(report, dict)
    return report


def backed_up(central: LoopbackCentral) -> Path:
    done = zparkctl(central.config, "backup", "--into", str(central.folder), "--json")
    assert done.returncode == 0, done.stderr
    return Path(orjson.loads(done.stdout)["path"])


def test_after_a_restore_all_that_a_peer_has_comes_back_and_all_are_equal(
    make_site: MakeSite,
) -> None:
    site = make_site(2, more=NO_LIMIT)
    one, two = site.centrals
    site.start()
    site.wait_connected()
    flood(one, opens("30A", 50))
    copy = backed_up(one)
    flood(one, opens("30B", 50))
    flood(two, opens("30C", 50))
    site.wait_equal()
    one.stop()
    report = restored(one, copy)
    assert report["events"] == 50
    one.start()
    flood(one, opens("30D", 50))  # new events meanwhile: no position is used twice
    wait_events(site.centrals, 200)
    assert len(wait_equal(site.centrals)) == 200
    verified = zparkctl(one.config, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_site_whose_last_disk_died_has_what_the_backup_has_and_is_told_what_is_gone(
    make_site: MakeSite,
) -> None:
    site = make_site(2, more=NO_LIMIT)
    one, two = site.centrals
    site.start()
    site.wait_connected()
    flood(one, opens("30A", 50))
    site.wait_equal()
    copy = backed_up(one)
    before = shared(one)
    two.stop()
    flood(one, opens("30B", 20))  # no other central ever gets these
    one.stop()
    report = restored(one, copy)
    assert [lack["lacking"] for lack in report["lacks"]] == [20]  # type: ignore[attr-defined]
    assert [lack["at_peers"] for lack in report["lacks"]] == [0]  # type: ignore[attr-defined]
    site.start()
    wait_events(site.centrals, 50)
    assert wait_equal(site.centrals) == before
