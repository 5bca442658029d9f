"""Lessons, played: the plants that training and evaluation ask for, simulated."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from models.contracts.lesson import Lesson
from simulators.hvac import faults as single_zone
from simulators.hvac.plants import faults as whole_fleets
from simulators.hvac.plants.lesson import Lived, live, play
from simulators.hvac.plants.plant import make
from simulators.hvac.plants.wear import Wear
from simulators.hvac.world import Fleet, run

_CHUNK_STEPS = 480

Readings = Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]


def play_lesson(lesson: Lesson) -> Readings:
    """The plant that a lesson asks for: the demo's single-zone air handler, or any kind of whole fleets.

    Yields:
        measured_at_ms, shape (n,), and values, shape (n, U, C); n at most 480.
    """
    if lesson.equipment != "ahu" or lesson.stretches:
        yield from _play_plants(lesson)
        return
    plans = [
        single_zone.FaultPlan(
            unit_index=fault.unit,
            family=fault.family,
            at_ms=fault.at_ms,
            severity=fault.severity,
            growth_per_day=fault.growth_per_day,
            stuck_position_fraction=fault.stuck_position_fraction,
            direction=fault.direction,
        )
        for fault in lesson.faults
    ]
    fleet = Fleet(lesson.units, lesson.seed, lesson.start_at_ms, plans, "mixed", sites=8)
    left = round(lesson.hours * 3600 / lesson.interval_seconds)
    while left:
        steps = min(left, _CHUNK_STEPS)
        left -= steps
        yield run(fleet, steps, lesson.interval_seconds)


def _play_plants(lesson: Lesson) -> Readings:
    """The same on the plants of whole fleets: every kind of equipment, any stretches of time."""
    plans = [
        whole_fleets.FaultPlan(
            unit_index=fault.unit,
            family=fault.family,
            at_ms=fault.at_ms,
            severity=fault.severity,
            growth_per_day=fault.growth_per_day,
            position_fraction=fault.stuck_position_fraction,
            direction=1 if fault.direction >= 0 else -1,
        )
        for fault in lesson.faults
    ]
    plant = make(lesson.equipment, lesson.units, lesson.seed, lesson.start_at_ms, plans, lesson.climate)
    stretches = lesson.stretches or ((lesson.start_at_ms, lesson.hours),)
    yield from play(plant, stretches, lesson.interval_seconds)


def live_plants(lesson: Lesson) -> tuple[tuple[str, ...], Iterator[Lived]]:
    """A fleet whose parts wear until they fail: its families, and its readings with the truth beside."""
    families = whole_fleets.FAMILIES[lesson.equipment]
    wear = Wear(families, lesson.units, lesson.seed, lesson.wear) if lesson.wear > 0 else None
    plant = make(lesson.equipment, lesson.units, lesson.seed, lesson.start_at_ms, (), lesson.climate, wear=wear)
    return plant.families, live(plant, lesson.hours, lesson.interval_seconds)
