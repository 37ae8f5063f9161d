"""The main job of the fleet, with real centrals, NATS and PostgreSQL."""

from tests.fleet.rig import Rig, camera, events_held, history
from zparkd.testbed.loopback import wait_for

PATIENCE_S = 30.0


def test_what_cameras_of_two_sites_record_is_in_the_fleet_as_each_site_shows_it(rig: Rig) -> None:
    rig.fleet()
    for site in ("lot-a", "lot-b"):
        central = rig.central("central-1", site)
        rig.uplink(central)
        with camera(central) as edge:
            for n in range(6):
                assert edge.open_barrier(f"29A1000{n}", direction="ENTRY")["success"]
                edge.close_barrier()
                if n % 2:
                    assert edge.open_barrier(f"29A1000{n}", direction="EXIT")["success"]
            edge.open_barrier("51F99999", direction="EXIT", force=True, reason="no ticket")
    for central in rig.centrals:
        site = str(central.status()["site"])
        rig.await_events(site, events_held(central))
        rig.await_history(site, central)
        assert len(history(central)) == 6
        result = rig.verify(site)
        assert (result["stays"], result["rows_equal"], result["site_equal"]) == (6, True, True)
    wait_for("the fleet is well", lambda: rig.ask("status").returncode == 0, PATIENCE_S)
    revenue = rig.rows("SELECT sum(revenue)::bigint AS sum FROM revenue")
    assert revenue == [{"sum": 2 * 3 * 25_000}]


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
    rig.await_history("lot-a", second)
    senders = [{"sender": "central-2"}]
    wait_for("it sends", lambda: rig.rows("SELECT sender FROM sites") == senders, PATIENCE_S)


def test_status_shows_who_sends_and_what_the_fleet_lacks(rig: Rig) -> None:
    central = rig.central("central-1")
    assert central.status()["uplink"]["running"] is False
    uplink = rig.uplink(central)
    with camera(central) as edge:
        assert edge.open_barrier("29A10001", direction="ENTRY")["success"]

    def problem() -> str:
        problems = {it["code"]: it["message"] for it in central.status()["problems"]}
        return problems.get("UPLINK", "")

    wait_for("it runs", lambda: central.status()["uplink"]["running"], PATIENCE_S)
    wait_for("it says so", lambda: "the fleet does not answer" in problem(), PATIENCE_S)
    rig.fleet()
    wanted = {"lag": 0, "sender": "central-1", "sends": True, "problem": None}

    def well() -> bool:
        state = central.status()["uplink"]
        return {name: state[name] for name in wanted} == wanted

    wait_for("the fleet has all", well, PATIENCE_S)
    assert uplink.stop() == 0
    wait_for("it is gone", lambda: central.status()["uplink"]["running"] is False, PATIENCE_S)


def test_what_is_not_to_be_told_is_not_sent(rig: Rig) -> None:
    from zparkd.testbed.loopback import new_key

    key = rig.folder / "pseudonyms.key"
    new_key(key)
    rig.fleet()
    central = rig.central("central-1", personal="pseudonym", personal_key_file=str(key))
    rig.uplink(central)
    with camera(central) as edge:
        for plate_id in ("29A10001", "29A10002"):
            assert edge.open_barrier(plate_id, direction="ENTRY", plate_view="X")["success"]
        assert edge.open_barrier("29A10001", direction="EXIT")["success"]
    rig.await_events("lot-a", 3)
    wait_for("both are there", lambda: len(rig.stays("lot-a")) == 2, PATIENCE_S)
    plates = {row["plate_id"] for row in rig.stays("lot-a")}
    assert len(plates) == 2
    assert not plates & {"29A10001", "29A10002"}
    assert {row["plate_view"] for row in rig.stays("lot-a")} == {None}
    assert rig.verify("lot-a")["site_equal"] is True
