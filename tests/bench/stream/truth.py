"""What every engine must say of a plant, and where in the log each alert stems from.

Computed by the batch form over whole rounds; the oracle runs beside it over a few units, and must agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tests.bench.stream.model import Parameters
from tests.bench.stream.naive import Naive, Said
from tests.bench.stream.plant import FRAME_MS, START_AT_MS, Plant
from tests.bench.stream.workload import Alert, Constants, advance, columns, sums_of

SCORE_TOLERANCE = 1e-6
_ORACLE_UNITS = 4


class Found(NamedTuple):
    """An alert of an engine, and when the broker put it into its log."""

    alert: Alert
    appended_at_ms: int


class Place(NamedTuple):
    """Where a frame lies: its partition, and how many frames of it come before."""

    partition: int
    position: int


class Truth:
    """Grows round by round, as the plant's log is written."""

    def __init__(self, plant: Plant, parameters: Parameters) -> None:
        self.plant = plant
        self.alerts: dict[tuple[str, int], Alert] = {}  # by unit and measured_at_ms
        self.rounds = 0
        self._constants = Constants(parameters)
        self._columns = columns(plant.units)
        self._rows = np.arange(plant.units)
        self._naive = Naive(parameters)
        excursions = np.flatnonzero((plant.excursions >= 0).any(axis=0))
        self._watched = excursions[:_ORACLE_UNITS].tolist()
        self._said: list[Said] = []
        # Place of each unit among those of its partition, and how many those are.
        one_hot = plant.partition[:, None] == np.arange(plant.partitions)
        self._rank = (np.cumsum(one_hot, axis=0) - 1)[self._rows, plant.partition]
        self.units_of_partition: npt.NDArray[np.int64] = one_hot.sum(axis=0)
        self._unit_of = {name: number for number, name in enumerate(plant.names)}

    def add(self, planes: npt.NDArray[np.int16], frames: list[bytes]) -> None:
        """One more round: its planes, and the same as encoded frames (none: the oracle is not asked)."""
        measured_at_ms = self.plant.measured_at_ms(self.rounds)
        verdicts = advance(self._columns, self._rows, sums_of(planes, self._constants), self._constants)
        for unit in np.flatnonzero(verdicts.transition).tolist():
            name = self.plant.names[unit]
            state = "raised" if verdicts.transition[unit] > 0 else "cleared"
            self.alerts[name, measured_at_ms] = Alert(
                name, state, measured_at_ms, float(verdicts.probability[unit]), int(verdicts.rules[unit])
            )
        for unit in self._watched if frames else ():
            said = self._naive.take(frames[unit])
            if said is not None:
                self._said.append(said)
        self.rounds += 1

    def place(self, unit: str, measured_at_ms: int) -> Place:
        """Where a frame lies."""
        number = self._unit_of[unit]
        partition = int(self.plant.partition[number])
        position = self.round_of(measured_at_ms) * int(self.units_of_partition[partition]) + int(self._rank[number])
        return Place(partition, position)

    def index(self, unit: str, measured_at_ms: int) -> int:
        """How many frames were sent before this one, over all partitions."""
        return self.round_of(measured_at_ms) * self.plant.units + self._unit_of[unit]

    def round_of(self, measured_at_ms: int) -> int:
        """The round of a frame."""
        return (measured_at_ms - START_AT_MS) // FRAME_MS

    def differs_from_oracle(self) -> str:
        """Empty when the oracle says the same of the units that it watched."""
        names = {self.plant.names[unit] for unit in self._watched}
        expected = {(one.unit, one.measured_at_ms): one for one in self._said}
        found = {key: alert for key, alert in self.alerts.items() if key[0] in names}
        return _difference(found, {key: Alert(one.unit, one.state, *_rest(one)) for key, one in expected.items()})

    def health_differs(self, found: Iterable[Found]) -> str:
        """How health messages differ from one for every frame but a unit's first, up to the last of each partition."""
        places = Counter(self.place(one.alert.unit, one.alert.measured_at_ms) for one in found)
        last: dict[int, int] = {}
        for place in places:
            last[place.partition] = max(last.get(place.partition, -1), place.position)
        # The first frame of a unit closes no minute.
        due = sum(position + 1 - int(self.units_of_partition[partition]) for partition, position in last.items())
        if max(places.values()) > 1 or len(places) != due:
            return f"{places.total()} health messages of {len(places)} frames, expected {due} of as many"
        return ""

    def differs(self, found: Iterable[Found]) -> str:
        """How alerts differ from what must have been said up to the last of each partition; empty when they are right."""
        found = list(found)
        last: dict[int, int] = {}
        for one in found:
            if (one.alert.unit, one.alert.measured_at_ms) not in self.alerts:
                return f"alert {one.alert} was not to be"
            place = self.place(one.alert.unit, one.alert.measured_at_ms)
            last[place.partition] = max(last.get(place.partition, -1), place.position)
        twice = [
            key for key, n in Counter((one.alert.unit, one.alert.measured_at_ms) for one in found).items() if n > 1
        ]
        if twice:
            return f"{len(twice)} alerts came more than once, the first {twice[0]}"
        expected = {}
        for key, alert in self.alerts.items():
            place = self.place(*key)
            if place.position <= last.get(place.partition, -1):
                expected[key] = alert
        return _difference({(one.alert.unit, one.alert.measured_at_ms): one.alert for one in found}, expected)


def _rest(said: Said) -> tuple[int, float, int]:
    return said.measured_at_ms, said.score, said.rules


def _difference(found: dict[tuple[str, int], Alert], expected: dict[tuple[str, int], Alert]) -> str:
    missing, more = expected.keys() - found.keys(), found.keys() - expected.keys()
    if missing or more:
        return f"{len(missing)} of {len(expected)} alerts are missing, {len(more)} were not to be"
    for key, alert in found.items():
        other = expected[key]
        if (alert.state, alert.rules) != (other.state, other.rules):
            return f"alert {alert}, expected {other}"
        if abs(alert.score - other.score) > SCORE_TOLERANCE:
            return f"alert {alert}, expected score {other.score!r} within {SCORE_TOLERANCE}"
    return ""
