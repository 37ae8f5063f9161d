"""Power cuts of all that stands between a gate and the fleet's stays: every event counts once."""

import threading

import psycopg
import pytest

from tests.fleet.rig import Rig, camera, events_held
from zparkd.testbed.loopback import LoopbackCentral, wait_for
from zparkd.testbed.servers import NatsServer, PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


class Gate:
    """A camera that works all the while, in a thread of its own."""

    def __init__(self, central: LoopbackCentral) -> None:
        self.opened = 0
        self.refused: list[object] = []
        self._central = central
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with camera(self._central) as edge:
            number = 0
            while not self._stopping.is_set():
                number += 1
                plate_id = f"29A{10_000 + number // 2}"
                answer = edge.open_barrier(plate_id)
                if answer["success"]:
                    self.opened += 1
                else:
                    self.refused.append(answer)

    def await_more(self, count: int = 30) -> None:
        """Wait until so many more opened."""
        until = self.opened + count
        wait_for(f"{count} more opens", lambda: self.opened >= until, 60)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()


def test_whatever_is_killed_under_load_every_event_is_in_the_fleet_once(
    rig: Rig, nats_server: NatsServer
) -> None:
    postgres = PostgresServer(durable=False).start()
    rig.database = postgres.dsn
    central = rig.central("central-1")
    uplink, fleet = rig.uplink(central), rig.fleet()
    gate = Gate(central)
    try:
        for victims in (
            (uplink,),
            (fleet,),
            (nats_server,),
            (postgres,),
            (nats_server, postgres),
            (uplink, fleet, nats_server, postgres),
        ):
            gate.await_more()
            for victim in victims:
                victim.kill()
            gate.await_more()
            for victim in reversed(victims):
                victim.start()
        gate.await_more()
        gate.stop()
        rig.await_events("lot-a", events_held(central), 120)
        assert gate.refused == []
        rig.await_history("lot-a", central)
        assert rig.verify("lot-a")["success"]
        held = rig.rows("SELECT count(*) AS n FROM events")
        assert held == [{"n": events_held(central)}]
    finally:
        gate.stop()
        rig.stop()
        postgres.stop()


def test_a_server_that_forgot_all_is_given_all_that_the_fleet_lacks_again(
    rig: Rig, nats_server: NatsServer
) -> None:
    import shutil

    central = rig.central("central-1")
    uplink = rig.uplink(central)
    fleet = rig.fleet()
    with camera(central) as edge:
        edge.open_barrier("29A10001")
        rig.await_events("lot-a", 1)
        fleet.kill()
        edge.open_barrier("29A10002")
        wait_for("it is sent", lambda: (central.status()["uplink"] or {})["events_sent"] == 2)
        nats_server.kill()
        shutil.rmtree(nats_server.folder / "store")
        nats_server.start()
        edge.open_barrier("29A10003")
        fleet.start()
        rig.await_events("lot-a", 3, 60)
    rig.await_history("lot-a", central)
    assert uplink.process is not None
    assert uplink.process.poll() is None


def test_two_fleets_share_the_sites_and_one_takes_over_what_the_other_had(rig: Rig) -> None:
    first = rig.fleet()
    centrals = [rig.central("central-1", site) for site in ("lot-a", "lot-b")]
    for central in centrals:
        rig.uplink(central)
        with camera(central) as edge:
            edge.open_barrier("29A10001")
    for site in ("lot-a", "lot-b"):
        rig.await_events(site, 1)
    rig.fleet()

    def folding() -> int:
        query = "SELECT count(DISTINCT pid) AS n FROM pg_locks WHERE classid = 31345"
        return int(rig.rows(query)[0]["n"])  # 0x7A71, the locks of sites

    wait_for("each has one", lambda: folding() == 2)
    first.kill()
    for central in centrals:
        with camera(central) as edge:
            edge.open_barrier("29A10002")
    for central, site in zip(centrals, ("lot-a", "lot-b"), strict=True):
        rig.await_events(site, 2)
        rig.await_history(site, central)


def test_a_database_that_was_set_back_is_given_what_it_lacks(rig: Rig) -> None:
    central = rig.central("central-1")
    rig.uplink(central)
    fleet = rig.fleet()
    with camera(central) as edge:
        for plate_id in ("29A10001", "29A10002", "29A10001"):
            assert edge.open_barrier(plate_id)["success"]
    rig.await_events("lot-a", 3)
    assert fleet.stop() == 0
    with psycopg.connect(rig.database, autocommit=True) as connection:
        connection.execute(
            "TRUNCATE sites, streams, identities, events, ahead, aside, stay, verdicts, links"
        )
    fleet.start()
    rig.await_events("lot-a", 3, 60)
    rig.await_history("lot-a", central)
