"""A straight-line stand-in for the physics, fitted on the runs that were made with it, for tables that need many runs.

What a policy changes is how ill the units are; so differences between policies are explained by differences of illness:

    energy of a unit in a quarter    = base + its own size x sum over families (a x severity + b x share of time failed)
    uncomfortable hours the same way

Base and size are the unit's own and cancel out between policies. How well it does is told with the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from models.hvac.report.assumptions import ReportSettings
from models.hvac.report.chances import Floats
from models.hvac.report.rows import YEAR_HOURS, Rows, energy_kwh

QUARTERS = 4
_RIDGE = 0.02


class Line(NamedTuple):
    """One quantity: rate an hour = base + size x (severity and failed) @ slope."""

    base: Floats  # (4, U)
    size: Floats  # (U,)
    slope: Floats  # (4, 2F)


class Response(NamedTuple):
    """How a fleet answers to illness, by quarter of the year."""

    energy: Line
    discomfort: Line
    price_per_kwh: Floats  # (U,), of the mix that the unit uses
    pace: Floats  # (4, F, U), hours of each part's clock an hour


class _Quarters(NamedTuple):
    hours: Floats  # (4,)
    energy: Floats  # (4, U), kWh an hour
    discomfort: Floats  # (4, U), hours an hour
    illness: Floats  # (4, 2F, U): mean severity, then share of the time failed
    aged: Floats  # (4, F, U)


def fit(runs: Mapping[str, Rows], equipment: str, settings: ReportSettings) -> Response:
    """The response of a fleet, from its runs under several policies."""
    tables = [_quarters(rows, equipment, settings) for rows in runs.values()]
    energy = np.stack([table.energy for table in tables])
    discomfort = np.stack([table.discomfort for table in tables])
    ill = np.stack([table.illness for table in tables])
    used = [energy_kwh(rows, equipment, settings) for rows in runs.values()]
    electric = sum((table["electricity"][-1] for table in used), np.zeros(energy.shape[-1]))
    fuel = sum((table["fuel"][-1] for table in used), np.zeros(energy.shape[-1]))
    money = electric * settings.cost.electricity_per_kwh + fuel * settings.cost.fuel_per_kwh
    return Response(
        _line(energy, ill, energy.mean(axis=(0, 1))),
        _line(discomfort, ill, np.ones(energy.shape[-1])),
        money / np.maximum(electric + fuel, 1e-9),
        np.stack([table.aged for table in tables]).max(axis=0),
    )


def rate(line: Line, quarter: int, severity: Floats) -> Floats:
    """A quantity an hour at these severities (F, U), shape (U,), not below 0."""
    ill = np.concatenate([severity, (severity >= 1).astype(np.float64)])
    return np.asarray(np.maximum(line.base[quarter] + line.size * (line.slope[quarter] @ ill), 0.0))


def predict(line: Line, rows: Rows) -> Floats:
    """A quantity over a whole run of which the illness is known, shape (U,)."""
    hours, ill, _ = illness(rows)
    rates = line.base + line.size * np.einsum("qf,qfu->qu", line.slope, ill)
    total: Floats = (np.maximum(rates, 0.0) * hours[:, None]).sum(axis=0)
    return total


def quarter_of(at_hours: float) -> int:
    """Quarter of the year, 0 to 3, of a time since the start."""
    return int(at_hours * QUARTERS / YEAR_HOURS) % QUARTERS


def _quarters(rows: Rows, equipment: str, settings: ReportSettings) -> _Quarters:
    hours, ill, aged = illness(rows)
    used = energy_kwh(rows, equipment, settings)
    return _Quarters(
        hours,
        _by_quarter(rows, used["electricity"] + used["fuel"]) / np.maximum(hours, 1e-9)[:, None],
        _by_quarter(rows, rows.uncomfortable_hours) / np.maximum(hours, 1e-9)[:, None],
        ill,
        aged,
    )


def illness(rows: Rows) -> tuple[Floats, Floats, Floats]:
    """Hours of each quarter (4,), mean severity and share of the time failed (4, 2F, U), and pace of ageing (4, F, U)."""
    hours = _by_quarter(rows, rows.hours)
    over = np.maximum(hours, 1e-9)[:, None, None]
    severity, failed = (_by_quarter(rows, table) for table in (rows.severity_hours, rows.failed_hours))
    return hours, np.concatenate([severity, failed], axis=1) / over, _by_quarter(rows, rows.aged_hours) / over


def _by_quarter(rows: Rows, since_start: Floats) -> Floats:
    """What was added in each quarter of the year; a row belongs to the quarter in which its middle lies."""
    added = np.diff(since_start, axis=0, prepend=np.zeros_like(since_start[:1]))
    middle = rows.hours - np.diff(rows.hours, prepend=0.0) / 2
    quarter = np.array([quarter_of(float(at)) for at in middle])
    return np.stack([added[quarter == one].sum(axis=0) for one in range(QUARTERS)])


def _line(rates: Floats, ill: Floats, size: Floats) -> Line:
    """Slopes by ridge regression on differences from the mean over the policies: `rates` (R, 4, U), `ill` (R, 4, 2F, U)."""
    size = np.maximum(size, 1e-9)
    slopes, bases = [], []
    for quarter in range(QUARTERS):
        y, x = rates[:, quarter] / size, ill[:, quarter]
        dy = (y - y.mean(axis=0)).ravel()
        dx = (x - x.mean(axis=0)).transpose(0, 2, 1).reshape(len(dy), -1)
        gram = dx.T @ dx + _RIDGE * np.eye(dx.shape[1])
        slope = np.linalg.solve(gram, dx.T @ dy)
        slopes.append(slope)
        bases.append((rates[:, quarter] - size * np.einsum("f,rfu->ru", slope, x)).mean(axis=0))
    return Line(np.stack(bases), size, np.stack(slopes))
