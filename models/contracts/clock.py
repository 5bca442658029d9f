"""Time as an argument: the plant's clock, which a simulated plant may run faster than the wall.

Decisions never call a clock; the rim does, once, through this one. Durations come from the monotonic clock, so a step of
the system clock changes no interval.
"""

from __future__ import annotations

import time

from models.contracts.settings import ClockSettings


class PlantClock:
    """Plant time in milliseconds UTC, at `speed` times the pace of the wall clock."""

    def __init__(self, settings: ClockSettings) -> None:
        self.speed = settings.speed
        wall_ms = time.time() * 1000
        self._origin_monotonic = time.monotonic()
        self._origin_plant_ms = settings.origin_plant_ms + (wall_ms - settings.origin_wall_ms) * settings.speed

    def now_ms(self) -> int:
        """Plant time now."""
        return int(self._origin_plant_ms + (time.monotonic() - self._origin_monotonic) * 1000 * self.speed)

    def wall_seconds(self, plant_seconds: float) -> float:
        """How long a plant duration takes on the wall."""
        return plant_seconds / self.speed

    def plant_seconds(self, wall_seconds: float) -> float:
        """How long a wall duration takes in the plant."""
        return wall_seconds * self.speed


def wall_ms() -> int:
    """Wall time in milliseconds UTC: for `received_at_ms` and `sent_at_ms`, never for intervals."""
    return time.time_ns() // 1_000_000
