"""What stands around an agent in these tests: Modbus devices, good and bad, and a cloud that acknowledges."""

from __future__ import annotations

import asyncio
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from models.contracts import frame_pb2
from models.contracts.codec import decode, parse
from models.contracts.frame import Frame
from models.contracts.layout import Layout
from models.contracts.messages import Ack, EdgeAlert, GatewayStatus, LayoutMessage, SeqRange, decode_json, encode_json
from models.contracts.topics import parse_mqtt_topic
from tests.servers import free_port

HOST = "127.0.0.1"
Mood = Literal["well", "silent", "refuses", "short", "wrong_id", "garbage", "hangs_up", "target_silent"]


class Device:
    """A Modbus TCP device by pymodbus: holding registers of some units, whose values a test may set."""

    def __init__(self, device_ids: Iterable[int], registers: list[int], port: int = 0) -> None:
        self.port = port or free_port()
        self._ids = list(device_ids)
        self._registers = registers
        self._server: ModbusTcpServer | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        devices = [
            SimDevice(number, simdata=[SimData(0, values=self._registers, datatype=DataType.REGISTERS)])
            for number in self._ids
        ]
        self._server = ModbusTcpServer(devices, address=(HOST, self.port))
        self._task = asyncio.create_task(self._server.serve_forever())
        await asyncio.sleep(0.05)

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]
        if self._task is not None:
            self._task.cancel()

    async def __aenter__(self) -> Device:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


class BadDevice:
    """A Modbus TCP device of our own that misbehaves by unit; `asked` counts the requests of each."""

    def __init__(self, moods: dict[int, Mood], registers: list[int], illegal: Iterable[int] = ()) -> None:
        self.port = free_port()
        self.moods = moods
        self.registers = registers
        self.illegal = set(illegal)
        self.asked: dict[int, int] = defaultdict(int)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> BadDevice:
        self._server = await asyncio.start_server(self._serve, HOST, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readexactly(7)
                number, _, length, unit = struct.unpack(">HHHB", head)
                body = await reader.readexactly(length - 1)
                answer = self._answer(number, unit, body)
                if answer is None:
                    continue
                if not answer:
                    writer.close()
                    return
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)

    def _answer(self, number: int, unit: int, body: bytes) -> bytes | None:
        function, address, count = struct.unpack(">BHH", body[:5])
        self.asked[unit] += 1
        mood = self.moods.get(unit, "silent")
        if mood == "silent":
            return None
        if mood == "hangs_up":
            return b""
        if mood == "garbage":
            return struct.pack(">HHHB", number, 0, 9, unit) + b"\x63\xff\xff\xff\xff\xff\xff\xff"
        code = 2 if mood == "refuses" else 11 if mood == "target_silent" else 0
        if self.illegal & set(range(address, address + count)):
            code = 2
        if code:
            return struct.pack(">HHHBBB", number, 0, 3, unit, function | 0x80, code)
        words = self.registers[address : address + count]
        if mood == "short":
            words = words[:-1]
        data = struct.pack(f">{len(words)}H", *words)
        told = unit + 1 if mood == "wrong_id" else unit
        return struct.pack(">HHHBBB", number, 0, 3 + len(data), told, function, len(data)) + data


