"""Run an app's core over recorded records: no Kafka, no clock, the same code as in the worker.

A recording is a file of msgpack: topic, partition, offset, time, key and value of every record, reference topics first.
What comes out is what the worker stores, record for record: but for dead letters, outputs carry no time of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import BinaryIO

import msgspec

from models.contracts.messages import MessageError
from models.contracts.settings import KafkaSettings
from stream.app import Encoded, StreamApp
from stream.connection import connection
from stream.partition import Partition
from stream.topics import ensure_topics
from stream.whole import read_whole

_BATCH_RECORDS = 1024


class Recorded(msgspec.Struct, frozen=True, array_like=True):
    """One record of a log; `timestamp` in milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Replay:
    """An app's partitions, fed with records.

    Args:
        app: The app; its reference topics are taken from the records too.
        batch_records: How many records make a batch; the outcome is the same for every number.
    """

    def __init__(self, app: StreamApp, batch_records: int = _BATCH_RECORDS) -> None:
        self.app = app
        self.partitions: dict[int, Partition] = {}
        self._batch_records = batch_records
        self._references = {reference.topic: reference.take for reference in app.references}

    def run(self, records: Iterable[Recorded]) -> Iterator[tuple[int, Encoded]]:
        """Outputs with the partition that they come from, dead letters among them.

        Raises:
            MessageError: a reference record cannot be used, or a topic is none of the app's.
        """
        inputs = {source.topic for source in self.app.inputs}
        for (topic, number), group in groupby(records, key=lambda record: (record.topic, record.partition)):
            if topic in self._references:
                for record in group:
                    if record.value is not None:
                        self._references[topic](record.value)
                continue
            if topic not in inputs:
                raise MessageError(f"recording has topic {topic!r}, expected one of {', '.join(sorted(inputs))}")
            partition = self.partitions.setdefault(number, Partition(self.app, number))
            while batch := list(islice(group, self._batch_records)):
                for output in partition.process(topic, batch).outputs:
                    yield number, output


async def record(app: StreamApp, settings: KafkaSettings, path: Path) -> int:
    """Write everything that an app's topics hold now to a file, reference topics first; how many records.

    Raises:
        KafkaError: Kafka cannot be reached.
    """
    references = [reference.topic for reference in app.references]
    inputs = [source.topic for source in app.inputs]
    partitions = await ensure_topics(settings, [*references, *inputs], inputs)
    count = 0
    with path.open("wb") as file:
        for topic in [*references, *inputs]:
            held = await read_whole(connection(settings), topic, list(range(partitions[topic])))
            for number, records in held.items():
                count += write_recording(
                    file, (Recorded(topic, number, one.offset, one.timestamp, one.key, one.value) for one in records)
                )
    return count


def write_recording(file: BinaryIO, records: Iterable[Recorded]) -> int:
    """Write records one after another; how many."""
    encoder = msgspec.msgpack.Encoder()
    count = 0
    for record in records:
        data = encoder.encode(record)
        file.write(len(data).to_bytes(4, "little") + data)
        count += 1
    return count


def read_recording(path: Path) -> Iterator[Recorded]:
    """The records of a file.

    Raises:
        MessageError: the file is cut off or is no recording.
    """
    decoder = msgspec.msgpack.Decoder(Recorded)
    with path.open("rb") as file:
        while head := file.read(4):
            size = int.from_bytes(head, "little")
            data = file.read(size)
            if len(head) < 4 or len(data) < size:
                raise MessageError(f"recording {path}: ends in the middle of a record; record it again")
            try:
                yield decoder.decode(data)
            except msgspec.MsgspecError as error:
                raise MessageError(f"recording {path}: {error}; is it a recording?") from error
