"""zparkd-camera as a whole: real process, real centrals, real relay."""

from tests.camera.relay import Relay
from tests.camera.rig import Bridge, hikvision, now_ms
from zparkd.cli.loopback import LoopbackSite, wait_for


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
    wait_for("the barrier opened", lambda: relay.opened == ["/open"])
    [stay] = site.centrals[0].history()
    assert (stay["plate_id"], stay["plate_view"]) == ("29A12345", "29A-123.45")
    assert (stay["edge_id"], stay["confidence"], stay["status"]) == ("in-1", 0.97, "IN")
    shown = bridge.status()["in-1"]
    assert (shown["passages"], shown["opened"], shown["waiting"]) == (1, 1, 0)
    assert shown["open_p50_ms"] > 0
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
    wait_for("nothing waits", lambda: bridge.status()["in-1"]["waiting"] == 0)
    assert site.centrals[0].status()["events"] == 1
    assert site.centrals[0].history() == []
    assert relay.opened == []
