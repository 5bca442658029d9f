"""How to reach Kafka, and the topics that must be there."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from models.contracts.settings import KafkaSettings, SettingsError, secret
from models.contracts.topics import KAFKA_TOPICS


class KafkaUnreachable(RuntimeError):  # noqa: N818, what it is, not an accident
    """Kafka does not answer, or refuses us."""


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Options that kafka-python and aiokafka share: addresses, TLS, SASL.

    Raises:
        SettingsError: a file named in the settings cannot be used.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": list(settings.bootstrap),
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol in ("SSL", "SASL_SSL"):
        try:
            options["ssl_context"] = ssl.create_default_context(cafile=settings.ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"kafka: ca_file {settings.ca_file!r} cannot be used: {error} [kafka.ca_file]"
            ) from error
    if settings.sasl_mechanism:
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": secret(settings.sasl_password_file, "kafka.sasl_password_file"),
        }
    return options


def create_topics(settings: KafkaSettings, timeout_ms: int = 5000) -> list[str]:
    """Create the topics of the table that are not there yet; the names of those that were created.

    Raises:
        KafkaUnreachable: no broker answers within the time, or it refuses.
    """
    with _admin(settings, timeout_ms) as admin:
        there = set(admin.list_topics())
        missing = [
            NewTopic(
                row.name,
                num_partitions=row.partitions or settings.partitions,
                replication_factor=settings.replication_factor,
                topic_configs={"cleanup.policy": "compact"} if row.compacted else {},
            )
            for row in KAFKA_TOPICS
            if row.name not in there
        ]
        for topic in missing:
            with suppress(TopicAlreadyExistsError):  # another process was quicker
                admin.create_topics([topic])
        return [topic.name for topic in missing]


def partitions_of(settings: KafkaSettings, topics: Sequence[str], timeout_ms: int = 5000) -> set[tuple[str, int]]:
    """Topic and number of every partition of these topics.

    Raises:
        KafkaUnreachable: no broker answers within the time, or a topic is not there.
    """
    with _admin(settings, timeout_ms) as admin:
        found = {
            (topic["name"], part["partition_index"])
            for topic in admin.describe_topics(list(topics))
            for part in topic["partitions"]
        }
    missing = set(topics) - {topic for topic, _ in found}
    if missing:
        raise KafkaUnreachable(f"kafka {','.join(settings.bootstrap)}: no topic {', '.join(sorted(missing))}")
    return found


@contextmanager
def _admin(settings: KafkaSettings, timeout_ms: int) -> Iterator[Any]:
    try:
        admin = KafkaAdminClient(
            **client_options(settings), bootstrap_timeout_ms=timeout_ms, request_timeout_ms=timeout_ms
        )
        try:
            yield admin
        finally:
            admin.close()
    except (KafkaError, OSError) as error:
        raise KafkaUnreachable(
            f"kafka {','.join(settings.bootstrap)}: {error}; is it running there? [kafka.bootstrap]"
        ) from error
