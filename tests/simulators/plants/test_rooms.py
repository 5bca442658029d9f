"""Rooms and boxes: exact over any step, heat adds up, and what is asked for is what it takes."""

from __future__ import annotations

import numpy as np
import pytest

from simulators.hvac.plants import rooms
from simulators.hvac.plants.boxes import Limits, settle
from simulators.hvac.plants.surroundings import Around, Surroundings

AT_MS = 1_780_311_600_000  # a Monday in June, 11:00
UNITS = 5


def build() -> tuple[rooms.Rooms, Around]:
    around = Surroundings(UNITS, "temperate", 1, seed=1, use="office")
    area = np.full((2, UNITS), 200.0)
    sizes = rooms.draw(area, np.array([[0.0], [1.0]]) + 0 * area, around.winter_celsius, np.random.default_rng(2))
    return rooms.Rooms(sizes), around.at(AT_MS)


def test_one_step_of_300_seconds_is_twenty_of_15() -> None:
    (whole, around), (cut, _) = build(), build()
    rate = np.full((2, UNITS), 500.0)
    whole.expose(300.0, around, np.ones(UNITS, dtype=bool))
    whole.step(rate, 14.0 * np.ones(UNITS))
    for _ in range(20):
        cut.expose(15.0, around, np.ones(UNITS, dtype=bool))
        cut.step(rate, 14.0 * np.ones(UNITS))
    # The mass is held over a step; its drift within 5 minutes is all that differs.
    assert np.abs(whole.celsius - cut.celsius).max() < 0.02
    assert np.abs(whole.mass_celsius - cut.mass_celsius).max() < 0.005


def test_the_heat_of_a_room_adds_up() -> None:
    room, around = build()
    air, mass = room.celsius.copy(), room.mass_celsius.copy()
    rate, supply = np.full((2, UNITS), 400.0), np.full(UNITS, 15.0)
    room.expose(300.0, around, np.zeros(UNITS, dtype=bool))
    mean = room.step(rate, supply, extra_watts=100.0)
    s = room.sizes
    stored = s.air_capacity * (room.celsius - air) + s.mass_capacity * (room.mass_celsius - mass)
    brought = 300.0 * (rate * (supply - mean) + 100.0 + room.gain_watts - room.outward_watts)
    assert np.allclose(stored, brought, rtol=1e-9, atol=1e-3)


def test_the_heat_asked_for_takes_the_room_where_it_should() -> None:
    for dt in (15.0, 60.0, 300.0):
        room, around = build()
        room.expose(dt, around, np.ones(UNITS, dtype=bool))
        watts = room.needed(np.full((2, UNITS), 24.0), 900.0)
        started = room.celsius.copy()
        room.step(np.zeros((2, UNITS)), np.zeros(UNITS), watts)
        assert np.allclose(room.celsius, 24.0 + (started - 24.0) * np.exp(-dt / 900.0))


def box(heating: float, cooling: float, zone: float = 22.0, inlet: float = 14.0) -> tuple[float, float, float]:
    limits = Limits(*(np.array([value]) for value in (100.0, 500.0, 250.0)))
    wish = settle(limits, *(np.array([value]) for value in (zone, inlet, heating, cooling)))
    return float(wish.rate[0]), float(wish.discharge_celsius[0]), float(wish.heating_watts[0])


def test_a_box_follows_the_dual_maximum() -> None:
    assert box(heating=-2000, cooling=-500) == (100.0, 14.0, 0.0)  # minimum flow cools 800 W: dead band
    assert box(-3000, -1600) == (200.0, 14.0, 0.0)  # cooling
    assert box(-9000, -8000) == (500.0, 14.0, 0.0)  # all that it has
    assert box(-400, 2000) == pytest.approx((100.0, 18.0, 400.0))  # a little reheat at minimum flow
    assert box(550, 2000) == pytest.approx((100.0, 27.5, 1350.0))
    assert box(2200, 4000) == pytest.approx((200.0, 33.0, 3000.0))  # at the limit of 11 K: more flow
    assert box(9000, 9999) == pytest.approx((250.0, 33.0, 9800.0))


def test_warm_supply_air_opens_the_box_instead_of_the_valve() -> None:
    rate, discharge, _ = box(heating=1600, cooling=4000, inlet=30.0)
    assert (rate, discharge) == pytest.approx((200.0, 30.0))
