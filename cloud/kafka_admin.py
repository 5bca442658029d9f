"""How to reach Kafka, and the topics that must be there."""

from __future__ import annotations

import ssl
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
    options = client_options(settings)
    where = ",".join(settings.bootstrap)
    try:
        admin = KafkaAdminClient(**options, bootstrap_timeout_ms=timeout_ms, request_timeout_ms=timeout_ms)
        try:
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
                try:
                    admin.create_topics([topic])
                except TopicAlreadyExistsError:  # another process was quicker
                    continue
            return [topic.name for topic in missing]
        finally:
            admin.close()
    except (KafkaError, OSError) as error:
        raise KafkaUnreachable(
            f"kafka {where}: topics cannot be created: {error}; is it running there? [kafka.bootstrap]"
        ) from error
