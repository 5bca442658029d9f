"""One minute of many units, judged: rules with their confirmation, anomaly model, diagnosis and failure risk.

Pure but for the LiteRT models that it holds; edge, stream and backtest all call `step`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from models import registry
from models.hvac import anomaly, baseline, diagnose, features, risk, rules
from models.hvac.anomaly import LIMITS
from models.hvac.explain import explain
from models.hvac.facts import Facts
from models.hvac.families import FAMILIES, HORIZONS_HOURS
from models.hvac.features import Minutes, State
from models.hvac.infer import open_model
from models.hvac.inputs import ANOMALY_INPUTS, ANOMALY_OUTPUTS, inputs
from models.hvac.points import Bools, Floats
from models.hvac.risk import RISK_INPUTS, RISK_OUTPUTS
from models.hvac.rules import RULES
from models.hvac.settings import MonitorSettings
from models.hvac.verdicts import Verdicts
from models.registry import Artifact

__all__ = ["FAMILIES", "HORIZONS_HOURS", "RULES", "Monitor", "Verdicts", "explain"]

MODELS = ("anomaly", "diagnosis", "risk")
ARTIFACT_DIR = Path(__file__).parent / "artifact"


class Judged(NamedTuple):
    """One minute before its failure risk is known: what training of that risk needs too."""

    facts: Facts
    excess: Floats  # (m, R)
    confirmed: Bools  # (m, R)
    seen: anomaly.Anomaly
    probability: Floats  # (m, F)


def judge(
    state: State,
    minutes: Minutes,
    settings: MonitorSettings,
    reconstruction: Artifact,
    diagnosis: Artifact,
) -> Judged:
    """Rules, anomaly and diagnosis of one minute; works on `state`."""
    facts = features.observe(state, minutes, settings.rules)
    facts.references = baseline.refer(state, facts, settings.baseline)
    excess = rules.judge(facts, settings.rules)
    confirmed = rules.confirm(state, facts, excess, settings.rules)
    x, there = inputs(facts)
    seen = anomaly.look(state, facts, x, there, reconstruction, settings.baseline)
    logits = diagnosis.model(diagnose.diagnosis_inputs(facts, x, seen.residual, confirmed))
    probability = diagnose.fault_probability(state, facts, logits, seen.over, confirmed)
    return Judged(facts, excess, confirmed, seen, probability)


class Monitor:
    """Settings and models that turn minutes into verdicts. Holds nothing of any unit: that is the state's."""

    def __init__(self, settings: MonitorSettings, anomaly: Artifact, diagnosis: Artifact, risk: Artifact) -> None:
        """Raises ArtifactError for models that read or give other columns than this code means."""
        anomaly.check_columns(ANOMALY_INPUTS, ANOMALY_OUTPUTS)
        anomaly.thresholds(LIMITS)
        diagnosis.check_columns(diagnose.DIAGNOSIS_INPUTS, diagnose.DIAGNOSIS_OUTPUTS)
        risk.check_columns(RISK_INPUTS, RISK_OUTPUTS)
        self.settings = settings
        self._anomaly, self._diagnosis, self._risk = anomaly, diagnosis, risk
        sums = "".join(artifact.card.sha256 for artifact in (anomaly, diagnosis, risk))
        self.version = f"hvac-{hashlib.sha256(sums.encode()).hexdigest()[:8]}"

    @classmethod
    def load(cls, artifact_dir: Path | None = None, settings: MonitorSettings | None = None) -> Monitor:
        """A monitor with the models of a directory, the shipped ones by default, each checked first.

        Raises:
            ArtifactError: a model is missing or failed a check.
        """
        directory = artifact_dir or ARTIFACT_DIR
        anomaly, diagnosis, risk = (registry.load(directory, name, open_model) for name in MODELS)
        return cls(settings or MonitorSettings(), anomaly, diagnosis, risk)

    def step(self, state: State, minutes: Minutes) -> Verdicts:
        """Judge one minute of each of some units.

        Works on the units' rows of `state` in place.
        """
        judged = judge(state, minutes, self.settings, self._anomaly, self._diagnosis)
        facts, seen = judged.facts, judged.seen
        risk.follow(state, facts, seen)
        failure = risk.failure_risk(state, facts, self._risk)
        return Verdicts(
            rows=minutes.rows,
            minute_at_ms=minutes.minute_at_ms,
            anomaly_score=seen.score,
            anomalous=seen.anomalous,
            point_shares=seen.point_shares,
            rule_excess=judged.excess,
            rule_confirmed=judged.confirmed,
            fault_probability=judged.probability,
            family_visible=facts.settled[:, None] & diagnose.visible(judged.excess),
            failure_probability=failure.probability,
            hours_to_failure=failure.hours,
            means=facts.mean,
            apart=seen.apart,
            over=seen.over,
        )
