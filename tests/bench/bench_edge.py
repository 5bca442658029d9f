"""What a gateway costs: one agent that reads 50 units x 24 points once a second, scores them and sends them.

    python -m tests.bench.bench_edge --json bench.json

    simulated plant (a process, Modbus TCP) ──▶ agent (a process: measured) ──▶ real Mosquitto ──▶ acker (a process)

Each run is a minute long, so that it holds exactly one frame of every unit, its scoring and its way to the cloud. CPU is
what the agent's process used by the kernel's account, a second of the wall; memory its largest resident set.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import psutil
from paho.mqtt.enums import CallbackAPIVersion

from models.contracts.codec import parse
from models.contracts.figures import Figure, show
from models.contracts.messages import Ack, SeqRange, encode_json
from models.contracts.topics import mqtt_topic
from tests.servers import EmbeddedMqtt, Mosquitto, free_port, why_no_mosquitto

SITE, GATEWAY = "bench", "gw"
# Two makes of controller, so that block reads, bits, 32-bit values and foreign units are all in it.
PROFILES = ("metric", "us")
UNITS_A_PROFILE = 25
WARM_UP_SECONDS = 20
CPU_FRACTION_MAX = 0.25
RSS_MEBIBYTES_MAX = 150


def acker(port: int) -> None:
    """The cloud, as small as can be: acknowledges every frame, and prints how many came, and how many without a flaw."""
    count = good = 0

    def arrived(client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        nonlocal count, good
        frame = parse(bytes(message.payload))
        count += 1
        good += not frame.quality
        ack = Ack(frame.epoch, (SeqRange(frame.seq, frame.seq),))
        client.publish(mqtt_topic("ack", frame.site, frame.gateway), encode_json(ack), qos=1)

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="acker", protocol=mqtt.MQTTv5)
    client.max_inflight_messages_set(1000)
    client.on_connect = lambda client, *_: client.subscribe(mqtt_topic("frame", SITE, GATEWAY, "+"), qos=1)
    client.on_message = arrived
    client.connect("127.0.0.1", port)
    signal.signal(signal.SIGTERM, lambda *_: client.disconnect())
    client.loop_forever()
    print(json.dumps({"frames": count, "good": good}), flush=True)


@contextmanager
def child(*words: str, **more: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that ends with us."""
    process = subprocess.Popen([sys.executable, "-m", *words], text=True, **more)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def write_plant(folder: Path) -> tuple[Path, list[int]]:
    """Settings of the simulated plant, and the ports of its servers."""
    ports = [free_port() for _ in PROFILES]
    text = ""
    for place, (profile, port) in enumerate(zip(PROFILES, ports, strict=True)):
        units = [f"ahu-{place * UNITS_A_PROFILE + number:02d}" for number in range(1, UNITS_A_PROFILE + 1)]
        text += f'[[servers]]\nprofile = "{profile}"\nport = {port}\nunits = {json.dumps(units)}\n'
    path = folder / "plant.toml"
    path.write_text(text)
    return path, ports


def write_agent(folder: Path, mqtt_port: int, ports: list[int]) -> Path:
    """Settings of the agent: the defaults, but for names and ports."""
    text = f'site = "{SITE}"\ngateway = "{GATEWAY}"\n[mqtt]\nport = {mqtt_port}\n'
    for place, (profile, port) in enumerate(zip(PROFILES, ports, strict=True)):
        points = subprocess.run(
            [sys.executable, "-m", "simulators", "hvac", "--points", profile],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        (folder / f"{profile}.toml").write_text(points)
        text += f'[[devices]]\nkind = "modbus"\nname = "{profile}"\nhost = "127.0.0.1"\nport = {port}\n'
        text += f'points_file = "{profile}.toml"\n'
        for number in range(1, UNITS_A_PROFILE + 1):
            unit = f"ahu-{place * UNITS_A_PROFILE + number:02d}"
            text += f'[[devices.units]]\nunit = "{unit}"\ndevice_id = {number}\n'
    path = folder / "edge.toml"
    path.write_text(text)
    return path


def measure(process: psutil.Process, seconds: float) -> tuple[float, float]:
    """CPU seconds a second, and the largest resident set in MiB, over this time."""
    before, started = process.cpu_times(), time.monotonic()
    largest = 0.0
    while time.monotonic() - started < seconds:
        largest = max(largest, process.memory_info().rss / 2**20)
        time.sleep(0.25)
    after, elapsed = process.cpu_times(), time.monotonic() - started
    return (after.user + after.system - before.user - before.system) / elapsed, largest


def run(runs: int, seconds: float, json_path: str) -> int:
    """Start everything, measure, print; 1 when a target is missed or frames are."""
    broker = Mosquitto() if not why_no_mosquitto() else EmbeddedMqtt()
    with tempfile.TemporaryDirectory() as name, broker:
        folder = Path(name)
        plant, ports = write_plant(folder)
        settings = write_agent(folder, broker.port, ports)
        with (
            child("tests.bench.bench_edge", "--acker", str(broker.port), stdout=subprocess.PIPE) as cloud,
            child(
                "simulators", "hvac", "--settings", str(plant), stdout=subprocess.PIPE, stdin=subprocess.PIPE
            ) as field,
        ):
            assert field.stdout is not None
            for _ in ports:
                field.stdout.readline()  # it listens
            with child("edge", "run", str(settings)) as agent:
                time.sleep(WARM_UP_SECONDS)
                process = psutil.Process(agent.pid)
                measured = [measure(process, seconds) for _ in range(runs)]
                if agent.poll() is not None:
                    print(f"the agent ended with code {agent.returncode}, expected it to run on", file=sys.stderr)
                    return 1
            cloud.send_signal(signal.SIGTERM)
            assert cloud.stdout is not None
            told = json.loads(cloud.stdout.readline())
    cpu = [fraction for fraction, _ in measured]
    rss = max(mebibytes for _, mebibytes in measured)
    show(
        [
            Figure("edge.cpu_fraction", statistics.median(cpu), "fraction", min(cpu), max(cpu)),
            Figure("edge.rss_mebibytes", rss, "mebibytes"),
        ],
        json_path,
    )
    expected = 2 * UNITS_A_PROFILE * int(runs * seconds // 60)
    if told["frames"] < expected or told["good"] < 0.9 * told["frames"]:
        print(
            f"{told['frames']} frames arrived, {told['good']} of them without a missing or bad value; expected at least"
            f" {expected}, nine of ten of them without",
            file=sys.stderr,
        )
        return 1
    return int(statistics.median(cpu) > CPU_FRACTION_MAX or rss > RSS_MEBIBYTES_MAX)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", default="", help="file for the figures; - for standard output")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each run")
    parser.add_argument("--acker", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.acker:
        acker(arguments.acker)
        return 0
    return run(arguments.runs, arguments.seconds, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
