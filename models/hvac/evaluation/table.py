"""The scorecard as Markdown: each figure beside what it should reach and what others have reached."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from models.contracts.figures import Figure


class Target(NamedTuple):
    """What one figure should reach, in its own unit (shares as fractions), and the known reference."""

    name: str
    title: str
    least: float = -math.inf
    most: float = math.inf
    reference: str = ""


TARGETS: tuple[Target, ...] = (
    Target("rules.exact", "Recorded rule cases that come out exactly", least=46),
    Target(
        "lbnl.sim_to_real.f1", "LBNL, simulated to real: mean F1 of faulty and healthy minutes", least=0.60,
        reference="always faulty 0.48; best published, faulty class alone 0.20 to 0.39",
    ),
    Target(
        "lbnl.real_to_sim.f1", "LBNL, real to simulated: mean F1 of faulty and healthy minutes", least=0.60,
        reference="always faulty 0.33; best published, faulty class alone 0.20 to 0.39",
    ),
    Target("lbnl.day_accuracy", "LBNL, all 41 days: balanced accuracy, each by the other system", least=0.80),
    Target("skab.f1", "SKAB valve1: F1", least=0.80, reference="0.78 over all files"),
    Target("skab.false_alarm_rate", "SKAB valve1: false-alarm rate", most=0.14, reference="0.136 at F1 0.78"),
    Target("nab.machine_temperature", "NAB machine temperature: score of 4", least=2.6, reference="2.556"),
    Target("cmapss.fd001.rmse", "C-MAPSS FD001: RMSE in cycles", most=12.5, reference="10.97 best; Deep LSTM 16.1"),
    Target("cmapss.fd003.rmse", "C-MAPSS FD003: RMSE in cycles", most=12.5, reference="10.90 best; Deep LSTM 16.2"),
    Target("fleet.lead_time_hours_median", "Simulated fleets: median lead time of wear faults in hours", least=72),
    Target("fleet.false_episodes_per_unit_week", "Simulated fleets: false episodes a unit-week", most=0.25),
    Target("fleet.calibration_error", "Simulated fleets: expected calibration error", most=0.03),
    Target(
        "fleet.rul_interval_coverage", "Simulated fleets: coverage of the 90 % interval of hours to failure",
        least=0.85, most=0.95,
    ),
    Target("refrigeration.macro_f1", "Refrigeration faults: macro F1 on the held-out set", least=0.90),
    Target("refrigeration.sensor_vs_equipment_accuracy", "Refrigeration: sensor against equipment fault", least=0.95),
    Target("report.hvac.downtime_change_percent", "Downtime against reactive, %", most=-25, reference="case study -25"),
    Target("report.hvac.energy_change_percent", "Energy against reactive, %", most=-20, reference="field median -9"),
    Target(
        "report.hvac.comfort_compliance_change_percent", "Fall in uncomfortable hours against reactive, %", least=30,
        reference="case study 30",
    ),
)  # fmt: skip

_HEAD = "| what | measured | 95 % interval | to reach | reached | known reference |\n|---|---|---|---|---|---|\n"
_ALSO = "| figure | measured | 95 % interval | unit |\n|---|---|---|---|\n"


def render(figures: Iterable[Figure], targets: Iterable[Target] = TARGETS) -> str:
    """Markdown: a table of the targets in their order, then one of what was measured beside them."""
    by_name = {figure.name: figure for figure in figures}
    targets = tuple(targets)
    rows = [_row(target, by_name) for target in targets]
    bounds = {f"{name}_{end}" for name in by_name for end in ("low", "high")}
    named = {target.name for target in targets} | bounds
    also = [
        f"| `{figure.name}` | {_number(figure.value)} | {_interval(figure, by_name)} | {figure.unit} |\n"
        for figure in by_name.values()
        if figure.name not in named
    ]
    return _HEAD + "".join(rows) + (f"\nMeasured beside them:\n\n{_ALSO}{''.join(also)}" if also else "")


def reached(target: Target, figure: Figure) -> bool:
    """Whether a figure is within what its target asks for; one that is no number never is."""
    value = figure.value / 100 if _in_percent(figure) else figure.value
    return target.least <= value <= target.most


def _in_percent(figure: Figure) -> bool:
    """Shares are told as fractions, but for figures that say percent in their name."""
    return figure.unit in ("percent", "%") and not figure.name.endswith("_percent")


def _row(target: Target, by_name: dict[str, Figure]) -> str:
    figure = by_name.get(target.name)
    measured = ("not measured", "", "no") if figure is None else (
        _number(figure.value / 100 if _in_percent(figure) else figure.value),
        _interval(figure, by_name),
        "yes" if reached(target, figure) else "**no**",
    )  # fmt: skip
    wanted = _wanted(target)
    return (
        f"| {target.title} | {measured[0]} | {measured[1]} | {wanted} | {measured[2]} | {target.reference or '-'} |\n"
    )


def _wanted(target: Target) -> str:
    if math.isinf(target.most):
        return f"{_number(target.least)} or more"
    if math.isinf(target.least):
        return f"{_number(target.most)} or less"
    return f"{_number(target.least)} to {_number(target.most)}"


def _interval(figure: Figure, by_name: dict[str, Figure]) -> str:
    """Of the figure itself, or of two figures of its name with `_low` and `_high`."""
    ends = [figure.low, figure.high]
    if None in ends:
        others = [by_name.get(f"{figure.name}_{end}") for end in ("low", "high")]
        ends = [None if other is None else other.value for other in others]
    scale = 100 if _in_percent(figure) else 1
    told = [_number(end / scale) for end in ends if end is not None]
    return f"{told[0]} to {told[1]}" if len(told) == len(ends) else "-"


def _number(value: float) -> str:
    """Three significant digits, without an exponent where that is as short; whole numbers in full."""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}"
