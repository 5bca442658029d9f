"""Load into MQTT, as gateways publish it: QoS 1, layouts and accounts retained; in the ledger when the broker took it.

One connection speaks for all gateways, so the broker must let it: with rights for each device it will not.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from models.contracts.messages import GatewayStatus, LayoutMessage, encode_json
from models.contracts.topics import mqtt_topic
from simulators.load.disorder import Planned
from simulators.load.fleet import LoadError, LoadFleet
from simulators.load.ledger import Ledger

_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 30.0
_UNDER_WAY_MAX = 2000


class MqttSink:
    """One client of MQTT 5.

    Args:
        address: host:port.
        root: Of all topics.
    """

    def __init__(self, address: str, root: str) -> None:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise LoadError(f"address {address!r}: expected host:port [--mqtt]")
        self._host, self._port, self._root = host, int(port), root
        self._ledger: Ledger | None = None
        self._under_way: deque[tuple[mqtt.MQTTMessageInfo, Planned | None]] = deque()
        self._lost = threading.Event()
        self._topics: list[str] = []
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id="plenum-load", protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        self._client.on_disconnect = lambda *_: self._lost.set()
        # We keep a window of our own, by what the broker has acknowledged.
        self._client.max_inflight_messages_set(_UNDER_WAY_MAX)
        self._client.max_queued_messages_set(0)

    async def connect(self) -> None:
        """Connect.

        Raises:
            LoadError: the broker cannot be reached or refuses.
        """
        connected = threading.Event()
        refused: list[str] = []

        def answered(_client: object, _data: object, _flags: object, reason: ReasonCode, _more: object) -> None:
            if reason.is_failure:
                refused.append(str(reason))
            connected.set()

        self._client.on_connect = answered
        try:
            await asyncio.to_thread(self._client.connect, self._host, self._port)
        except OSError as error:
            raise LoadError(f"mqtt {self._host}:{self._port}: {error}; is it running there? [--mqtt]") from error
        self._client.loop_start()
        if not await asyncio.to_thread(connected.wait, _CONNECT_SECONDS) or refused:
            why = refused[0] if refused else f"no answer within {_CONNECT_SECONDS:g} s"
            raise LoadError(f"mqtt {self._host}:{self._port}: {why}; is it an MQTT 5 broker without login? [--mqtt]")

    def start(self, fleet: LoadFleet, ledger: Ledger) -> None:
        """Whose frames they will be, and who is told what the broker has of them."""
        site, self._ledger = fleet.plan.site, ledger
        self._topics = [
            mqtt_topic("frame", site, fleet.gateways[gateway], name, self._root)
            for name, gateway in zip(fleet.names, fleet.gateway_of, strict=True)
        ]

    async def tell(self, messages: Iterable[LayoutMessage | GatewayStatus]) -> None:
        """Layouts and accounts of gateways, retained; returns when the broker has them."""
        for message in messages:
            if isinstance(message, LayoutMessage):
                topic = mqtt_topic("layout", message.site, message.gateway, message.unit, self._root)
            else:
                topic = mqtt_topic("status", message.site, message.gateway, root=self._root)
            self._publish(topic, encode_json(message), None, retain=True)
            await self._settle(_UNDER_WAY_MAX)
        await self._settle(0)

    async def send(self, records: Sequence[Planned]) -> None:
        """Publish records; waits while many are not acknowledged.

        Raises:
            LoadError: the connection is lost.
        """
        for record in records:
            self._publish(self._topics[record.frame.unit], record.frame.payload, record, retain=False)
            if len(self._under_way) > _UNDER_WAY_MAX:
                await self._settle(_UNDER_WAY_MAX)
        await self._settle(_UNDER_WAY_MAX)

    def _publish(self, topic: str, payload: bytes, record: Planned | None, *, retain: bool) -> None:
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN):
            raise LoadError(f"mqtt {self._host}:{self._port}: publish to {topic} failed: {mqtt.error_string(info.rc)}")
        self._under_way.append((info, record))

    async def _settle(self, left_max: int) -> None:
        """Write down what the broker has; wait until at most so many are under way."""
        under_way = self._under_way
        silent_seconds = 0.0
        while under_way:
            taken = []
            while under_way and under_way[0][0].is_published():
                record = under_way.popleft()[1]
                if record is not None:
                    taken.append(record)
                silent_seconds = 0.0
            if self._ledger is not None:
                self._ledger.acknowledged(taken)
            if len(under_way) <= left_max:
                return
            if self._lost.is_set() or silent_seconds > _SILENCE_SECONDS:
                why = "the connection was lost" if self._lost.is_set() else f"silent for {_SILENCE_SECONDS:g} s"
                raise LoadError(f"mqtt {self._host}:{self._port}: {why}, {len(under_way)} messages not acknowledged")
            await asyncio.sleep(0.002)
            silent_seconds += 0.002

    async def flush(self) -> None:
        """Wait until the broker has everything.

        Raises:
            LoadError: it has not.
        """
        await self._settle(0)

    async def stop(self) -> None:
        """Leave."""
        with suppress(RuntimeError):
            self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
