"""A vapour-compression cycle in its steady state, for many units at once: from what flows past its two coils and how fast
its compressor turns to pressures, temperatures, heat and power.

       hot side (condenser)                 compressor: swept volume x density x volumetric efficiency is the mass flow,
    3 ◀───────────────────── 2              isentropic work over isentropic efficiency the power
    │                        ▲
    ▼ expansion valve        │ compressor   expansion valve: holds the superheat as long as it gets enough liquid
    4 ─────────────────────▶ 1
       cold side (evaporator)               coils: a conductance each; superheating and subcooling take a share of it

Charge acts as in virtual charge sensors (Li and Braun): subcooling falls with what is missing; once none is left the valve
is fully open, starves, and superheat rises 2.5 kelvin for each kelvin of subcooling that would be missing. Superheating
takes evaporator surface (lower suction pressure, less capacity), subcooling takes condenser surface (higher head).

Sizes that the tests hold, for a rooftop unit at 35 celsius outdoors:
    charge 90 %   capacity -2 %, efficiency +1 %. Measured on a 3-ton unit: -3.5 % and +2 %, and "serious degradation" below
                  80 % (Goswami et al., IECEC 1997). A valve that holds the superheat hides it (Choi and Kim, Energy 2002)
    charge 70 %   capacity -13 %, efficiency -6 %, superheat 16 K, no subcooling; at 50 % capacity -27 %
    charge 120 %  condensing 4 K warmer, subcooling 13 K, power +8 %, efficiency -5 %. Measured with capillary tubes, 10 %
                  too much: efficiency -4 to -11 % (Home Energy, May/June 2002)
    condenser with 80 % of its conductance: condensing 3.5 K warmer, power +8 %, capacity -4 %
    compressor with 30 % leaking back: capacity -20 %, power -5 %, suction up, head down, discharge 5 K hotter
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.hvac.moist import (
    DRY_AIR_JOULES_PER_KILOGRAM_KELVIN,
    EVAPORATION_JOULES_PER_KILOGRAM,
    Floats,
    saturation_humidity_ratio,
)
from simulators.hvac.plants.refrigerant import (
    ZERO_CELSIUS_KELVIN,
    Refrigerant,
    Saturation,
    saturation,
    suction_density,
    superheat_kelvin,
)

# From the last solution this many passes bring the rest of m * q - Q below 1 %; from a cold guess twice as many do.
PASSES = 3
# Capacity of a compressor grows by about this share a kelvin of evaporating temperature: the slope of its Newton step.
_CAPACITY_PER_KELVIN = 0.035
_SUPERHEAT_PER_SUBCOOLING = 2.5
# Heat passes worse from dry vapour and from still liquid than from what boils or condenses.
_VAPOUR_CONDUCTANCE_FRACTION = 0.35
_LIQUID_CONDUCTANCE_FRACTION = 0.6
_SURFACE_FRACTION_MAX = 0.9
_LATENT_KELVIN = EVAPORATION_JOULES_PER_KILOGRAM / DRY_AIR_JOULES_PER_KILOGRAM_KELVIN


class Machine(NamedTuple):
    """A compressor and its charge; arrays of shape (U,)."""

    refrigerant: Refrigerant
    swept_flow: Floats  # m3/s at full speed
    volumetric_efficiency_fraction: Floats  # without pressure ratio; falls with it
    isentropic_efficiency_fraction: Floats  # at the best pressure ratio, motor included
    best_pressure_ratio: Floats
    shell_loss_fraction: Floats  # of the power, lost to the surroundings and not to the refrigerant
    superheat_kelvin: Floats  # that the valve holds
    subcooling_kelvin: Floats  # at full charge
    charge_kelvin: Floats  # subcooling that the whole charge would be worth: 1 % of charge is a hundredth of it


class Side(NamedTuple):
    """What a coil exchanges heat with, shape (U,). Of water or dry air: humidity ratio 0."""

    celsius: Floats  # entering
    humidity_ratio: Floats
    outer_conductance: Floats  # W/K between what enters and the surface
    inner_conductance: Floats  # W/K between surface and refrigerant


class Running(NamedTuple):
    """How the machine is driven and how far it is worn, shape (U,)."""

    speed_fraction: Floats  # above 0
    charge_fraction: Floats  # 1 is the right charge
    leak_fraction: Floats  # of the compressed vapour that slips back


class Guess(NamedTuple):
    """Where the solution is looked for, shape (U,): best the last one."""

    evaporating_celsius: Floats
    condensing_celsius: Floats
    surface_celsius: Floats  # of the cold coil


class Cycle(NamedTuple):
    """The solution, shape (U,)."""

    evaporating_celsius: Floats
    condensing_celsius: Floats
    surface_celsius: Floats
    suction_pascals: Floats  # absolute
    discharge_pascals: Floats
    suction_celsius: Floats
    discharge_celsius: Floats
    liquid_celsius: Floats
    superheat_kelvin: Floats
    subcooling_kelvin: Floats
    mass_flow: Floats  # kg/s
    cooling_watts: Floats  # taken up on the cold side
    heating_watts: Floats  # given off on the hot side
    power_watts: Floats
    moisture_flow: Floats  # kg/s of water that stays on the cold coil

    @property
    def guess(self) -> Guess:
        """Where the next solution is looked for."""
        return Guess(self.evaporating_celsius, self.condensing_celsius, self.surface_celsius)


class _Approach(NamedTuple):
    reached_fraction: Floats
    transfer_units: Floats
    steepness: Floats  # of the transfer units, for a change of the wanted fraction in proportion


class _Compression(NamedTuple):
    mass_flow: Floats
    power_watts: Floats
    capacity_watts: Floats  # mass flow times the difference of enthalpy in the evaporator
    delivered_enthalpy: Floats


def first_guess(cold: Side, hot: Side) -> Guess:
    """For a machine that has not run yet."""
    return Guess(cold.celsius - 15.0, hot.celsius + 12.0, cold.celsius - 9.0)


def solve(machine: Machine, cold: Side, hot: Side, running: Running, guess: Guess, passes: int = PASSES) -> Cycle:
    """The steady state in which both coils, the compressor and the valve agree.

    Args:
        machine: Compressor and charge.
        cold: What the evaporator cools.
        hot: What the condenser warms.
        running: Speed, charge, wear.
        guess: Starting point; the last solution makes it cheap.
        passes: Fixed-point passes, the same for all units.

    Returns:
        The cycle. Heat on the hot side is heat on the cold side plus the power that reaches the refrigerant, exactly;
        mass flow times difference of enthalpy agrees with the heat to about 1 %.
    """
    substance = machine.refrigerant
    evaporating, condensing, surface = guess
    # What the charge would do to the subcooling if the condenser could give any; below 0 the valve starves instead.
    wanted = machine.subcooling_kelvin + machine.charge_kelvin * (running.charge_fraction - 1.0)
    enough = np.maximum(wanted, 0.0)
    starving_superheat = machine.superheat_kelvin + _SUPERHEAT_PER_SUBCOOLING * np.maximum(-wanted, 0.0)
    cold_conductance = _joined(cold.outer_conductance, cold.inner_conductance)
    hot_conductance = _joined(hot.outer_conductance, hot.inner_conductance)
    for _ in range(passes):
        low, high = saturation(substance, evaporating), saturation(substance, condensing)
        drive = np.maximum(cold.celsius - evaporating, 0.5)
        rejection = np.maximum(condensing - hot.celsius, 0.5)
        heated, cooled = _approach(starving_superheat / drive), _approach(enough / rejection)
        superheat, subcooling = heated.reached_fraction * drive, cooled.reached_fraction * rejection
        done = _compress(machine, running, (evaporating, low, superheat), (condensing, high, subcooling))

        # Both temperatures take a step of Newton's. Warmer refrigerant in the cold coil takes up less heat, needs more of
        # the surface to superheat, and is pumped faster.
        vapour = done.mass_flow * low.suction_heat_capacity / (_VAPOUR_CONDUCTANCE_FRACTION * cold_conductance)
        boiling = 1.0 - np.minimum(vapour * heated.transfer_units, _SURFACE_FRACTION_MAX)
        inner = cold.inner_conductance * boiling
        outer, equivalent = _air_as_line(cold, surface)
        conductance = _joined(outer * boiling, inner)
        taken = np.maximum(conductance * (equivalent - evaporating), 0.0)
        slope = conductance + taken * vapour * heated.steepness / (drive * boiling)
        slope += _CAPACITY_PER_KELVIN * done.capacity_watts
        # Never more than half of the way to what is cooled: there the surface for superheat grows without bound.
        step = np.minimum((taken - done.capacity_watts) / slope, 0.5 * drive)
        evaporating = np.maximum(evaporating + step, substance.first_celsius)
        cooling = np.maximum(conductance * (equivalent - evaporating), 0.0)
        surface = evaporating + cooling / inner

        liquid = done.mass_flow * high.liquid_heat_capacity / (_LIQUID_CONDUCTANCE_FRACTION * hot_conductance)
        condensing_share = 1.0 - np.minimum(liquid * cooled.transfer_units, _SURFACE_FRACTION_MAX)
        heating = cooling + done.power_watts * (1.0 - machine.shell_loss_fraction)
        given = hot_conductance * condensing_share * rejection
        slope = hot_conductance * (condensing_share + liquid * cooled.steepness)
        condensing = np.minimum(hot.celsius + rejection + (heating - given) / slope, substance.last_celsius)
    low, high = saturation(substance, evaporating), saturation(substance, condensing)
    dried = np.maximum(cold.humidity_ratio - saturation_humidity_ratio(surface), 0.0)
    return Cycle(
        evaporating,
        condensing,
        surface,
        np.exp(low.log_pressure),
        np.exp(high.log_pressure),
        evaporating + superheat,
        condensing + superheat_kelvin(high, done.delivered_enthalpy - high.vapour_enthalpy),
        condensing - subcooling,
        superheat,
        subcooling,
        done.mass_flow,
        cooling,
        heating,
        done.power_watts,
        cold.outer_conductance * boiling * dried / DRY_AIR_JOULES_PER_KILOGRAM_KELVIN,
    )


def swept_flow(
    machine: Machine, capacity_watts: Floats, evaporating_celsius: Floats, condensing_celsius: Floats
) -> Floats:
    """Swept volume (m3/s) that gives a capacity at full charge and speed, whatever `machine.swept_flow` says."""
    one = np.ones_like(capacity_watts)
    substance = machine.refrigerant
    low, high = saturation(substance, evaporating_celsius), saturation(substance, condensing_celsius)
    done = _compress(
        machine._replace(swept_flow=one),
        Running(one, one, 0 * one),
        (evaporating_celsius, low, machine.superheat_kelvin),
        (condensing_celsius, high, machine.subcooling_kelvin),
    )
    return capacity_watts / done.capacity_watts


def _compress(
    machine: Machine,
    running: Running,
    suction: tuple[Floats, Saturation, Floats],
    liquid: tuple[Floats, Saturation, Floats],
) -> _Compression:
    """What the compressor moves and takes between two saturation temperatures, with superheat and subcooling."""
    evaporating, low, superheat = suction
    condensing, high, subcooling = liquid
    # Ratios beyond 20 are met only in the moment before a cut-out; nothing is measured there.
    log_ratio = np.clip(high.log_pressure - low.log_pressure, 0.05, 3.0)
    filled = machine.volumetric_efficiency_fraction - 0.02 * np.exp(log_ratio)
    swept = machine.swept_flow * running.speed_fraction * suction_density(low, evaporating, superheat) * filled
    kelvin = evaporating + ZERO_CELSIUS_KELVIN
    enthalpy = low.vapour_enthalpy + low.suction_heat_capacity * superheat
    entropy = low.vapour_entropy + low.suction_heat_capacity * np.log1p(superheat / kelvin)
    # Isentropic: the vapour leaves with the entropy it came with, so far above saturation at the higher pressure.
    hot_kelvin = condensing + ZERO_CELSIUS_KELVIN
    above = hot_kelvin * np.expm1((entropy - high.vapour_entropy) / high.discharge_heat_capacity)
    work = np.maximum(high.vapour_enthalpy + high.discharge_heat_capacity * above - enthalpy, 1000.0)
    off_best = log_ratio - np.log(machine.best_pressure_ratio)
    efficiency = machine.isentropic_efficiency_fraction * np.maximum(1.0 - 0.35 * off_best * off_best, 0.4)
    # Vapour that slips back is compressed again: power stays, delivery falls.
    power = swept * work / efficiency
    delivered = swept * (1.0 - running.leak_fraction)
    heated = power * (1.0 - machine.shell_loss_fraction)
    entering = high.liquid_enthalpy - high.liquid_heat_capacity * subcooling
    return _Compression(delivered, power, delivered * (enthalpy - entering), enthalpy + heated / delivered)


def _air_as_line(cold: Side, surface_celsius: Floats) -> tuple[Floats, Floats]:
    """Heat that the air gives, as a line through its value at this surface temperature (Newton's step).

    Vapour condenses on a surface below the dew point and gives its heat beside that of the cooling air; both fall when the
    surface gets warmer.

    Returns:
        Conductance (W/K) and the temperature of dry air that would give the same heat through it.
    """
    held = saturation_humidity_ratio(surface_celsius)
    excess = cold.humidity_ratio - held
    # Derivative of the Magnus formula over its value.
    steepness = held * 4283.5 / (surface_celsius + 243.04) ** 2
    slope = 1.0 + np.where(excess > 0, _LATENT_KELVIN * steepness, 0.0)
    heat_kelvin = cold.celsius - surface_celsius + _LATENT_KELVIN * np.maximum(excess, 0.0)
    return cold.outer_conductance * slope, surface_celsius + heat_kelvin / slope


def _approach(wanted_fraction: Floats) -> _Approach:
    """How near a stream comes to what heats or cools it, and what that takes, for how near it should come.

    Up to 0.6 it comes as near as it should. Beyond, the last of the way is never done: transfer units go on in a straight
    line, so that what is missing of the charge always takes more surface.
    """
    near = np.minimum(wanted_fraction, 0.6)
    transfer_units = -np.log1p(-near) + 2.5 * (wanted_fraction - near)
    return _Approach(-np.expm1(-transfer_units), transfer_units, wanted_fraction / (1.0 - near))


def _joined(outer: Floats, inner: Floats) -> Floats:
    """Two conductances one behind the other."""
    return outer * inner / (outer + inner)
