"""Frigate's messages over a real broker."""

import os
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.camera.broker import Broker, needs_broker
from tests.camera.formats import Shot, frigate
from tests.camera.rig import Bridge, now_ms
from zparkd.testbed.loopback import LoopbackSite, wait_for

TOPIC = "frigate/tracked_object_update"


def publish(broker: Broker, body: bytes, user: str = "", password: str = "") -> None:
    client = Client(CallbackAPIVersion.VERSION2)
    if user:
        client.username_pw_set(user, password)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    client.publish(TOPIC, body, qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def subscribed(bridge: Bridge) -> None:
    wait_for("it is subscribed", lambda: bridge.status()["in-1"]["last_fault"] is None, 30)


@needs_broker
def test_a_plate_that_frigate_publishes_becomes_an_entry(
    site: LoopbackSite, bridge: Bridge, folder: Path
) -> None:
    broker = Broker(folder / "broker")
    more = f'[mqtt]\nport = {broker.port}\ncamera = "gate"\n'
    bridge.lane("in-1", [site.centrals[0].endpoint], more, source="frigate", direction="ENTRY")
    try:
        broker.start()
        bridge.start()
        subscribed(bridge)
        shot = Shot("29A12345", now_ms(), 0.97, 1)
        publish(broker, frigate(shot).body.replace(b"gate", b"yard"))
        publish(broker, b"no JSON")
        publish(broker, frigate(shot).body)
        bridge.wait("in-1", "opened")
        bridge.shows("in-1", messages=3, reads=1, unreadable=1)
        assert [stay["plate_id"] for stay in site.centrals[0].history()] == ["29A12345"]
        # Over HTTP nobody is let in: its messages come from the broker alone.
        assert bridge.send("in-1", frigate(shot).body)[0] == 404
    finally:
        broker.stop()


@needs_broker
def test_a_broker_that_comes_back_is_subscribed_to_again(
    site: LoopbackSite, bridge: Bridge, folder: Path
) -> None:
    broker = Broker(folder / "broker", "camera", "open-sesame")
    secret = folder / "secret"
    secret.write_text("camera:open-sesame\n")
    os.chmod(secret, 0o600)
    more = f'[mqtt]\nport = {broker.port}\ncamera = "gate"\ncredentials_file = "{secret}"\n'
    bridge.lane("in-1", [site.centrals[0].endpoint], more, source="frigate", direction="ENTRY")
    try:
        bridge.start()
        assert "has not answered" in bridge.status()["in-1"]["last_fault"]
        broker.start()
        subscribed(bridge)
        broker.stop()
        wait_for("it is away", lambda: "away" in (bridge.status()["in-1"]["last_fault"] or ""))
        broker.start()
        subscribed(bridge)
        shot = Shot("29A12345", now_ms(), 0.97, 1)
        publish(broker, frigate(shot).body, "camera", "open-sesame")
        bridge.wait("in-1", "opened")
    finally:
        broker.stop()
