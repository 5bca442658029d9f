"""Faust as most people write it: an agent, a Table, one write a message."""

from __future__ import annotations

from typing import Any

import faust

from models.contracts.messages import encode_json
from tests.bench.stream import model
from tests.bench.stream.contract import COMMIT_SECONDS, Contract, contract
from tests.bench.stream.single import Single


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
        web_enabled=False,
        autodiscover=False,
    )
    raw: faust.Schema[str, bytes] = faust.Schema(
        key_type=str, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )
    frames = app.topic(told.source, schema=raw)
    alerts = app.topic(told.alerts, schema=raw)
    units = app.Table("units", partitions=partitions, key_type=str, value_type=bytes)
    single = Single(model.load())

    @app.agent(frames)
    async def watch(stream: Any) -> None:
        async for payload in stream:
            arrived = single.decode(payload)
            units[arrived.unit], alert = single.step(units.get(arrived.unit), arrived)
            if alert is not None:
                await alerts.send(key=alert.unit, value=encode_json(alert))

    return app


if __name__ == "__main__":
    faust.Worker(app_of(contract()), loglevel="WARNING").execute_from_commandline()
