"""Frigate's messages from its MQTT broker, for one lane."""

import logging
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from zparkd.camera.lane.lane import Busy, Lane
from zparkd.camera.read import MESSAGE_BYTES, Unreadable

_RECONNECT_S = (1, 5)
_KEEP_ALIVE_S = 15
_log = logging.getLogger("zparkd.camera")


class Subscription:
    """One lane's subscription: connects by itself, again and again, in a thread of its own.

    What was sent while it was away is gone: a broker keeps nothing that Frigate sends.
    """

    def __init__(self, lane: Lane) -> None:
        assert lane.config.mqtt is not None
        self._lane = lane
        self._mqtt = lane.config.mqtt
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=f"zparkd-camera-{lane.config.edge_id}"
        )
        if self._mqtt.credentials is not None:
            self._client.username_pw_set(
                self._mqtt.credentials.user, self._mqtt.credentials.password
            )
        self._client.reconnect_delay_set(*_RECONNECT_S)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._came

    def start(self) -> None:
        """Begin to connect."""
        self._lane.figures.note("last_fault", "the MQTT broker has not answered yet")
        self._client.connect_async(self._mqtt.host, self._mqtt.port, _KEEP_ALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect, and end the thread."""
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(
        self,
        client: Client,
        _data: Any,
        _flags: ConnectFlags,
        code: ReasonCode,
        _: Properties | None,
    ) -> None:
        if code.is_failure:
            self._lane.figures.note("last_fault", f"the MQTT broker refuses: {code}")
            return
        self._lane.figures.note("last_fault", None)
        client.subscribe(self._mqtt.topic, qos=1)

    def _disconnected(
        self,
        _client: Client,
        _data: Any,
        _flags: DisconnectFlags,
        code: ReasonCode,
        _: Properties | None,
    ) -> None:
        if code.is_failure:
            self._lane.figures.note("last_fault", f"the MQTT broker is away: {code}")

    def _came(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            if len(message.payload) > MESSAGE_BYTES:
                raise Unreadable(f"over {MESSAGE_BYTES} bytes")
            self._lane.take(bytes(message.payload), "application/json")
        except Unreadable as fault:
            _log.warning("%s: a message can't be read: %s", self._lane.config.name, fault)
        except Busy:
            _log.warning("%s: too many reads wait; one is dropped", self._lane.config.name)
