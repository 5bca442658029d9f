"""Bytewax as its documentation writes such a step: keyed by unit, one frame after another; recovery on."""

from __future__ import annotations

from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow

from models.contracts.messages import encode_json
from tests.bench.stream import model
from tests.bench.stream.contract import Contract
from tests.bench.stream.engine_bytewax import BATCH_MESSAGES, CONSUMER, run, sink_of
from tests.bench.stream.single import Arrived, Single


def flow_of(told: Contract) -> Dataflow:
    """The dataflow."""
    single = Single(model.load())

    def keyed(message: Any) -> tuple[str, Arrived]:
        arrived = single.decode(message.value)
        return arrived.unit, arrived

    def step(memory: bytes | None, arrived: Arrived) -> tuple[bytes, Any]:
        memory, alert = single.step(memory, arrived)
        return memory, alert and KafkaSinkMessage(alert.unit.encode(), encode_json(alert))

    flow = Dataflow("bench")
    source = KafkaSource([told.bootstrap], [told.source], add_config=CONSUMER, batch_size=BATCH_MESSAGES)
    frames = op.map("keyed", op.input("frames", flow, source), keyed)
    steps = op.key_rm("without_key", op.stateful_map("watch", frames, step))
    op.output("alerts", op.filter("said", steps, lambda said: said is not None), sink_of(told))
    return flow


if __name__ == "__main__":
    run(flow_of)
