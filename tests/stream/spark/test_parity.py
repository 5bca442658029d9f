"""One log through every engine: the replay, the Faust worker, Spark's stream and Spark's batch say the same, bit for bit.

The log has frames late and twice, poison, a layout that comes just before its frame, and alerts of gateways. A worker
begins; Spark takes over from its snapshots, and the processes in which it runs Python are killed in the middle.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import psutil
import pyarrow.dataset as dataset
import pytest

from models.contracts import topics
from models.contracts.exits import Exit
from models.contracts.layout import layout_for
from models.contracts.messages import AlertEvent, DeadLetter, EdgeAlert, LayoutMessage, alert_id_for, encode_json
from models.contracts.points import AHU_POINTS
from models.contracts.settings import load
from models.hvac.rules import RULE_TABLE
from stream.__main__ import main
from stream.app import Encoded
from stream.snapshot import Snapshots
from stream.spark import command
from stream.spark.command import make_hvac, topics_of
from stream.spark.settings import SparkSettings
from stream.spark.share import Recipe
from stream.table import State
from tests.servers import SPARK_JARS, Kafka
from tests.stream import fleet
from tests.stream.records import by_key, difference, messages
from tests.stream.site import INPUTS, PARTITIONS, Message, Site, comparable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

pytestmark = [pytest.mark.kafka, pytest.mark.spark, pytest.mark.timeout(600)]
UNITS = [f"ahu-{number}" for number in range(1, 9)]
STEP_MS = 250
RULE = next(rule.id for rule in RULE_TABLE if rule.families[:1] == ("heating_valve_leaking",))
NEW_LAYOUT = layout_for("ahu", AHU_POINTS[:12] + AHU_POINTS[13:] + AHU_POINTS[12:13])
# A JVM for seconds, not for days: compiled quickly rather than well.
ENGINE = """
[spark]
master = "local[2]"
checkpoint_dir = "{directory}/checkpoint"
jars_dir = "{jars}"
trigger_seconds = 0
records_a_batch_max = {records}

[spark.options]
"spark.driver.extraJavaOptions" = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"spark.sql.codegen.wholeStage" = "false"
"spark.sql.codegen.factoryMode" = "NO_CODEGEN"
"""


class Plant:
    """A fleet whose frames come late by less than the wait, and now and then twice."""

    def __init__(self) -> None:
        self.at_ms = int(time.time() * 1000) - 1_800_000
        self.senders = [fleet.Sender(gateway=f"gw{number}", epoch=100 + number) for number in (1, 2)]
        self.index = 0
        self.chance = random.Random(7)

    def run(self, frames: int, faulty: str = "") -> list[Message]:
        """So many frames of every unit, one in twenty of them preceded by its torn beginning."""
        sent = []
        for _ in range(frames):
            for number, unit in enumerate(UNITS):
                payload = self.senders[number % 2].frame(unit, self.index, faulty=unit == faulty)
                if self.chance.random() < 0.05:
                    sent.append(Message(f"plant/{unit}", payload[: len(payload) // 2], self.at_ms))
                delays_ms = [self.chance.randrange(900) for _ in range(1 + (self.chance.random() < 0.1))]
                sent += [Message(f"plant/{unit}", payload, self.at_ms + delay_ms) for delay_ms in delays_ms]
            self.index += 1
            self.at_ms += STEP_MS
        self.at_ms += 1_000
        return sorted(sent, key=lambda one: one.at_ms or 0)


def edge_alert(unit: str, family: str = "heating_valve_leaking") -> Message:
    """What a gateway says of a unit that the stream has no frames of."""
    alert = EdgeAlert(
        site="plant",
        gateway="gw1",
        unit=unit,
        alert_id=alert_id_for("plant", unit, RULE, fleet.START_MS),
        transition="opened",
        family=family,
        rule=RULE,
        severity="warning",
        opened_at_ms=fleet.START_MS,
        measured_at_ms=fleet.START_MS,
    )
    return Message(f"plant/{unit}", encode_json(alert))


class Engine:
    """Spark over one site: as the command starts it, or taken by hand."""

    def __init__(self, site: Site, records: int) -> None:
        self.site = site
        self.settings = site.directory / "spark.toml"
        engine = ENGINE.format(directory=site.directory, jars=SPARK_JARS, records=records)
        self.settings.write_text(site.settings.read_text() + engine)
        self.recipe = Recipe(make_hvac, load(self.settings, SparkSettings))

    @property
    def session(self) -> SparkSession:
        """The one Spark of these tests."""
        from stream.spark.session import connector_jars, new_session

        settings = self.recipe.settings.spark
        return new_session("test", settings, connector_jars(settings))

    def start(self) -> StreamingQuery:
        from stream.spark.live import start

        return start(self.session, self.recipe, asyncio.run(topics_of(self.recipe)))

    def command(self, *words: str) -> int:
        """`plenum stream hvac --engine spark` in this process.

        It does not stop Spark in the end, as it would: a state store cannot be used again in the same JVM after that.
        """
        from pyspark.sql import SparkSession

        with mock.patch.object(SparkSession, "stop"):
            return main(["hvac", "--engine", "spark", "--settings", str(self.settings), *words])

    def state(self) -> dict[int, State]:
        """What Spark's state store holds, by partition of Kafka."""
        from stream.spark.live import checkpoint
        from stream.spark.session import lane

        session = self.session
        numbers = session.range(PARTITIONS).withColumnRenamed("id", "partition")
        lanes = numbers.withColumn("lane", lane(session, PARTITIONS)).collect()
        number_of = {row["lane"]: row["partition"] for row in lanes}
        reader = session.read.format("statestore").option("stateVarName", "entries")
        entries: dict[int, list[tuple[bytes, bytes | None]]] = {}
        for row in reader.load(checkpoint(self.recipe, "hvac", PARTITIONS)).collect():
            entry = (bytes(row["user_map_key"]["key"]), bytes(row["user_map_value"]["value"]))
            entries.setdefault(number_of[row["key"]["lane"]], []).append(entry)
        return {number: restored(mine) for number, mine in entries.items()}


