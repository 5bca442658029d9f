"""The controller by itself: what it commands for what it sees."""

from __future__ import annotations

import numpy as np
import pytest

from simulators.hvac import parameters
from simulators.hvac.controls import Controller, Inputs, Loop
from simulators.hvac.moist import Floats

P = parameters.draw(1, np.random.default_rng(7), occupied_hours=(7.0, 19.0))
MINIMUM = float(P.damper_minimum_fraction[0])


def _seen(
    outdoor: float = 12.0, mixed: float = 18.0, supply: float = 18.0, room: float = 22.5, static: float = 150.0
) -> Inputs:
    values = (np.array([value]) for value in (outdoor, mixed, supply, room, static))
    return Inputs(*values)


def _settled(seen: Inputs, scheduled: bool = True, minutes: int = 60) -> Controller:
    controller = Controller(P)
    for _ in range(minutes * 4):
        controller.step(15.0, np.array([scheduled]), seen)
    return controller


def _one(values: Floats) -> float:
    return float(values[0])


def test_a_loop_does_not_wind_up() -> None:
    loop = Loop(1, gain=0.5, integral_seconds=60, low=0, high=1)
    for _ in range(100):
        assert _one(loop.step(np.array([10.0]), 15.0)) <= 1
    # An hour at the stop is forgotten at once when the error turns.
    assert _one(loop.step(np.array([-1.0]), 15.0)) < 0.5


def test_a_loop_integrates_at_its_own_pace() -> None:
    loop = Loop(1, gain=0.1, integral_seconds=100, low=-1, high=1)
    for _ in range(10):
        output = loop.step(np.array([1.0]), 10.0)
    assert _one(output) == pytest.approx(0.2)  # once more the proportional part after one integral time


def test_heating_free_cooling_and_cooling_take_turns() -> None:
    cold = _settled(_seen(supply=12.0, room=22.5))
    assert _one(cold.heating_command_fraction) == 1
    assert _one(cold.damper_command_fraction) == pytest.approx(MINIMUM)
    assert _one(cold.cooling_command_fraction) == 0
    warm = _settled(_seen(supply=18.6, room=22.5), minutes=7)
    assert _one(warm.damper_command_fraction) > MINIMUM
    assert _one(warm.heating_command_fraction) == 0
    hot = _settled(_seen(supply=25.0, room=26.0))
    assert _one(hot.damper_command_fraction) == 1
    assert _one(hot.cooling_command_fraction) == 1
    assert _one(hot.supply_setpoint_celsius) == _one(P.supply_cold_celsius)


def test_above_the_high_limit_the_damper_stays_at_its_minimum_and_the_valve_stays_put() -> None:
    seen = _seen(outdoor=18.0, supply=18.05, room=22.5)
    controller = _settled(_seen(outdoor=18.0, supply=25.0, room=22.5), minutes=20)
    controller.step(15.0, np.array([True]), seen)
    before = _one(controller.cooling_command_fraction)
    assert _one(controller.damper_command_fraction) == 1
    controller.step(15.0, np.array([True]), seen._replace(outdoor_celsius=np.array([30.0])))
    assert _one(controller.damper_command_fraction) == pytest.approx(MINIMUM)
    assert _one(controller.cooling_command_fraction) == pytest.approx(before, abs=0.02)


def test_frost_shuts_the_damper_and_opens_the_heating() -> None:
    controller = _settled(_seen(outdoor=-10.0, mixed=2.0, supply=25.0), minutes=10)
    assert _one(controller.damper_command_fraction) == 0
    assert _one(controller.heating_command_fraction) >= 0.3


def test_a_lost_supply_sensor_holds_the_last_output() -> None:
    controller = _settled(_seen(supply=19.0, room=22.5), minutes=5)
    for _ in range(3):
        controller.step(15.0, np.array([True]), _seen(supply=np.nan, room=22.5))
        held = _one(controller.damper_command_fraction)
    for _ in range(100):
        controller.step(15.0, np.array([True]), _seen(supply=np.nan, room=22.5))
    assert _one(controller.damper_command_fraction) == held > MINIMUM


def test_nights_start_at_the_setback_and_stop_inside_of_it() -> None:
    controller = Controller(P)
    ran = []
    for room in (18.0, 15.9, 16.5, 17.4, 17.6, 16.5, 28.0, 29.1, 28.0, 27.4):
        controller.step(15.0, np.array([False]), _seen(room=room))
        ran.append(bool(controller.fan_on[0]))
    assert ran == [False, True, True, True, False, False, False, True, True, False]
    assert not controller.occupied[0]


def test_at_rest_nothing_is_commanded() -> None:
    controller = _settled(_seen(supply=25.0, room=22.0), scheduled=False, minutes=5)
    for command in (
        controller.damper_command_fraction,
        controller.heating_command_fraction,
        controller.cooling_command_fraction,
        controller.speed_command_fraction,
    ):
        assert _one(command) == 0


def test_the_fan_seeks_its_pressure() -> None:
    low, high = _settled(_seen(static=20.0)), _settled(_seen(static=400.0))
    assert _one(low.speed_command_fraction) == 1
    assert _one(high.speed_command_fraction) == pytest.approx(0.2)
