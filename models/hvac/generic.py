"""Equipment of a type never seen: what is normal is learned from the unit's own first days, then every row is judged.

    fit       rows ──▶ GenericModel                    a backtest's training rows
    score     model, state, rows ──▶ Scores            state goes on from call to call
    GenericUnit                                        live: learns for `learn_days`, then scores; survives a restart

numpy only, any number of numeric points from 1 to 256, any cadence; see generic_model.py for the method and alert_budget.py
for what score 1 means.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from models.hvac import generic_saved
from models.hvac.generic_fit import fit
from models.hvac.generic_model import (
    POINTS_MAX,
    Doubles,
    GenericError,
    GenericModel,
    GenericSettings,
    GenericState,
    Millis,
    Scores,
    fresh,
)
from models.hvac.generic_score import score

__all__ = [
    "POINTS_MAX",
    "GenericError",
    "GenericModel",
    "GenericSettings",
    "GenericState",
    "GenericUnit",
    "Scores",
    "fit",
    "fresh",
    "score",
]

_DAY_MS = 86_400_000


class GenericUnit:
    """One live unit. Give it its rows in order with `take`; `save` and `restore` carry it over a restart.

    Memory is bounded: when the rows of the first days are more than `learn_rows_max`, two are averaged into one, as often
    as needed, and what comes later is averaged alike before it is judged.
    """

    def __init__(self, settings: GenericSettings | None = None) -> None:
        self.settings = settings or GenericSettings()
        self.why_not = ""  # in words, why the last attempt to learn failed
        self._fitted: tuple[GenericModel, GenericState] | None = None
        self._rows: list[Doubles] = []  # of the first days, averaged
        self._row_at_ms: list[int] = []
        self._pending: list[Doubles] = []  # fewer than `_stride` rows that are not averaged yet
        self._stride = 1
        self._learned_at_ms = -1  # when the first days end
        self._last_score, self._last_anomalous = np.float32(np.nan), False
        self._last_shares: npt.NDArray[np.float32] | None = None

    @property
    def learning(self) -> bool:
        """Whether the unit's first days are still running."""
        return self._fitted is None

    @property
    def model(self) -> GenericModel | None:
        """What was learned; None while the first days are running."""
        return None if self._fitted is None else self._fitted[0]

    def take(self, values: Doubles, measured_at_ms: Millis) -> Scores | None:
        """Learn from rows or judge them.

        Args:
            values: Shape (n, C), NaN where missing; C as in every call.
            measured_at_ms: Shape (n,).

        Returns:
            Scores of these rows, NaN before the first days ended; None if they have not ended yet.

        Raises:
            GenericError: another number of points than before, or none.
        """
        values = np.asarray(values, dtype=np.float64)
        self._check(values, measured_at_ms)
        n = len(values)
        row = 0
        while row < n and self._fitted is None:
            self._learn(values[row], int(measured_at_ms[row]))
            row += 1
        if self._fitted is None:
            return None
        model, state = self._fitted
        out = Scores(np.full(n, np.nan, np.float32), np.zeros(n, bool), np.zeros(values.shape, np.float32))
        if row < n:
            self._judge(model, state, values[row:], measured_at_ms[row:], out, row)
        return out

    def save(self) -> bytes:
        """Everything that the unit knows."""
        arrays: dict[str, npt.NDArray[Any]] = {}
        if self._rows:
            arrays |= {"rows": np.array(self._rows), "row_at_ms": np.array(self._row_at_ms, dtype=np.int64)}
        if self._pending:
            arrays["pending"] = np.array(self._pending)
        if self._last_shares is not None:
            arrays["shares"] = self._last_shares
        arrays["score"] = np.array([self._last_score])
        counters = {
            "stride": self._stride,
            "learned_at_ms": self._learned_at_ms,
            "anomalous": int(self._last_anomalous),
        }
        return generic_saved.write(self.settings, counters, arrays, self._fitted)

    @classmethod
    def restore(cls, saved: bytes) -> GenericUnit:
        """The unit that `save` was called on.

        Raises:
            GenericError: these are not the bytes of a unit, or another release wrote them.
        """
        settings, counters, arrays, fitted = generic_saved.read(saved)
        unit = cls(settings)
        try:
            unit._stride, unit._learned_at_ms = counters["stride"], counters["learned_at_ms"]
            unit._last_anomalous = bool(counters["anomalous"])
            unit._last_score = np.float32(arrays["score"][0])
        except KeyError as error:
            raise GenericError(f"generic unit: saved bytes lack {error}; let it learn anew") from error
        unit._fitted = fitted
        unit._rows = list(arrays.get("rows", ()))
        unit._row_at_ms = [int(at_ms) for at_ms in arrays.get("row_at_ms", ())]
        unit._pending = list(arrays.get("pending", ()))
        unit._last_shares = arrays["shares"].astype(np.float32) if "shares" in arrays else None
        return unit

    def _check(self, values: Doubles, measured_at_ms: Millis) -> None:
        before = self._fitted[0].points if self._fitted else len((self._rows or self._pending or [np.empty(0)])[0])
        points = values.shape[1] if values.ndim == 2 else 0
        if not 1 <= points <= POINTS_MAX or len(measured_at_ms) != len(values) or before not in (0, points):
            raise GenericError(
                f"generic unit: values of shape {values.shape} with {len(measured_at_ms)} times, expected (n, "
                f"{before or f'1 to {POINTS_MAX}'}) with n times; a unit with other points learns anew"
            )

    def _learn(self, row: Doubles, at_ms: int) -> None:
        if self._learned_at_ms < 0:
            self._learned_at_ms = at_ms + round(self.settings.learn_days * _DAY_MS)
        self._pending.append(row.copy())
        if len(self._pending) < self._stride:
            return
        self._rows.append(_mean_of(np.array(self._pending)[None])[0])
        self._row_at_ms.append(at_ms)
        self._pending = []
        if at_ms >= self._learned_at_ms and len(self._rows) >= self.settings.rows_min:
            self._fit(at_ms)
        if len(self._rows) >= self.settings.learn_rows_max:
            pairs = len(self._rows) // 2
            self._rows = list(_mean_of(np.array(self._rows[: 2 * pairs]).reshape(pairs, 2, -1)))
            self._row_at_ms = self._row_at_ms[1 : 2 * pairs : 2]
            self._stride *= 2

    def _fit(self, at_ms: int) -> None:
        """Judge from now on; if these days teach nothing, as many more may."""
        try:
            model = fit(np.array(self._rows), np.array(self._row_at_ms, dtype=np.int64), self.settings)
        except GenericError as error:
            self.why_not = str(error)
            self._learned_at_ms = at_ms + round(self.settings.learn_days * _DAY_MS)
            return
        self.why_not = ""
        self._fitted = model, fresh(model)
        self._rows, self._row_at_ms = [], []

    def _judge(
        self,
        model: GenericModel,
        state: GenericState,
        values: Doubles,
        measured_at_ms: Millis,
        out: Scores,
        start: int,
    ) -> None:
        """Averages of `_stride` rows are judged when complete; between them the last verdict stands."""
        before, n, stride = len(self._pending), len(values), self._stride
        if stride == 1:
            scored = score(model, state, values, measured_at_ms)
            out.score[start:], out.anomalous[start:], out.shares[start:] = scored.score, scored.anomalous, scored.shares
            return
        rows = np.concatenate([np.array(self._pending).reshape(before, -1), values]) if before else values
        full = len(rows) // stride
        ends = (np.arange(full) + 1) * stride - 1 - before  # place of the last row of each average among `values`
        self._pending = [row.copy() for row in rows[full * stride :]]
        scored = score(
            model, state, _mean_of(rows[: full * stride].reshape(full, stride, values.shape[1])), measured_at_ms[ends]
        )
        last_shares = np.zeros(values.shape[1], np.float32) if self._last_shares is None else self._last_shares
        which = np.searchsorted(ends, np.arange(n), side="right")  # 0: the verdict before these rows
        out.score[start:] = np.append(self._last_score, scored.score)[which]
        out.anomalous[start:] = np.append(self._last_anomalous, scored.anomalous)[which]
        out.shares[start:] = np.concatenate([last_shares[None], scored.shares])[which]
        if full:
            self._last_score, self._last_anomalous = scored.score[-1], bool(scored.anomalous[-1])
            self._last_shares = scored.shares[-1].copy()


def _mean_of(groups: Doubles) -> Doubles:
    """Mean of each group of rows (g, k, C), NaN left out, added up row by row; shape (g, C)."""
    total = np.zeros((groups.shape[0], groups.shape[2]))
    count = np.zeros_like(total)
    for row in range(groups.shape[1]):
        seen = np.isfinite(groups[:, row])
        total += np.where(seen, groups[:, row], 0.0)
        count += seen
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)
