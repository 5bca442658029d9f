"""What a reader makes of a file: rows in the order of the file, and the errors that name one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.contracts.layout import Layout

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]
# (part of the work, how much of it is done, 0 to 1)
Progress = Callable[[str, float], None]


class ExportError(ValueError):
    """A file that cannot be backtested: what is wrong, in which file, row and column, and what to do."""


def silent(part: str, done: float) -> None:
    """Progress that nobody watches."""
    _ = part, done


@dataclass(slots=True)
class Raw:
    """Rows as the files have them, one file after another. `columns` are the points, each (n,), in the units of the file.

    `truth` (n,) is 1 fault, 0 none, -1 not told; None without labels. `place(row)` says where a row stands.
    """

    layout: Layout
    file_units: tuple[str, ...]  # of each point, as the map has it
    columns: list[Doubles]
    unit_names: tuple[str, ...]
    unit: Rows  # (n,)
    at_ms: Ints  # (n,)
    truth: npt.NDArray[np.int8] | None
    place: Callable[[int], str]
    time_column: str = "time"
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Export:
    """The same rows unit by unit in order of time, as a gateway would have read them.

    `row` (m,) is each one's place in the file; `values` (m, C) in our units, NaN where missing or not believed; `seen` (m,)
    whether the row holds anything at all; `starts` (U + 1,) where each unit begins.
    """

    raw: Raw
    row: Rows
    starts: Rows
    at_ms: Ints
    values: Floats
    seen: Bools

    @property
    def units(self) -> tuple[str, ...]:
        """Names of the units, in the order of `starts`."""
        return self.raw.unit_names

    @property
    def rows_total(self) -> int:
        """Rows of the files."""
        return len(self.raw.at_ms)

    def slice_of(self, unit: int) -> slice:
        """Where a unit's rows stand."""
        return slice(int(self.starts[unit]), int(self.starts[unit + 1]))
