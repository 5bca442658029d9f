"""The bridge's ear for layouts: a connection of its own that never resumes a session.

Layouts are retained messages. rumqttd sends those to new sessions only, and no broker sends them to shared subscriptions.
So frames come over the bridge's lasting session, layouts over this one, all of them at every connect.
"""

from __future__ import annotations

import uuid
from collections import deque
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

from cloud.mqtt import make_client
from models.contracts.settings import MqttSettings
from models.contracts.topics import mqtt_topic


class LayoutListener:
    """Layouts as they come, taken by the bridge's thread from paho's."""

    def __init__(self, settings: MqttSettings) -> None:
        self._settings = settings
        self._topic = mqtt_topic("layout", "+", "+", "+", settings.root)
        self._inbox: deque[tuple[str, bytes]] = deque()
        self._client: Client | None = None

    def start(self) -> None:
        """Connect, or connect anew: every retained layout comes again."""
        self.stop()
        client = make_client(self._settings, f"plenum-layouts-{uuid.uuid4().hex[:12]}")
        client.reconnect_delay_set(1, 15)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.connect_async(
            self._settings.host, self._settings.port, self._settings.keepalive_seconds, clean_start=True
        )
        client.loop_start()
        self._client = client

    def take(self) -> list[tuple[str, bytes]]:
        """Topics and payloads since the last call."""
        return [self._inbox.popleft() for _ in range(len(self._inbox))]

    def stop(self) -> None:
        """Disconnect."""
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def _on_connect(self, client: Client, _userdata: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if not reason.is_failure:
            client.subscribe(self._topic, qos=1)

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self._inbox.append((message.topic, bytes(message.payload)))
