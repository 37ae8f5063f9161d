"""A site that was away for long: how fast the fleet has all of it, and what that costs the site."""

import time
from pathlib import Path

import pytest

from tests.fleet.load import SimulatedSite
from tests.fleet.rig import Rig, history
from zparkd.storage.store import Store
from zparkd.testbed.loopback import LoopbackCentral, wait_for

EVENTS = 100_000
RESIDENT_KIB = 60 * 1024


def resident_kib(pid: int) -> int:
    """The most memory that a process ever had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def filled(path: Path) -> SimulatedSite:
    """A central's database with the events of a site that was away."""
    site = SimulatedSite("lot-a", 1)
    store = Store(path, "central-1", "lot-a", "Asia/Ho_Chi_Minh")
    events = list(site.events(EVENTS))
    for first in range(0, len(events), 1_000):
        for event in events[first : first + 1_000]:
            store.append(event)
        store.commit()
    store.close()
    return site


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_site_that_was_away_for_100_000_events_is_caught_up_with(rig: Rig) -> None:
    more = f'\n[uplink]\nservers = ["{rig.nats.url}"]\n'
    central = LoopbackCentral(rig.folder / "away", "central-1", more=more)
    site = filled(central.database)
    rig.fleet()
    wait_for("the fleet has its tables", lambda: rig.rows("SELECT count(*) AS n FROM sites"))
    uplink = rig.uplink(central)
    rig.await_events("lot-a", 1, 60)
    began = time.monotonic()
    rig.await_events("lot-a", EVENTS, 300)
    rate = EVENTS / (time.monotonic() - began)
    assert uplink.process is not None
    resident = resident_kib(uplink.process.pid)
    print(f"{rate:,.0f} events/s, the uplink {resident / 1024:.0f} MiB")
    assert resident < RESIDENT_KIB
    assert len(rig.stays("lot-a")) == len(history(central))
    rig.await_history("lot-a", central)
    revenue = rig.rows("SELECT sum(revenue)::bigint AS sum FROM revenue")
    assert revenue == [{"sum": site.revenue}]
    assert rate > 1_000  # at rest it is some five times that; a busy machine is no fault
