"""Quix Streams: one message at a time, state in RocksDB with its changelog, written at each checkpoint."""

from __future__ import annotations

from quixstreams import Application
from quixstreams.state import State

from models.contracts.messages import encode_json
from tests.bench.stream import model
from tests.bench.stream.contract import COMMIT_SECONDS, Contract, contract
from tests.bench.stream.single import Single


def app_of(told: Contract) -> Application:
    """The app."""
    app = Application(
        broker_address=told.bootstrap,
        consumer_group=told.group,
        auto_offset_reset="earliest",
        commit_interval=COMMIT_SECONDS,
        state_dir=told.directory / "state",
        consumer_extra_config={"fetch.wait.max.ms": 2},
        producer_extra_config={"linger.ms": 5},
        loglevel="WARNING",
    )
    frames = app.topic(told.source, key_deserializer="bytes", value_deserializer="bytes")
    alerts = app.topic(told.alerts, key_serializer="bytes", value_serializer="bytes")
    single = Single(model.load())

    def step(payload: bytes, state: State) -> list[bytes]:
        memory, alert = single.step(state.get_bytes("unit"), single.decode(payload))
        state.set_bytes("unit", memory)
        return [encode_json(alert)] if alert is not None else []

    stream = app.dataframe(frames)
    stream = stream.apply(step, stateful=True, expand=True)
    stream.to_topic(alerts)
    return app


if __name__ == "__main__":
    app_of(contract()).run()
