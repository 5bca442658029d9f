"""paho clients from our settings: MQTT 5, password or mutual TLS; and the one that sends acknowledgements for history."""

from __future__ import annotations

import ssl
import uuid

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from cloud.acks import AckBook
from models.contracts.messages import encode_json
from models.contracts.settings import MqttSettings, SettingsError, secret
from models.contracts.topics import mqtt_topic


def make_client(settings: MqttSettings, client_id: str, manual_ack: bool = False) -> Client:
    """A client that is not connected yet.

    Args:
        manual_ack: Messages are acknowledged to the broker by `Client.ack`, not when they are read.

    Raises:
        SettingsError: a file named in the settings cannot be used.
    """
    client = Client(
        CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=manual_ack
    )
    client.connect_timeout = 1.5
    if settings.username:
        password = secret(settings.password_file, "mqtt.password_file") if settings.password_file else None
        client.username_pw_set(settings.username, password)
    files = (settings.ca_file, settings.certificate_file, settings.key_file)
    if any(files):
        if not all(files):
            raise SettingsError(
                "mqtt: TLS needs ca_file, certificate_file and key_file together [mqtt]; set all three or none"
            )
        try:
            client.tls_set(settings.ca_file, settings.certificate_file, settings.key_file)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"mqtt: the TLS files cannot be used: {error} [mqtt]") from error
    return client


def connect_properties(session_seconds: int, receive_maximum: int, packet_bytes_max: int) -> Properties:
    """What a CONNECT asks for.

    Args:
        session_seconds: How long the broker keeps the session of a client that is away.
        receive_maximum: Messages of QoS 1 that may be in flight to us.
        packet_bytes_max: Larger packets are not sent to us.
    """
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = session_seconds
    properties.ReceiveMaximum = receive_maximum
    properties.MaximumPacketSize = packet_bytes_max
    return properties


class AckSender:
    """Sends what a book of acknowledgements holds, over a connection of its own that paho keeps up."""

    def __init__(self, settings: MqttSettings) -> None:
        self._settings = settings
        self._client = make_client(settings, f"plenum-acks-{uuid.uuid4().hex[:12]}")
        self._client.reconnect_delay_set(1, 10)

    @property
    def connected(self) -> bool:
        """Whether acknowledgements can be sent now."""
        return self._client.is_connected()

    def start(self) -> None:
        """Connect, and again whenever the connection is lost, in a thread of paho's."""
        self._client.connect_async(self._settings.host, self._settings.port, self._settings.keepalive_seconds)
        self._client.loop_start()

    def send(self, book: AckBook) -> None:
        """Empty the book, unless the broker cannot be reached: then it stays as it is."""
        if not book or not self.connected:
            return
        for gateway, ack in book.take():
            site, _, name = gateway.partition("/")
            # QoS 0: a gateway that missed it sends the frame again, and is answered again.
            self._client.publish(mqtt_topic("ack", site, name, root=self._settings.root), encode_json(ack), qos=0)

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()
