"""Fixtures for every test: real servers, and what happens when one is missing.

Without a server its tests are skipped, each with the reason and the command that mends it. With CI=true a missing server
is a failure.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import (
    IN_CI,
    EmbeddedKafka,
    EmbeddedMqtt,
    Kafka,
    Mosquitto,
    why_no_chromium,
    why_no_data,
    why_no_kafka,
    why_no_mosquitto,
    why_no_spark,
)

_NEEDS = {
    "kafka": why_no_kafka,
    "spark": why_no_spark,
    "mosquitto": why_no_mosquitto,
    "chromium": why_no_chromium,
    "data": why_no_data,
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long loops to `make faults`, unless they are asked for by name."""
    if "long" not in (config.option.markexpr or ""):
        chosen = [item for item in items if item.get_closest_marker("long") is None]
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long") is not None])
        items[:] = chosen


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or in CI fail, a test whose server is missing."""
    for marker, why_not in _NEEDS.items():
        if item.get_closest_marker(marker) is not None and (reason := why_not()):
            if IN_CI:
                pytest.fail(f"CI must run this test: {reason}")
            pytest.skip(reason)


@pytest.fixture(scope="session")
def mosquitto() -> Iterator[Mosquitto]:
    """A running Mosquitto shared by the session: use unique topics."""
    with Mosquitto() as server:
        yield server


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """A running Apache Kafka shared by the session: use unique topics and groups."""
    with Kafka() as server:
        yield server


@pytest.fixture(scope="session")
def embedded_mqtt() -> Iterator[EmbeddedMqtt]:
    """The demo's MQTT broker, running."""
    with EmbeddedMqtt() as server:
        yield server


@pytest.fixture(scope="session")
def embedded_kafka() -> Iterator[EmbeddedKafka]:
    """The demo's Kafka, running."""
    with EmbeddedKafka() as server:
        yield server
