"""Faust, as a worker uses it: our transport, one agent that takes batches, no tables, no web; configured nowhere else."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

import faust

from stream.app import StreamApp
from stream.connection import connection
from stream.settings import StreamSettings
from stream.transport import Positions, Records, Transport

_EVENTS_QUEUED_MAX = 16
# While a backlog is worked off, the next batch is always there already. Behind a long one, results, commits, snapshots and
# signals get a breath, a share of what it took, or they would wait for the end of the backlog.
_LONG_SECONDS = 0.05
_BREATH_SHARE = 0.04
_BREATH_SECONDS_MAX = 0.01


class Taker(Positions, Protocol):
    """What the worker is to Faust: it knows where state stands, and takes batches."""

    async def take(self, batch: Records) -> None:
        """Process one batch."""


def new_faust(app: StreamApp, settings: StreamSettings, worker: Taker, *, idempotent: bool) -> faust.App:
    """The Faust app of a worker.

    Args:
        app: Whose inputs are read.
        settings: Of the worker.
        worker: Gets the batches.
        idempotent: Whether the broker knows idempotent producers.
    """
    made = faust.App(
        settings.group,
        broker=[f"kafka://{address}" for address in settings.kafka.bootstrap],
        store="memory://",
        web_enabled=False,
        web_bind="127.0.0.1",
        topic_disable_leader=True,
        topic_allow_declare=False,
        autodiscover=False,
        broker_commit_interval=settings.read.commit_seconds,
        broker_session_timeout=settings.read.session_seconds,
        broker_heartbeat_interval=settings.read.session_seconds / 5,
        broker_max_poll_interval=300.0,
        # Faust gives up waiting for a recovery after this time and goes on as if it were done: never do that.
        broker_request_timeout=86_400.0,
        stream_buffer_maxsize=_EVENTS_QUEUED_MAX,
        producer_linger=settings.read.linger_ms / 1000,
        producer_max_batch_size=262_144,
    )
    transport = Transport(
        made.conf.broker_consumer,
        made,
        batched=frozenset(one.topic for one in app.inputs),
        checksummed=frozenset(one.topic for one in app.inputs if one.checksummed),
        connection=connection(settings.kafka),
        read=settings.read,
        positions=worker,
        idempotent=idempotent,
    )
    made.transport = transport
    made.producer_transport = transport
    topic = made.topic(*(one.topic for one in app.inputs), schema=_Unread())

    @made.agent(topic, name=f"{app.name}.batches")
    async def batches(stream: Any) -> None:
        async for event in stream.noack().events():
            began = time.monotonic()
            try:
                await worker.take(event.value)
            finally:
                event.ack()  # ends the event for Faust; what may be committed is for `Consumer.acknowledge`
            took = time.monotonic() - began
            if took > _LONG_SECONDS:
                await asyncio.sleep(min(_BREATH_SECONDS_MAX, _BREATH_SHARE * took))

    return made


class _Unread(faust.Schema[Any, Any]):
    """The values of our events are batches already: nothing is deserialised."""

    def compile(self, app: Any, **_: Any) -> Any:
        """What makes an event of a message."""

        async def decode(message: Any, **_: Any) -> Any:
            return app.create_event(None, message.value, (), message)

        return decode
