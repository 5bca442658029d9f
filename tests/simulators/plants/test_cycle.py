"""The refrigerant cycle against CoolProp, its own balances, and what faults are known to do to it."""

from __future__ import annotations

import numpy as np
import pytest
from CoolProp.CoolProp import PropsSI

from simulators.hvac.moist import Floats
from simulators.hvac.plants import cycle, refrigerant
from simulators.hvac.plants.cycle import Cycle, Machine, Running, Side

_KILOWATTS = 30.0


def _machine(units: int = 1, name: str = "R410A") -> Machine:
    one = np.ones(units)
    machine = Machine(
        refrigerant.load(name), one, 0.97 * one, 0.68 * one, 2.8 * one, 0.06 * one, 6 * one, 6 * one, 33 * one
    )
    return machine._replace(swept_flow=cycle.swept_flow(machine, 1000 * _KILOWATTS * one, 8 * one, 49 * one))


def _solve(
    *,
    charge: float = 1.0,
    leak: float = 0.0,
    speed: float = 1.0,
    outdoor: float = 35.0,
    air: float = 1.0,
    condenser: float = 1.0,
    humidity: float = 0.0111,
    name: str = "R410A",
) -> Cycle:
    """One rooftop unit at 26.7 celsius dry and 19.4 wet bulb inside."""
    one = np.ones(1)
    cold = Side(26.7 * one, humidity * one, 57 * _KILOWATTS * air * one, 190 * _KILOWATTS * one)
    hot = Side(outdoor * one, 0 * one, 95 * _KILOWATTS * condenser * one, 800 * _KILOWATTS * one)
    running = Running(speed * one, charge * one, leak * one)
    return cycle.solve(_machine(name=name), cold, hot, running, cycle.first_guess(cold, hot), passes=12)


def _change(faulty: Floats, healthy: Floats) -> float:
    return float(faulty[0] / healthy[0] - 1)


HEALTHY = _solve()


def _efficiency(made: Cycle) -> Floats:
    return made.cooling_watts / made.power_watts


def test_a_healthy_unit_runs_where_rooftop_units_run() -> None:
    assert 5 < HEALTHY.evaporating_celsius[0] < 10
    assert 47 < HEALTHY.condensing_celsius[0] < 53
    assert 75 < HEALTHY.discharge_celsius[0] < 95
    assert 3.0 < _efficiency(HEALTHY)[0] < 4.0
    latent = HEALTHY.moisture_flow[0] * 2.5e6 / HEALTHY.cooling_watts[0]
    assert 0.2 < latent < 0.35


@pytest.mark.parametrize("name", ["R410A", "R32", "R134a"])
@pytest.mark.parametrize("outdoor", [15.0, 35.0, 45.0])
def test_mass_flow_and_power_agree_with_coolprop(name: str, outdoor: float) -> None:
    made = _solve(name=name, outdoor=outdoor)
    low, high = made.suction_pascals[0], made.discharge_pascals[0]
    kelvin = refrigerant.ZERO_CELSIUS_KELVIN
    arriving = {key: PropsSI(key, "P", low, "T", made.suction_celsius[0] + kelvin, name) for key in ("H", "S", "D")}
    ratio = high / low
    filled = 0.97 - 0.02 * ratio
    mass_flow = _machine(name=name).swept_flow[0] * arriving["D"] * filled
    assert made.mass_flow[0] == pytest.approx(mass_flow, rel=0.01)
    work = PropsSI("H", "P", high, "S", arriving["S"], name) - arriving["H"]
    efficiency = 0.68 * max(1 - 0.35 * np.log(ratio / 2.8) ** 2, 0.4)
    assert made.power_watts[0] == pytest.approx(mass_flow * work / efficiency, rel=0.02)
    leaving = arriving["H"] + 0.94 * work / efficiency
    assert made.discharge_celsius[0] == pytest.approx(PropsSI("T", "P", high, "H", leaving, name) - kelvin, abs=3.5)
    liquid = PropsSI("H", "P", high, "T", made.liquid_celsius[0] + kelvin, name)
    assert made.cooling_watts[0] == pytest.approx(mass_flow * (arriving["H"] - liquid), rel=0.015)


def test_heat_balances_exactly_for_any_unit() -> None:
    units = 2000
    cold, hot, running = _random(units)
    machine = _machine(units)
    made = cycle.solve(machine, cold, hot, running, cycle.first_guess(cold, hot), passes=8)
    np.testing.assert_allclose(
        made.heating_watts, made.cooling_watts + made.power_watts * (1 - machine.shell_loss_fraction), rtol=1e-12
    )
    assert (made.cooling_watts > 0).all()
    assert (made.suction_celsius < cold.celsius).all()
    assert (made.liquid_celsius > hot.celsius).all()
    assert (made.condensing_celsius > made.evaporating_celsius).all()


def test_few_passes_from_the_last_solution_are_enough() -> None:
    units = 2000
    cold, hot, running = _random(units)
    machine = _machine(units)
    settled = cycle.solve(machine, cold, hot, running, cycle.first_guess(cold, hot), passes=40)
    # As much as five minutes may bring: two kelvin inside, three outside, a tenth of the speed.
    moved = (cold._replace(celsius=cold.celsius + 2), hot._replace(celsius=hot.celsius - 3))
    faster = running._replace(speed_fraction=running.speed_fraction * 1.1)
    quick = cycle.solve(machine, *moved, faster, settled.guess)
    slow = cycle.solve(machine, *moved, faster, settled.guess, passes=40)
    error = np.abs(quick.cooling_watts / slow.cooling_watts - 1)
    assert np.quantile(error, 0.99) < 0.01
    assert np.abs(quick.condensing_celsius - slow.condensing_celsius).max() < 0.5


