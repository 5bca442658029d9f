"""Faust at its best without touching its transport: `take` up to 2,000 events, dense numpy, rows to a Table once a second.

Table writes inside `take` go to the partition of the last event, so the table is told to choose by key (`use_partitioner`).
Committed offsets may be ahead of the logged state by a second: Faust has no way to tie the two.
"""

from __future__ import annotations

import time
from typing import Any

import faust
import mode.loop
import numpy as np

from models.contracts.messages import encode_json
from tests.bench.stream import model
from tests.bench.stream.contract import COMMIT_SECONDS, Contract, contract
from tests.bench.stream.dense import Dense
from tests.bench.stream.single import MEMORY_FLOATS

_TAKE = 2000
_WITHIN_SECONDS = 0.02


def app_of(told: Contract, partitions: int = 4) -> faust.App:
    """The app."""
    app = faust.App(
        told.group,
        broker=f"kafka://{told.bootstrap}",
        store="memory://",
        datadir=str(told.directory),
        topic_partitions=partitions,
        topic_replication_factor=1,
        broker_commit_interval=COMMIT_SECONDS,
        stream_buffer_maxsize=2 * _TAKE,
        web_enabled=False,
        autodiscover=False,
    )
    raw: faust.Schema[str, bytes] = faust.Schema(
        key_type=str, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )
    frames = app.topic(told.source, schema=raw)
    alerts = app.topic(told.alerts, schema=raw)
    units = app.Table(
        "units",
        partitions=partitions,
        key_type=str,
        value_type=bytes,
        use_partitioner=True,
    )

    @app.agent(frames)
    async def watch(stream: Any) -> None:
        dense = Dense(model.load())
        changed: set[str] = set()
        written_at = time.monotonic()
        async for payloads in stream.take(_TAKE, within=_WITHIN_SECONDS):
            decoded = dense.decode(payloads)
            for unit in set(decoded.units) - dense.row_of.keys():
                if (row := units.get(unit)) is not None:
                    dense.put([unit], np.frombuffer(row).reshape(1, MEMORY_FLOATS))
            for alert in dense.take(decoded):
                await alerts.send(key=alert.unit, value=encode_json(alert))
            changed.update(decoded.units)
            if time.monotonic() - written_at >= COMMIT_SECONDS:
                for unit, packed in zip(changed, dense.packed(dense.rows(changed)), strict=True):
                    units[unit] = packed.tobytes()
                changed.clear()
                written_at = time.monotonic()

    return app


if __name__ == "__main__":
    mode.loop.use("uvloop")
    faust.Worker(app_of(contract()), loglevel="WARNING").execute_from_commandline()