def restored(entries: Iterable[tuple[bytes, bytes | None]]) -> State:
    app = fleet.app()
    state = Snapshots(version=app.state_version).restore(entries, app.tables)
    assert state is not None
    return state


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An Apache Kafka of our own, with what gateways have told of their units."""
    with Kafka() as server:
        made = Site(server.bootstrap, tmp_path_factory.mktemp("site"), session_seconds=6)
        asyncio.run(made.prepare())
        told = [Message("plant/ahu-dark", encode_json(fleet.layout_message("ahu-dark")))]
        asyncio.run(made.produce(topics.LAYOUTS, told))
        yield made


@pytest.fixture(scope="module", autouse=True)
def no_spark_left() -> Iterator[None]:
    """All of these tests share one JVM, and what they leave is stopped."""
    from pyspark.sql import SparkSession

    yield
    session = SparkSession.getActiveSession()
    if session is not None:
        session.stop()


@pytest.fixture(autouse=True)
def signals_and_logs_as_they_were(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The command takes both for itself."""
    monkeypatch.setattr(command, "start_logging", lambda *_: None)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def plant() -> Plant:
    return Plant()


def produce(site: Site, topic: str, sent: Iterable[Message]) -> None:
    asyncio.run(site.produce(topic, sent))


def counted(outputs: Iterable[Encoded]) -> Counter[tuple[str, bytes, bytes]]:
    return Counter(comparable(output) for output in outputs)


def assert_equal_states(found: dict[int, State], expected: dict[int, State]) -> None:
    assert found.keys() == expected.keys()
    for number, state in expected.items():
        assert {topic: offset for topic, offset in found[number].positions.items() if offset} == state.positions
        assert difference(found[number], state) == ""


def wait_for_batches(query: StreamingQuery, count: int) -> None:
    """Until this run of the query has done so many micro-batches."""
    deadline = time.monotonic() + 200
    while len(query.recentProgress) < count and query.exception() is None:
        assert time.monotonic() < deadline, query.status
        time.sleep(0.05)


def kill_python_processes() -> int:
    """Kill the processes in which Spark runs Python, as a machine that runs out of memory would."""
    killed = 0
    for one in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended by itself
            if "pyspark.daemon" in " ".join(one.cmdline()):
                one.kill()
                killed += 1
    return killed


async def run_worker(site: Site) -> Counter[tuple[str, bytes, bytes]]:
    """Let a worker say everything that it has not said, and stop it; what it said."""
    before = counted(await site.said())
    async with site.worker():
        deadline = time.monotonic() + 60
        while await site.committed() != {number: end or None for number, end in (await site.ends()).items()}:
            assert time.monotonic() < deadline, site.log()[-3000:]
            await asyncio.sleep(0.3)
    return counted(await site.said()) - before


async def stop_when_everything_is_said(site: Site) -> None:
    """End the command that this process runs, as an operator does."""
    _, expected = await site.truth()
    checkpoint = site.directory / "checkpoint" / f"hvac-{PARTITIONS}-partitions"
    try:
        await site.wait_until_said(expected, seconds=200)
        # What is said and not yet committed would be said once more.
        deadline = time.monotonic() + 60
        while {one.name for one in (checkpoint / "offsets").glob("[0-9]*")} != {
            one.name for one in (checkpoint / "commits").glob("[0-9]*")
        }:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)


