"""A fleet as others use it: determinism, meters, comfort, failures and repairs, common random numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from models.contracts.equipment import EQUIPMENT
from models.contracts.points import POINTS
from simulators.hvac.faults import FaultError
from simulators.hvac.plants.faults import FAMILIES, FaultPlan
from simulators.hvac.plants.plant import METERS, Plant, PlantError, make
from simulators.hvac.plants.wear import Wear
from tests.simulators.plants.days import SPRING_AT_MS, WINTER_AT_MS

AIR_SIDE = ("ahu", "fan_coil", "vav_box")
HOUR_MS = 3_600_000


def run(plant: Plant, steps: int, dt_seconds: float = 300.0) -> npt.NDArray[np.float32]:
    """All readings, (steps, U, C)."""
    values = []
    for _ in range(steps):
        plant.step(dt_seconds)
        values.append(plant.points())
    return np.array(values)


@pytest.mark.parametrize("equipment", AIR_SIDE)
def test_every_channel_is_told_within_its_plausible_range(equipment: str) -> None:
    plant = make(equipment, 6, 1, WINTER_AT_MS, warmup_hours=6)
    values = run(plant, 144)
    points = EQUIPMENT[equipment].simulated
    assert values.shape == (144, 6, len(points))
    assert values.dtype == np.float32
    assert plant.measured_at_ms == WINTER_AT_MS + 12 * HOUR_MS
    for column, name in enumerate(points):
        point = POINTS[name]
        assert np.all((values[..., column] >= point.low) & (values[..., column] <= point.high)), name
    assert set(plant.truth) == set(FAMILIES[equipment])
    assert set(plant.meters) == set(METERS)
    assert all(np.all(joules >= 0) for joules in plant.meters.values())
    assert np.all(plant.failed_at_ms == -1)


@pytest.mark.parametrize("equipment", AIR_SIDE)
def test_equal_seed_equal_values(equipment: str) -> None:
    def fresh(seed: int) -> Plant:
        return make(equipment, 3, seed, SPRING_AT_MS, warmup_hours=2, wear=Wear(FAMILIES[equipment], 3, seed))

    first, second, other = fresh(1), fresh(1), fresh(2)
    read = run(first, 30)
    # Reading is no part of the physics: a fleet that is read once at the end tells the same.
    for _ in range(30):
        second.step(300)
    assert np.array_equal(read[-1], second.points())
    assert np.array_equal(first.meters["electricity"], second.meters["electricity"])
    assert not np.array_equal(read[-1], run(other, 30)[-1])


def test_a_unit_fails_when_its_part_is_gone_and_works_again_after_the_repair() -> None:
    plan = FaultPlan(1, "fan_belt_worn", SPRING_AT_MS, severity=0.9, growth_per_day=2.4)
    plant = make("ahu", 3, 1, SPRING_AT_MS, [plan], use="hotel", warmup_hours=2)
    run(plant, 24)
    assert plant.failed_at_ms.tolist() == [-1, SPRING_AT_MS + HOUR_MS, -1]
    flow = EQUIPMENT["ahu"].simulated.index("supply_air_flow")
    assert plant.points()[1, flow] < 0.05
    plant.repair(np.array([False, True, False]), "fan_belt_worn")
    assert plant.truth["fan_belt_worn"][1] == 0
    run(plant, 3)
    assert plant.failed_at_ms.tolist() == [-1, -1, -1]
    assert plant.points()[1, flow] > 0.05


def test_habits_of_controllers_are_no_failures() -> None:
    plans = [FaultPlan(0, family, 0, 1.0) for family in ("schedule_wrong", "control_hunting")]
    plant = make("ahu", 1, 1, SPRING_AT_MS, plans, warmup_hours=1)
    run(plant, 3)
    assert plant.failed_at_ms.tolist() == [-1]


def test_people_are_counted_where_and_while_they_are() -> None:
    plan = FaultPlan(0, "fan_belt_worn", 0, 1.0)
    plant = make("ahu", 2, 3, WINTER_AT_MS, [plan], climate="cold", sites=1, use="office", warmup_hours=12)
    run(plant, 288)
    s = plant.surroundings
    assert np.allclose(plant.occupied_hours, s.until_hour - s.from_hour, atol=0.1)
    # Without a fan in a cold winter: most of the day is lost there, little in the sound unit.
    lost = plant.uncomfortable_hours / plant.occupied_hours
    assert lost[0] > 0.5
    assert lost[1] < 0.15
    assert plant.discomfort_kelvin_hours[0] > plant.uncomfortable_hours[0]
    assert plant.starts[1] >= 1
    assert plant.run_hours[1] > plant.occupied_hours[1] - 0.1


def test_two_policies_meet_the_same_weather_people_and_lives() -> None:
    """Maintenance of one fleet changes its parts only: the sky, the people and the next lives stay."""

    def fresh() -> Plant:
        wear = Wear(FAMILIES["ahu"], 4, 7, acceleration=400.0)
        return make("ahu", 4, 7, SPRING_AT_MS, use="hotel", warmup_hours=2, wear=wear)

    kept, left = fresh(), fresh()
    everybody = np.ones(4, dtype=bool)
    outdoor = EQUIPMENT["ahu"].simulated.index("outdoor_air_temperature")
    for step in range(96):
        kept.step(300)
        left.step(300)
        if step % 24 == 23:
            kept.repair(everybody)
    assert np.array_equal(kept.points()[:, outdoor], left.points()[:, outdoor])
    assert (left.failed_at_ms >= 0).any()
    assert (kept.failed_at_ms < 0).all()
    left.repair(everybody)
    assert kept.wear is not None
    assert left.wear is not None
    # One repair against four: another draw of the same series.
    again = Wear(FAMILIES["ahu"], 4, 7, acceleration=400.0)
    for _ in range(4):
        again.restore(everybody)
    assert np.array_equal(kept.wear.life_hours, again.life_hours)


def test_a_cleaning_gives_some_of_the_life_back() -> None:
    wear = Wear(FAMILIES["ahu"], 2, 1)
    plant = make("ahu", 2, 1, SPRING_AT_MS, warmup_hours=1, wear=wear)
    row = wear.families.index("filter_fouled")
    wear.age_hours[row] = 0.9 * wear.life_hours[row]
    plant.repair(np.array([True, False]), "filter_fouled", restored_fraction=0.5)
    cleaned, left = plant.truth["filter_fouled"]
    assert 0 < cleaned < left < 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"units": 0}, "fleet of 0 units on 8 sites"),
        ({"equipment": "kettle"}, "'kettle' has no simulated plant"),
        ({"wear": Wear(FAMILIES["ahu"], 5, 1)}, "wear of 5 units"),
        ({"wear": Wear(FAMILIES["boiler"], 2, 1)}, "expected 2 units of ahu"),
    ],
)
def test_what_cannot_be_built_is_refused(wrong: dict[str, object], words: str) -> None:
    settings: dict[str, object] = {"equipment": "ahu", "units": 2, "seed": 1, "start_at_ms": SPRING_AT_MS}
    with pytest.raises(PlantError, match=words):
        make(**(settings | wrong))  # type: ignore[arg-type]


def test_a_sensor_fault_must_name_a_channel_of_the_kind() -> None:
    plan = FaultPlan(0, "sensor_fault", 0, 0.5, point="suction_pressure")
    with pytest.raises(FaultError, match="sensor fault in 'suction_pressure'"):
        make("vav_box", 1, 1, SPRING_AT_MS, [plan], warmup_hours=1)
