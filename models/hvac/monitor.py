"""One minute of many units, judged: rules with their confirmation, anomaly model, diagnosis and failure risk.

Pure but for the LiteRT models that it holds; edge, stream and backtest all call `step`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models import registry
from models.hvac import anomaly, baseline, diagnose, features, risk, rules
from models.hvac.explain import explain
from models.hvac.facts import Facts
from models.hvac.families import HORIZONS_HOURS
from models.hvac.features import Minutes, State
from models.hvac.infer import open_model
from models.hvac.kinds import KINDS, Kind
from models.hvac.points import Bools, Floats
from models.hvac.risk import RISK_INPUTS, RISK_LEVELS, RISK_OUTPUTS
from models.hvac.settings import MonitorSettings
from models.hvac.verdicts import Verdicts
from models.registry import Artifact

__all__ = ["HORIZONS_HOURS", "KINDS", "Kind", "Models", "Monitor", "Verdicts", "explain"]

ARTIFACT_DIR = Path(__file__).parent / "artifact"


class Models(NamedTuple):
    """The trained models of one kind of equipment; what is None is left to the rules, or stays unknown."""

    anomaly: Artifact | None = None
    diagnosis: Artifact | None = None
    risk: Artifact | None = None

    def check(self, kind: Kind) -> None:
        """Refuse models that read or give other columns than the kind's spec means.

        Raises:
            ArtifactError: one of them does.
        """
        spec = kind.models
        if self.anomaly is not None:
            self.anomaly.check_columns(spec.anomaly_inputs, spec.anomaly_outputs)
            self.anomaly.thresholds(spec.limits)
        if self.diagnosis is not None:
            self.diagnosis.check_columns(spec.diagnosis_inputs, spec.diagnosis_outputs)
        if self.risk is not None:
            self.risk.check_columns(RISK_INPUTS, RISK_OUTPUTS)
            self.risk.thresholds(RISK_LEVELS)


def model_name(part: str, kind: Kind) -> str:
    """What a kind's model is called: the air handler's plainly, as it came first; that of failure risk is one for all."""
    return part if kind.name == "ahu" or part == "risk" else f"{kind.name}.{part}"


class Judged(NamedTuple):
    """One minute before its failure risk is known: what training of that risk needs too."""

    facts: Facts
    excess: Floats  # (m, R_MAX)
    confirmed: Bools  # (m, R_MAX)
    seen: anomaly.Anomaly
    probability: Floats  # (m, F_MAX)
    visible: Bools  # (m, F_MAX)
    judged: Bools  # (m, F_MAX)


def judge(state: State, minutes: Minutes, settings: MonitorSettings, models: Models) -> Judged:
    """Rules, anomaly and diagnosis of one minute of units of one kind; works on `state`."""
    facts = features.observe(state, minutes, settings.rules)
    facts.references = baseline.refer(state, facts, settings.baseline)
    excess = rules.judge(facts, settings.rules)
    confirmed = rules.confirm(state, facts, excess, settings.rules)
    visible = diagnose.visible(facts.kind, excess)
    judged, modelled = visible.copy(), facts.kind.modelled
    logits = None
    if models.anomaly is None:
        seen = anomaly.unseen(facts)
    else:
        x, there = facts.kind.models.inputs(facts)
        seen = anomaly.look(state, facts, x, there, models.anomaly, settings.baseline)
        if models.diagnosis is not None:
            logits = models.diagnosis.model(diagnose.diagnosis_inputs(facts, x, seen.residual, confirmed))
    visible[:, :modelled] &= facts.settled[:, None]
    judged[:, :modelled] = facts.settled[:, None]
    probability = diagnose.fault_probability(state, facts, logits, seen.over, confirmed, judged)
    judged[:, :modelled] = np.isfinite(seen.score)[:, None]
    return Judged(facts, excess, confirmed, seen, probability, visible, judged)


class Monitor:
    """Settings and models that turn minutes into verdicts. Holds nothing of any unit: that is the state's."""

    def __init__(self, settings: MonitorSettings, models: Mapping[str, Models]) -> None:
        """A monitor of every kind of equipment; those without models are judged by their rules.

        Args:
            settings: Thresholds and times.
            models: By kind of equipment.

        Raises:
            ArtifactError: a model reads or gives other columns than this code means.
        """
        for name, own in models.items():
            own.check(KINDS[name])
        self.settings = settings
        self._models = {name: models.get(name, Models()) for name in KINDS}
        sums = "".join(
            artifact.card.sha256 for own in self._models.values() for artifact in own if artifact is not None
        )
        self.version = f"hvac-{hashlib.sha256(sums.encode()).hexdigest()[:8]}"

    @classmethod
    def load(cls, artifact_dir: Path | None = None, settings: MonitorSettings | None = None) -> Monitor:
        """A monitor with the models of a directory, the shipped ones by default, each checked first.

        Every kind of equipment has `KIND.anomaly` and `KIND.diagnosis`, the air handler's without KIND; `risk` is for all.

        Raises:
            ArtifactError: a model is missing or failed a check.
        """
        directory, settings = artifact_dir or ARTIFACT_DIR, settings or MonitorSettings()
        suffix = ".int8" if settings.precision == "int8" else ""
        models = {
            name: Models(
                *(registry.load(directory, model_name(part, kind) + suffix, open_model) for part in Models._fields)
            )
            for name, kind in KINDS.items()
            if kind.spec is not None
        }
        return cls(settings, models)

    def models_of(self, kind: str) -> Models:
        """The models of a kind of equipment."""
        return self._models[kind]

    def step(self, state: State, minutes: Minutes) -> Verdicts:
        """Judge one minute of each of some units of one kind.

        Works on the units' rows of `state` in place.
        """
        models = self._models[minutes.kind.name]
        judged = judge(state, minutes, self.settings, models)
        facts, seen = judged.facts, judged.seen
        if models.anomaly is not None:
            risk.follow(state, facts, seen)
        failure = risk.unknown(len(facts.rows)) if models.risk is None else risk.failure_risk(state, facts, models.risk)
        return Verdicts(
            kind=minutes.kind,
            rows=minutes.rows,
            minute_at_ms=minutes.minute_at_ms,
            anomaly_score=seen.score,
            anomaly_raw=seen.raw,
            anomalous=seen.anomalous,
            point_shares=seen.point_shares,
            rule_excess=judged.excess,
            rule_confirmed=judged.confirmed,
            fault_probability=judged.probability,
            family_visible=judged.visible,
            family_judged=judged.judged,
            failure_probability=failure.probability,
            hours_to_failure=failure.hours,
            hours_to_failure_low=failure.hours_low,
            hours_to_failure_high=failure.hours_high,
            means=facts.mean,
            apart=seen.apart,
            over=seen.over,
            suspects=rules.suspects(facts, judged.confirmed, self.settings.rules),
        )
