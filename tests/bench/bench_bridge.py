"""How many frames a second the bridge brings from MQTT to Kafka with `acks=all`: 24 channels x 60 samples, about 3 kB.

    python -m tests.bench.bench_bridge --json bench.json

Real Mosquitto, real Kafka, the bridge in a process of its own. This process is the gateways: it publishes by QoS 1 and
keeps a window of frames that are not acknowledged end to end, so a run ends only when the bridge has said of every frame
that Kafka has it. Afterwards Kafka's own count must agree.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from kafka import KafkaConsumer, TopicPartition

from models.contracts.codec import encode
from models.contracts.figures import Figure, show
from models.contracts.frame import Frame
from models.contracts.layout import layout_for
from models.contracts.messages import Ack, LayoutMessage, decode_json, encode_json
from models.contracts.points import AHU_POINTS, POINTS
from models.contracts.topics import FRAMES, mqtt_topic
from tests.servers import Kafka, Mosquitto, ServerError

SITE = "bench"
UNITS_A_GATEWAY = 25
GATEWAYS = 4
WINDOW_FRAMES = 4000
LAYOUT = layout_for("ahu", AHU_POINTS)


class Wire:
    """As little MQTT 5 as a load needs: packets made beforehand, acknowledgements counted."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self._send(0x10, b"\x00\x04MQTT\x05\x02\x00\x3c\x00" + _text(f"load-{os.getpid()}"))
        self._next()
        self._send(0x82, b"\x00\x01\x00" + _text(mqtt_topic("ack", SITE, "+")) + b"\x00")
        while self._next()[0] != 0x90:
            pass

    def _send(self, kind: int, body: bytes) -> None:
        self._socket.sendall(bytes([kind]) + _length(len(body)) + body)

    def publish(self, topic: str, payload: bytes, mid: int, retain: bool = False) -> None:
        self._socket.sendall(packet(topic, payload, mid, retain))

    def send(self, packets: list[bytes]) -> None:
        self._socket.sendall(b"".join(packets))

    def acknowledged(self, seconds: float) -> list[Ack]:
        """End-to-end acknowledgements that came within this time, as soon as something came."""
        acks = []
        while packet_ := self._take():
            acks.append(packet_)
        if not acks and select.select([self._socket], [], [], seconds)[0]:
            self._buffer += self._socket.recv(1 << 16)
            while packet_ := self._take():
                acks.append(packet_)
        return [ack for kind, body in acks if kind & 0xF0 == 0x30 for ack in [_ack_of(body)]]

    def _take(self) -> tuple[int, bytes] | None:
        """The next whole packet in the buffer."""
        size, shift, at = 0, 0, 1
        while True:
            if at >= len(self._buffer):
                return None
            byte = self._buffer[at]
            size |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                break
        if len(self._buffer) < at + size:
            return None
        found = (self._buffer[0], self._buffer[at : at + size])
        self._buffer = self._buffer[at + size :]
        return found

    def _next(self) -> tuple[int, bytes]:
        while (found := self._take()) is None:
            received = self._socket.recv(1 << 16)
            if not received:
                raise ConnectionError("mosquitto closed the connection of the load")
            self._buffer += received
        return found


def _length(size: int) -> bytes:
    out = bytearray()
    while True:
        size, byte = size >> 7, size & 127
        out.append(byte | 128 if size else byte)
        if not size:
            return bytes(out)


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def packet(topic: str, payload: bytes, mid: int, retain: bool = False) -> bytes:
    """A PUBLISH of QoS 1."""
    body = _text(topic) + struct.pack(">H", mid) + b"\x00" + payload
    return bytes([0x33 if retain else 0x32]) + _length(len(body)) + body


def _ack_of(body: bytes) -> Ack:
    topic_bytes = struct.unpack(">H", body[:2])[0]
    return decode_json(body[2 + topic_bytes + 1 :], Ack)  # QoS 0, no properties


def packets_of(frames: int, epoch: int) -> list[bytes]:
    """PUBLISH packets of distinct frames, of 100 units on 4 gateways in turn."""
    draw = np.random.default_rng(epoch)
    low = np.array([POINTS[name].low for name in AHU_POINTS])[:, None]
    high = np.array([POINTS[name].high for name in AHU_POINTS])[:, None]
    values = (low + (high - low) * draw.uniform(0.3, 0.6, (24, 60))).astype(np.float32)
    packets = []
    for number in range(frames):
        gateway, unit = f"gw{number % GATEWAYS}", f"ahu{number % (GATEWAYS * UNITS_A_GATEWAY)}"
        # Every seq belongs to one frame, whichever gateway it comes from: what is acknowledged can be counted.
        frame = Frame(SITE, gateway, unit, epoch, number + 1, 0, 1_700_000_000_000 + number, 1000, values)
        packets.append(packet(mqtt_topic("frame", SITE, gateway, unit), encode(frame, LAYOUT), number % 60_000 + 1))
    return packets


