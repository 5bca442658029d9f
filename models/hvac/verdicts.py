"""What one minute of many units amounts to."""

from __future__ import annotations

from dataclasses import dataclass, field

from models.hvac.kinds import Kind
from models.hvac.points import Bools, Floats, Ints, Rows


@dataclass(slots=True)
class Verdicts:
    """Of m units of one kind, in its slots; H horizons, T targets of its anomaly model (0 where it has none).

    What cannot be told is NaN (numbers) or False (flags).
    """

    kind: Kind
    rows: Rows
    minute_at_ms: Ints
    anomaly_score: Floats  # (m,); 1 is the alarm level, at the unit's alert budget
    anomaly_raw: Floats  # (m,); before the unit's own alarm level, 1 is the limit of healthy units
    anomalous: Bools  # (m,)
    point_shares: Floats  # (m, P), sums to 1 where there is a score
    rule_excess: Floats  # (m, R_MAX), in each rule's unit
    rule_confirmed: Bools  # (m, R_MAX)
    fault_probability: Floats  # (m, F_MAX)
    family_visible: Bools  # (m, F_MAX): something that speaks for the family could be judged
    family_judged: Bools  # (m, F_MAX): the probability is of this minute, not kept from an earlier one
    failure_probability: Floats  # (m, H)
    hours_to_failure: Floats  # (m,), median
    hours_to_failure_low: Floats  # (m,), nine of ten end between these two
    hours_to_failure_high: Floats  # (m,)
    means: Floats  # (m, P), five-minute means that were judged
    apart: Floats  # (m, T), from what the anomaly model expects, in steps of its inputs, NaN where not judged
    over: Floats  # (m, T), the same over the limit of healthy units
    # By confirmed rules that look at all sensors of a unit: slot of the worst one, (m,), -1 where it is no single one.
    suspects: dict[str, Rows] = field(default_factory=dict)
