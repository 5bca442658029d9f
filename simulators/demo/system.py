"""The cloud side of the demo and of the replay: brokers, bridge, stream worker, cloud and a receiver of webhooks."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.demo.client import CloudClient
from simulators.demo.console import Show
from simulators.demo.receiver import Receiver
from simulators.demo.site import Brokers, Ports, Secrets, write_cloud, write_stream
from simulators.demo.supervisor import HOST, Supervisor, free_ports

ADMIN = "admin"


@dataclass(slots=True)
class System:
    """Everything that is running; the plant and the gateways are added by demo and replay."""

    directory: Path
    supervisor: Supervisor
    ports: Ports
    brokers: Brokers
    receiver: Receiver
    client: CloudClient
    secrets: Secrets
    show: Show

    async def wait_until_up(self) -> None:
        """Wait until the cloud can do its work, and sign in; what is started before that starts at the same time."""
        await self.supervisor.wait_for_port("cloud", self.ports.http, seconds=90)
        await self.client.wait_until_ready(self.supervisor)
        self.show.step("bridge, stream worker, history, alerts and API run")

    @property
    def dashboard(self) -> str:
        """Address of the dashboard."""
        return f"http://{HOST}:{self.ports.http}"


@asynccontextmanager
async def running_system(
    show: Show,
    clock: str,
    on_event: Callable[[dict[str, Any]], None],
    *,
    keep: Path | None = None,
    mqtt: str = "",
    kafka: str = "",
) -> AsyncIterator[System]:
    """Start the system, and end all of it afterwards. It is up after `wait_until_up`.

    Args:
        show: Where progress is printed.
        clock: The `[clock]` section for the settings.
        on_event: Called with each webhook's CloudEvent when it first arrives.
        keep: Directory for everything; a temporary one without it.
        mqtt: `host:port` of a broker that runs already; empty starts the embedded one.
        kafka: `host:port` of a Kafka that runs already; empty starts the embedded one.
    """
    with tempfile.TemporaryDirectory(prefix="plenum-demo-") as temporary:
        directory = (keep or Path(temporary)).resolve()
        directory.mkdir(parents=True, exist_ok=True)
        numbers = free_ports(8)
        names = ("mqtt", "kafka", "http", "receiver", "metrics", "link")
        ports = Ports(**dict(zip(names, numbers, strict=False)), modbus=tuple(numbers[len(names) :]))
        host, _, port = mqtt.partition(":")
        brokers = Brokers(
            mqtt_host=host or HOST,
            mqtt_port=int(port or ports.mqtt),
            kafka=kafka or f"{HOST}:{ports.kafka}",
            embedded=not kafka,
        )
        made = Secrets.make()
        receiver = Receiver(ports.receiver, made.webhook, on_event)
        client = CloudClient(f"http://{HOST}:{ports.http}", ADMIN, made.password)
        async with Supervisor(directory) as supervisor:
            try:
                await receiver.start()
                await _start_brokers(supervisor, ports, show, mqtt=not mqtt, kafka=not kafka)
                cloud_toml = write_cloud(directory, ports, brokers, made, clock)
                stream_toml = write_stream(directory, ports, brokers)
                await supervisor.start("bridge", ["-m", "cloud", "bridge", "--settings", str(cloud_toml)])
                await supervisor.start("stream", ["-m", "stream", "hvac", "--settings", str(stream_toml)])
                await supervisor.start("cloud", ["-m", "cloud", "run", "--settings", str(cloud_toml)])
                yield System(directory, supervisor, ports, brokers, receiver, client, made, show)
            finally:
                await client.close()
                await receiver.stop()


async def _start_brokers(supervisor: Supervisor, ports: Ports, show: Show, *, mqtt: bool, kafka: bool) -> None:
    """The embedded ones, where no real one was named."""
    for name, wanted, port in (("mqtt", mqtt, ports.mqtt), ("kafka", kafka, ports.kafka)):
        if wanted:
            await supervisor.start(name, ["-m", "cloud.embedded", name, "--port", str(port)])
            await supervisor.wait_for_port(f"the embedded {name} broker", port)
            show.step(f"{name} broker (embedded) on port {port}")
