"""Topics that an app needs: made when they are missing, checked when they are there. Works on Apache Kafka and embedded."""

from __future__ import annotations

import logging

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from models.contracts.settings import KafkaSettings, SettingsError
from models.contracts.topics import kafka_topic
from stream.connection import connection

_log = logging.getLogger(__name__)
# Chunks and manifests replace one another often: let compaction keep up.
_COMPACTED = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.3", "segment.ms": "600000"}


async def ensure_topics(settings: KafkaSettings, names: list[str], co_partitioned: list[str]) -> dict[str, int]:
    """Make the topics that are missing.

    Args:
        settings: Where Kafka is, and how many partitions a new topic gets.
        names: Every topic that the app reads or writes.
        co_partitioned: Those that must have as many partitions as the first of them.

    Returns:
        Number of partitions of each.

    Raises:
        SettingsError: topics that belong together differ in partitions.
        KafkaError: Kafka cannot be reached, or refuses.
    """
    admin = AIOKafkaAdminClient(**connection(settings))
    await admin.start()
    try:
        present = await _partitions(admin, names)
        follows = present.get(co_partitioned[0], settings.partitions)
        missing = [name for name in names if name not in present]
        if missing:
            await _create(admin, settings, missing, follows)
            present |= {name: kafka_topic(name).partitions or follows for name in missing}
        for name in co_partitioned:
            if present[name] != follows:
                raise SettingsError(
                    f"kafka topic {name} has {present[name]} partitions, expected {follows} as {co_partitioned[0]} has;"
                    " add partitions or make it anew"
                )
        return present
    finally:
        await admin.close()


async def _partitions(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, int]:
    """Number of partitions of each topic that exists."""
    there = set(await admin.list_topics())
    wanted = [name for name in names if name in there]
    if not wanted:
        return {}
    described = await admin.describe_topics(wanted)
    return {topic["topic"]: len(topic["partitions"]) for topic in described if topic["partitions"]}


async def _create(admin: AIOKafkaAdminClient, settings: KafkaSettings, names: list[str], follows: int) -> None:
    rows = [kafka_topic(name) for name in names]
    new = [
        NewTopic(
            name=row.name,
            num_partitions=row.partitions or follows,
            replication_factor=settings.replication_factor,
            topic_configs=dict(_COMPACTED) if row.compacted else {},
        )
        for row in rows
    ]
    _log.info("making topics %s", ", ".join(names))
    try:
        response = await admin.create_topics(new)
    except TopicAlreadyExistsError:
        return
    for name, code, *message in getattr(response, "topic_errors", ()):
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise KafkaError(f"kafka topic {name} was not made: {error.__name__} {' '.join(map(str, message))}")
