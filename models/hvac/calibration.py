"""Whether predicted probabilities come true: of the units that were given 30 %, three of ten should fail."""

from __future__ import annotations

import numpy as np

from models.contracts.figures import Figure
from models.hvac.points import Bools, Floats, Ints

_BOOTSTRAPS = 100


def calibration(
    predicted: Floats,
    truth: Bools,
    unit: Ints,
    name: str,
    rng: np.random.Generator,
    bins: int = 10,
) -> list[Figure]:
    """Calibration error over bins of equal count, and how well failing units are told from others, with intervals."""

    def error(index: Ints) -> float:
        order = index[np.argsort(predicted[index], kind="stable")]
        parts = [part for part in np.array_split(order, bins) if len(part)]
        return float(sum(len(p) * abs(predicted[p].mean() - truth[p].mean()) for p in parts) / len(order))

    members = {int(u): np.flatnonzero(unit == u) for u in np.unique(unit)}
    keys = np.array(list(members))
    draws = [error(np.concatenate([members[int(u)] for u in rng.choice(keys, len(keys))])) for _ in range(_BOOTSTRAPS)]
    low, high = np.quantile(draws, [0.025, 0.975])
    brier = float(((predicted - truth) ** 2).mean())
    base = float(truth.mean())
    return [
        Figure(
            f"{name}.calibration_error",
            error(np.arange(len(truth))),
            "fraction",
            float(low),
            float(high),
        ),
        Figure(f"{name}.brier_skill", 1 - brier / max(base * (1 - base), 1e-9), "fraction"),
        Figure(f"{name}.base_rate", base, "fraction"),
    ]
