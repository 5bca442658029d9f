"""Sensors: what they feel lags behind what passes, and what they tell has offset, noise and resolution."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from models.contracts.points import AHU_POINTS
from simulators.hvac import parameters, sensors
from simulators.hvac.moist import Floats
from simulators.hvac.sensors import COLUMN, SENSORS

UNITS = 3
P = parameters.draw(UNITS, np.random.default_rng(9))


def _true(value: float = 20.0) -> Floats:
    return np.full((UNITS, len(AHU_POINTS)), value)


def _readings(true: Floats, seed: int = 1, count: int = 2000) -> npt.NDArray[np.float32]:
    rng, offsets = np.random.default_rng(seed), np.zeros_like(true)
    return np.array([sensors.read(true, offsets, rng) for _ in range(count)])


def test_noise_is_as_wide_as_the_table_says_and_has_no_bias() -> None:
    found = _readings(_true())
    for point in ("supply_air_temperature", "mixed_air_temperature", "supply_air_static_pressure"):
        row, column = SENSORS[point], found[..., COLUMN[point]]
        spread = np.hypot(row.noise + row.noise_fraction * 20, row.resolution / np.sqrt(12))
        assert column.std() == pytest.approx(spread, rel=0.1), point
        assert column.mean() == pytest.approx(20, abs=0.05), point
    for point in ("supply_fan_status", "occupancy", "outdoor_air_damper_command"):
        assert np.all(found[..., COLUMN[point]] == 20), point


def test_values_come_in_steps_of_the_converter() -> None:
    found = _readings(_true(), count=50).astype(np.float64)
    for point, row in SENSORS.items():
        if row.resolution:
            steps = found[..., COLUMN[point]] / row.resolution
            assert np.allclose(steps, np.round(steps), atol=1e-3), point


def test_offsets_stay_within_two_spreads_and_belong_to_the_unit() -> None:
    offsets = sensors.draw_offsets(500, np.random.default_rng(3))
    for point, column in COLUMN.items():
        assert np.all(np.abs(offsets[:, column]) <= 2 * SENSORS.get(point, sensors.Sensor()).offset + 1e-12)
    assert offsets[:, COLUMN["supply_air_temperature"]].std() > 0.1
    assert not offsets[:, COLUMN["supply_fan_status"]].any()


def test_nothing_negative_that_cannot_be_and_no_humidity_above_one() -> None:
    low, high = _readings(_true(0.0), count=100), _readings(_true(1.0), count=100)
    for point in ("supply_air_flow", "supply_fan_power", "outdoor_air_relative_humidity"):
        assert np.all(low[..., COLUMN[point]] >= 0)
    assert np.all(high[..., COLUMN["outdoor_air_relative_humidity"]] <= 1)


def test_a_lost_sensor_stays_lost_and_shifts_nobody_elses_noise() -> None:
    lost = _true()
    lost[1, COLUMN["supply_air_temperature"]] = np.nan
    whole, holed = _readings(_true(), count=5), _readings(lost, count=5)
    gone = np.isnan(holed)
    assert gone[:, 1, COLUMN["supply_air_temperature"]].all()
    assert gone.sum() == 5
    assert np.array_equal(whole[~gone], holed[~gone])


def test_probes_follow_the_air_that_passes_and_the_room_at_rest() -> None:
    probes = sensors.Probes(P)
    full = np.ones(UNITS)
    air = sensors.Passing(full * 10, full * 14, full * 23)
    probes.step(20.0, full, air, full * 40, (full * 50, full), (full * 12, full))
    # One time constant of 20 s: an implicit step goes half of the way.
    assert np.allclose(probes.mixed_celsius, (P.room_celsius + 10) / 2, atol=0.2)
    for _ in range(60):
        probes.step(20.0, full, air, full * 40, (full * 50, full), (full * 12, full))
    assert np.allclose(probes.mixed_celsius, 10, atol=0.4)
    assert np.allclose(probes.supply_celsius, 14, atol=0.7)
    assert np.allclose(probes.return_celsius, 23, atol=0.1)
    assert np.allclose(probes.hot_return_celsius, 50, atol=0.6)
    assert np.allclose(probes.chilled_return_celsius, 12, atol=0.3)
    for _ in range(1000):
        probes.step(20.0, full * 0, air, P.room_celsius, (full * 50, full * 0), (full * 12, full * 0))
    for felt in (probes.mixed_celsius, probes.supply_celsius, probes.return_celsius, probes.chilled_return_celsius):
        assert np.allclose(felt, P.room_celsius, atol=0.01)
    assert np.allclose(probes.hot_return_celsius, P.room_celsius + 2, atol=0.01)