def test_worker_and_stream_say_what_the_replay_says_through_a_takeover_and_a_crash(site: Site, plant: Plant) -> None:
    produce(site, topics.FRAMES, [*plant.run(2), *plant.run(3, faulty="ahu-3")])
    by_worker = asyncio.run(run_worker(site))
    assert by_worker

    alerts_of_gateways = [edge_alert("ahu-dark"), edge_alert("ahu-dark"), edge_alert("ahu-2", "phlogiston")]
    produce(site, topics.EDGE_ALERTS, alerts_of_gateways)
    produce(site, topics.FRAMES, [*plant.run(1, faulty="ahu-3"), *plant.run(3)])
    query = Engine(site, records=40).start()
    try:
        wait_for_batches(query, 2)
        assert kill_python_processes()
        with contextlib.suppress(Exception):  # whether it is met in the middle of a task or between two
            query.processAllAvailable()
    finally:
        query.stop()

    message = LayoutMessage(site="plant", gateway="gw1", unit="ahu-extra", layout=NEW_LAYOUT)
    produce(site, topics.LAYOUTS, [Message("plant/ahu-extra", encode_json(message))])
    payload = fleet.Sender(gateway="gw3", layout=NEW_LAYOUT).frame("ahu-extra", plant.index)
    produce(site, topics.FRAMES, [Message("plant/ahu-extra", payload, plant.at_ms - 1_500), *plant.run(5)])
    engine = Engine(site, records=1000)
    stopping = threading.Thread(target=asyncio.run, args=(stop_when_everything_is_said(site),))
    stopping.start()
    assert engine.command() == Exit.OK
    stopping.join()

    states, expected = asyncio.run(site.truth())
    said = counted(asyncio.run(site.said()))
    assert set(said) == set(counted(expected))
    assert all(said[one] == 1 for one in by_worker)
    assert_equal_states(engine.state(), states)
    alerts = {(one.unit, one.transition) for one in messages(expected, topics.ALERTS, AlertEvent)}
    assert alerts >= {("ahu-3", "opened"), ("ahu-3", "cleared"), ("ahu-dark", "opened")}
    letters = messages(expected, topics.HVAC_DEAD, DeadLetter)
    assert {one.reason for one in letters} >= {"family"}
    assert len(letters) > 5
    assert b"plant/ahu-extra" in {one.key for one in expected if one.topic == topics.HEALTH}

    # The worker goes on where it stopped, and says of the rest what Spark has said.
    assert asyncio.run(run_worker(site)) == counted(expected) - by_worker
    assert_equal_states(asyncio.run(site.stored_state()), states)


def test_the_batch_says_the_same_of_the_same_log_in_parquet(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = Engine(site, records=1000)
    log, target = tmp_path / "log", tmp_path / "said"
    states, expected = asyncio.run(site.truth())
    count = len(asyncio.run(site.read(INPUTS)))
    assert engine.command("--record", str(log)) == Exit.OK
    assert f"{count} records written to {log}" in capsys.readouterr().err
    # A lake that is filled at least once has some records twice.
    for number, part in enumerate(sorted(log.glob("*.parquet"))):
        if number % 2 == 0:
            shutil.copy(part, log / f"again-{number}.parquet")
    assert engine.command("--replay", str(log), "--to", str(target)) == Exit.OK
    rows = dataset.dataset(target, partitioning="hive").to_table().to_pylist()
    rows.sort(key=lambda row: (row["partition"], row["number"]))
    said = [Encoded(row["topic"], row["key"], row["value"]) for row in rows if row["topic"] != topics.HVAC_STATE]
    assert counted(said) == counted(expected)
    assert in_sequence(said) == in_sequence(expected)
    assert f"{len([one for one in said if one.topic == topics.HEALTH])} of {topics.HEALTH}" in capsys.readouterr().err
    entries: dict[int, list[tuple[bytes, bytes | None]]] = {}
    for row in rows:
        if row["topic"] == topics.HVAC_STATE:
            entries.setdefault(row["partition"], []).append((row["key"], row["value"]))
    assert_equal_states({number: restored(mine) for number, mine in entries.items()}, states)


def in_sequence(outputs: list[Encoded]) -> dict[tuple[str, bytes], list[bytes]]:
    """What was said of each unit, in order."""
    return by_key(one for one in outputs if one.topic != topics.HVAC_DEAD)


def test_a_directory_that_is_no_log_is_told_apart(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = Engine(site, records=1000)
    engine.session.range(3).write.parquet(str(tmp_path / "other"))
    for name, error in (
        ("other", "lacks the columns key, offset, partition, timestamp_ms, topic, value"),
        ("nothing", "cannot be read"),
    ):
        assert engine.command("--replay", str(tmp_path / name), "--to", str(tmp_path / "said")) == Exit.SETTINGS
        assert error in capsys.readouterr().err
