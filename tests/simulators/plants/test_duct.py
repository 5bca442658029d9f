"""Fan, filter and static pressure: the pressures add up, wear costs what it should, limits hold."""

from __future__ import annotations

import numpy as np
import pytest

from simulators.hvac.plants.air_handler_sizes import draw
from simulators.hvac.plants.duct import Draught, Parts, blow
from simulators.hvac.plants.surroundings import Surroundings

UNITS = 40
SIZES = draw(Surroundings(UNITS, "mixed", 4, seed=1), np.random.default_rng(1), single_zone_share=0.0)
HEALTHY = Parts(np.ones(UNITS), np.ones(UNITS), np.zeros(UNITS), np.zeros(UNITS), np.ones(UNITS, dtype=bool))
ON = np.ones(UNITS, dtype=bool)


def at(share: float, parts: Parts = HEALTHY) -> Draught:
    return blow(SIZES, ON, share * SIZES.design_flow, 0.6 * SIZES.static_maximum_pascals, parts)


def test_the_pressures_around_the_loop_add_up() -> None:
    s, air = SIZES, at(0.7)
    rise = s.fan_shutoff_pascals * air.rotation_fraction**2 - s.fan_curve * air.flow**2
    drop = air.filter_pascals + (s.coil_resistance + s.duct_resistance) * air.flow**2 + air.static_pascals
    assert np.allclose(rise, drop)
    assert np.allclose(air.static_pascals, 0.6 * s.static_maximum_pascals)
    # A reasonable fan: 0.7 to 2.5 W a l/s at 70 % flow, efficiency of the wire below 0.65.
    specific = air.power_watts / (1000 * air.flow)
    assert np.all((specific > 0.4) & (specific < 2.5))
    assert np.all(rise * air.flow < 0.65 * air.power_watts)


@pytest.mark.parametrize(
    ("parts", "dearer"),
    [
        (HEALTHY._replace(filter_load=np.full(UNITS, 4.0)), 1.1),
        (HEALTHY._replace(coil_load=np.full(UNITS, 2.0)), 1.05),
        (HEALTHY._replace(belt_slip_fraction=np.full(UNITS, 0.2)), 1.1),
        (HEALTHY._replace(friction=np.full(UNITS, 0.1)), 1.05),
    ],
)
def test_the_same_flow_costs_more_with_worn_parts(parts: Parts, dearer: float) -> None:
    healthy, worn = at(0.5), at(0.5, parts)
    assert np.allclose(worn.flow, healthy.flow)
    assert np.all(worn.power_watts > dearer * healthy.power_watts - 60)
    assert np.all(worn.speed_command_fraction >= healthy.speed_command_fraction - 1e-12)


def test_what_is_out_of_reach_runs_at_full_speed_with_less_flow() -> None:
    blocked = at(0.9, HEALTHY._replace(filter_load=np.full(UNITS, 400.0)))
    assert np.all(blocked.speed_command_fraction == 1)
    assert np.all(blocked.flow < 0.2 * SIZES.design_flow)
    torn = at(0.9, HEALTHY._replace(belt_slip_fraction=np.ones(UNITS)))
    assert np.all(torn.flow < 1e-3)
    assert np.all(torn.power_watts < 0.25 * SIZES.fan_design_shaft_watts)
    seized = at(0.9, HEALTHY._replace(turns=np.zeros(UNITS, dtype=bool)))
    assert np.all(seized.flow < 1e-3)
    assert np.allclose(seized.power_watts, SIZES.drive_standby_watts)


def test_a_fan_at_rest_moves_nothing() -> None:
    still = blow(SIZES, ~ON, 0.5 * SIZES.design_flow, SIZES.static_minimum_pascals, HEALTHY)
    assert not still.flow.any()
    assert not still.speed_command_fraction.any()
    assert np.allclose(still.power_watts, SIZES.drive_standby_watts)