def _random(units: int) -> tuple[Side, Side, Running]:
    rng = np.random.default_rng(7)
    zero = np.zeros(units)
    cold = Side(
        rng.uniform(18, 32, units),
        rng.uniform(0.003, 0.012, units),
        57 * _KILOWATTS * rng.uniform(0.4, 1, units),
        zero + 190 * _KILOWATTS,
    )
    hot = Side(rng.uniform(15, 44, units), zero, 95 * _KILOWATTS * rng.uniform(0.5, 1, units), zero + 800 * _KILOWATTS)
    return cold, hot, Running(rng.uniform(0.3, 1, units), rng.uniform(0.6, 1.2, units), rng.uniform(0, 0.5, units))


def test_a_tenth_of_the_charge_missing_is_hidden_by_the_valve() -> None:
    made = _solve(charge=0.9)
    assert -0.06 < _change(made.cooling_watts, HEALTHY.cooling_watts) < -0.01
    assert abs(_change(_efficiency(made), _efficiency(HEALTHY))) < 0.04
    assert made.superheat_kelvin[0] == pytest.approx(6)
    assert made.subcooling_kelvin[0] == pytest.approx(2.7, abs=0.2)


def test_undercharge_starves_the_evaporator() -> None:
    made = _solve(charge=0.7)
    assert -0.25 < _change(made.cooling_watts, HEALTHY.cooling_watts) < -0.08
    assert -0.15 < _change(_efficiency(made), _efficiency(HEALTHY)) < -0.03
    assert made.suction_pascals[0] < 0.95 * HEALTHY.suction_pascals[0]
    assert made.discharge_pascals[0] < HEALTHY.discharge_pascals[0]
    assert made.superheat_kelvin[0] > HEALTHY.superheat_kelvin[0] + 6
    assert made.subcooling_kelvin[0] == pytest.approx(0, abs=1e-9)
    assert made.discharge_celsius[0] > HEALTHY.discharge_celsius[0] + 3


def test_less_charge_never_cools_more() -> None:
    capacity = [_solve(charge=charge).cooling_watts[0] for charge in np.arange(0.4, 1.01, 0.05)]
    assert (np.diff(capacity) > 0).all()


def test_overcharge_floods_the_condenser() -> None:
    made = _solve(charge=1.2)
    assert made.subcooling_kelvin[0] > HEALTHY.subcooling_kelvin[0] + 5
    assert made.condensing_celsius[0] > HEALTHY.condensing_celsius[0] + 2
    assert 0.03 < _change(made.power_watts, HEALTHY.power_watts) < 0.15
    assert -0.12 < _change(_efficiency(made), _efficiency(HEALTHY)) < -0.02
    assert made.superheat_kelvin[0] == pytest.approx(HEALTHY.superheat_kelvin[0])


def test_fouled_condenser_raises_head_and_power() -> None:
    made = _solve(condenser=0.7)
    assert made.discharge_pascals[0] > 1.08 * HEALTHY.discharge_pascals[0]
    assert 0.06 < _change(made.power_watts, HEALTHY.power_watts) < 0.2
    assert -0.1 < _change(made.cooling_watts, HEALTHY.cooling_watts) < -0.02
    assert made.subcooling_kelvin[0] == pytest.approx(HEALTHY.subcooling_kelvin[0])


def test_little_air_over_the_evaporator_lowers_suction() -> None:
    made = _solve(air=0.6)
    assert made.suction_pascals[0] < 0.93 * HEALTHY.suction_pascals[0]
    assert -0.2 < _change(made.cooling_watts, HEALTHY.cooling_watts) < -0.06
    assert made.discharge_pascals[0] < HEALTHY.discharge_pascals[0]


def test_leaking_compressor_evens_out_the_pressures() -> None:
    made = _solve(leak=0.3)
    assert made.suction_pascals[0] > 1.05 * HEALTHY.suction_pascals[0]
    assert made.discharge_pascals[0] < 0.97 * HEALTHY.discharge_pascals[0]
    assert -0.3 < _change(made.cooling_watts, HEALTHY.cooling_watts) < -0.12
    assert -0.1 < _change(made.power_watts, HEALTHY.power_watts) < 0.03
    assert made.mass_flow[0] < 0.85 * HEALTHY.mass_flow[0]
    assert made.discharge_celsius[0] > HEALTHY.discharge_celsius[0] + 3


def test_slower_is_more_efficient_and_colder_outside_too() -> None:
    assert _efficiency(_solve(speed=0.5))[0] > 1.25 * _efficiency(HEALTHY)[0]
    assert _efficiency(_solve(outdoor=20))[0] > 1.35 * _efficiency(HEALTHY)[0]


def test_dry_air_leaves_no_water_and_damp_air_much() -> None:
    assert _solve(humidity=0.004).moisture_flow[0] == 0
    assert _solve(humidity=0.014).moisture_flow[0] > 1.3 * HEALTHY.moisture_flow[0]
    assert _solve(humidity=0.014).cooling_watts[0] > HEALTHY.cooling_watts[0]
