"""Bytewax: a partition's batch goes whole through one stateful step over dense numpy; recovery on.

Its documentation keys by unit, and hands out one list a unit and batch; keyed by partition the same operator sees whole
batches, which is several times faster. Offsets lie in its recovery store (SQLite), not in the consumer group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import bytewax.operators as op
from bytewax._bytewax import cli_main, init_db_dir
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from bytewax.recovery import RecoveryConfig

from models.contracts.messages import encode_json
from tests.bench.stream import model
from tests.bench.stream.contract import COMMIT_SECONDS, Contract, contract
from tests.bench.stream.dense import Dense

BATCH_MESSAGES = 1000
CONSUMER = {"fetch.wait.max.ms": "2"}
Saved = tuple[list[str], bytes]


class Watch(StatefulBatchLogic):  # type: ignore[misc]
    """The units of one partition."""

    def __init__(self, saved: Saved | None) -> None:
        self.dense = Dense(model.load())
        if saved is not None:
            self.dense.restore(*saved)

    def on_batch(self, values: list[list[bytes]]) -> tuple[Iterable[Any], bool]:
        alerts = [alert for payloads in values for alert in self.dense.take(self.dense.decode(payloads))]
        said = [KafkaSinkMessage(alert.unit.encode(), encode_json(alert)) for alert in alerts]
        return said, StatefulBatchLogic.RETAIN

    def snapshot(self) -> Saved:
        return self.dense.save()


def by_partition(messages: list[Any]) -> list[tuple[str, list[bytes]]]:
    """The payloads of each partition, in order."""
    parts: dict[int, list[bytes]] = {}
    for message in messages:
        parts.setdefault(message.partition, []).append(message.value)
    return [(str(partition), payloads) for partition, payloads in parts.items()]


def flow_of(told: Contract) -> Dataflow:
    """The dataflow."""
    flow = Dataflow("bench")
    source = KafkaSource([told.bootstrap], [told.source], add_config=CONSUMER, batch_size=BATCH_MESSAGES)
    messages = op.input("frames", flow, source)
    batches = op.flat_map_batch("by_partition", messages, by_partition)
    alerts = op.stateful_batch("watch", batches, Watch)
    op.output("alerts", op.key_rm("without_key", alerts), sink_of(told))
    return flow


def sink_of(told: Contract) -> KafkaSink:
    """Where alerts go. It flushes its producer after every batch, so waiting for company would only cost time."""
    return KafkaSink([told.bootstrap], told.alerts, add_config={"linger.ms": "0"})


def run(flow_of: Callable[[Contract], Dataflow]) -> None:
    """Run a dataflow with recovery until a signal ends it."""
    told = contract()
    store = told.directory / "recovery"
    if not store.exists():
        store.mkdir(parents=True)
        init_db_dir(store, 1)
    cli_main(
        flow_of(told),
        workers_per_process=1,
        epoch_interval=timedelta(seconds=COMMIT_SECONDS),
        recovery_config=RecoveryConfig(store),
    )


if __name__ == "__main__":
    run(flow_of)
