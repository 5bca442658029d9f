"""The coil at rest: heat adds up, both ways of asking agree, moist air is psychrolib's."""

from __future__ import annotations

import numpy as np
import psychrolib
import pytest

from simulators.hvac.moist import Floats, enthalpy_joules_per_kilogram, saturation_humidity_ratio
from simulators.hvac.plants import coil as coils

N = 500
RNG = np.random.default_rng(1)
MASS_FLOW = RNG.uniform(0.3, 1.2, N)
COIL = coils.Coil(np.full(N, 3300.0), np.full(N, 3800.0), np.full(N, 1.0))
_CELSIUS = RNG.uniform(18, 36, N)
_HUMIDITY = np.minimum(RNG.uniform(0.004, 0.02, N), 0.95 * saturation_humidity_ratio(_CELSIUS))
AIR = coils.stream(_CELSIUS, _HUMIDITY, MASS_FLOW)
SHARE = coils.air_share(COIL, AIR)
WATER = np.full(N, 7.0)


def test_heat_from_the_water_is_what_the_air_gets() -> None:
    flow = RNG.uniform(0, 1, N)
    out = coils.heat(COIL, AIR, SHARE, np.full(N, 60.0), flow)
    assert np.allclose(out.heat_watts, AIR.rate * (out.celsius - AIR.celsius))
    assert np.allclose(out.heat_watts, COIL.water_rate * flow * (60.0 - out.water_celsius))
    assert np.all((out.celsius >= AIR.celsius) & (out.celsius < 60))


def test_heat_and_vapour_of_a_wet_coil_add_up() -> None:
    flow = RNG.uniform(0, 1, N)
    out = coils.cool(COIL, AIR, SHARE, WATER, flow)
    lost = AIR.mass_flow * (
        enthalpy_joules_per_kilogram(AIR.celsius, AIR.humidity_ratio)
        - enthalpy_joules_per_kilogram(out.celsius, out.humidity_ratio)
    )
    # The vapour that condenses brings some sensible heat of its own, which we leave out: up to 2 %.
    assert np.allclose(-out.heat_watts, lost, rtol=0.02, atol=1.0)
    assert np.allclose(-out.heat_watts, COIL.water_rate * flow * (out.water_celsius - 7.0), atol=1e-6)
    assert np.all(out.humidity_ratio <= AIR.humidity_ratio + 1e-15)
    assert (out.humidity_ratio < AIR.humidity_ratio - 1e-4).mean() > 0.3


def test_newton_finds_what_bisection_finds() -> None:
    flow = RNG.uniform(0, 1, N)
    out = coils.cool(COIL, AIR, SHARE, WATER, flow)
    low, high = np.full(N, -10.0), np.full(N, 60.0)

    def excess(metal: Floats) -> Floats:
        latent = np.maximum(AIR.humidity_ratio - saturation_humidity_ratio(metal), 0)
        given = AIR.rate * SHARE * (AIR.celsius - metal) + AIR.mass_flow * SHARE * 2_501_000.0 * latent
        return 0.9 * COIL.water_rate * flow * (metal - 7.0) - given

    for _ in range(60):
        middle = (low + high) / 2
        above = excess(middle) > 0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    metal = AIR.celsius - (AIR.celsius - out.celsius) / SHARE
    assert np.abs(metal - low).max() < 0.02


def test_the_flow_asked_for_makes_the_air_leave_as_wanted() -> None:
    wanted = AIR.celsius - RNG.uniform(0, 12, N)
    flow = coils.cooling_flow_fraction(COIL, AIR, SHARE, WATER, wanted)
    out = coils.cool(COIL, AIR, SHARE, WATER, flow)
    reached = (flow > 0) & (flow < 1)
    assert reached.mean() > 0.6
    assert np.abs(out.celsius - wanted)[reached].max() < 0.05
    assert np.all(out.celsius[flow == 1] > wanted[flow == 1] - 0.05)
    wanted = AIR.celsius + RNG.uniform(0, 12, N)
    flow = coils.heating_flow_fraction(COIL, AIR, SHARE, np.full(N, 55.0), wanted)
    out = coils.heat(COIL, AIR, SHARE, np.full(N, 55.0), flow)
    assert np.allclose(out.celsius, wanted)


def test_a_leaking_coil_is_made_up_for_before_it() -> None:
    leak, wanted = RNG.uniform(0, 0.3, N), np.full(N, 20.0)
    before = coils.before(wanted, COIL, AIR, SHARE, np.full(N, 50.0), leak)
    out = coils.heat(COIL, AIR._replace(celsius=before), SHARE, np.full(N, 50.0), leak)
    assert np.allclose(out.celsius, wanted)


def test_valve_and_its_inverse_and_a_sticking_part() -> None:
    position = np.linspace(0, 1, 21)
    assert np.allclose(coils.valve_position_fraction(coils.valve_flow_fraction(position)), position)
    free, ends = np.full(21, 0.5), np.full(21, 0.2)
    command = coils.command_for(position, free, ends)
    stands = free * command + (1 - free) * ends
    reachable = (position >= 0.1) & (position <= 0.6)
    assert np.allclose(stands[reachable], position[reachable])
    assert np.all(coils.freedom_fraction(np.array([0.0, 0.4, 0.8, 1.0])) == [1.0, 0.5, 0.0, 0.0])


def test_air_behind_a_wet_coil_is_moist_air() -> None:
    psychrolib.SetUnitSystem(psychrolib.SI)
    out = coils.cool(COIL, AIR, SHARE, WATER, np.ones(N))
    for place in range(0, N, 25):
        celsius, ratio = float(out.celsius[place]), float(out.humidity_ratio[place])
        assert psychrolib.GetRelHumFromHumRatio(celsius, ratio, 101_325) <= 1.005
        ours = float(enthalpy_joules_per_kilogram(out.celsius, out.humidity_ratio)[place])
        assert ours == pytest.approx(psychrolib.GetMoistAirEnthalpy(celsius, ratio), rel=0.002, abs=20)
