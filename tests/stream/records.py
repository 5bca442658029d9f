"""Records without a broker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np

from models.contracts.messages import decode_json
from stream.app import Encoded, StreamApp
from stream.partition import Partition
from stream.table import State, Table

T = TypeVar("T", bound=msgspec.Struct)


class Rec(NamedTuple):
    """A record of a log."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def log_of(payloads: Iterable[tuple[int, str, bytes]], first: int = 0) -> list[Rec]:
    """Records with ascending offsets, of (timestamp, key, payload)."""
    return [Rec(first + place, at_ms, key.encode(), value) for place, (at_ms, key, value) in enumerate(payloads)]


def run(app: StreamApp, topic: str, log: Sequence[Rec], cuts: Sequence[int] = ()) -> tuple[Partition, list[Encoded]]:
    """A fresh partition after this log, cut into batches at these places; and what it said."""
    partition = Partition(app)
    outputs: list[Encoded] = []
    places = sorted({0, len(log), *(cut for cut in cuts if 0 < cut < len(log))})
    for begin, end in pairwise(places):
        outputs += partition.process(topic, log[begin:end]).outputs
    return partition, outputs


def messages(outputs: Iterable[Encoded], topic: str, kind: type[T]) -> list[T]:
    """The messages of one topic."""
    return [decode_json(output.value, kind) for output in outputs if output.topic == topic]


def by_key(outputs: Iterable[Encoded]) -> dict[tuple[str, bytes], list[bytes]]:
    """What was said of each key on each topic, in order; order between keys is nobody's promise."""
    said: dict[tuple[str, bytes], list[bytes]] = {}
    for output in outputs:
        said.setdefault((output.topic, output.key), []).append(output.value)
    return said


def difference(one: State, other: State, *, leave_out: Sequence[str] = ()) -> str:
    """How two states differ, empty when they are equal bit for bit; rows are compared by key."""
    for name in one.tables:
        found = table_difference(one.tables[name], other.tables[name], leave_out)
        if found:
            return f"table {name}: {found}"
    return ""


def table_difference(one: Table, other: Table, leave_out: Sequence[str] = ()) -> str:
    """How two tables differ, empty when they are equal bit for bit."""
    keys = [key for key in one.keys if key]
    if {*keys, ""} != {*other.keys, ""}:
        return f"keys {sorted(set(one.keys) ^ set(other.keys))}"
    rows, others = one.rows(keys), other.rows(keys)
    for name, column in one.columns.items():
        if name not in leave_out and column[rows].tobytes() != other.columns[name][others].tobytes():
            unequal = [
                key
                for key, a, b in zip(keys, rows, others, strict=True)
                if not _same(column[a], other.columns[name][b])
            ]
            return f"column {name} of {unequal}"
    for key, a, b in zip(keys, rows.tolist(), others.tolist(), strict=True):
        if one.extras.get(a) != other.extras.get(b) and "extras" not in leave_out:
            return f"extras of {key}: {one.extras.get(a)} and {other.extras.get(b)}"
    return ""


def _same(a: np.generic, b: np.generic) -> bool:
    return bool(a.tobytes() == b.tobytes())
