"""Says in plain words how the figures stand to what was claimed, and why: from the runs, not from opinion. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.contracts.figures import Figure
from models.hvac.report.assumptions import ReportSettings
from models.hvac.report.detection import Detection
from models.hvac.report.study import Study
from models.hvac.report.summary import MEASURES

_NAMED = 3
_FALSE_MAX = 0.25


def account(
    studies: Sequence[Study], figures: dict[str, Figure], settings: ReportSettings, detection: Detection
) -> list[str]:
    """Sentences: each target met or missed, then what is behind it."""
    out = []
    for measure in MEASURES:
        figure = figures[measure.name]
        if measure.target_percent is None or figure.value != figure.value:
            continue
        reached = (
            figure.value <= measure.target_percent
            if measure.target_percent < 0
            else figure.value >= measure.target_percent
        )
        title = measure.title if not measure.compliance else f"Fall in {measure.title.lower()}"
        out.append(
            f"{title}: {figure.value:+.1f} % against {measure.target_percent:+.0f} % claimed: "
            f"{'reached' if reached else 'not reached'}."
        )
    out += [_downtime(study, settings) for study in studies]
    out += [_blind(study, detection) for study in studies]
    out += [_comfort(study) for study in studies]
    out += [_loud(study, detection) for study in studies]
    return [sentence for sentence in out if sentence]


def _downtime(study: Study, settings: ReportSettings) -> str:
    """Which parts still stop units under Plenum."""
    stops = np.array([settings.task(family).stops for family in study.families])
    left = study.failures["plenum"] * stops
    if left.sum() <= 0:
        return ""
    order = np.argsort(-left)[:_NAMED]
    parts = [f"{study.families[row]} {left[row] / left.sum():.0%}" for row in order if left[row] > 0]
    return f"{study.equipment}: hours out of service that remain with Plenum are mostly of {', '.join(parts)}."


def _blind(study: Study, detection: Detection) -> str:
    """Families that matter and that no alert names."""
    curves = detection.equipment[study.equipment].families
    blind = [
        family
        for row, family in enumerate(study.families)
        if study.severity["reactive"][row] > 0.01 and (family not in curves or curves[family].never_fraction > 0.5)
    ]
    if not blind:
        return ""
    return f"{study.equipment}: more than half of these faults are not found by alerts, or none: {', '.join(blind)}."


def _loud(study: Study, detection: Detection) -> str:
    """False alerts beyond what anyone would put up with."""
    rate = detection.equipment[study.equipment].false_episodes_per_unit_week
    if rate <= _FALSE_MAX:
        return ""
    return (
        f"{study.equipment}: {rate:.2g} false alerts a unit-week are more than anyone looks at (budget {_FALSE_MAX:g});"
        " the cost of looking at them all is in these figures."
    )


def _comfort(study: Study) -> str:
    """What remains of discomfort, and what it is of occupied time."""
    shares = {
        name: own.uncomfortable_hours.sum() / max(own.occupied_hours.sum(), 1e-9)
        for name, own in study.outcomes.items()
    }
    return (
        f"{study.equipment}: people are uncomfortable for {shares['reactive']:.1%} of occupied hours under"
        f" reactive maintenance,"
        f" {shares['plenum']:.1%} with Plenum; what healthy units cannot hold on extreme days is in both."
    )
