"""Records on their way to Kafka: handed over with `acks=all` and idempotence, and what became of each.

kafka-python's producer has no limit on its memory; `pending_bytes` is for the caller to keep one. It belongs to one thread:
outcomes are asked for, not called back, which costs less and needs no locks.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError
from kafka.future import Future

from cloud.holding import Receipt
from cloud.intake import Record
from cloud.kafka_admin import KafkaUnreachable, client_options, create_topics
from models.contracts.settings import KafkaSettings, SettingsError

log = logging.getLogger(__name__)

BATCH_BYTES = 128 * 1024
# A record that Kafka did not take within this time is given back to the caller.
DELIVERY_SECONDS = 120
_RECORD_BYTES_MAX = 1024 * 1024
# Records that do not move for so long may wait for topics that are gone.
_STUCK_SECONDS = 10.0
_MEND_SECONDS = 5.0
_MEND_MS = 1000
_CLOSE_SECONDS = 0.5
_TELL_SECONDS = 0.2


@dataclass(slots=True)
class Delivery:
    """One record, and the receipt of the message that it came in; None when the broker waits for none."""

    record: Record
    receipt: Receipt | None = None

    def done(self) -> None:
        """The broker need not keep the message any longer."""
        if self.receipt is not None:
            self.receipt.done = True


@dataclass(slots=True)
class Outcome:
    """What became of a delivery. An empty `error`: Kafka has it. `hopeless`: Kafka will never take this record."""

    delivery: Delivery
    error: str = ""
    hopeless: bool = False


class Forwarder:
    """One producer, and the records that it has not reported on."""

    def __init__(self, settings: KafkaSettings, linger_ms: int, compression: str, timeout_ms: int = 5000) -> None:
        """Connect.

        Raises:
            KafkaUnreachable: no broker answers within the time.
            SettingsError: the compression needs a package that is not installed.
        """
        self._settings = settings
        self._linger_ms = linger_ms
        self._compression = None if compression == "none" else compression
        self._timeout_ms = timeout_ms
        self._pending: deque[tuple[Future, Delivery]] = deque()
        self._failed: deque[tuple[float, Outcome]] = deque()  # and when to tell
        self._broken = False
        self._moved_at = time.monotonic()
        self._mend_at = 0.0
        self.pending_bytes = 0
        self._producer: Any = self._connect()

    def __len__(self) -> int:
        return len(self._pending) + len(self._failed)

    def _connect(self) -> Any:
        where = ",".join(self._settings.bootstrap)
        try:
            return KafkaProducer(
                **client_options(self._settings),
                acks="all",
                enable_idempotence=True,
                compression_type=self._compression,
                linger_ms=self._linger_ms,
                batch_size=BATCH_BYTES,
                max_request_size=_RECORD_BYTES_MAX,
                delivery_timeout_ms=DELIVERY_SECONDS * 1000,
                request_timeout_ms=10_000,
                reconnect_backoff_max_ms=1000,
                max_block_ms=self._timeout_ms,
                bootstrap_timeout_ms=self._timeout_ms,
                metrics_enabled=False,
            )
        except KafkaError as error:
            raise KafkaUnreachable(f"kafka {where}: {error}; is it running there? [kafka.bootstrap]") from error
        except RuntimeError as error:
            raise SettingsError(f"kafka: {error} [bridge.compression]; take none, or install the package") from error

    def send(self, delivery: Delivery) -> None:
        """Hand a record over; `settled` tells what became of it."""
        record = delivery.record
        self.pending_bytes += len(record.value)
        try:
            future = self._producer.send(record.topic, record.value, record.key)
        except (KafkaError, ValueError) as error:
            self._fail(Outcome(delivery, _sentence(error), isinstance(error, MessageSizeTooLargeError)))
        else:
            self._pending.append((future, delivery))

    def settled(self) -> Iterator[Outcome]:
        """Outcomes since the last call, in the order of `send`; stops at the first record that is still on its way."""
        pending = self._pending
        while pending and pending[0][0].is_done:
            future, delivery = pending.popleft()
            self.pending_bytes -= len(delivery.record.value)
            self._moved_at = time.monotonic()
            error = future.exception
            if error is None:
                yield Outcome(delivery)
                continue
            outcome = Outcome(delivery, _sentence(error), isinstance(error, MessageSizeTooLargeError))
            self._broken |= not outcome.hopeless
            yield outcome
        now = time.monotonic()
        while self._failed and self._failed[0][0] <= now:
            _, outcome = self._failed.popleft()
            self.pending_bytes -= len(outcome.delivery.record.value)
            yield outcome

    def _fail(self, outcome: Outcome) -> None:
        """Tell of it a little later, so that whoever tries again at once does not do so without end."""
        self._broken |= not outcome.hopeless
        self._failed.append((time.monotonic() + _TELL_SECONDS, outcome))

    def mend(self) -> bool:
        """Look after a producer that fails, or whose records have been under way for long.

        Returns:
            Kafka had lost our topics (one that keeps nothing was restarted); they are there again, and empty.
        """
        now = time.monotonic()
        if not self._pending:
            self._moved_at = now
        if now < self._mend_at or not (self._broken or now - self._moved_at > _STUCK_SECONDS):
            return False
        self._mend_at = now + _MEND_SECONDS
        try:
            forgotten = bool(create_topics(self._settings, _MEND_MS))
            if not (self._broken or forgotten):
                return False
            fresh = self._connect()
        except KafkaUnreachable as error:
            log.warning("%s", error)
            return False
        _end(self._producer, 0)
        self._producer = fresh
        while self._pending:
            _, delivery = self._pending.popleft()
            self._fail(Outcome(delivery, "the producer was replaced"))
        self._broken = False
        return forgotten

    def close(self, seconds: float) -> None:
        """Finish what can be finished within this time."""
        _end(self._producer, seconds)


def _end(producer: Any, seconds: float) -> None:
    try:
        producer.close(timeout=seconds)
    except KafkaError:
        # kafka-python 3.0.12 gives up on records that are under way by raising, before it ends its own thread.
        producer._sender.force_close()
        with suppress(KafkaError):
            producer.close(timeout=_CLOSE_SECONDS)


def _sentence(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
