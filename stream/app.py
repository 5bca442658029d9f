"""What a stream app is: inputs with decoders, arrays with a row a key, and three plain functions over them.

    records ─▶ decode ─▶ update ─▶ score ─▶ decide ─▶ outputs          poison ─▶ {app}.dead.v1
               (pure)    arrays    arrays   messages

`update` puts a batch into the state and gives out steps, in an order that does not depend on how the log was cut into
batches; each step goes through `score` and `decide` before the next is asked for. None of them reads a clock, a file or a
socket, so the worker on Kafka and `stream/replay.py` run the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from stream.table import Rows, State, TableSpec

Ints = npt.NDArray[np.int64]


class Record(Protocol):
    """A record of the log, as aiokafka has it; `timestamp` in milliseconds."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class Rejected(NamedTuple):
    """A payload that cannot be used, by its position in what was decoded; `error` is a sentence.

    `retry`: it may be readable once the reference topics have been read to their ends again.
    """

    position: int
    reason: str
    error: str
    retry: bool = False


class Decoded(NamedTuple):
    """What a decoder made of payloads: `items` in the app's own form, and every payload that it could not use."""

    items: Any
    rejected: Sequence[Rejected] = ()


@dataclass(frozen=True, slots=True)
class Input:
    """A topic that an app reads. `decode` takes the payloads of one batch.

    `checksummed`: payloads carry a checksum that `decode` verifies, so Kafka's own is not computed once more.
    """

    topic: str
    decode: Callable[[Sequence[bytes]], Decoded]
    checksummed: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Decoded records of one topic and partition, in the order of the log.

    `timestamps_ms` are the log's own times, shape (payloads,); positions in `items` refer to them. `time_ms` is the newest
    timestamp that the topic had before: the time of a record is the newest of all up to it.
    """

    topic: str
    items: Any
    timestamps_ms: Ints
    time_ms: int = 0


@dataclass(frozen=True, slots=True)
class Reference:
    """A topic that every worker reads whole. `take` gets each message, and raises MessageError for one it cannot use."""

    topic: str
    take: Callable[[bytes], None]


class Output(NamedTuple):
    """A message to produce; `key` decides its partition."""

    topic: str
    key: str
    message: msgspec.Struct


class Evicted(NamedTuple):
    """Which rows of those that may go do go, and what is to be said of them."""

    rows: Rows
    outputs: Iterable[Output] = ()


class Encoded(NamedTuple):
    """An output as it goes to Kafka."""

    topic: str
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class StreamApp:
    """An app, whole. The runtime and the replay take nothing else of it.

    Attributes:
        name: Also the consumer group and the prefix of its own topics.
        inputs: The first one's topic counts the partitions; the others have as many and the same keys.
        tables: Name and columns of each table of the state.
        update: Takes a batch into the state and yields steps.
        score: Works on one step.
        decide: What to say about a scored step.
        outputs: Topics that `decide` may write to.
        state_topic: Compacted changelog of snapshots.
        dead_topic: Where poison goes.
        references: Topics that every worker knows whole before the first record.
        evict_hours: Keys that nothing touched for so many hours of the first input's time are forgotten; 0: never.
        evict: Asked before that, with a table's name and rows; without it all of them go, in silence.
        state_version: Raised whenever columns, tables or extras change. A worker reads the state of older versions, and
            refuses that of newer ones.
    """

    name: str
    inputs: tuple[Input, ...]
    tables: dict[str, TableSpec]
    update: Callable[[State, Batch], Iterator[Any]]
    score: Callable[[State, Any], Any]
    decide: Callable[[State, Any], Iterable[Output]]
    outputs: tuple[str, ...]
    state_topic: str
    dead_topic: str
    references: tuple[Reference, ...] = ()
    evict_hours: int = 0
    evict: Callable[[State, str, Rows], Evicted] | None = None
    state_version: int = 1

    def input(self, topic: str) -> Input:
        """The input of this topic."""
        return next(one for one in self.inputs if one.topic == topic)
