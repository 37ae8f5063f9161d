"""A site of two versions at once, whose centrals are then upgraded one by one."""

from pathlib import Path

import pytest

from tests.e2e import releases
from tests.support.harness import (
    PATIENCE_S,
    QUICK,
    enter,
    leave,
    peer_row,
    shared,
    wait_connected,
    wait_equal,
    wait_events,
)
from zparkd import __version__
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for


def problems(central: LoopbackCentral) -> set[str]:
    return {problem["code"] for problem in central.status()["problems"]}


def older(source: Path | None, folder: Path) -> Path:
    """The code of an older version: of a release, or this one without some kinds of events."""
    return releases.before_exits(folder) if source is None else releases.unpacked(source, folder)


@pytest.mark.parametrize(
    "source",
    # What an older version keeps unread, tests/daemon/test_upgrade.py reads in one process.
    [*releases.WHEELS, pytest.param(None, marks=pytest.mark.slow)],
    ids=lambda one: "before exits" if one is None else one.name,
)
def test_a_mixed_site_that_is_upgraded_one_by_one_ends_equal(
    tmp_path: Path, source: Path | None
) -> None:
    code = older(source, tmp_path / "older")
    with LoopbackSite(tmp_path / "site", 3, more=QUICK) as site:
        one, two, three = site.centrals
        newer = one.code
        two.code = three.code = code
        site.start()
        wait_connected(one, two, three)
        for central, plate in ((one, "29A00001"), (two, "29A00002"), (three, "29A00003")):
            enter(central, plate)
        wait_events(site.centrals, 6)
        leave(one, "29A00001")
        leave(one, "29A00002")
        enter(two, "29A00004")
        wait_events(site.centrals, 10)
        said = peer_row(one, "central-2")["version"]
        assert ("VERSION_DIFFERS" in problems(one)) is (said != __version__)
        for central in (two, three):
            central.stop()
            central.code = newer
            central.start()
            wait_connected(*site.centrals)
        wait_for(
            "no version differs any more",
            lambda: not any("VERSION_DIFFERS" in problems(central) for central in site.centrals),
            PATIENCE_S,
        )
        history = wait_equal(site.centrals, when=lambda rows: len(rows) == 4)
        assert sorted(row["status"] for row in history) == ["IN", "IN", "OUT", "OUT"]
        assert leave(three, "29A00004")["action"] == "EXIT"
        wait_equal(site.centrals, when=lambda rows: [r["status"] for r in rows].count("OUT") == 3)
        assert shared(two) == shared(one)
