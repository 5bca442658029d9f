"""A worker as a process: topics, what the app needs beside its records, the event loop, signals, exit code."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import msgspec
from aiokafka.errors import KafkaError

from models.contracts.exits import Exit
from models.contracts.messages import MessageError
from stream.app import StreamApp
from stream.connection import gives_producer_ids
from stream.hvac.app import hvac, load_monitor
from stream.replay import Replay, read_recording, record
from stream.runtime import Worker
from stream.settings import StreamSettings
from stream.topics import ensure_topics

_log = logging.getLogger(__name__)
_REPEAT_SECONDS = 10.0
_STOP_SECONDS = 2.5


class _NotAgainAndAgain(logging.Filter):
    """A broker that is away makes aiokafka say so many times a second; the same words are let through every 10 s."""

    def __init__(self) -> None:
        super().__init__()
        self._said_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("aiokafka"):
            return True
        said_at = self._said_at.get(record.msg, -_REPEAT_SECONDS)
        if record.created - said_at < _REPEAT_SECONDS:
            return False
        self._said_at[record.msg] = record.created
        return True


def run_hvac(settings: StreamSettings) -> int:
    """Run a worker of the HVAC app until a signal ends it; the exit code."""
    use_uvloop()
    for handler in logging.getLogger().handlers:
        handler.addFilter(_NotAgainAndAgain())
    return asyncio.run(_run_hvac(settings))


def record_hvac(settings: StreamSettings, path: Path) -> int:
    """Write what the HVAC app's topics hold to a file; the exit code."""
    try:
        count = asyncio.run(record(hvac(settings, load_monitor(settings)), settings.kafka, path))
    except KafkaError as error:
        return _kafka_failed(settings, error)
    print(f"{count} records written to {path}", file=sys.stderr)
    return Exit.OK


def replay_hvac(settings: StreamSettings, path: Path) -> int:
    """Run the HVAC app over a recording and print what it says, a line of JSON for each output; the exit code."""
    replay = Replay(hvac(settings, load_monitor(settings)))
    try:
        for partition, output in replay.run(read_recording(path)):
            head = msgspec.json.encode({"topic": output.topic, "partition": partition, "key": output.key.decode()})
            sys.stdout.write(f'{head.decode()[:-1]},"message":{output.value.decode()}}}\n')
    except (MessageError, OSError) as error:
        print(f"stream: {error}", file=sys.stderr)
        return Exit.FINDINGS
    return Exit.OK


def _kafka_failed(settings: StreamSettings, error: KafkaError) -> int:
    where = ", ".join(settings.kafka.bootstrap)
    print(f"stream: kafka at {where} failed: {error!r}; is it running, and are its settings right?", file=sys.stderr)
    return Exit.NETWORK


def use_uvloop() -> None:
    """Loops of this process, that of Faust's consumer thread too, are uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


async def _run_hvac(settings: StreamSettings) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app = hvac(settings, load_monitor(settings))
    try:
        partitions = await ensure_topics(settings.kafka, *_topics_of(app))
        worker = Worker(app, settings, idempotent=await gives_producer_ids(settings.kafka))
        return await _run(worker, settings, partitions, stop)
    except KafkaError as error:
        where = ", ".join(settings.kafka.bootstrap)
        print(
            f"stream: kafka at {where} failed: {error!r}; is it running, and are its settings right?", file=sys.stderr
        )
        return Exit.NETWORK


def _topics_of(app: StreamApp) -> tuple[list[str], list[str]]:
    """Every topic that the app needs, and those that are cut into the same partitions."""
    inputs = [one.topic for one in app.inputs]
    references = [one.topic for one in app.references]
    return [*inputs, *references, *app.outputs, app.state_topic, app.dead_topic], [*inputs, app.state_topic]


async def _run(worker: Worker, settings: StreamSettings, partitions: dict[str, int], stop: asyncio.Event) -> int:
    """Reference topics first, then the worker; ends when told to, or with the first of them that fails."""
    try:
        worker.metrics.serve(settings.metrics)
    except OSError as error:
        address = f"{settings.metrics.host}:{settings.metrics.port}"
        print(f"stream: metrics cannot listen at {address}: {error.strerror}; choose another port", file=sys.stderr)
        return Exit.NETWORK
    ready = asyncio.Event()
    follow = asyncio.create_task(worker.references.follow(partitions, ready), name="follow reference topics")
    stopping = asyncio.create_task(stop.wait(), name="wait for a signal")
    waiting_ready = asyncio.create_task(ready.wait(), name="wait for reference topics")
    try:
        await asyncio.wait({follow, waiting_ready, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if follow.done():
            follow.result()
        if stop.is_set():
            return Exit.OK
        return await _serve(worker, follow, stopping)
    finally:
        for task in (follow, stopping, waiting_ready):
            task.cancel()
        await asyncio.gather(follow, stopping, waiting_ready, return_exceptions=True)
        worker.metrics.close()


async def _serve(worker: Worker, follow: asyncio.Task[None], stopping: asyncio.Task[bool]) -> int:
    await worker.faust.start()
    _log.info("worker of %s started", worker.app.name)
    crashed = asyncio.create_task(worker.faust.wait_until_stopped(), name="wait for a crash")
    refused = asyncio.create_task(worker.on_refused.wait(), name="wait for state that cannot be used")
    await asyncio.wait({follow, stopping, crashed, refused}, return_when=asyncio.FIRST_COMPLETED)
    crashed.cancel()
    refused.cancel()
    if worker.refused:
        print(f"stream: {worker.refused}", file=sys.stderr)
    leaving = asyncio.create_task(worker.faust.stop(), name="stop")
    progress = -1
    while not leaving.done() and worker.progress > progress:  # a large state takes its time
        progress = worker.progress
        await asyncio.wait({leaving}, timeout=_STOP_SECONDS)
    if not leaving.done():
        if worker.refused:
            os._exit(Exit.SETTINGS)
        # Threads of Faust and aiokafka wait for Kafka without end; nothing that they hold was acknowledged.
        print("stream: kafka does not answer; stopped without it, what was not stored comes again", file=sys.stderr)
        logging.shutdown()
        os._exit(Exit.NETWORK)
    leaving.result()
    if worker.refused:
        return Exit.SETTINGS
    if stopping.done():
        return Exit.OK
    reason = worker.faust.crash_reason or (follow.exception() if follow.done() else None)
    print(f"stream: the worker failed: {reason!r}; start it again, it goes on where it stood", file=sys.stderr)
    return Exit.NETWORK
