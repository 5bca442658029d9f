"""Fan, belt, filter and duct: pressures balance, the fan laws hold, and wear shows as it does on a roof."""

from __future__ import annotations

import numpy as np
import psychrolib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.hvac import airside, parameters

psychrolib.SetUnitSystem(psychrolib.SI)
UNITS = 5
P = parameters.draw(UNITS, np.random.default_rng(2))


def _blow(speed: float, slip: float = 0.0, load: float = 1.0, terminal: float = 1.0) -> airside.Draught:
    return airside.blow(P, *(np.full(UNITS, value) for value in (speed, slip, load, terminal)))


@given(speed=st.floats(0.2, 1), load=st.floats(1, 8), terminal=st.floats(0.3, 1))
def test_the_fan_gives_what_the_path_takes(speed: float, load: float, terminal: float) -> None:
    found = _blow(speed, load=load, terminal=terminal)
    taken = found.filter_pascals + found.static_pascals + (P.coil_resistance + P.duct_resistance) * found.flow**2
    assert np.allclose(found.fan_pascals, taken, rtol=1e-6)
    # Never more air power than shaft power.
    assert np.all(found.fan_pascals * found.flow < found.power_watts * P.motor_efficiency_fraction)


def test_the_design_flow_comes_at_the_design_speed() -> None:
    found = _blow(0.85)
    assert np.allclose(found.flow, P.design_flow, rtol=0.05)
    assert np.allclose(found.static_pascals, P.static_setpoint_pascals, rtol=0.12)


def test_power_goes_with_the_cube_of_the_speed() -> None:
    fast, slow = _blow(0.9), _blow(0.45)
    ratio = (fast.power_watts - P.drive_standby_watts) / (slow.power_watts - P.drive_standby_watts)
    assert np.all((ratio > 6) & (ratio < 9))
    assert np.allclose(fast.flow / slow.flow, 2.0, rtol=0.08)


def test_a_slipping_belt_moves_less_air_for_less_power_at_the_same_command() -> None:
    sound, worn, broken = _blow(0.8), _blow(0.8, slip=0.3), _blow(0.8, slip=1.0)
    assert np.all(worn.flow < 0.75 * sound.flow)
    assert np.all(worn.power_watts < 0.7 * sound.power_watts)
    # … but more for each cubic metre than a sound belt at that flow.
    same_flow = _blow(0.8 * 0.7)
    assert np.allclose(worn.flow, same_flow.flow)
    assert np.all(worn.power_watts > same_flow.power_watts)
    assert np.all(broken.flow < 0.01 * sound.flow)
    assert np.all(broken.power_watts < 0.15 * sound.power_watts)


def test_a_fouled_filter_has_more_drop_at_the_same_flow() -> None:
    clean = _blow(0.6)
    fouled = _blow(0.72, load=5.0)
    assert np.all(fouled.filter_pascals / fouled.flow > 4.9 * clean.filter_pascals / clean.flow)
    blocked = _blow(1.0, load=400.0)
    assert np.all(blocked.flow < 0.1 * P.design_flow)


def test_the_heat_of_the_fan_warms_the_air_by_about_a_kelvin() -> None:
    found = _blow(0.85)
    for mass_flow, heat in zip(found.mass_flow, found.heat_watts, strict=True):
        before = psychrolib.GetMoistAirEnthalpy(13.0, 0.008)
        after = psychrolib.GetTDryBulbFromEnthalpyAndHumRatio(before + heat / mass_flow, 0.008)
        assert after - 13.0 == pytest.approx(1.4, abs=0.5)


def test_the_damper_leaks_when_shut_and_grows_with_its_position() -> None:
    share = [airside.outdoor_fraction(P, np.full(UNITS, position)) for position in (0.0, 0.2, 0.5, 1.0)]
    assert np.all(share[0] == P.damper_leak_fraction)
    assert np.all(np.diff(share, axis=0) > 0)
    assert np.allclose(share[3], 0.98)
