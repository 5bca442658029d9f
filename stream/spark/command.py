"""The Spark engine as a process: what it needs, the query, signals, exit codes."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from models.contracts.exits import Exit
from models.contracts.logs import start_logging
from models.contracts.messages import MessageError
from models.contracts.settings import SettingsError, load
from stream.app import StreamApp
from stream.hvac.app import hvac, load_monitor
from stream.snapshot import SnapshotError
from stream.spark.settings import SparkSettings
from stream.topics import ensure_topics

if TYPE_CHECKING:
    from pyspark.sql.streaming.query import StreamingQuery

    from stream.spark.share import Recipe

_log = logging.getLogger(__name__)
_PACKAGES = ("pyspark", "pandas", "pyarrow")
_REPORT_SECONDS = 60.0
_LOOK_SECONDS = 1


def make_hvac(settings: SparkSettings) -> StreamApp:
    """The HVAC app; every process of Spark imports this function."""
    return hvac(settings, load_monitor(settings))


def run(settings_file: Path | None, record: Path | None, replay: Path | None, to: Path | None) -> int:
    """Run the HVAC app on Spark: on Kafka until a signal ends it, or over a log in Parquet; the exit code.

    Args:
        settings_file: TOML; None: every default.
        record: Directory to write what the app's topics hold to.
        replay: Directory of such a log to run the app over.
        to: Directory for what it says.

    Raises:
        SettingsError: a setting is wrong, or pyspark, Java or the connector is missing.
    """
    for package in _PACKAGES:
        if find_spec(package) is None:
            raise SettingsError(f"package {package} is missing; install it with: pip install 'plenum[spark]'")
    if (replay is None) != (to is None):
        print("stream: --replay DIR and --to DIR go together with --engine spark", file=sys.stderr)
        return Exit.USAGE
    settings = load(settings_file, SparkSettings) if settings_file else SparkSettings()
    start_logging("stream-hvac-spark", settings.log)
    from stream.spark.share import Recipe

    recipe = Recipe(make_hvac, settings)
    try:
        if replay and to:
            return _replay(recipe, replay, to)
        return _record(recipe, record) if record else _live(recipe)
    except MessageError as error:
        print(f"stream: {error}", file=sys.stderr)
        return Exit.FINDINGS
    except KafkaError as error:
        where = ", ".join(settings.kafka.bootstrap)
        print(
            f"stream: kafka at {where} failed: {error!r}; is it running, and are its settings right?", file=sys.stderr
        )
        return Exit.NETWORK


def _replay(recipe: Recipe, replay: Path, to: Path) -> int:
    from stream.spark import batch
    from stream.spark.session import new_session

    session = new_session("batch", recipe.settings.spark, [])
    try:
        counts = batch.score(session, recipe, str(replay), str(to))
    finally:
        session.stop()
    print(", ".join(f"{counts[topic]} of {topic}" for topic in sorted(counts)), "written to", to, file=sys.stderr)
    return Exit.OK


def _record(recipe: Recipe, target: Path) -> int:
    from stream.spark import batch
    from stream.spark.session import connector_jars, new_session

    asyncio.run(topics_of(recipe))
    session = new_session("record", recipe.settings.spark, connector_jars(recipe.settings.spark))
    try:
        count = batch.record(session, recipe, str(target))
    finally:
        session.stop()
    print(f"{count} records written to {target}", file=sys.stderr)
    return Exit.OK


async def topics_of(recipe: Recipe) -> dict[str, int]:
    """Make the app's topics where they are missing; number of partitions of each.

    Raises:
        SettingsError: topics that belong together differ in partitions.
        KafkaError: Kafka cannot be reached.
    """
    app = recipe.app()
    inputs = [one.topic for one in app.inputs]
    names = [*inputs, *(one.topic for one in app.references), *app.outputs, app.state_topic, app.dead_topic]
    return await ensure_topics(recipe.settings.kafka, names, [*inputs, app.state_topic])


def _live(recipe: Recipe) -> int:
    from stream.spark.live import start
    from stream.spark.session import connector_jars, new_session

    jars = connector_jars(recipe.settings.spark)
    partitions = asyncio.run(topics_of(recipe))
    session = new_session("stream", recipe.settings.spark, jars)
    stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):  # only now: pyspark takes the second for itself
        signal.signal(number, lambda number, _: stop.append(number))
    try:
        return _watch(start(session, recipe, partitions), stop)
    finally:
        session.stop()


def _watch(query: StreamingQuery, stop: list[int]) -> int:
    """Until a signal comes or the query fails."""
    from pyspark.errors import StreamingQueryException

    _log.info("query %s started", query.name)
    reported_at = time.monotonic()
    try:
        while not query.awaitTermination(_LOOK_SECONDS):
            if stop:
                query.stop()
                return Exit.OK
            progress = query.lastProgress
            if progress is not None and time.monotonic() - reported_at >= _REPORT_SECONDS:
                reported_at = time.monotonic()
                _log.info(
                    "micro-batch %d: %d records in %d ms, %.0f records/s",
                    progress.batchId,
                    progress.numInputRows,
                    progress.batchDuration,
                    progress.processedRowsPerSecond,
                )
    except StreamingQueryException as error:
        reason = reason_of(str(error))
        if reason.startswith(SnapshotError.__name__):
            print(f"stream: {reason.partition(': ')[2]}", file=sys.stderr)
            return Exit.SETTINGS
        print(f"stream: the query failed: {reason}; start it again, it goes on where it stood", file=sys.stderr)
    return Exit.NETWORK


def reason_of(text: str) -> str:
    """What went wrong in Python, out of what Spark says of a failed query; else its first line."""
    found: list[str] = re.findall(r"^(?:\w+\.)*(\w+(?:Error|Exception): .*)$", text, flags=re.MULTILINE)
    return found[-1] if found else text.strip().partition("\n")[0]
