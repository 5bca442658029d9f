"""Units as rows of plain arrays, for peers that hand out many messages at once and keep state in a store of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from stream.table import Columns, Rows
from tests.bench.stream.model import CHANNELS, Parameters
from tests.bench.stream.single import MEMORY_FLOATS
from tests.bench.stream.workload import Alert, Constants, Floats, Frames, advance, alerts_of, columns, decode, waves_of

_COUNTERS = ("frames", "over", "under", "raised")
_ROWS_FIRST = 16


class Dense:
    """Some units. A row goes in and out as the 416 bytes of `single.py`."""

    def __init__(self, parameters: Parameters) -> None:
        self.constants = Constants(parameters)
        self.columns: Columns = columns(_ROWS_FIRST)
        self.row_of: dict[str, int] = {}

    def decode(self, payloads: Sequence[bytes]) -> Frames:
        """Frames; one that is damaged is left out."""
        frames: Frames = decode(payloads, self.constants).items
        return frames

    def take(self, frames: Frames) -> list[Alert]:
        """Advance the units of these frames; what there is to say."""
        alerts: list[Alert] = []
        if not frames.units:
            return alerts
        rows = self.rows(frames.units)
        for at in waves_of(rows):
            verdicts = advance(self.columns, rows[at], frames.sums.take(at), self.constants)
            alerts += alerts_of(frames, at, verdicts)
        return alerts

    def rows(self, units: Iterable[str]) -> Rows:
        """Rows of these units, new ones for those never seen."""
        found = np.array([self.row_of.setdefault(unit, len(self.row_of)) for unit in units], dtype=np.intp)
        held = len(self.columns["frames"])
        if len(self.row_of) > held:
            grown = columns(2 * len(self.row_of))
            for name, column in self.columns.items():
                grown[name][:held] = column
            self.columns = grown
        return found

    def packed(self, rows: Rows) -> Floats:
        """These rows as numbers, shape (k, 52)."""
        out = np.empty((len(rows), MEMORY_FLOATS))
        out[:, :CHANNELS] = self.columns["mean"][rows]
        out[:, CHANNELS : 2 * CHANNELS] = self.columns["variance"][rows]
        for place, name in enumerate(_COUNTERS, 2 * CHANNELS):
            out[:, place] = self.columns[name][rows]
        return out

    def put(self, units: Sequence[str], packed: Floats) -> None:
        """Units as they were packed."""
        rows = self.rows(units)
        self.columns["mean"][rows] = packed[:, :CHANNELS]
        self.columns["variance"][rows] = packed[:, CHANNELS : 2 * CHANNELS]
        for place, name in enumerate(_COUNTERS, 2 * CHANNELS):
            self.columns[name][rows] = packed[:, place]

    def save(self) -> tuple[list[str], bytes]:
        """All units, by row."""
        units = list(self.row_of)
        return units, self.packed(np.arange(len(units))).tobytes()

    def restore(self, units: Sequence[str], data: bytes) -> None:
        """All units as they were saved."""
        self.put(units, np.frombuffer(data).reshape(-1, MEMORY_FLOATS))