class Cloud:
    """Subscribes to a gateway's topics and acknowledges frames as the bridge does. An independent reckoning."""

    def __init__(self, port: int, site: str, *, acknowledge: bool = True) -> None:
        self.site = site
        self.acknowledge = acknowledge
        self.ignored: set[int] = set()  # seqs that are never acknowledged
        self.frames: dict[tuple[int, int], frame_pb2.Frame] = {}  # (epoch, seq)
        self.payloads: dict[tuple[int, int], bytes] = {}
        self.order: list[tuple[int, int]] = []  # every arrival
        self.layouts: dict[int, Layout] = {}
        self.alerts: list[EdgeAlert] = []
        self.statuses: list[GatewayStatus] = []
        self.retained: list[str] = []
        self._lock = threading.Lock()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"cloud-{site}", protocol=mqtt.MQTTv5, reconnect_on_failure=True
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.max_inflight_messages_set(1000)
        self._client.on_connect = self._connected
        self._client.on_message = self._arrived
        self._subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect(HOST, port)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def _connected(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe(f"plenum/v1/{self.site}/#", qos=1)

    def _arrived(self, client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        address = parse_mqtt_topic(message.topic)
        payload = bytes(message.payload)
        with self._lock:
            if message.retain:
                self.retained.append(message.topic)
            if address.name == "layout":
                layout = decode_json(payload, LayoutMessage).layout
                self.layouts[layout.id] = layout
            elif address.name == "alert":
                self.alerts.append(decode_json(payload, EdgeAlert))
            elif address.name == "status":
                self.statuses.append(decode_json(payload, GatewayStatus))
            elif address.name == "frame":
                self._take(client, address.gateway, payload)

    def _take(self, client: mqtt.Client, gateway: str, payload: bytes) -> None:
        frame = parse(payload)
        key = (frame.epoch, frame.seq)
        self.order.append(key)
        self.frames.setdefault(key, frame)
        self.payloads.setdefault(key, payload)
        if self.acknowledge and frame.seq not in self.ignored:
            ack = Ack(frame.epoch, (SeqRange(frame.seq, frame.seq),))
            client.publish(f"plenum/v1/{self.site}/{gateway}/ack", encode_json(ack), qos=1)

    def decoded(self) -> list[Frame]:
        """Every distinct frame with its values, in order of seq."""
        with self._lock:
            return [
                decode(self.payloads[key], self.layouts[self.frames[key].layout_id]) for key in sorted(self.payloads)
            ]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> Cloud:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def eventually(what: Callable[[], bool], seconds: float = 10, why: str = "") -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not within {seconds} s: {why or what}"
        await asyncio.sleep(0.02)


POINTS_TOML = """
[[devices.points]]
point = "supply_air_temperature"
register = 40001
type = "int16"
scale = 0.1
unit = "celsius"
missing = [-32768]

[[devices.points]]
point = "outdoor_air_temperature"
register = 40002
type = "int16"
scale = 0.1
unit = "celsius"

[[devices.points]]
point = "supply_fan_status"
register = 40003
type = "uint16"
unit = "state"
"""
REGISTERS = [215, 88, 1, 0, 0, 0, 0, 0, 0, 0]


def settings_text(
    site: str,
    mqtt_port: int,
    devices: str,
    *,
    interval_seconds: float = 0.1,
    samples: int = 5,
    detector: bool = False,
    extra: str = "",
) -> str:
    """Settings of an agent for a test: quick polls, small frames."""
    return f"""site = "{site}"
gateway = "gw"
{extra}
[mqtt]
port = {mqtt_port}
keepalive_seconds = 5
[outbox]
path = "outbox.sqlite3"
commit_seconds = 0.02
[publish]
ack_timeout_seconds = 1.0
reconnect_seconds_max = 1.0
[frame]
samples = {samples}
[poll]
interval_seconds = {interval_seconds}
[detector]
enabled = {str(detector).lower()}
[status]
heartbeat_seconds = 0.5
{devices}
"""


def modbus_toml(name: str, port: int, units: dict[str, int], timeout_seconds: float = 0.3) -> str:
    """One Modbus device with these units (name: device id), all with POINTS_TOML."""
    text = f"""
[[devices]]
kind = "modbus"
name = "{name}"
host = "{HOST}"
port = {port}
timeout_seconds = {timeout_seconds}
{POINTS_TOML}"""
    return text + "".join(
        f'\n[[devices.units]]\nunit = "{unit}"\ndevice_id = {number}\n' for unit, number in units.items()
    )


@asynccontextmanager
async def running(folder: Path, text: str) -> Any:
    """An agent in this process, stopped in good order at the end."""
    from edge.agent import Agent
    from edge.settings import load_settings

    path = folder / "edge.toml"
    path.write_text(text)
    agent = Agent(load_settings(path))
    task = asyncio.create_task(agent.run())
    try:
        yield agent
    finally:
        agent.stop()
        done, _ = await asyncio.wait([task], timeout=15)
        if not done:
            for left in asyncio.all_tasks():
                left.print_stack()
        assert done, "an agent ends within 15 s"
        task.result()


def as_json(value: msgspec.Struct) -> str:
    """For messages of failed assertions."""
    return msgspec.json.encode(value).decode()