def run(wire: Wire, packets: list[bytes], epoch: int, frames_per_second: float) -> float:
    """Seconds from the first frame sent to the last one acknowledged; the pace is limited if it is above 0."""
    sent, acknowledged, started = 0, 0, time.perf_counter()
    while acknowledged < len(packets):
        elapsed = time.perf_counter() - started
        if elapsed > 120:
            raise ServerError(f"only {acknowledged} of {len(packets)} frames were acknowledged within {elapsed:.0f} s")
        due = len(packets) if not frames_per_second else min(len(packets), int(elapsed * frames_per_second) + 1)
        count = min(100, due - sent, WINDOW_FRAMES - (sent - acknowledged))
        if count > 0:
            wire.send(packets[sent : sent + count])
            sent += count
        for ack in wire.acknowledged(0 if count > 0 else 0.005):
            if ack.epoch == epoch:
                acknowledged += sum(seqs.last - seqs.first + 1 for seqs in ack.ranges)
    return time.perf_counter() - started


def wait_for_bridge(wire: Wire) -> None:
    """Send a frame now and then, until one is acknowledged."""
    probe = packets_of(1, 99)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        wire.send(probe)
        again_at = time.monotonic() + 0.5
        while time.monotonic() < again_at:
            if wire.acknowledged(0.1):
                return
    raise ServerError("the bridge acknowledged nothing within a minute")


@contextmanager
def bridge_process(mqtt_port: int, bootstrap: str) -> Iterator[psutil.Process]:
    """`python -m cloud bridge` with its defaults."""
    with tempfile.TemporaryDirectory(prefix="plenum-bench-") as directory:
        settings = Path(directory) / "cloud.toml"
        settings.write_text(
            f'[mqtt]\nport = {mqtt_port}\n[kafka]\nbootstrap = ["{bootstrap}"]\n[log]\nlevel = "WARNING"\n'
        )
        process = subprocess.Popen([sys.executable, "-m", "cloud", "bridge", "--settings", str(settings)])
        try:
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def stored_in(bootstrap: str) -> int:
    """Frames that Kafka counts."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    try:
        partitions = [TopicPartition(FRAMES, number) for number in consumer.partitions_for_topic(FRAMES) or ()]
        return sum(consumer.end_offsets(partitions).values())
    finally:
        consumer.close()


def measure(frames: int, runs: int, frames_per_second: float) -> list[Figure]:
    """The figures of some runs after one to warm up."""
    rates, cores = [], []
    with (
        Mosquitto() as mosquitto,
        Kafka() as kafka,
        bridge_process(mosquitto.port, kafka.bootstrap) as bridge,
    ):
        wire = Wire(mosquitto.host, mosquitto.port)
        for number in range(GATEWAYS * UNITS_A_GATEWAY):
            gateway, unit = f"gw{number % GATEWAYS}", f"ahu{number}"
            layout = LayoutMessage(site=SITE, gateway=gateway, unit=unit, layout=LAYOUT)
            wire.publish(mqtt_topic("layout", SITE, gateway, unit), encode_json(layout), 1, retain=True)
        wait_for_bridge(wire)
        run(wire, packets_of(frames // 2, 1), 1, 0)
        before_runs = stored_in(kafka.bootstrap)
        for number in range(runs):
            epoch = number + 2
            packets = packets_of(frames, epoch)
            before = bridge.cpu_times()
            seconds = run(wire, packets, epoch, frames_per_second)
            after = bridge.cpu_times()
            rates.append(frames / seconds)
            cores.append((after.user + after.system - before.user - before.system) / seconds)
            print(f"run {number + 1}: {rates[-1]:,.0f} frames/s, {cores[-1]:.2f} cores", file=sys.stderr)
        stored, expected = stored_in(kafka.bootstrap) - before_runs, runs * frames
        if stored != expected:
            raise ServerError(f"kafka counts {stored} frames, expected {expected}: something was lost or doubled")
    return [
        Figure("bridge.frames_per_second", statistics.median(rates), "frames/s", min(rates), max(rates)),
        Figure("bridge.cpu_cores", statistics.median(cores), "cores", min(cores), max(cores)),
        Figure(
            "bridge.frames_per_cpu_second",
            statistics.median(rate / core for rate, core in zip(rates, cores, strict=True)),
            "frames/s",
        ),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_bridge")
    parser.add_argument("--json", default="", help="file for the figures; - for standard output")
    parser.add_argument("--frames", type=int, default=30_000, help="frames a run")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rate", type=float, default=0, help="frames a second; 0: as fast as they are acknowledged")
    arguments = parser.parse_args()
    show(measure(arguments.frames, arguments.runs, arguments.rate), arguments.json)


if __name__ == "__main__":
    main()
