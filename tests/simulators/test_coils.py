"""Coils: the heats of water, metal and air add up, and the steady state is that of the textbook."""

from __future__ import annotations

import numpy as np
import psychrolib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.hvac import coils, parameters
from simulators.hvac.moist import EVAPORATION_JOULES_PER_KILOGRAM, Floats, saturation_humidity_ratio

psychrolib.SetUnitSystem(psychrolib.SI)
UNITS = 3
P = parameters.draw(UNITS, np.random.default_rng(1))
HEATING = coils.Coil(
    P.heating_air_conductance,
    P.heating_water_conductance,
    P.heating_metal_capacity,
    P.design_mass_flow,
    P.heating_water_rate,
)
COOLING = coils.Coil(
    P.cooling_air_conductance,
    P.cooling_water_conductance,
    P.cooling_metal_capacity,
    P.design_mass_flow,
    P.cooling_water_rate,
)


def _full(value: float) -> Floats:
    return np.full(UNITS, value)


def _settle(
    coil: coils.Coil, air: tuple[float, float], flow: float, water: tuple[float, float], wet: bool
) -> coils.Passage:
    """The steady state for this air (celsius, humidity ratio), air flow, and water (celsius, flow), flows as fractions."""
    metal = (_full(air[0]), _full(air[0]))
    for _ in range(200):
        passage = coils.step(
            coil,
            10.0,
            metal,
            (_full(air[0]), _full(air[1]), coil.design_mass_flow * flow),
            (_full(water[0]), coil.design_water_rate * water[1]),
            wet,
        )
        metal = (passage.first_metal_celsius, passage.second_metal_celsius)
    return passage


@given(
    metal=st.tuples(st.floats(5, 60), st.floats(5, 60)),
    air=st.tuples(st.floats(-10, 40), st.floats(0.001, 0.018), st.floats(0.002, 1.2)),
    water=st.tuples(st.floats(5, 70), st.floats(0, 1)),
    dt_seconds=st.floats(0.5, 20),
    wet=st.booleans(),
)
def test_the_heats_of_water_metal_and_air_add_up(
    metal: tuple[float, float],
    air: tuple[float, float, float],
    water: tuple[float, float],
    dt_seconds: float,
    wet: bool,
) -> None:
    passage = coils.step(
        COOLING,
        dt_seconds,
        (_full(metal[0]), _full(metal[1])),
        (_full(air[0]), _full(air[1]), COOLING.design_mass_flow * air[2]),
        (_full(water[0]), COOLING.design_water_rate * water[1]),
        wet,
    )
    stored = COOLING.metal_capacity / dt_seconds
    stored = stored * (passage.first_metal_celsius - metal[0] + passage.second_metal_celsius - metal[1])
    gained = passage.water_heat_watts + passage.latent_heat_watts - passage.air_heat_watts
    assert np.allclose(stored, gained, rtol=1e-9, atol=1e-6 * np.abs(COOLING.design_water_rate).max())
    condensed = (air[1] - passage.humidity_ratio) * COOLING.design_mass_flow * air[2]
    assert np.allclose(passage.latent_heat_watts, condensed * EVAPORATION_JOULES_PER_KILOGRAM, atol=1e-6)
    assert np.all(condensed >= -1e-15)


def test_a_heating_coil_is_a_counterflow_exchanger_within_a_tenth() -> None:
    found = _settle(HEATING, (8.0, 0.005), 1.0, (65.0, 1.0), wet=False)
    air_rate = HEATING.design_mass_flow * (1006 + 1860 * 0.005)
    # Effectiveness of counterflow (Incropera, Kays and London): the two halves come near the endless number of them.
    resistance = 1 / HEATING.air_conductance + 1 / HEATING.water_conductance
    least = np.minimum(air_rate, HEATING.design_water_rate)
    ratio = least / np.maximum(air_rate, HEATING.design_water_rate)
    units = 1 / resistance / least
    effectiveness = (1 - np.exp(-units * (1 - ratio))) / (1 - ratio * np.exp(-units * (1 - ratio)))
    assert np.allclose(found.air_heat_watts, effectiveness * least * (65 - 8), rtol=0.1)
    assert np.all(found.air_celsius > 25)


def test_a_cooling_coil_reaches_its_design_with_air_that_psychrolib_finds_near_saturation() -> None:
    ratio = psychrolib.GetHumRatioFromTWetBulb(26.0, 18.5, 101_325)
    found = _settle(COOLING, (26.0, ratio), 1.0, (7.0, 1.0), wet=True)
    assert np.all((found.air_celsius > 9) & (found.air_celsius < 13))
    assert np.all(found.humidity_ratio < ratio)
    for celsius, humidity in zip(found.air_celsius, found.humidity_ratio, strict=True):
        assert psychrolib.GetRelHumFromHumRatio(celsius, humidity, 101_325) == pytest.approx(0.96, abs=0.05)
    # By enthalpy, as a balance on paper has it: what the air lost, less the water that dripped off, the water took.
    before, after = (
        np.array([psychrolib.GetMoistAirEnthalpy(t, w) for t, w in zip(ts, ws, strict=True)])
        for ts, ws in ((_full(26.0), _full(ratio)), (found.air_celsius, found.humidity_ratio))
    )
    assert np.allclose(COOLING.design_mass_flow * (before - after), -found.water_heat_watts, rtol=0.02)


def test_no_air_leaves_colder_than_the_water_or_beyond_saturation() -> None:
    for flow in (0.2, 0.6, 1.0):
        for opening in (0.05, 0.3, 1.0):
            found = _settle(COOLING, (24.0, 0.011), flow, (7.0, opening), wet=True)
            assert np.all(found.air_celsius >= 7)
            assert np.all(found.humidity_ratio <= saturation_humidity_ratio(found.air_celsius) * 1.02)
            assert np.all(found.water_celsius <= 24)


def test_a_closed_valve_gives_nothing_and_more_opening_gives_more() -> None:
    closed = _settle(HEATING, (15.0, 0.006), 0.5, (60.0, 0.0), wet=False)
    assert np.allclose(closed.air_celsius, 15.0)
    heats = [
        _settle(HEATING, (15.0, 0.006), 0.5, (60.0, opening), wet=False).air_heat_watts
        for opening in (0.01, 0.1, 0.3, 1.0)
    ]
    assert np.all(np.diff(heats, axis=0) > 0)


def test_valves_are_equal_percentage_with_a_leak() -> None:
    position = np.array([0.0, 0.5, 1.0])
    flow = coils.valve_flow_fraction(position, np.full(3, 0.01))
    assert flow[0] == pytest.approx(0.01)
    assert 0.15 < flow[1] < 0.25
    assert flow[2] == pytest.approx(1.0)
