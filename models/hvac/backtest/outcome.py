"""What a backtest finds: a verdict for every row of the file, and the episodes that would have been alerts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from models.contracts.messages import Reason
from models.hvac.backtest.export import Bools, Export, Floats, Ints, Rows

SHARE_MIN, POINTS_MAX = 0.05, 3  # of the points that are named: as the gateway has it


@dataclass(slots=True)
class Alert:
    """One episode; `cleared_at_ms` is None while it is open at the end of the file."""

    alert_id: str
    unit: str
    family: str
    rule: str
    opened_at_ms: int
    cleared_at_ms: int | None
    reasons: tuple[Reason, ...]
    title: str = ""
    severity: str = "warning"


@dataclass(slots=True)
class Lists:
    """Lists of names, each kept once: rows hold its number. Number 0 is the empty list."""

    texts: list[str] = field(default_factory=lambda: [""])
    _numbers: dict[bytes, int] = field(default_factory=lambda: {b"": 0})

    def number_of(self, key: bytes, names: tuple[str, ...]) -> int:
        """The number of a list with this key."""
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.texts)
            self.texts.append(";".join(name.replace(";", ",") for name in names))
        return found

    def of_flags(self, flags: Bools, names: tuple[str, ...]) -> Rows:
        """Numbers of the lists of names that are set in each row of flags, shape (m, R)."""
        numbers = np.zeros(len(flags), dtype=np.intp)
        rows = np.flatnonzero(flags.any(axis=1))
        if not len(rows):
            return numbers
        packed = np.ascontiguousarray(np.packbits(flags[rows], axis=1))
        keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
        distinct, first, which = np.unique(keys, return_index=True, return_inverse=True)
        found = [
            self.number_of(key.tobytes(), tuple(names[i] for i in np.flatnonzero(flags[rows[row]])))
            for key, row in zip(distinct, first.tolist(), strict=True)
        ]
        numbers[rows] = np.array(found, dtype=np.intp)[which]
        return numbers

    def of_shares(self, shares: Floats, names: tuple[str, ...], scored: Bools) -> Rows:
        """Numbers of the lists of points that make up most of a score, the largest share first; shares (m, P)."""
        numbers = np.zeros(len(shares), dtype=np.intp)
        rows = np.flatnonzero(scored)
        if not len(rows):
            return numbers
        best = np.argsort(shares[rows], axis=1)[:, ::-1][:, :POINTS_MAX]
        enough = np.take_along_axis(shares[rows], best, axis=1) >= SHARE_MIN
        code = np.zeros(len(rows), dtype=np.int64)
        for column in range(best.shape[1]):
            code = code * (shares.shape[1] + 1) + np.where(enough[:, column], best[:, column] + 1, 0)
        distinct, first, which = np.unique(code, return_index=True, return_inverse=True)
        found = []
        for one, row in zip(distinct.tolist(), first.tolist(), strict=True):
            chosen = tuple(names[point] for point, there in zip(best[row], enough[row], strict=True) if there)
            found.append(self.number_of(one.to_bytes(8, "little"), chosen) if chosen else 0)
        numbers[rows] = np.array(found, dtype=np.intp)[which]
        return numbers


@dataclass(slots=True)
class Outcome:
    """Verdicts in the order of the export's rows, (m,) each: NaN and False where nothing could be judged.

    `trained` marks rows that something was learned from; figures are of the others.
    """

    export: Export
    score: Floats
    anomalous: Bools
    rules: Rows
    tops: Rows
    trained: Bools
    rule_lists: Lists
    top_lists: Lists
    alerts: list[Alert]
    version: str
    notes: list[str] = field(default_factory=list)

    def alarmed(self) -> Bools:
        """Rows that lie in an open episode of their unit, (m,); from the opening minute on, to the clearing one."""
        export = self.export
        open_rows = np.zeros(len(export.row), dtype=bool)
        index = {name: number for number, name in enumerate(export.units)}
        for alert in self.alerts:
            span = export.slice_of(index[alert.unit])
            at_ms = export.at_ms[span]
            first = int(np.searchsorted(at_ms, alert.opened_at_ms))
            last = len(at_ms) if alert.cleared_at_ms is None else int(np.searchsorted(at_ms, alert.cleared_at_ms))
            open_rows[span.start + first : span.start + last] = True
        return open_rows


@dataclass(slots=True)
class Training:
    """Until when each unit's rows teach; `end_ms` (U,) is the first instant that does not."""

    end_ms: Ints

    def rows(self, export: Export) -> Bools:
        """Rows that teach, (m,)."""
        unit = np.repeat(np.arange(len(export.units)), np.diff(export.starts))
        trained: Bools = export.at_ms < self.end_ms[unit]
        return trained
