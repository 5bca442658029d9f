"""What lives in a Python process of an executor: the app, what it knows, and one partition of it at work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from models.contracts.clock import wall_ms
from stream.app import Encoded, StreamApp
from stream.partition import Partition
from stream.replay import Recorded
from stream.spark.rows import runs
from stream.spark.settings import SparkSettings


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an app is made, in whichever process: `make` is a function that every one of them can import."""

    make: Callable[[SparkSettings], StreamApp]
    settings: SparkSettings

    def app(self) -> StreamApp:
        """A fresh app, which knows nothing of its reference topics yet."""
        return self.make(self.settings)


def take(core: Partition, records: Iterable[Recorded], refresh: Callable[[], None]) -> Iterator[Encoded]:
    """Fold records into a partition; what it says.

    Args:
        core: The partition.
        records: Of its inputs, in order (`rows.in_order`).
        refresh: Reads the reference topics on; asked when a payload needs more than is known.
    """
    for topic, run in runs(records):
        decoded = core.app.input(topic).decode([record.value or b"" for record in run])
        if any(rejected.retry for rejected in decoded.rejected):
            refresh()
            yield from core.process(topic, run, None, wall_ms()).outputs
        else:
            yield from core.process(topic, run, decoded, wall_ms()).outputs
