"""The plant as others use it: shapes, determinism, balances of heat and vapour, and a day that looks like a day."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from models.contracts.points import AHU_POINTS, POINTS
from simulators.hvac.faults import FAMILIES
from simulators.hvac.moist import saturation_humidity_ratio
from simulators.hvac.sensors import COLUMN
from simulators.hvac.weather import CLIMATES, Weather, calendar
from simulators.hvac.world import Fleet, WorldError, run

START_AT_MS = 1_778_581_800_000  # Tuesday 2026-05-12, 10:30
HOUR_MS = 3_600_000


def test_run_gives_every_point_within_its_plausible_range() -> None:
    fleet = Fleet(4, seed=1, start_at_ms=START_AT_MS, climate="mixed", sites=4, warmup_hours=2)
    measured_at_ms, values = run(fleet, 60, 60.0)
    assert values.shape == (60, 4, len(AHU_POINTS))
    assert values.dtype == np.float32
    assert list(np.diff(measured_at_ms)) == [60_000] * 59
    assert measured_at_ms[0] == START_AT_MS + 60_000
    for column, name in enumerate(AHU_POINTS):
        point = POINTS[name]
        assert np.all((values[..., column] >= point.low) & (values[..., column] <= point.high)), name
    assert set(fleet.truth) == set(FAMILIES)
    assert np.all(fleet.failed_at_ms == -1)


def test_equal_seed_equal_values() -> None:
    runs = [run(Fleet(3, seed=5, start_at_ms=START_AT_MS, warmup_hours=1), 20, 30.0)[1] for _ in range(2)]
    other = run(Fleet(3, seed=6, start_at_ms=START_AT_MS, warmup_hours=1), 20, 30.0)[1]
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], other)


def test_reading_twice_changes_nothing() -> None:
    fleet = Fleet(2, seed=5, start_at_ms=START_AT_MS, warmup_hours=1)
    first = fleet.points()
    first[:] = 0
    assert np.array_equal(fleet.points(), fleet.points())
    assert fleet.points().any()


def test_the_heat_of_the_zone_adds_up_over_an_afternoon() -> None:
    fleet = Fleet(3, seed=2, start_at_ms=START_AT_MS, warmup_hours=1)
    p, dt = fleet.parameters, 15.0
    before = fleet.zone
    joules = np.zeros((4, 3))
    for _ in range(240):
        fleet.step(dt)
        assert fleet.last is not None
        joules += np.array(fleet.last.zone_heat) * dt
    supplied, outdoor, mass, gained = joules
    stored = p.zone_air_capacity * (fleet.zone.celsius - before.celsius)
    assert np.allclose(stored, supplied + outdoor + mass + gained, atol=1e-6 * np.abs(gained).max())
    in_mass = p.zone_mass_capacity * (fleet.zone.mass_celsius - before.mass_celsius)
    assert np.allclose(in_mass, -mass, atol=1e-6 * np.abs(gained).max())
    assert np.all(gained > 0)
    assert np.all(supplied < 0)


def test_supply_air_is_mixed_air_and_the_heats_of_coils_and_fan() -> None:
    fleet = Fleet(6, seed=3, start_at_ms=START_AT_MS, warmup_hours=1, climate="mixed", sites=4)
    for _ in range(40):
        fleet.step(15.0)
        last = fleet.last
        assert last is not None
        rate = last.draught.mass_flow * (1006 + 1860 * last.mixed.humidity_ratio)
        given = last.heating.air_heat_watts + last.cooling.air_heat_watts + last.draught.heat_watts
        assert np.allclose(rate * (last.supply.celsius - last.mixed.celsius), given, rtol=0.01, atol=20)
        vapour = last.mixed.humidity_ratio - last.supply.humidity_ratio
        assert np.allclose(last.draught.mass_flow * vapour * 2_501_000, last.cooling.latent_heat_watts, atol=1e-3)


@pytest.fixture(scope="module")
def days() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Eight units on four sites from a Thursday evening to Saturday morning, a sample a minute."""
    start_at_ms = START_AT_MS + 57 * HOUR_MS
    return run(Fleet(8, seed=11, start_at_ms=start_at_ms, climate="mixed", sites=4, warmup_hours=6), 38 * 60, 60.0)


