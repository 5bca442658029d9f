"""Sources of samples. Each has `units`, and `run(sink)`, which ends when there is nothing more to read."""

from __future__ import annotations

from typing import Protocol

from edge.framing import Unit
from edge.readings import Readings


class Sink(Protocol):
    """Where sources put their samples."""

    def add_unit(self, unit: Unit) -> None:
        """Make a unit known; its samples follow."""

    def take(self, unit: Unit, measured_at_ms: int, readings: Readings, jitter_ms: int) -> None:
        """One sample of one unit; never blocks."""

    async def room(self) -> None:
        """Wait until more samples can be taken without loss: for sources that can wait."""


class Source(Protocol):
    """A device, or a file that plays one."""

    name: str

    async def run(self, sink: Sink) -> None:
        """Read until cancelled, or until there is nothing more."""


class SourceError(ValueError):
    """A source that cannot be read at all, by what its settings say."""
