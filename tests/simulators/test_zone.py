"""The zone: its balances close, it settles where the sum says, and its people come and go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.hvac import parameters, zone
from simulators.hvac.moist import Floats
from simulators.hvac.weather import Calendar

UNITS = 4
P = parameters.draw(UNITS, np.random.default_rng(5))
HOURS = parameters.draw(2, np.random.default_rng(5), occupied_hours=(7.0, 19.0))
TUESDAY, SATURDAY = 1, 5


def _full(value: float) -> Floats:
    return np.full(UNITS, value)


@given(
    start=st.tuples(st.floats(5, 40), st.floats(0.002, 0.015), st.floats(5, 40)),
    supply=st.tuples(st.floats(0.002, 1.2), st.floats(5, 45), st.floats(0.002, 0.015)),
    outdoor=st.tuples(st.floats(-20, 40), st.floats(0.001, 0.018)),
    gain_fraction=st.floats(0, 1),
    dt_seconds=st.floats(0.5, 15),
    pressurised=st.booleans(),
)
def test_heat_and_vapour_add_up(
    start: tuple[float, float, float],
    supply: tuple[float, float, float],
    outdoor: tuple[float, float],
    gain_fraction: float,
    dt_seconds: float,
    pressurised: bool,
) -> None:
    before = zone.ZoneState(*(_full(value) for value in start))
    blown = zone.Supply(P.design_mass_flow * supply[0], _full(supply[1]), _full(supply[2]))
    gains = (P.internal_gain_watts * gain_fraction, P.moisture_gain * gain_fraction)
    after, heat = zone.step(
        P, dt_seconds, before, blown, (_full(outdoor[0]), _full(outdoor[1])), gains, np.full(UNITS, pressurised)
    )
    stored = P.zone_air_capacity * (after.celsius - before.celsius) / dt_seconds
    # Within the rounding of the heat that the zone's air holds.
    rounding = 1e-12 * 50 * (P.zone_air_capacity + P.zone_mass_capacity) / dt_seconds
    assert np.all(np.abs(stored - sum(heat)) < rounding)
    in_mass = P.zone_mass_capacity * (after.mass_celsius - before.mass_celsius) / dt_seconds
    assert np.all(np.abs(in_mass + heat.mass_watts) < rounding)
    # What supply air, outdoor air and people brought is in the zone, whose furniture counts as two more airs.
    infiltration = P.infiltration_mass_flow * (0.2 if pressurised else 1.0)
    brought = (
        blown.mass_flow * (supply[2] - after.humidity_ratio)
        + infiltration * (outdoor[1] - after.humidity_ratio)
        + gains[1]
    )
    held = 3 * P.zone_air_mass * (after.humidity_ratio - before.humidity_ratio) / dt_seconds
    assert np.allclose(held, brought, rtol=1e-7, atol=1e-9)


def test_a_zone_settles_between_what_surrounds_it() -> None:
    state = zone.ZoneState(_full(22.0), _full(0.007), _full(22.0))
    still = zone.Supply(_full(0.0), _full(0.0), _full(0.0))
    for _ in range(40_000):
        state, _ = zone.step(
            P, 3600.0, state, still, (_full(5.0), _full(0.004)), (_full(0.0), _full(0.0)), _full(0.0) > 0
        )
    assert np.allclose(state.celsius, 5.0, atol=1e-3)
    assert np.allclose(state.mass_celsius, 5.0, atol=1e-3)
    assert np.allclose(state.humidity_ratio, 0.004, atol=1e-7)


@pytest.mark.parametrize(
    ("hour", "weekday", "open_hours", "presence"),
    [
        (6.99, TUESDAY, False, 0.0),
        (7.0, TUESDAY, True, 0.0),
        (7.5, TUESDAY, True, 0.5),
        (10.0, TUESDAY, True, 1.0),
        (12.5, TUESDAY, True, 0.8),
        (18.75, TUESDAY, True, 0.25),
        (19.0, TUESDAY, False, 0.0),
        (10.0, SATURDAY, False, 0.0),
    ],
)
def test_people_keep_their_hours(hour: float, weekday: int, open_hours: bool, presence: float) -> None:
    now = Calendar(hour, weekday, 131.0)
    assert zone.scheduled(HOURS, now).tolist() == [open_hours] * 2
    assert zone.presence_fraction(HOURS, now) == pytest.approx([presence] * 2, abs=1e-6)


def test_gains_are_those_of_people_and_sun_above_a_base() -> None:
    usual, noon = np.zeros(UNITS), Calendar(11.0, TUESDAY, 131.0)
    empty, _ = zone.gains(P, Calendar(2.0, TUESDAY, 131.0), usual, np.zeros(UNITS))
    assert np.array_equal(empty, P.base_gain_watts)
    full, vapour = zone.gains(P, noon, usual, np.ones(UNITS))
    assert np.allclose(full, P.internal_gain_watts + P.solar_gain_watts, rtol=0.01)
    assert np.allclose(vapour, P.moisture_gain, rtol=0.01)
    crowded, _ = zone.gains(P, noon, np.full(UNITS, 9.0), np.zeros(UNITS))
    assert np.all(crowded < 1.5 * P.internal_gain_watts)
