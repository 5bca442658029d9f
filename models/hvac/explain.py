"""Verdicts as sentences for people, the numbers beside them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.contracts.messages import Reason
from models.hvac.points import COLUMN, LABELS, UNITS
from models.hvac.rules import RULE_TABLE
from models.hvac.verdicts import Verdicts

_SYMBOLS = {
    "celsius": "°C", "fraction": "%", "pascals": "Pa", "watts": "W", "cubic_meters_per_second": "m³/s", "state": "",
    "ppm": "ppm",
}  # fmt: skip


def value_text(value: float, unit: str) -> str:
    """A value as people write it: `24.1 °C`, `35 %`."""
    if unit == "fraction":
        return f"{100 * value:.0f} %"
    if unit == "state":
        return "on" if value > 0.5 else "off"
    digits = 2 if unit == "cubic_meters_per_second" else 0 if unit in ("watts", "pascals", "ppm") else 1
    return f"{value:.{digits}f} {_SYMBOLS.get(unit, unit)}".rstrip()


def explain(verdicts: Verdicts, index: int, means: npt.NDArray[np.float32] | None = None) -> tuple[Reason, ...]:
    """Why a unit is judged as it is: its confirmed rules, then the points of its anomaly.

    Args:
        verdicts: As `Monitor.step` gives them.
        index: The unit's place in them.
        means: Shape (m, P), if other means than those judged are to be named.
    """
    values = (verdicts.means if means is None else means)[index]
    reasons = []
    for number in np.flatnonzero(verdicts.rule_confirmed[index]):
        rule = RULE_TABLE[number]
        columns = [COLUMN[point] for point in rule.points if np.isfinite(values[COLUMN[point]])]
        parts = [f"{LABELS[c].lower()} {value_text(float(values[c]), UNITS[c])}" for c in columns]
        reasons.append(
            Reason(
                kind="rule",
                name=rule.id,
                text=f"{rule.title}: {', '.join(parts)} ({rule.equation})",
                value=float(verdicts.rule_excess[index, number]),
                unit=rule.unit,
            )
        )
    return tuple(reasons)
