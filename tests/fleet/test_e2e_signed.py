"""Sites with keys: every event in the fleet is covered by its origin's signature."""

import pytest

from tests.fleet.rig import Rig
from zparkd.config.schema import SecurityMode
from zparkd.testbed.loopback import LoopbackCentral


@pytest.fixture
def central(rig: Rig) -> LoopbackCentral:
    more = f'\n[uplink]\nservers = ["{rig.nats.url}"]\n'
    folder = rig.folder / "keyed"
    made = LoopbackCentral(folder, "central-1", more=more, mode=SecurityMode.CURVE)
    made.admits("edge-1")
    made.start()
    rig.centrals.append(made)
    return made


def enter(central: LoopbackCentral, count: int) -> None:
    with central.edge("edge-1") as edge:
        for n in range(count):
            assert edge.open_barrier(f"29A1000{n}", direction="ENTRY")["success"]


def test_events_of_a_site_with_keys_are_taken_by_their_signatures(
    rig: Rig, central: LoopbackCentral
) -> None:
    rig.fleet()
    rig.uplink(central)
    enter(central, 5)
    rig.await_events("lot-a", 5)
    rig.await_history("lot-a", central)
    assert rig.rows("SELECT signs FROM sites") == [{"signs": True}]
    assert rig.rows("SELECT count(*) AS n FROM identities") == [{"n": 1}]
    assert rig.rows("SELECT count(*) AS n FROM events WHERE signature IS NULL") == [{"n": 0}]


def test_where_another_key_is_named_for_a_central_nothing_of_it_is_taken(
    rig: Rig, central: LoopbackCentral
) -> None:
    from tests.support.centrals import public_key

    keys = rig.folder / "keys.toml"
    keys.write_text(f'[lot-a]\ncentral-1 = "{public_key("another")}"\n')
    fleet = rig.fleet("--keys", str(keys))
    rig.uplink(central)
    enter(central, 3)
    from zparkd.testbed.loopback import wait_for

    wait_for("it waits", lambda: rig.rows("SELECT 1 FROM sites WHERE problem LIKE '%key%'"))
    assert rig.stays("lot-a") == []
    assert fleet.stop() == 0
    keys.write_text(f'[lot-a]\ncentral-1 = "{central.public_key}"\n')
    rig.fleet("--keys", str(keys))
    rig.await_events("lot-a", 3, 60)
    rig.await_history("lot-a", central)


def test_a_bad_file_of_keys_is_named_with_what_to_write(rig: Rig) -> None:
    keys = rig.folder / "keys.toml"
    keys.write_text('[lot-a]\ncentral-1 = "short"\n')
    fleet = rig.fleet("--keys", str(keys))
    assert fleet.process is not None
    assert fleet.process.wait(20) == 78
    assert "lot-a.central-1: a key has 40 characters" in fleet.log.read_text()