def _hours(measured_at_ms: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    times = [calendar(int(at)) for at in measured_at_ms]
    return np.array([now.hour for now in times]), np.array([now.weekday < 5 for now in times])


def test_controls_hold_their_setpoints_when_settled(
    days: tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]],
) -> None:
    measured_at_ms, values = days
    hour, working = _hours(measured_at_ms)
    settled = working & (hour > 10) & (hour < 17)
    rows = values[settled]
    supply = rows[..., COLUMN["supply_air_temperature"]] - rows[..., COLUMN["supply_air_temperature_setpoint"]]
    free = (rows[..., COLUMN["cooling_valve_command"]] < 0.99) & (rows[..., COLUMN["heating_valve_command"]] < 0.99)
    assert np.mean(np.abs(supply[free]) < 1.0) > 0.95
    static = rows[..., COLUMN["supply_air_static_pressure"]]
    wanted = rows[..., COLUMN["supply_air_static_pressure_setpoint"]]
    assert np.mean(np.abs(static / wanted - 1) < 0.08) > 0.97
    zone = rows[..., COLUMN["zone_air_temperature"]]
    high = rows[..., COLUMN["zone_air_cooling_temperature_setpoint"]] + 1.0
    low = rows[..., COLUMN["zone_air_heating_temperature_setpoint"]] - 1.0
    assert np.mean((zone < high) & (zone > low)) > 0.97


def test_no_loop_hunts(days: tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]) -> None:
    measured_at_ms, values = days
    hour, working = _hours(measured_at_ms)
    settled = working & (hour > 11) & (hour < 16)
    for point in ("heating_valve_command", "cooling_valve_command", "supply_fan_speed_command"):
        moves = np.abs(np.diff(values[settled][..., COLUMN[point]], axis=0))
        assert np.mean(moves < 0.05) > 0.97, point


def test_valves_take_turns_and_the_damper_keeps_its_minimum(
    days: tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]],
) -> None:
    _, values = days
    heating, cooling = values[..., COLUMN["heating_valve_command"]], values[..., COLUMN["cooling_valve_command"]]
    assert not np.any((heating > 0.01) & (cooling > 0.01))
    occupied = values[..., COLUMN["occupancy"]] > 0
    damper = values[..., COLUMN["outdoor_air_damper_command"]]
    mixed = values[..., COLUMN["mixed_air_temperature"]]
    assert np.all(damper[occupied & (mixed > 5)] >= 0.149)
    warm = values[..., COLUMN["outdoor_air_temperature"]] > 25
    assert np.all(damper[warm] <= 0.251)
    free = occupied & (cooling > 0.02) & (values[..., COLUMN["outdoor_air_temperature"]] < 19)
    assert free.any()
    assert np.mean(damper[free] > 0.99) > 0.95


def test_nights_and_weekends_rest(days: tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]) -> None:
    measured_at_ms, values = days
    hour, working = _hours(measured_at_ms)
    on = values[..., COLUMN["supply_fan_status"]]
    assert on[working & (hour > 8) & (hour < 17)].all()
    assert not values[~working][..., COLUMN["occupancy"]].any()
    night = ~working | (hour < 5) | (hour > 21)
    assert on[night].mean() < 0.35
    off = values[on == 0]
    assert np.mean(off[..., COLUMN["supply_air_flow"]] < 0.1) > 0.99  # it runs down for a minute
    for point in ("heating_valve_command", "cooling_valve_command", "outdoor_air_damper_command"):
        assert not off[..., COLUMN[point]].any()


def test_days_are_warmer_than_nights_and_july_than_january() -> None:
    def outdoors(midnight_ms: int) -> npt.NDArray[np.float64]:
        weather = Weather(list(CLIMATES.values()), np.random.default_rng(4))
        hours = []
        for hour in range(24):
            weather.step(3600.0, midnight_ms + hour * HOUR_MS)
            assert np.all(weather.outdoor_humidity_ratio <= saturation_humidity_ratio(weather.outdoor_celsius))
            assert np.all(weather.sun_fraction >= 0)
            assert hour not in (0, 1, 2, 22, 23) or not weather.sun_fraction.any()
            hours.append(weather.outdoor_celsius)
        return np.array(hours)

    january, july = outdoors(1_768_348_800_000), outdoors(1_783_987_200_000)  # the 14th, 2026
    assert np.all(july.mean(axis=0) > january.mean(axis=0))
    assert np.all(july[13:17].mean(axis=0) > july[2:6].mean(axis=0) + 2)


def test_the_calendar_knows_the_weekday() -> None:
    now = calendar(START_AT_MS)
    assert (now.hour, now.weekday) == (10.5, 1)
    assert now.year_day == pytest.approx(131.4, abs=1)


def test_a_fleet_without_units_or_in_no_climate_is_refused() -> None:
    with pytest.raises(WorldError, match="expected at least 1"):
        Fleet(0, seed=1, start_at_ms=0)
    with pytest.raises(WorldError, match="climate 'tropic' is not known; expected mixed or one of temperate"):
        Fleet(1, seed=1, start_at_ms=0, climate="tropic")
