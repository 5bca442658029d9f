"""How aiokafka's clients are told where Kafka is."""

from __future__ import annotations

import logging
import ssl
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import UnknownError, UnsupportedVersionError

from models.contracts.settings import KafkaSettings, SettingsError, secret

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


def ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    """TLS as the settings want it, None without TLS.

    Raises:
        SettingsError: the file of the authority cannot be read.
    """
    if not settings.security_protocol.endswith("SSL"):
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"kafka: cannot read {settings.ca_file!r}: {error} [kafka.ca_file]") from error


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments that every aiokafka client takes.

    Raises:
        SettingsError: the protocol is not known, or a secret cannot be read.
    """
    if settings.security_protocol not in _PROTOCOLS:
        raise SettingsError(
            f"kafka: security_protocol {settings.security_protocol!r}, expected one of {', '.join(_PROTOCOLS)}"
            " [kafka.security_protocol]"
        )
    words: dict[str, Any] = {
        "bootstrap_servers": list(settings.bootstrap),
        "security_protocol": settings.security_protocol,
        "ssl_context": ssl_context(settings),
    }
    if settings.security_protocol.startswith("SASL"):
        words["sasl_mechanism"] = settings.sasl_mechanism
        words["sasl_plain_username"] = settings.sasl_username
        words["sasl_plain_password"] = secret(settings.sasl_password_file, "kafka password")
    return words


async def gives_producer_ids(settings: KafkaSettings) -> bool:
    """Whether this broker knows idempotent producers; the embedded one does not.

    Raises:
        KafkaError: it cannot be reached.
    """
    noisy = logging.getLogger("aiokafka.producer.sender")
    level = noisy.level
    noisy.setLevel(logging.CRITICAL)
    producer = AIOKafkaProducer(**connection(settings), enable_idempotence=True)
    try:
        await producer.start()
    except (UnknownError, UnsupportedVersionError):
        return False
    finally:
        noisy.setLevel(level)
        await producer.stop()
    return True
