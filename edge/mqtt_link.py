"""One MQTT 5 connection by paho-mqtt: its network thread on one side, our loop on the other.

Each connection is a client of its own, so that nothing waits in a queue that we do not see: what was not acknowledged when
a connection broke is sent again by the outbox, in order. The broker keeps the session, so acknowledgements that were sent
meanwhile arrive with the next connection.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from models.contracts.settings import MqttSettings, SettingsError, secret

_CONNECT_SECONDS = 10.0
_SESSION_SECONDS = 3600
_RECEIVE_MAXIMUM = 65_535


class LinkError(ConnectionError):
    """The broker cannot be reached, refuses us, or has gone."""


class MqttLink:
    """One connection. `lost` is set when it is over; the callbacks run on the loop."""

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        on_message: Callable[[str, bytes], None],
        on_delivered: Callable[[int, bool], None],
    ) -> None:
        """Prepare a connection.

        Args:
            settings: Broker and credentials.
            client_id: The gateway's own name; the broker knows its session by it.
            on_message: Takes topic and payload of what we are subscribed to.
            on_delivered: Takes the number of a publish, and whether the broker took it.

        Raises:
            SettingsError: a secret or a certificate cannot be read.
        """
        self.lost = asyncio.Event()
        self.session_present = False
        self.receive_maximum = _RECEIVE_MAXIMUM
        self._settings = settings
        self._where = f"mqtt {settings.host}:{settings.port}"
        self._loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._subscribed: dict[int, asyncio.Future[None]] = {}
        self._on_message = on_message
        self._on_delivered = on_delivered
        client = self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        client.connect_timeout = _CONNECT_SECONDS / 2
        client.max_inflight_messages_set(_RECEIVE_MAXIMUM)  # the window decides, not paho
        if settings.username:
            password = secret(settings.password_file, "mqtt.password_file") if settings.password_file else None
            client.username_pw_set(settings.username, password)
        if settings.ca_file:
            try:
                client.tls_set(settings.ca_file, settings.certificate_file or None, settings.key_file or None)
            except (OSError, ValueError, ssl.SSLError) as error:
                raise SettingsError(f"mqtt certificates cannot be used: {error} [mqtt.ca_file]") from error
        client.on_connect = self._connect_answered
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribe_answered
        client.on_publish = self._published
        client.on_message = self._arrived

    async def open(self, will_topic: str = "", will: bytes = b"") -> None:
        """Connect, with a last will that the broker keeps for others to see; without one, no session is kept either.

        Raises:
            LinkError: nobody there, or we are refused.
        """
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        if will_topic:
            self._client.will_set(will_topic, will, qos=1, retain=True)
            properties.SessionExpiryInterval = _SESSION_SECONDS
        settings = self._settings
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await asyncio.to_thread(
                    self._client.connect,
                    settings.host,
                    settings.port,
                    settings.keepalive_seconds,
                    clean_start=False,
                    properties=properties,
                )
                self._client.loop_start()
                await self._connected
        except TimeoutError:
            raise LinkError(
                f"{self._where}: no answer within {_CONNECT_SECONDS:g} s, expected an MQTT 5 broker"
            ) from None
        except (OSError, ValueError) as error:
            raise (
                error
                if isinstance(error, LinkError)
                else LinkError(f"{self._where}: {error}; check host, port and network")
            ) from error

    async def subscribe(self, topic: str) -> None:
        """Subscribe with QoS 1, and wait for the broker's word.

        Raises:
            LinkError: it is refused, or no answer comes.
        """
        result, number = self._client.subscribe(topic, qos=1)
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS or number is None:
            raise LinkError(f"{self._where}: subscribing to {topic} failed: {mqtt.error_string(result)}")
        waiting = self._subscribed[number] = self._loop.create_future()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await waiting
        except TimeoutError:
            raise LinkError(
                f"{self._where}: no answer to subscribing within {_CONNECT_SECONDS:g} s [{topic}]"
            ) from None

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Hand a message to the network thread, QoS 1; its number. Never blocks.

        Raises:
            LinkError: the connection is gone.
        """
        told = self._client.publish(topic, payload, qos=1, retain=retain)
        if told.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise LinkError(f"{self._where}: publishing failed: {mqtt.error_string(told.rc)}")
        return told.mid

    async def close(self) -> None:
        """Say goodbye (the last will is then not published) and end the network thread."""
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    # On paho's thread: hand everything to the loop.

    def _hand_over(self, work: Callable[..., None], *values: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(work, *values)

    def _connect_answered(
        self, _client: mqtt.Client, _data: object, flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._hand_over(self._take_answer, bool(flags.session_present), reason, properties)

    def _take_answer(self, session_present: bool, reason: ReasonCode, properties: Properties | None) -> None:
        if self._connected.done():
            return
        if reason.is_failure:
            self._connected.set_exception(
                LinkError(f"{self._where}: refused us: {reason}; check user, password and rights")
            )
            return
        self.session_present = session_present
        self.receive_maximum = int(getattr(properties, "ReceiveMaximum", _RECEIVE_MAXIMUM))
        self._connected.set_result(None)

    def _disconnected(
        self, _client: mqtt.Client, _data: object, _flags: Any, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._hand_over(self._lose, str(reason))

    def _lose(self, why: str) -> None:
        error = LinkError(f"{self._where}: the connection ended: {why}")
        for waiting in (self._connected, *self._subscribed.values()):
            if not waiting.done():
                waiting.set_exception(error)
                waiting.exception()  # somebody may have stopped waiting
        self.lost.set()

    def _subscribe_answered(
        self,
        _client: mqtt.Client,
        _data: object,
        number: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        self._hand_over(self._take_subscription, number, [reason for reason in reasons if reason.is_failure])

    def _take_subscription(self, number: int, failures: list[ReasonCode]) -> None:
        waiting = self._subscribed.pop(number, None)
        if waiting is None or waiting.done():
            return
        if failures:
            waiting.set_exception(
                LinkError(f"{self._where}: may not subscribe to our ack topic: {failures[0]}; check the ACL")
            )
        else:
            waiting.set_result(None)

    def _published(
        self, _client: mqtt.Client, _data: object, number: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._hand_over(self._on_delivered, number, not reason.is_failure)

    def _arrived(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        self._hand_over(self._on_message, message.topic, bytes(message.payload))
