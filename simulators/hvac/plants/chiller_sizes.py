"""What makes each chiller, its tower, its loops and its building its own: drawn once and sized for the climate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.hvac.moist import Floats
from simulators.hvac.plants import building, cycle, refrigerant
from simulators.hvac.plants.building import Building
from simulators.hvac.plants.cycle import Machine
from simulators.hvac.plants.surroundings import Surroundings

ROOM_SETPOINT_CELSIUS = 24.0
_DESIGN_RISE_KELVIN = 6.0  # of the chilled water
_CONDENSER_RISE_KELVIN = 5.5


class Sizes(NamedTuple):
    """Of each chiller, its tower and its loops, shape (U,)."""

    design_watts: Floats
    water_rate: Floats  # W/K of chilled water at design flow
    coil_conductance: Floats
    evaporator_conductance: Floats
    water_capacity: Floats  # J/K
    head_pascals: Floats
    pump_watts: Floats
    condenser_rate: Floats
    condenser_conductance: Floats
    condenser_pump_watts: Floats
    tower_transfer_units: Floats
    tower_watts: Floats
    ventilation_flow: Floats  # kg/s of outdoor air
    standby_watts: Floats
    healthy_vibration: Floats
    hunting_seconds: Floats


def draw(surroundings: Surroundings, rng: np.random.Generator) -> tuple[Sizes, Building, Machine]:
    """Sizes for the climates of `surroundings`, buildings drawn evenly on a logarithmic scale."""
    units = surroundings.site.size

    def between(low: float, high: float) -> Floats:
        return rng.uniform(low, high, units)

    load = np.exp(between(np.log(180e3), np.log(900e3)))  # of the building on its warmest day
    design = load * between(1.1, 1.3)
    warm = np.maximum(surroundings.summer_celsius - ROOM_SETPOINT_CELSIUS, 5.0)
    water_rate = design / _DESIGN_RISE_KELVIN
    condenser_rate = 1.2 * design / _CONDENSER_RISE_KELVIN
    head = between(140e3, 200e3)
    one = np.ones(units)
    sizes = Sizes(
        design_watts=design,
        water_rate=water_rate,
        coil_conductance=water_rate * between(0.36, 0.42),
        evaporator_conductance=water_rate * between(1.4, 1.7),
        water_capacity=design * between(60, 90),
        head_pascals=head,
        pump_watts=head * water_rate / building.WATER_JOULES_PER_CUBIC_METER_KELVIN / between(0.6, 0.7),
        condenser_rate=condenser_rate,
        condenser_conductance=condenser_rate * between(1.2, 1.4),
        condenser_pump_watts=design * between(0.011, 0.016),
        tower_transfer_units=between(0.9, 1.05),
        tower_watts=design * between(0.010, 0.016),
        ventilation_flow=load * between(0.16, 0.26) / 38_000.0,
        standby_watts=between(200, 500),
        healthy_vibration=between(0.9, 1.6),
        hunting_seconds=between(900, 1600),
    )
    house = Building(
        envelope_conductance=load * between(0.10, 0.16) / warm,
        ventilation_conductance=np.zeros(units),  # comes with its vapour: Chillers sees to it
        capacity=load * between(0.010, 0.016) * 3600 * 40,
        base_gain_watts=load * between(0.08, 0.16),
        people_gain_watts=load * between(0.34, 0.44),
        solar_gain_watts=load * between(0.14, 0.24),
    )
    machine = Machine(
        refrigerant.load("R134a"),
        one,
        0.98 * one,
        between(0.70, 0.76),
        2.4 * one,
        0.04 * one,
        between(2.5, 4.0),
        between(4.5, 6.0),
        between(30, 36),
    )
    return sizes, house, machine._replace(swept_flow=cycle.swept_flow(machine, design, 4.2 * one, 37.5 * one))
