"""The main job of the fleet, with real centrals, NATS and PostgreSQL."""

from tests.fleet.rig import Rig, camera, events_held, history


def test_what_cameras_of_two_sites_record_is_in_the_fleet_as_each_site_shows_it(rig: Rig) -> None:
    rig.fleet()
    for site in ("lot-a", "lot-b"):
        central = rig.central("central-1", site)
        rig.uplink(central)
        with camera(central) as edge:
            for n in range(20):
                assert edge.open_barrier(f"29A1000{n}", direction="ENTRY")["success"]
                edge.close_barrier()
                if n % 2:
                    assert edge.open_barrier(f"29A1000{n}", direction="EXIT")["success"]
            edge.open_barrier("51F99999", direction="EXIT", force=True, reason="no ticket")
    for central in rig.centrals:
        site = str(central.status()["site"])
        rig.await_events(site, events_held(central))
        assert rig.stays(site) == history(central)
        assert len(history(central)) == 20
        result = rig.verify(site)
        assert (result["stays"], result["rows_equal"], result["site_equal"]) == (20, True, True)
    assert rig.ask("status").returncode == 0
    revenue = rig.rows("SELECT sum(revenue)::bigint AS sum FROM revenue")
    assert revenue == [{"sum": 2 * 10 * 25_000}]


def test_a_central_that_dies_is_stood_in_for_and_nothing_is_lost_or_doubled(rig: Rig) -> None:
    rig.fleet()
    first, second = rig.central("central-1"), rig.central("central-2")
    for one, other in ((first, second), (second, first)):
        one.knows(other)  # within 2 s they find each other
    lower = rig.uplink(first)
    rig.uplink(second)
    with camera(first) as edge:
        for n in range(5):
            assert edge.open_barrier(f"29A1000{n}", direction="ENTRY")["success"]
    rig.await_events("lot-a", 5)
    lower.kill()
    with camera(second) as edge:
        for n in range(5, 10):
            assert edge.open_barrier(f"29A1000{n}", direction="ENTRY")["success"]
    rig.await_events("lot-a", 10)
    assert rig.stays("lot-a") == history(second)
    assert rig.rows("SELECT sender FROM sites") == [{"sender": "central-2"}]
