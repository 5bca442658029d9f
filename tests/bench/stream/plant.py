"""Frames of a seeded fleet, with excursions planted where they are wanted. Every frame is real: encoded as the edge does.

    round 0: one frame of every unit · round 1: the next frame of every unit · ...

Values are a unit's own profile, a slow swing and noise; an excursion adds one of six faults for a few rounds in a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from aiokafka.partitioner import murmur2
from crc32c import crc32c

from models.contracts import frame_pb2
from models.contracts.frame import SCHEMA
from tests.bench.stream.model import CHANNELS, LAYOUT, SAMPLES

SITE, GATEWAY, EPOCH = "bench", "gw1", 77
START_AT_MS = 1_767_571_200_000  # 5 January 2026
FRAME_MS = SAMPLES * 1000
_NOISES = 64
_SWING_ROUNDS = 300
_EXCURSION_ROUNDS = 6
_QUIET_ROUNDS = 12
_NOTHING = -1

# point: usual value, how much units differ, noise (standard deviations), all in the unit of the point
_PROFILE: dict[str, tuple[float, float, float]] = {
    "outdoor_air_temperature": (11.0, 1.0, 0.15),
    "outdoor_air_relative_humidity": (0.6, 0.05, 0.01),
    "return_air_temperature": (22.5, 0.3, 0.1),
    "mixed_air_temperature": (16.0, 0.3, 0.15),
    "supply_air_temperature": (16.6, 0.3, 0.15),
    "supply_air_temperature_setpoint": (16.5, 0.3, 0.0),
    "zone_air_temperature": (22.0, 0.3, 0.08),
    "zone_air_heating_temperature_setpoint": (20.0, 0.0, 0.0),
    "zone_air_cooling_temperature_setpoint": (24.0, 0.0, 0.0),
    "outdoor_air_damper_command": (0.55, 0.05, 0.01),
    "heating_valve_command": (0.0, 0.0, 0.0),
    "cooling_valve_command": (0.0, 0.0, 0.0),
    "supply_fan_speed_command": (0.7, 0.03, 0.01),
    "supply_fan_status": (1.0, 0.0, 0.0),
    "supply_fan_power": (4_000.0, 400.0, 60.0),
    "supply_air_flow": (4.0, 0.3, 0.05),
    "supply_air_static_pressure": (300.0, 3.0, 4.0),
    "supply_air_static_pressure_setpoint": (300.0, 0.0, 0.0),
    "filter_differential_pressure": (120.0, 15.0, 2.0),
    "hot_water_supply_temperature": (60.0, 2.0, 0.3),
    "hot_water_return_temperature": (50.0, 2.0, 0.3),
    "chilled_water_supply_temperature": (7.0, 0.5, 0.1),
    "chilled_water_return_temperature": (12.0, 0.5, 0.1),
    "occupancy": (1.0, 0.0, 0.0),
}
# What each kind of excursion adds.
_EXCURSIONS: tuple[dict[str, float], ...] = (
    {"supply_air_temperature": 6.0},
    {"cooling_valve_command": 0.95, "supply_air_temperature": 7.0},
    {"heating_valve_command": 0.4, "cooling_valve_command": 0.4},
    {"supply_fan_speed_command": 0.28, "supply_air_static_pressure": -120.0},
    {"mixed_air_temperature": 12.0},
    {
        "supply_fan_power": 600.0,
        "supply_air_flow": -0.6,
        "filter_differential_pressure": 40.0,
        "hot_water_supply_temperature": 4.0,
        "hot_water_return_temperature": 5.0,
        "zone_air_temperature": 1.0,
        "chilled_water_return_temperature": 2.0,
    },
)
LEAKING = 0


def partition_of(unit: str, partitions: int) -> int:
    """Partition of a unit, as every client of Kafka finds it."""
    number: int = (murmur2(unit.encode()) & 0x7FFFFFFF) % partitions
    return number


def _vector(values: dict[str, float]) -> npt.NDArray[np.float64]:
    return np.array([values.get(point, 0.0) for point in LAYOUT.points])


@dataclass(frozen=True)
class Plant:
    """A fleet's frames for some rounds.

    Attributes:
        units: How many.
        rounds: Frames of each.
        seed: Of everything.
        rare: An excursion starts at one of so many frames.
        busy_fraction: This share of the units has an excursion three rounds in six, without end.
        partitions: Of the topic; the last round raises an alert on each of them, so that its end can be seen.
    """

    units: int
    rounds: int
    seed: int = 1
    rare: int = 1_000
    busy_fraction: float = 0.0
    partitions: int = 4

    @property
    def frames(self) -> int:
        """All of them."""
        return self.units * self.rounds

    @cached_property
    def names(self) -> list[str]:
        """`site/unit`, the key of its records."""
        return [f"{SITE}/ahu-{number:06d}" for number in range(self.units)]

    @cached_property
    def partition(self) -> npt.NDArray[np.int64]:
        """Partition of each unit, shape (units,)."""
        return np.array([partition_of(name, self.partitions) for name in self.names])

    @cached_property
    def _profile(self) -> npt.NDArray[np.float64]:
        chance = np.random.default_rng((self.seed, 1))
        usual, spread, _ = np.array([_PROFILE[point] for point in LAYOUT.points]).T
        return np.asarray(usual + spread * chance.uniform(-1, 1, (self.units, CHANNELS)))

    @cached_property
    def excursions(self) -> npt.NDArray[np.int8]:
        """Kind of excursion of each frame, -1 for none, shape (rounds, units)."""
        chance = np.random.default_rng((self.seed, 2))
        starts = chance.random((self.rounds, self.units)) < 1 / self.rare
        kinds = chance.integers(0, len(_EXCURSIONS), (self.rounds, self.units))
        planted = np.full((self.rounds, self.units), _NOTHING, dtype=np.int8)
        free_at = np.full(self.units, _QUIET_ROUNDS)
        for number, unit in np.argwhere(starts).tolist():
            if number >= free_at[unit]:
                planted[number : number + _EXCURSION_ROUNDS, unit] = kinds[number, unit]
                free_at[unit] = number + _EXCURSION_ROUNDS + _QUIET_ROUNDS
        busy = chance.choice(self.units, round(self.busy_fraction * self.units), replace=False)
        for place, unit in enumerate(busy.tolist()):
            cycle = (np.arange(self.rounds) + place) % 6 < 3
            planted[:, unit] = np.where(cycle & (np.arange(self.rounds) >= _QUIET_ROUNDS), LEAKING, _NOTHING)
        for number in range(self.partitions):
            of_partition = np.flatnonzero(self.partition == number)
            if len(of_partition):
                last = of_partition[-1]
                planted[-_QUIET_ROUNDS - 3 :, last] = _NOTHING
                planted[-3:, last] = LEAKING
        return planted

    def planes(self) -> Iterator[npt.NDArray[np.int16]]:
        """The planes of each round, shape (units, channels, samples)."""
        chance = np.random.default_rng((self.seed, 3))
        noise_of = np.array([_PROFILE[point][2] for point in LAYOUT.points])
        scales = LAYOUT.scales.astype(np.float64)
        noises = np.rint(chance.normal(0, 1, (_NOISES, CHANNELS, SAMPLES)) * (noise_of / scales)[:, None]).astype(
            np.int16
        )
        phases = chance.uniform(0, 2 * np.pi, (self.units, CHANNELS))
        added = np.stack([*(_vector(one) for one in _EXCURSIONS), np.zeros(CHANNELS)])
        for number in range(self.rounds):
            swing = 0.5 * noise_of * np.sin(2 * np.pi * number / _SWING_ROUNDS + phases)
            level = np.rint((self._profile + swing + added[self.excursions[number]]) / scales).astype(np.int16)
            noise = noises[chance.integers(0, _NOISES, self.units)]
            noise += level[:, :, None]
            yield noise

    def log(self) -> Iterator[list[bytes]]:
        """The frames of each round, one a unit, as they lie in Kafka."""
        for number, planes in enumerate(self.planes()):
            yield self.encoded(number, planes)

    def encoded(self, number: int, planes: npt.NDArray[np.int16]) -> list[bytes]:
        """The frames of one round, one a unit, of its planes."""
        frames = []
        newest = (planes[:, :, -1] * LAYOUT.scales).tolist()
        measured_at_ms = self.measured_at_ms(number)
        for place, name in enumerate(self.names):
            seq = number * self.units + place + 1
            body = frame_pb2.Frame(
                schema=SCHEMA,
                site=SITE,
                gateway=GATEWAY,
                unit=name[len(SITE) + 1 :],
                layout_id=LAYOUT.id,
                epoch=EPOCH,
                seq=seq,
                prior_seq=max(0, seq - self.units),
                measured_at_ms=measured_at_ms,
                interval_ms=1000,
                n=SAMPLES,
                samples=planes[place].tobytes(),
                last=newest[place],
                clock=frame_pb2.CLOCK_SYNCHRONISED,
            ).SerializeToString()
            frames.append(body + b"\x7d" + crc32c(body).to_bytes(4, "little"))
        return frames

    def measured_at_ms(self, number: int) -> int:
        """When the frames of a round begin."""
        return START_AT_MS + number * FRAME_MS
