"""What one minute of many units amounts to."""

from __future__ import annotations

from dataclasses import dataclass

from models.hvac.points import Bools, Floats, Ints, Rows


@dataclass(slots=True)
class Verdicts:
    """Of m units; P points, R rules, F families, H horizons. What cannot be told is NaN (numbers) or False (flags)."""

    rows: Rows
    minute_at_ms: Ints
    anomaly_score: Floats  # (m,); 1 is the alarm level
    anomalous: Bools  # (m,)
    point_shares: Floats  # (m, P), sums to 1 where there is a score
    rule_excess: Floats  # (m, R), in each rule's unit
    rule_confirmed: Bools  # (m, R)
    fault_probability: Floats  # (m, F)
    family_visible: Bools  # (m, F): something that speaks for the family could be judged
    failure_probability: Floats  # (m, H)
    hours_to_failure: Floats  # (m,)
    means: Floats  # (m, P), five-minute means that were judged
    apart: Floats  # (m, T), from what the anomaly model expects, in steps of its inputs, NaN where not judged
    over: Floats  # (m, T), the same over the limit of healthy units
