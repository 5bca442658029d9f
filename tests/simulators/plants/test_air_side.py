"""Air handlers, fan coils and VAV boxes: any step tells the same day, heat adds up, days look like days, and each fault
changes what it should."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from models.contracts.equipment import EQUIPMENT
from simulators.hvac.moist import enthalpy_joules_per_kilogram
from simulators.hvac.plants.air_handler import AirHandlers
from simulators.hvac.plants.faults import FaultPlan
from simulators.hvac.plants.plant import make
from tests.simulators.plants.days import SPRING_AT_MS, SUMMER_AT_MS, WINTER_AT_MS, Day, day, healthy

AIR_SIDE = ("ahu", "fan_coil", "vav_box")


# What a step may change: mean difference over the hours of warm-up and start, the hardest of the day, in the points' units;
# 6 % of heat and cold, 10 % of the fans' power. Over whole days both stay within 1 %.
STEP_TOLERANCE = {
    "zone_air_temperature": 0.1,
    "supply_air_temperature": 0.6,
    "terminal_discharge_air_temperature": 0.6,
    "outdoor_air_damper_command": 0.04,
    "heating_valve_command": 0.04,
    "cooling_valve_command": 0.04,
    "zone_damper_command": 0.04,
    "reheat_valve_command": 0.04,
    "supply_fan_speed_command": 0.02,
}


@pytest.mark.parametrize(
    ("equipment", "at_ms"), [(kind, at) for kind in AIR_SIDE for at in (WINTER_AT_MS, SUMMER_AT_MS)]
)
def test_the_same_day_at_15_60_and_300_seconds(equipment: str, at_ms: int) -> None:
    days = {dt: day(equipment, at_ms, dt_seconds=dt, from_hour=5, hours=5) for dt in (15.0, 60.0, 300.0)}
    points = EQUIPMENT[equipment].simulated
    fine = days[15.0]
    for dt in (60.0, 300.0):
        apart = np.abs(days[dt].values[int(300 / dt) - 1 :: int(300 / dt)] - fine.values[19::20]).mean(axis=(0, 1))
        for point, tolerance in STEP_TOLERANCE.items():
            if point in points:
                # Noise of two sensors adds about 0.1.
                assert apart[points.index(point)] < tolerance + 0.12 * point.endswith("temperature"), (dt, point)
        for meter in ("electricity", "hot_water", "chilled_water"):
            most = max(fine.joules("hot_water") + fine.joules("chilled_water"), 1.0)
            slack = 0.1 * fine.joules(meter) if meter == "electricity" else 0.06 * most
            assert days[dt].joules(meter) == pytest.approx(fine.joules(meter), abs=slack), (dt, meter)


def test_the_heat_along_an_air_handler_adds_up() -> None:
    plant = make("ahu", 12, 2, SUMMER_AT_MS, use="hotel", warmup_hours=6)
    machine = plant.machine
    assert isinstance(machine, AirHandlers)
    for _ in range(24):
        before = machine.rooms.celsius.copy(), machine.rooms.mass_celsius.copy()
        plant.step(300)
        p = machine.passage
        # Mixing box and coils: enthalpy that goes in and comes out.
        assert np.all((p.outdoor_fraction >= 0) & (p.outdoor_fraction <= 1))
        mixed = enthalpy_joules_per_kilogram(p.mixed_celsius, p.mixed_humidity_ratio)
        behind = enthalpy_joules_per_kilogram(p.cooling.celsius, p.cooling.humidity_ratio)
        given = p.heating.heat_watts + p.cooling.heat_watts
        assert np.allclose(p.mass_flow * (behind - mixed), given, rtol=0.03, atol=60.0)
        assert np.allclose(p.rate * p.fan_rise_kelvin, machine.draught.heat_watts, rtol=0.01, atol=1.0)
        # Rooms: what is stored came with the air, through the walls, or from people and sun.
        s, rooms = machine.sizes.rooms, machine.rooms
        stored = s.air_capacity * (rooms.celsius - before[0]) + s.mass_capacity * (rooms.mass_celsius - before[1])
        rest = stored - 300 * (rooms.gain_watts - rooms.outward_watts)
        supplied = (
            300 * machine.zone_rate * (p.supply_celsius + machine.reheat_kelvin - (rooms.celsius + before[0]) / 2)
        )
        used = machine.sizes.share > 0
        assert np.abs((rest - supplied)[used]).max() < 0.1 * np.abs(stored).max() + 20_000


def test_a_working_day_of_air_handlers_looks_like_one() -> None:
    winter, spring, summer = (healthy("ahu", at) for at in (WINTER_AT_MS, SPRING_AT_MS, SUMMER_AT_MS))
    for seen in (winter, spring, summer):
        occupied = seen.values[..., EQUIPMENT["ahu"].simulated.index("occupancy")] > 0
        assert 20.0 < seen.mean("zone_air_temperature", occupied) < 25.0
        lost = seen.plant.uncomfortable_hours.sum() / seen.plant.occupied_hours.sum()
        assert lost < 0.06
        assert 0.2 < seen.mean("supply_fan_speed_command", occupied) < 0.9
        assert 12.0 < seen.mean("supply_air_temperature", occupied) < 24.0
    assert 12.0 < summer.mean("supply_air_temperature") < 16.0
    assert summer.mean("cooling_valve_command") > 0.3
    assert summer.joules("hot_water") < 0.05 * summer.joules("chilled_water")
    assert winter.joules("hot_water") > 10 * summer.joules("hot_water")
    assert spring.joules("chilled_water") < summer.joules("chilled_water")
    # The economizer works in spring, and closes to its minimum on a summer's day.
    assert spring.mean("outdoor_air_damper_command") > 1.2 * summer.mean("outdoor_air_damper_command")


# Fault, day, position or direction, and what must rise or fall while the units run.
SIGNATURES: list[tuple[str, str, int, dict[str, object], str, str]] = [
    ("ahu", "damper_stuck", WINTER_AT_MS, {"position_fraction": 1.0}, "mixed_air_temperature", "-"),
    ("ahu", "damper_stuck", WINTER_AT_MS, {"position_fraction": 1.0}, "hot_water", "+"),
    ("ahu", "damper_stuck", WINTER_AT_MS, {"position_fraction": 0.0}, "mixed_air_temperature", "+"),
    ("ahu", "heating_valve_leaking", SUMMER_AT_MS, {}, "hot_water_return_temperature", "+"),
    ("ahu", "heating_valve_leaking", SUMMER_AT_MS, {}, "chilled_water", "+"),
    ("ahu", "filter_fouled", SUMMER_AT_MS, {}, "filter_differential_pressure", "+"),
    ("ahu", "filter_fouled", SUMMER_AT_MS, {}, "electricity", "+"),
    ("ahu", "supply_air_sensor_drift", SUMMER_AT_MS, {"direction": 1}, "cooling_valve_command", "+"),
    ("ahu", "supply_air_sensor_drift", SUMMER_AT_MS, {"direction": 1}, "chilled_water_return_temperature", "-"),
    ("ahu", "supply_air_sensor_drift", SUMMER_AT_MS, {"direction": -1}, "supply_fan_power", "+"),
    ("ahu", "fan_belt_worn", SUMMER_AT_MS, {}, "supply_fan_speed_command", "+"),
    ("ahu", "fan_belt_worn", SUMMER_AT_MS, {}, "supply_fan_vibration_velocity", "+"),
    ("ahu", "cooling_capacity_low", SUMMER_AT_MS, {}, "chilled_water_supply_temperature", "+"),
    ("ahu", "cooling_capacity_low", SUMMER_AT_MS, {}, "supply_air_temperature", "+"),
    ("ahu", "cooling_valve_leaking", WINTER_AT_MS, {}, "heating_valve_command", "+"),
    ("ahu", "cooling_valve_leaking", WINTER_AT_MS, {}, "chilled_water", "+"),
    ("ahu", "damper_leaking", WINTER_AT_MS, {}, "mixed_air_temperature", "-"),
    ("ahu", "coil_fouled", SUMMER_AT_MS, {}, "cooling_valve_command", "+"),
    ("ahu", "coil_fouled", SUMMER_AT_MS, {}, "supply_fan_power", "+"),
    ("ahu", "fan_bearing_worn", SPRING_AT_MS, {}, "supply_fan_vibration_velocity", "+"),
    ("ahu", "schedule_wrong", WINTER_AT_MS, {"direction": 1}, "hot_water", "+"),
    ("ahu", "simultaneous_heating_cooling", SUMMER_AT_MS, {}, "heating_valve_command", "+"),
    ("ahu", "simultaneous_heating_cooling", SUMMER_AT_MS, {}, "chilled_water", "+"),
    ("ahu", "sensor_fault", SUMMER_AT_MS, {"point": "zone_air_temperature"}, "chilled_water", "+"),
    ("fan_coil", "heating_valve_leaking", SUMMER_AT_MS, {}, "cooling_valve_command", "+"),
    ("fan_coil", "cooling_valve_stuck", SUMMER_AT_MS, {"position_fraction": 0.0}, "zone_air_temperature", "+"),
    ("fan_coil", "cooling_valve_stuck", WINTER_AT_MS, {"position_fraction": 1.0}, "heating_valve_command", "+"),
    ("fan_coil", "filter_fouled", SUMMER_AT_MS, {}, "supply_air_flow", "-"),
    ("fan_coil", "filter_fouled", SUMMER_AT_MS, {}, "filter_differential_pressure", "+"),
    ("fan_coil", "coil_fouled", SUMMER_AT_MS, {}, "cooling_valve_command", "+"),
    ("fan_coil", "fan_bearing_worn", SUMMER_AT_MS, {}, "supply_air_flow", "-"),
    ("fan_coil", "zone_air_sensor_drift", SUMMER_AT_MS, {"direction": 1}, "chilled_water", "+"),
    ("fan_coil", "zone_air_sensor_drift", SUMMER_AT_MS, {"direction": 1}, "return_air_temperature", "-"),
    ("fan_coil", "simultaneous_heating_cooling", SUMMER_AT_MS, {}, "hot_water", "+"),
    ("fan_coil", "cooling_valve_leaking", WINTER_AT_MS, {}, "hot_water", "+"),
    ("vav_box", "damper_stuck", SUMMER_AT_MS, {"position_fraction": 0.0}, "zone_air_flow", "-"),
    ("vav_box", "damper_stuck", SUMMER_AT_MS, {"position_fraction": 0.0}, "zone_damper_command", "+"),
    ("vav_box", "reheat_valve_leaking", SUMMER_AT_MS, {}, "terminal_discharge_air_temperature", "+"),
    ("vav_box", "reheat_valve_stuck", SUMMER_AT_MS, {"position_fraction": 1.0}, "zone_air_flow", "+"),
    ("vav_box", "reheat_valve_stuck", WINTER_AT_MS, {"position_fraction": 0.0}, "terminal_discharge_air_temperature", "-"),
    ("vav_box", "air_flow_sensor_drift", SUMMER_AT_MS, {"direction": 1}, "zone_damper_command", "-"),
    ("vav_box", "zone_air_sensor_drift", SUMMER_AT_MS, {"direction": 1}, "zone_air_flow", "+"),
    ("vav_box", "simultaneous_heating_cooling", SUMMER_AT_MS, {}, "reheat_valve_command", "+"),
    ("vav_box", "schedule_wrong", WINTER_AT_MS, {"direction": 1}, "electricity", "+"),
]  # fmt: skip


@pytest.mark.parametrize(("equipment", "family", "at_ms", "plan", "sign", "way"), SIGNATURES)
def test_a_fault_changes_what_it_should(
    equipment: str, family: str, at_ms: int, plan: dict[str, object], sign: str, way: str
) -> None:
    hours = 16.0 if family == "schedule_wrong" else 12.0
    sound = healthy(equipment, at_ms, hours)
    sick = _sick(equipment, family, at_ms, tuple(sorted(plan.items())), hours)
    if sign in sick.plant.meters:
        before, after = sound.joules(sign), sick.joules(sign)
        least = 0.01 * (sound.joules("hot_water") + sound.joules("chilled_water"))
        least = 0.02 * before if sign == "electricity" else least
    else:
        before, after = (seen.mean(sign, sound.running) for seen in (sound, sick))
        least = 0.3 if sign.endswith("temperature") else 0.05 * abs(before)
        least = 0.01 if sign.endswith("command") else least
    moved = after - before if way == "+" else before - after
    assert moved > least, f"{sign}: {before:.3g} with sound units, {after:.3g} with {family}"


_days: dict[object, Day] = {}


def _sick(equipment: str, family: str, at_ms: int, plan: tuple[tuple[str, object], ...], hours: float) -> Day:
    key = (equipment, family, at_ms, plan)
    if key not in _days:
        _days[key] = day(equipment, at_ms, family, hours=hours, **dict(plan))  # type: ignore[arg-type]
    return _days[key]


@pytest.mark.parametrize(
    ("equipment", "point"),
    [("ahu", "cooling_valve_command"), ("fan_coil", "cooling_valve_command"), ("vav_box", "zone_damper_command")],
)
def test_a_hunting_loop_swings(equipment: str, point: str) -> None:
    sound, sick = healthy(equipment, SUMMER_AT_MS), day(equipment, SUMMER_AT_MS, "control_hunting", 0.9)
    column = EQUIPMENT[equipment].simulated.index(point)
    swings = [np.abs(np.diff(seen.values[..., column], axis=0))[sound.running[1:]].mean() for seen in (sound, sick)]
    assert swings[1] > 2 * swings[0]


def test_a_freezing_coil_stops_the_fan_and_opens_the_valve() -> None:
    """The damper stuck open in deep cold, and hot water that hardly comes: the freezestat trips."""
    at_ms = WINTER_AT_MS + 10 * 3_600_000
    plans = [FaultPlan(unit, "damper_stuck", 0, 0.9, position_fraction=1.0) for unit in range(4)]
    plant = make("ahu", 4, 5, at_ms, plans, climate="cold", sites=4, use="hotel", warmup_hours=2)
    machine = plant.machine
    assert isinstance(machine, AirHandlers)
    heating = machine.sizes.heating
    weak = heating._replace(water_rate=0.02 * heating.water_rate)
    machine.path.sizes = dataclasses.replace(machine.sizes, heating=weak)
    points = EQUIPMENT["ahu"].simulated
    status, valve = points.index("supply_fan_status"), points.index("heating_valve_command")
    for _ in range(6):
        plant.step(300)
    read = plant.points()
    icy = read[:, points.index("outdoor_air_temperature")] < -2
    assert icy.sum() >= 2
    assert not read[icy, status].any()
    assert np.all(read[icy, valve] > 0.9)
    assert np.all(machine.path.frozen_seconds[icy] > 0)


def test_a_lost_supply_sensor_leaves_the_loop_where_it_was() -> None:
    plant = make("ahu", 4, 1, SUMMER_AT_MS + 10 * 3_600_000, use="office", climate="hot_dry", warmup_hours=3)
    machine = plant.machine
    assert isinstance(machine, AirHandlers)
    plant.step(300)
    before = machine.path.cooling_valve.copy()
    for unit in range(4):
        plant.plant(FaultPlan(unit, "supply_air_sensor_drift", 0, 1.0))
    for _ in range(12):
        plant.step(300)
    assert np.array_equal(machine.path.cooling_valve, before)
    assert np.isnan(plant.points()[:, EQUIPMENT["ahu"].simulated.index("supply_air_temperature")]).all()
