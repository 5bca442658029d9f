"""The engines: how each is started, what it needs, and in what it is unequal to the others."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

from tests.bench.stream.contract import Contract
from tests.bench.stream.model import FILE
from tests.servers import ROOT, why_no_spark

PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
STREAMS = ROOT / ".servers" / "kafka_streams"
NOT_INSTALLED = "not installed: make bench-peers"


@dataclass(frozen=True, slots=True)
class Engine:
    """One row of the table.

    Attributes:
        name: In the figures.
        title: In the table.
        command: Its command line.
        version: What is measured; empty when it is not installed.
        notes: What is unequal.
        needs_topics: Whether its changelog and dead-letter topics are made for it.
        is_health: It writes health of every frame instead of alerts (our whole app).
    """

    name: str
    title: str
    command: Callable[[Contract], list[str]]
    version: Callable[[], str]
    notes: str
    needs_topics: bool = False
    is_health: bool = False


def _ours(module: str) -> Callable[[Contract], list[str]]:
    return lambda told: [sys.executable, "-m", f"tests.bench.stream.engine_{module}", *told.words()]


def _peer(module: str) -> Callable[[Contract], list[str]]:
    return lambda told: [str(PEERS_PYTHON), "-m", f"tests.bench.stream.engine_{module}", *told.words()]


def _java(told: Contract) -> list[str]:
    return [
        "java",
        "-Xmx768m",
        "-XX:+UseParallelGC",
        "-cp",
        f"{STREAMS}/classes:{STREAMS}/libs/*",
        "plenum.bench.Bench",
        *told.words(),
        "--parameters",
        str(FILE),
    ]


@cache
def peer_version(package: str) -> str:
    """Version of a package in the peers' environment; empty when it is not there."""
    if not PEERS_PYTHON.exists():
        return ""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    done = subprocess.run([str(PEERS_PYTHON), "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _faust_version() -> str:
    return version("faust-streaming") if importlib.util.find_spec("faust") else ""


def _spark_version() -> str:
    return "" if why_no_spark() else version("pyspark")


def _streams_version() -> str:
    jars = list((STREAMS / "libs").glob("kafka-streams-*.jar"))
    return jars[0].stem.rpartition("-")[2] if jars and (STREAMS / "classes").is_dir() else ""


ENGINES: tuple[Engine, ...] = (
    Engine(
        "plenum",
        "Plenum",
        _ours("plenum"),
        lambda: version("plenum"),
        "does more: drops duplicates by seq, buries what it cannot read, snapshots carry their input offsets",
        needs_topics=True,
    ),
    Engine(
        "kafka_streams",
        "Kafka Streams (Java)",
        _java,
        _streams_version,
        "Processor API, in-memory store with a cache in front, so its changelog gets a unit's row once a commit, not once"
        " a frame; protobuf read by hand; one stream thread; ParallelGC",
    ),
    Engine(
        "quix",
        "Quix Streams",
        _peer("quix"),
        lambda: peer_version("quixstreams"),
        "one message at a time; state in RocksDB, its changelog gets a unit's row once a checkpoint",
    ),
    Engine(
        "bytewax",
        "Bytewax",
        _peer("bytewax"),
        lambda: peer_version("bytewax"),
        "whole batches of a partition through one step over the same numpy as Plenum's; offsets and state in its SQLite"
        " store on this machine, not in Kafka, and no consumer group",
    ),
    Engine(
        "bytewax_keyed",
        "Bytewax as its documentation writes it",
        _peer("bytewax_keyed"),
        lambda: peer_version("bytewax"),
        "keyed by unit, one frame after another; offsets and state as above",
    ),
    Engine(
        "spark",
        "Spark Structured Streaming",
        _ours("spark"),
        _spark_version,
        "`applyInPandasWithState` keyed by partition, 20,000 records a micro-batch at most, the same numpy as Plenum's;"
        " two local threads; offsets and state in its checkpoint directory, not in Kafka",
    ),
    Engine(
        "faust_take",
        "Faust, `take` and dense numpy",
        _ours("faust_take"),
        _faust_version,
        "the same numpy as Plenum's; rows to its Table once a second, not tied to the offsets: a crash may lose a second"
        " of state",
    ),
    Engine(
        "faust_naive",
        "Faust as most people write it",
        _ours("faust_naive"),
        _faust_version,
        "an agent and a Table write a message",
    ),
    Engine(
        "plenum_whole",
        "Plenum, the whole HVAC app",
        _ours("plenum_whole"),
        lambda: version("plenum"),
        "other work: all rules, LiteRT models, a health message for every frame; its output is not compared here",
        needs_topics=True,
        is_health=True,
    ),
)
