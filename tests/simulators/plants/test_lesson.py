"""Stretches of time and penalties: what is recorded is when it was asked for, and a fault costs what it should."""

from __future__ import annotations

import numpy as np
import pytest

from models.contracts.equipment import EQUIPMENT
from simulators.hvac.plants.lesson import play
from simulators.hvac.plants.penalty import measure
from simulators.hvac.plants.plant import make
from simulators.hvac.plants.wear import Wear

START_MS = 1_767_571_200_000
HOUR_MS = 3_600_000


@pytest.mark.parametrize("wears", [False, True])
def test_only_the_stretches_are_recorded_minute_by_minute(wears: bool) -> None:
    wear = Wear(("filter_fouled",), 3, 1) if wears else None
    plant = make("fan_coil", 3, 1, START_MS, wear=wear, warmup_hours=1)
    later_ms = START_MS + 30 * HOUR_MS
    chunks = list(play(plant, [(START_MS, 0.5), (later_ms, 0.25)], 60.0))
    times = np.concatenate([at for at, _ in chunks])
    values = np.concatenate([read for _, read in chunks])
    assert values.shape == (45, 3, len(EQUIPMENT["fan_coil"].simulated))
    assert (np.diff(times[:30]) == 60_000).all()
    assert times[0] == START_MS + 60_000
    assert times[30] == later_ms + 60_000
    assert (np.diff(times[30:]) == 60_000).all()
    hours = plant.run_hours.max()
    assert hours <= (30.25 if wears else 3.0), "what a jump passes over is neither metered nor run"


def test_a_leaking_valve_costs_heat_and_a_fouled_filter_little() -> None:
    found = measure("fan_coil", "supply_air_flow", 0.5, [START_MS], units=4, days=2)
    leak = found.families["heating_valve_leaking"]
    assert leak.watts["hot_water"] > 20
    assert abs(found.families["filter_fouled"].watts["hot_water"]) < leak.watts["hot_water"]
    assert found.size_median > 0
    assert "sensor_fault" not in found.families
