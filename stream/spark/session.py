"""A Spark session, and what may be missing for one: Java, the Kafka connector. Each a sentence that says how to get it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as everyone calls it

from models.contracts.settings import KafkaSettings, SettingsError, secret
from stream.connection import connection
from stream.spark.settings import EngineSettings

JAVA_MIN = 17
CONNECTOR = (
    "spark-sql-kafka-0-10_2.13-4.2.0.jar",
    "spark-token-provider-kafka-0-10_2.13-4.2.0.jar",
    "kafka-clients-3.9.1.jar",
    "commons-pool2-2.12.1.jar",
)
_STATE_STORE = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"


def connector_jars(settings: EngineSettings) -> list[str]:
    """Paths of the jars by which Spark reads Kafka.

    Raises:
        SettingsError: one is missing.
    """
    directory = Path(settings.jars_dir)
    missing = [name for name in CONNECTOR if not (directory / name).is_file()]
    if missing:
        raise SettingsError(
            f"spark's kafka connector: {directory} lacks {', '.join(missing)} [spark.jars_dir]; fetch it with: make servers"
        )
    return [str((directory / name).resolve()) for name in CONNECTOR]


def check_java() -> None:
    """See that a Java is there that Spark runs on.

    Raises:
        SettingsError: there is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    how = f"install Java {JAVA_MIN} with: apt-get install openjdk-17-jre-headless (or set JAVA_HOME)"
    if java is None or not Path(java).is_file():
        raise SettingsError(f"java is missing{f' at {java!r}' if java else ''}: Spark runs on it; {how}")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    if found is None or int(found[1]) < JAVA_MIN:
        raise SettingsError(
            f"java {java!r} is version {found[1] if found else 'unknown'}, expected {JAVA_MIN} or later; {how}"
        )


def new_session(name: str, settings: EngineSettings, jars: list[str]) -> SparkSession:
    """A session by our settings.

    Raises:
        SettingsError: Java is missing.
    """
    check_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = (
        SparkSession.builder.master(settings.master)
        .appName(f"plenum-{name}")
        .config("spark.jars", ",".join(jars))
        .config("spark.driver.memory", f"{settings.driver_memory_mebibytes}m")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.executorEnv.OMP_NUM_THREADS", "1")
        # Passwords of Kafka stand in a JAAS line; Spark's own list does not know that word.
        .config("spark.redaction.regex", "(?i)secret|password|token|access[.]?key|jaas")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.streaming.stateStore.providerClass", _STATE_STORE)
        # A commit uploads what has changed, not every file of the store.
        .config("spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled", "true")
        .config("spark.sql.streaming.minBatchesToRetain", "20")
        .config("spark.sql.streaming.stopTimeout", "20s")
    )
    if settings.master.startswith("local"):
        builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
    for key, value in settings.options.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def lane(session: SparkSession, partitions: int) -> Column:
    """A number by which Spark puts each partition of Kafka into a task of its own.

    Spark spreads keys by their hash: of four partitions, two would often share a task and one task have none. So each
    partition goes by the smallest number whose hash leads to its own task. Needs `partitions` shuffle partitions.
    """
    ids = session.range(64 * partitions).select(F.col("id").cast("int").alias("id"))
    found = ids.groupBy(F.pmod(F.hash("id"), F.lit(partitions)).alias("task")).agg(F.min("id").alias("id")).collect()
    number_of = {row["task"]: row["id"] for row in found}
    numbers = F.array(*(F.lit(number_of[task]) for task in range(partitions)))
    return F.element_at(numbers, F.col("partition").cast("int") + 1)


def kafka_options(settings: KafkaSettings) -> dict[str, str]:
    """Our settings in the words of Kafka's Java client.

    Raises:
        SettingsError: the protocol is not known, or a secret cannot be read.
    """
    connection(settings)
    options = {
        "kafka.bootstrap.servers": ",".join(settings.bootstrap),
        "kafka.security.protocol": settings.security_protocol,
    }
    if settings.security_protocol.endswith("SSL") and settings.ca_file:
        options |= {"kafka.ssl.truststore.type": "PEM", "kafka.ssl.truststore.location": settings.ca_file}
    if settings.security_protocol.startswith("SASL"):
        scram = settings.sasl_mechanism.startswith("SCRAM")
        module = "scram.ScramLoginModule" if scram else "plain.PlainLoginModule"
        name, password = settings.sasl_username, secret(settings.sasl_password_file, "kafka password")
        options["kafka.sasl.mechanism"] = settings.sasl_mechanism
        options["kafka.sasl.jaas.config"] = (
            f"org.apache.kafka.common.security.{module} required username={_quoted(name)} password={_quoted(password)};"
        )
    return options


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
