"""A paho client from our settings: MQTT 5, password or mutual TLS, sessions that outlive a connection."""

from __future__ import annotations

import ssl

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from models.contracts.settings import MqttSettings, SettingsError, secret


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
    client.connect_timeout = 2.0
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
