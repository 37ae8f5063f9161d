"""zparkd-camera as a whole: real process, real centrals, real relay."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.camera.relay import Relay
from tests.camera.rig import PATIENCE_S, Bridge, hikvision, now_ms
from tests.support.harness import QUICK, wait_equal, wait_events, zparkctl
from zparkd.config.load import SecurityMode
from zparkd.config.values import is_loopback
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, new_key, wait_for
from zparkd.transport.addresses import own_addresses


def http_barrier(relay: Relay) -> str:
    return f'[barrier]\nkind = "http"\nurl = "{relay.url}/open"\n'


def endpoints(site: LoopbackSite) -> list[str]:
    return [central.endpoint for central in site.centrals]


def test_a_camera_s_read_becomes_an_entry_and_opens_the_barrier_once(
    site: LoopbackSite, bridge: Bridge, relay: Relay
) -> None:
    bridge.lane("in-1", endpoints(site), http_barrier(relay), direction="ENTRY")
    bridge.start()
    for _ in range(3):
        status, _ = bridge.send("in-1", hikvision("29A-123.45"))
        assert status == 200
    bridge.wait("in-1", "reads", 3)
    wait_for("the barrier opened", lambda: relay.opened == ["/open"], PATIENCE_S)
    [stay] = wait_equal(site.centrals[:1], when=bool)
    assert (stay["plate_id"], stay["plate_view"]) == ("29A12345", "29A-123.45")
    assert (stay["edge_id"], stay["confidence"], stay["status"]) == ("in-1", 0.97, "IN")
    bridge.shows("in-1", passages=1, opened=1, waiting=0)
    assert bridge.status()["in-1"]["open_p50_ms"] > 0
    assert bridge.stop() == 0
    assert relay.opened == ["/open"]


def test_a_late_read_is_recorded_as_seen_and_opens_nothing(
    site: LoopbackSite, bridge: Bridge, relay: Relay
) -> None:
    bridge.lane("in-1", endpoints(site), http_barrier(relay), direction="ENTRY")
    bridge.start()
    old = hikvision("29A12345", now_ms() - 3_600_000)
    for _ in range(2):
        assert bridge.send("in-1", old)[0] == 200
    bridge.wait("in-1", "told", 1)
    bridge.wait("in-1", "late", 2)
    bridge.shows("in-1", waiting=0)
    wait_events(site.centrals, 1)
    assert site.centrals[0].history() == []
    assert relay.opened == []


def test_a_better_read_of_who_was_let_through_is_recorded_beside_it(
    site: LoopbackSite, bridge: Bridge, relay: Relay
) -> None:
    bridge.lane("in-1", endpoints(site), http_barrier(relay), direction="ENTRY")
    bridge.start()
    bridge.send("in-1", hikvision("29A1234S", confidence=88))
    bridge.wait("in-1", "opened")
    bridge.send("in-1", hikvision("29A12345", confidence=99))
    bridge.wait("in-1", "corrected")
    bridge.shows("in-1", passages=1, seen=1, waiting=1)
    wait_equal(site.centrals, when=lambda h: [stay["plate_id"] for stay in h] == ["29A1234S"])
    assert relay.opened == ["/open"]


def test_who_is_refused_stays_before_a_closed_barrier_and_may_be_let_in_later(
    site: LoopbackSite, bridge: Bridge, relay: Relay
) -> None:
    bridge.lane("out-1", endpoints(site), http_barrier(relay), direction="EXIT")
    bridge.start()
    bridge.send("out-1", hikvision("29A12345"))
    bridge.shows("out-1", refused={"not_inside": 1})
    assert relay.opened == []
    with site.centrals[1].edge("in-1") as gate:
        assert gate.open_barrier("29A12345", direction="ENTRY")["success"] is True

    def opened() -> bool:
        bridge.send("out-1", hikvision("29A12345"))
        return relay.opened == ["/open"]

    wait_for("it is let out", opened, PATIENCE_S)
    wait_equal(site.centrals, when=lambda h: [stay["status"] for stay in h] == ["OUT"])


def test_a_barrier_that_does_not_open_is_shown_and_asked_again_for_who_stands_there(
    site: LoopbackSite, bridge: Bridge, relay: Relay
) -> None:
    bridge.lane("in-1", endpoints(site), http_barrier(relay), direction="ENTRY")
    bridge.start()
    relay.status = 500
    bridge.send("in-1", hikvision("29A12345"))
    bridge.wait("in-1", "barrier_faults")
    assert bridge.status()["in-1"]["barrier_fault"] == "the relay answered 500"
    relay.status = 200

    def opened() -> bool:
        bridge.send("in-1", hikvision("29A12345"))
        return bridge.status()["in-1"]["opened"] == 1

    wait_for("it opens", opened, PATIENCE_S)
    assert len(relay.opened) == 2
    assert bridge.status()["in-1"]["barrier_fault"] is None
    wait_equal(site.centrals, when=lambda h: [stay["plate_id"] for stay in h] == ["29A12345"])


def test_a_slow_barrier_is_moved_by_one_command_at_a_time(
    site: LoopbackSite, bridge: Bridge, relay: Relay
) -> None:
    bridge.lane("in-1", endpoints(site), http_barrier(relay), direction="ENTRY", window_s=0)
    bridge.start()
    relay.slow_s = 0.3
    plates = ["29A12345", "30F99999", "51H00077"]
    for plate in plates:
        bridge.send("in-1", hikvision(plate))
    bridge.wait("in-1", "opened", 3)
    assert relay.most_busy == 1
    wait_equal(site.centrals, when=lambda h: {stay["plate_id"] for stay in h} == set(plates))


def test_a_rehearsal_records_nothing_and_moves_nothing(
    site: LoopbackSite, bridge: Bridge, relay: Relay
) -> None:
    bridge.lane("in-1", endpoints(site), http_barrier(relay), direction="ENTRY", dry_run=True)
    bridge.start()
    bridge.send("in-1", hikvision("29A12345"))
    bridge.send("in-1", hikvision("30F99999", now_ms() - 3_600_000))
    bridge.wait("in-1", "late")
    bridge.shows("in-1", passages=1)
    wait_for(
        "the central has heard of it",
        lambda: [edge["edge_id"] for edge in site.centrals[0].status()["edges"]] == ["in-1"],
        PATIENCE_S,
    )
    assert bridge.stop() == 0
    assert (relay.opened, site.centrals[0].status()["events"]) == ([], 0)


def test_a_camera_whose_clock_is_ahead_opens_nothing(
    site: LoopbackSite, bridge: Bridge, relay: Relay
) -> None:
    bridge.lane("in-1", endpoints(site), http_barrier(relay), direction="ENTRY")
    bridge.start()
    bridge.send("in-1", hikvision("29A12345", now_ms() + 7 * 3_600_000))
    bridge.wait("in-1", "ahead")
    bridge.shows("in-1", waiting=1)
    shown = bridge.status()["in-1"]
    assert 7 * 3_600_000 - 60_000 < shown["clock_offset_ms"] <= 7 * 3_600_000
    assert relay.opened == []


def test_a_camera_that_sends_a_read_again_opens_nothing(
    site: LoopbackSite, bridge: Bridge, relay: Relay
) -> None:
    bridge.lane("in-1", endpoints(site), http_barrier(relay), direction="ENTRY")
    bridge.start()
    bridge.send("in-1", hikvision("29A12345"))
    bridge.wait("in-1", "opened")
    bridge.send("in-1", hikvision("29A12345", isDataRetransmission="true"))
    bridge.send("in-1", hikvision("30F99999", isDataRetransmission="true"))
    bridge.wait("in-1", "repeated", 2)
    bridge.shows("in-1", passages=1, seen=1)  # the first was dealt with already
    assert relay.opened == ["/open"]


def test_the_direction_of_a_lane_that_goes_both_ways_is_the_camera_s(
    site: LoopbackSite, bridge: Bridge, relay: Relay
) -> None:
    text = '\ndirection = { forward = "ENTRY", reverse = "EXIT" }\n'
    bridge.lane("gate", endpoints(site), text + http_barrier(relay), window_s=0)
    bridge.start()
    bridge.send("gate", hikvision("29A12345"))
    bridge.wait("gate", "opened")
    bridge.send("gate", hikvision("30F99999", direction="reverse"))
    bridge.shows("gate", refused={"not_inside": 1})


def test_an_open_with_the_power_gone_in_the_middle_is_not_made_twice(
    site: LoopbackSite, bridge: Bridge, relay: Relay
) -> None:
    bridge.lane("in-1", endpoints(site), http_barrier(relay), direction="ENTRY")
    bridge.start()
    relay.slow_s = 1.0
    bridge.send("in-1", hikvision("29A12345"))
    wait_for("the barrier moves", lambda: relay.busy == 1, PATIENCE_S)
    bridge.kill()
    wait_for("it has moved", lambda: relay.opened == ["/open"], PATIENCE_S)
    bridge.start()
    for _ in range(2):
        bridge.send("in-1", hikvision("29A12345"))
    bridge.wait("in-1", "reads", 2)
    assert bridge.stop() == 0
    assert relay.opened == ["/open"]
    wait_equal(site.centrals, when=lambda h: len(h) == 1)


def test_where_centrals_use_keys_a_lane_proves_who_it_is(
    folder: Path, bridge: Bridge, relay: Relay
) -> None:
    with LoopbackSite(folder / "keys", 1, mode=SecurityMode.CURVE) as site:
        [central] = site.centrals
        central.admits("in-1")
        site.start()
        keys = {"secret_key_file": str(central.key_of("in-1")), "public_keys": [central.public_key]}
        bridge.lane("in-1", endpoints(site), http_barrier(relay), direction="ENTRY", **keys)
        bridge.start()
        bridge.send("in-1", hikvision("29A12345"))
        bridge.wait("in-1", "opened")
        assert relay.opened == ["/open"]
        assert [stay["plate_id"] for stay in central.history()] == ["29A12345"]


@pytest.mark.programs
def test_a_key_that_can_t_be_used_ends_it_with_78(bridge: Bridge, folder: Path) -> None:
    key = new_key(folder / "other.key")
    bridge.lane("in-1", ["tcp://127.0.0.1:1"], secret_key_file="no.key", public_keys=[key])
    done = bridge.run()
    assert done.returncode == 78
    assert "in-1.toml:0: secret_key_file: " in done.stderr
    assert "zparkctl keygen" in done.stderr
    (bridge.folder / "cameras.d" / "no.key").write_text("none")
    assert "no secret key; make one" in bridge.run().stderr


@pytest.mark.slow
def test_what_no_central_answered_survives_the_power_and_is_told_in_order_as_seen(
    site: LoopbackSite, bridge: Bridge, relay: Relay
) -> None:
    bridge.lane("in-1", endpoints(site), http_barrier(relay), direction="ENTRY", window_s=0)
    bridge.start()
    for central in site.centrals:
        central.kill()
    plates = [f"29A1000{number}" for number in range(3)]
    for plate in plates:
        bridge.send("in-1", hikvision(plate))
    bridge.wait("in-1", "unanswered", 3)
    assert bridge.status()["in-1"]["waiting"] == 3
    bridge.kill()
    bridge.start()
    assert bridge.status()["in-1"]["waiting"] == 3
    site.start()
    # The lane goes on while the outbox waits.
    bridge.send("in-1", hikvision("51H00077"))
    bridge.wait("in-1", "opened")
    wait_for("nothing waits", lambda: bridge.status()["in-1"]["waiting"] == 0, 60)
    assert relay.opened == ["/open"]
    wait_equal(site.centrals, when=lambda h: [stay["plate_id"] for stay in h] == ["51H00077"])
    wait_events(site.centrals, len(plates) + 1)
    address = f"{site.centrals[0].database.as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as database:
        rows = database.execute(
            "SELECT sealed FROM events WHERE kind = 'VEHICLE_SEEN' ORDER BY at"
        ).fetchall()
    assert [json.loads(sealed)["plate_id"] for (sealed,) in rows] == plates


def test_a_lane_that_joined_by_a_token_needs_no_other_key(
    folder: Path, bridge: Bridge, relay: Relay
) -> None:
    with LoopbackSite(folder / "keyed", 1, more=QUICK, mode=SecurityMode.CURVE) as site:
        site.start()
        [central] = site.centrals
        token = zparkctl(central.config, "invite", "--edge", "in-1", "--direction", "ENTRY")
        file = bridge.folder / "cameras.d" / "in-1.json"
        done = zparkctl(central.config, "join", token.stdout.strip(), "--edge-file", str(file))
        assert done.returncode == 0, done.stderr
        bridge.lane("in-1", "in-1.json", http_barrier(relay))
        bridge.start()
        bridge.send("in-1", hikvision("29A-123.45"))
        wait_for("the barrier opened", lambda: relay.opened == ["/open"], PATIENCE_S)
        [stay] = central.history()
        assert (stay["plate_id"], stay["edge_id"]) == ("29A12345", "in-1")
        # The lane's key is that of the join, so nobody else speaks for it.
        assert central.status()["edges"][0]["edge_id"] == "in-1"


@pytest.mark.programs
def test_status_and_pictures_are_shown_to_this_machine_by_whichever_address_it_asks(
    bridge: Bridge,
) -> None:
    own = [one for one in own_addresses() if not is_loopback(one) and ":" not in one]
    if not own:
        pytest.skip("this machine has no address but loopback")
    bridge.lane("in-1", ["tcp://127.0.0.1:9"])
    bridge.config.write_text(
        f'listen = "{own[0]}:{bridge.port}"\noutbox = "outbox.db"\n', encoding="utf-8"
    )
    bridge.host = own[0]
    bridge.start()
    done = bridge.run("status")
    assert (done.returncode, "in-1" in done.stdout) == (0, True), done.stderr


def test_every_central_shows_how_a_lane_is_though_its_camera_says_nothing(
    site: LoopbackSite, bridge: Bridge, relay: Relay
) -> None:
    bridge.lane("in-1", endpoints(site), http_barrier(relay), direction="ENTRY")
    bridge.start()

    def lane(central: LoopbackCentral) -> dict[str, Any]:
        [edge] = [it for it in central.status()["edges"] if it["edge_id"] == "in-1"] or [{}]
        return {"last_seen": edge.get("last_seen"), **(edge.get("lane") or {})}

    for central in site.centrals:
        wait_for(f"{central.id} is told", lambda c=central: "told" in lane(c), PATIENCE_S)
        assert lane(central)["last_event"] is None
        assert lane(central)["last_seen"] is None, "a report is not the camera"
    bridge.send("in-1", hikvision("29A-123.45"))
    wait_for("the barrier opened", lambda: relay.opened == ["/open"], PATIENCE_S)
    for central in site.centrals:
        wait_for("it is told of", lambda c=central: lane(c)["opened"] == 1, PATIENCE_S)
        said = lane(central)
        assert (said["reads"], said["misreads"], said["silent"]) == (1, 0, False)
        assert said["open_p50_ms"] > 0
        assert said["last_event"] is not None
