"""Moist air against psychrolib, which takes no arrays and is therefore the oracle, not the engine."""

from __future__ import annotations

import numpy as np
import psychrolib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.hvac import airside, moist

psychrolib.SetUnitSystem(psychrolib.SI)
PRESSURE = moist.PRESSURE_PASCALS

temperatures = st.floats(0, 50)
humidities = st.floats(0, 0.02)


def _array(value: float) -> moist.Floats:
    return np.array([value])


@given(celsius=temperatures)
def test_saturation_is_psychrolibs_within_half_a_percent(celsius: float) -> None:
    pressure = moist.saturation_pressure_pascals(_array(celsius))[0]
    ratio = moist.saturation_humidity_ratio(_array(celsius))[0]
    assert pressure == pytest.approx(psychrolib.GetSatVapPres(celsius), rel=0.005)
    assert ratio == pytest.approx(psychrolib.GetSatHumRatio(celsius, PRESSURE), rel=0.006)


@given(celsius=st.floats(-25, 0))
def test_saturation_below_freezing_is_over_water(celsius: float) -> None:
    ratio = moist.saturation_humidity_ratio(_array(celsius))[0]
    over_ice = psychrolib.GetSatHumRatio(celsius, PRESSURE)
    assert over_ice * 0.99 <= ratio <= over_ice * 1.3


@given(celsius=temperatures, humidity_ratio=humidities)
def test_enthalpy_is_psychrolibs_and_turns_back_into_temperature(celsius: float, humidity_ratio: float) -> None:
    enthalpy = moist.enthalpy_joules_per_kilogram(_array(celsius), _array(humidity_ratio))
    assert enthalpy[0] == pytest.approx(psychrolib.GetMoistAirEnthalpy(celsius, humidity_ratio), rel=1e-4, abs=1)
    assert moist.temperature_celsius(enthalpy, _array(humidity_ratio))[0] == pytest.approx(celsius, abs=1e-9)


@given(celsius=temperatures, share=st.floats(0.05, 0.99))
def test_relative_humidity_is_psychrolibs(celsius: float, share: float) -> None:
    ratio = psychrolib.GetHumRatioFromRelHum(celsius, share, PRESSURE)
    found = moist.relative_humidity_fraction(_array(celsius), _array(ratio))[0]
    assert found == pytest.approx(share, rel=0.006)


@given(
    outdoor=st.tuples(st.floats(-15, 40), st.floats(0.001, 0.015)),
    inside=st.tuples(st.floats(16, 30), st.floats(0.003, 0.015)),
    fraction=st.floats(0, 1),
)
def test_mixed_air_keeps_mass_and_enthalpy(
    outdoor: tuple[float, float], inside: tuple[float, float], fraction: float
) -> None:
    mixed = airside.mix(
        (_array(outdoor[0]), _array(outdoor[1])), (_array(inside[0]), _array(inside[1])), _array(fraction)
    )
    expected_ratio = fraction * outdoor[1] + (1 - fraction) * inside[1]
    expected_enthalpy = fraction * psychrolib.GetMoistAirEnthalpy(*outdoor) + (
        1 - fraction
    ) * psychrolib.GetMoistAirEnthalpy(*inside)
    assert mixed.humidity_ratio[0] == pytest.approx(expected_ratio, rel=1e-12)
    expected = psychrolib.GetTDryBulbFromEnthalpyAndHumRatio(expected_enthalpy, expected_ratio)
    assert mixed.celsius[0] == pytest.approx(expected, abs=0.02)
