"""From Kafka into the history, the ledger, the live picture and the alerts.

    layouts, gateways ──(read from the beginning at every start)──▶ what units and gateways are
    frames, health, alerts ──▶ stored, in a commit ──▶ acknowledged to gateways (ack = "stored") ──▶ offsets committed

Everything that is stored recognises what it has, so a record that comes twice after a crash changes nothing. While the
history cannot write, nothing more is taken and no offset moves.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from google.protobuf.message import DecodeError
from sqlalchemy.exc import OperationalError

from cloud.acks import AckBook
from cloud.context import Context
from cloud.history import HistoryError, StoredStatus
from cloud.kafka_admin import KafkaUnreachable, client_options, create_topics, partitions_of
from cloud.ledger import StoredFrame
from cloud.mqtt import AckSender
from models.contracts import frame_pb2
from models.contracts.clock import wall_ms
from models.contracts.codec import decode_batch
from models.contracts.frame import Decoded, Rejected
from models.contracts.layout import Layout
from models.contracts.messages import (
    AlertEvent,
    GatewayStatus,
    Health,
    LayoutMessage,
    MessageError,
    decode_json,
)
from models.contracts.topics import ALERTS, FRAMES, GATEWAYS, HEALTH, LAYOUTS

log = logging.getLogger(__name__)
T = TypeVar("T")

RECORDS_MAX = 2000
_POLL_MS = 200
_ADMIN_MS = 2000
_PARTITIONS_SECONDS = 60.0
_READ_TABLES_SECONDS = 10.0
_LAG_SECONDS = 2.0
_ANSWER_SECONDS = 5.0
# Kafka did not answer so often: connect anew.
_SILENCES_MAX = 3
_STORE_AGAIN_SECONDS = 1.0
_PRUNE_SECONDS = 3600.0
# Counting all rows may take a part of the time that it rests in between.
_AUDIT_SECONDS = 5.0
_AUDIT_REST = 30


class Ingest:
    """The consumers of the cloud process, on its event loop; what blocks runs in threads."""

    def __init__(self, context: Context, acks: AckSender | None = None) -> None:
        """Prepare.

        Args:
            acks: Acknowledges what is stored; None when the bridge does it (`ack = "kafka"`).
        """
        self._context = context
        self._status = context.ingest
        self._acks = acks
        self._book = AckBook()
        self._layouts: dict[int, Layout] = {}

    async def run(self) -> None:
        """Take from Kafka until cancelled; after trouble, connect again."""
        self._layouts = self._context.history.layouts()
        housekeeping = asyncio.create_task(self._keep_house(), name="history housekeeping")
        try:
            while True:
                try:
                    await self._session()
                except (KafkaError, KafkaUnreachable, OSError) as error:
                    self._note_trouble(str(error) or type(error).__name__)
                await asyncio.sleep(random.uniform(0.5, 2.0))
        finally:
            housekeeping.cancel()
            self._status.kafka_connected = False

    async def _session(self) -> None:
        """One connection to Kafka, until it fails."""
        settings = self._context.settings
        await asyncio.to_thread(create_topics, settings.kafka, _ADMIN_MS)
        partitions = await self._partitions()
        options = client_options(settings.kafka) | {
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
            "retry_backoff_ms": 300,
            "request_timeout_ms": 10_000,
        }
        tables = AIOKafkaConsumer(LAYOUTS, GATEWAYS, **options)
        # Assigned by hand: one process takes everything, and waits for no group to notice that its predecessor is dead.
        records = AIOKafkaConsumer(group_id=settings.history.group, **options)
        try:
            await tables.start()
            await self._read_tables(tables)
            await records.start()
            records.assign([TopicPartition(*partition) for partition in partitions])
            self._status.kafka_connected = True
            self._status.last_error = ""
            await self._take(tables, records, partitions)
        finally:
            self._status.kafka_connected = False
            await records.stop()
            await tables.stop()

    async def _partitions(self) -> set[tuple[str, int]]:
        return await asyncio.to_thread(partitions_of, self._context.settings.kafka, (FRAMES, HEALTH, ALERTS), _ADMIN_MS)

    async def _take(
        self, tables: AIOKafkaConsumer, records: AIOKafkaConsumer, partitions: set[tuple[str, int]]
    ) -> None:
        """Take until Kafka is silent, or has other partitions than it had."""
        lag_at, silences, partitions_at = 0.0, 0, time.monotonic() + _PARTITIONS_SECONDS
        while True:
            await self._apply_tables(await tables.getmany(timeout_ms=0))
            found = await records.getmany(timeout_ms=_POLL_MS, max_records=RECORDS_MAX)
            if found:
                by_topic: dict[str, list[ConsumerRecord[Any, Any]]] = {FRAMES: [], HEALTH: [], ALERTS: []}
                for partition, rows in found.items():
                    by_topic[partition.topic] += rows
                await self._take_frames(by_topic[FRAMES], tables)
                await self._take_health(by_topic[HEALTH])
                await self._take_alerts(by_topic[ALERTS])
                await self._commit(records, found)
            self._send_acks()
            if time.monotonic() >= lag_at:
                silences = 0 if await self._measure_lag(records) else silences + 1
                if silences >= _SILENCES_MAX:
                    return
                lag_at = time.monotonic() + _LAG_SECONDS
            if time.monotonic() >= partitions_at:
                partitions_at = time.monotonic() + _PARTITIONS_SECONDS
                if await self._partitions() != partitions:
                    return

    async def _read_tables(self, tables: AIOKafkaConsumer) -> None:
        """Take layouts and statuses to their present end.

        Raises:
            KafkaError: the end was not reached in time.
        """
        ends = await tables.end_offsets(tables.assignment())
        give_up_at = time.monotonic() + _READ_TABLES_SECONDS
        for partition, end in ends.items():
            while await tables.position(partition) < end:
                await self._apply_tables(await tables.getmany(timeout_ms=_POLL_MS))
                if time.monotonic() > give_up_at:
                    raise KafkaError(f"{partition.topic} was not read to its end within {_READ_TABLES_SECONDS:g} s")

    async def _apply_tables(self, found: dict[TopicPartition, list[ConsumerRecord[Any, Any]]]) -> None:
        context = self._context
        for partition, rows in found.items():
            if partition.topic == LAYOUTS:
                layouts = self._decode(rows, LayoutMessage)
                await self._store(context.history.write_layouts, layouts)
                for message in layouts:
                    self._layouts[message.layout.id] = message.layout
                    context.fleet.apply_layout(message)
            else:
                # A restart reads old statuses again: they are as old as they are.
                statuses = [
                    StoredStatus(one, row.timestamp) for row in rows for one in self._decode([row], GatewayStatus)
                ]
                await self._store(context.history.write_gateways, statuses)
                for status, at_ms in statuses:
                    context.ledger.told(status, at_ms)
                    context.fleet.apply_gateway(status, at_ms)

    async def _take_frames(self, rows: Sequence[ConsumerRecord[Any, Any]], tables: AIOKafkaConsumer) -> None:
        if not rows:
            return
        payloads = [row.value or b"" for row in rows]
        decoded = decode_batch(payloads, self._layouts)
        if any(rejected.error.reason == "layout" for rejected in decoded.rejected):
            # The bridge writes a layout before the frames that need it: it is there by now.
            await self._read_tables(tables)
            decoded = decode_batch(payloads, self._layouts)
        received_at_ms = wall_ms()
        stored = await self._store(self._context.history.write_frames, decoded.batches, received_at_ms)
        self._reject(decoded, payloads)
        if stored is None:
            return
        self._status.frames_stored += sum(not one.duplicate for one in stored)
        self._context.ledger.arrived(stored, received_at_ms)
        for batch in decoded.batches:
            self._context.fleet.apply_frames(batch)
        if self._acks is not None:
            self._acknowledge(stored)

    def _acknowledge(self, stored: Sequence[StoredFrame]) -> None:
        for gateway, epoch, seq, _, _ in stored:
            self._book.stored(gateway, epoch, seq)
        self._send_acks()

    def _reject(self, decoded: Decoded, payloads: Sequence[bytes]) -> None:
        """Count what cannot be decoded. Its gateway need not send it again if it would be the same again."""
        for rejected in decoded.rejected:
            self._status.dead[rejected.error.reason] += 1
            log.warning("a frame cannot be used: %s", rejected.error)
            if self._acks is not None and (identity := _identity_of(rejected, payloads)) is not None:
                self._book.stored(*identity)

    async def _take_health(self, rows: Sequence[ConsumerRecord[Any, Any]]) -> None:
        if health := self._decode(rows, Health):
            await self._store(self._context.history.write_health, health, wall_ms())
            for one in health:
                self._context.fleet.apply_health(one)

    async def _take_alerts(self, rows: Sequence[ConsumerRecord[Any, Any]]) -> None:
        if events := self._decode(rows, AlertEvent):
            await self._store(self._context.alerts.apply_all, events)

    def _decode(self, rows: Sequence[ConsumerRecord[Any, Any]], kind: type[T]) -> list[T]:
        """The messages of some records; what is none is counted."""
        messages: list[T] = []
        for row in rows:
            if row.value is None:  # deleted from a compacted topic
                continue
            try:
                messages.append(decode_json(row.value, kind))
            except MessageError as error:
                self._status.dead["malformed"] += 1
                log.warning("%s %d:%d cannot be used: %s", row.topic, row.partition, row.offset, error)
        return messages

    async def _store(self, call: Callable[..., T], *arguments: Any) -> T | None:
        """Call it in a thread until it has stored what it was given; None when that can never be."""
        while True:
            try:
                return await asyncio.to_thread(call, *arguments)
            except (HistoryError, OperationalError) as error:
                self._note_trouble(str(error))
                await asyncio.sleep(_STORE_AGAIN_SECONDS)
            except Exception as error:
                self._status.dead["internal"] += 1
                self._note_trouble(f"{type(error).__name__}: {error}")
                log.exception("records were passed over")
                return None

    async def _commit(
        self, records: AIOKafkaConsumer, found: dict[TopicPartition, list[ConsumerRecord[Any, Any]]]
    ) -> None:
        try:
            # aiokafka would look for the coordinator for ever.
            async with asyncio.timeout(_ANSWER_SECONDS):
                await records.commit({partition: rows[-1].offset + 1 for partition, rows in found.items()})
        except (KafkaError, TimeoutError) as error:  # the records come again, and are recognised
            self._note_trouble(f"offsets were not committed: {error or type(error).__name__}")

    async def _measure_lag(self, records: AIOKafkaConsumer) -> bool:
        """How far behind we are, by topic; False when Kafka does not answer."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                lag: dict[str, int] = {}
                for partition, end in (await records.end_offsets(records.assignment())).items():
                    behind = end - await records.position(partition)
                    lag[partition.topic] = lag.get(partition.topic, 0) + max(0, behind)
        except (KafkaError, TimeoutError) as error:
            self._status.kafka_connected = False
            self._note_trouble(f"kafka does not answer: {error or type(error).__name__}")
            return False
        self._status.kafka_connected = True
        self._status.lag_records = lag
        return True

    def _send_acks(self) -> None:
        if self._acks is not None:
            self._acks.send(self._book)
            self._status.mqtt_connected = self._acks.connected

    async def _keep_house(self) -> None:
        """Delete what is too old, and count the rows for the ledger."""
        history, prune_at = self._context.history, 0.0
        while True:
            started = time.monotonic()
            try:
                if started >= prune_at:
                    prune_at = started + _PRUNE_SECONDS
                    await asyncio.to_thread(history.prune, wall_ms())
                self._context.ledger.audited(await asyncio.to_thread(history.double_counted))
            except HistoryError as error:
                self._note_trouble(str(error))
            await asyncio.sleep(max(_AUDIT_SECONDS, _AUDIT_REST * (time.monotonic() - started)))

    def _note_trouble(self, what: str) -> None:
        self._status.last_error = what
        log.warning("%s", what)


def _identity_of(rejected: Rejected, payloads: Sequence[bytes]) -> tuple[str, int, int] | None:
    """Gateway, epoch and seq of a frame that arrived whole and would be refused again; the bridge checked who sent it."""
    if rejected.error.reason not in ("schema", "shape"):
        return None
    try:
        message = frame_pb2.Frame.FromString(payloads[rejected.position])
    except DecodeError:
        return None
    return f"{message.site}/{message.gateway}", message.epoch, message.seq
