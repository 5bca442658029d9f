"""Lags, exact over a step of any length."""

from __future__ import annotations

import numpy as np

from simulators.hvac.moist import Flags, Floats


def moved(dt_seconds: float, pace_seconds: float) -> float:
    """Share of the way that a lag of this pace goes in this time."""
    return float(-np.expm1(-dt_seconds / pace_seconds))


def led(state: Floats, command: Floats, hold: Flags, share: float) -> Floats:
    """A command that follows the one at which its loop would settle, or holds where the loop is blind."""
    return np.where(hold, state, state + share * (command - state))


def follow(
    state: Floats, passing: Floats, passing_rate: Floats, rest: Floats, rest_rate: float, dt_seconds: float
) -> Floats:
    """A sensor between what passes it and what surrounds it; rates in 1/s, shape (U,)."""
    rate = passing_rate + rest_rate
    target = (passing_rate * passing + rest_rate * rest) / rate
    nearer: Floats = target + (state - target) * np.exp(-dt_seconds * rate)
    return nearer
