"""The tables against CoolProp, from which they were made."""

from __future__ import annotations

import json

import numpy as np
import pytest
from CoolProp.CoolProp import PropsSI

from simulators.hvac.plants import refrigerant, refrigerant_build
from simulators.hvac.plants.refrigerant import ZERO_CELSIUS_KELVIN, RefrigerantError, Saturation

NAMES = tuple(refrigerant_build.RANGES_CELSIUS)


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_what_the_command_writes(name: str) -> None:
    table = refrigerant.load(name)
    celsius = np.arange(table.first_celsius, table.last_celsius + 0.5, table.step_kelvin)
    fresh = refrigerant_build.saturation_rows(name, celsius)
    np.testing.assert_allclose(table.table, np.array(fresh), rtol=6e-6, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_between_the_knots_it_agrees_with_coolprop(name: str) -> None:
    table = refrigerant.load(name)
    # The last five kelvin bend strongly, towards the critical point.
    celsius = np.arange(table.first_celsius + 0.5, table.last_celsius - 5, table.step_kelvin)
    mine, fresh = refrigerant.saturation(table, celsius), refrigerant_build.saturation_rows(name, celsius)
    np.testing.assert_allclose(np.exp(mine.log_pressure), np.exp(fresh.log_pressure), rtol=3e-4)
    np.testing.assert_allclose(np.exp(mine.log_vapour_density), np.exp(fresh.log_vapour_density), rtol=4e-4)
    for field in ("liquid_enthalpy", "vapour_enthalpy", "vapour_entropy", "liquid_heat_capacity"):
        np.testing.assert_allclose(getattr(mine, field), getattr(fresh, field), rtol=2e-3, err_msg=field)


@pytest.mark.parametrize("name", NAMES)
def test_pressure_and_temperature_are_each_others_inverse(name: str) -> None:
    table = refrigerant.load(name)
    celsius = np.linspace(table.first_celsius + 1, table.last_celsius - 1, 77)
    pascals = refrigerant.saturation_pascals(table, celsius)
    assert (np.diff(pascals) > 0).all()
    np.testing.assert_allclose(refrigerant.saturation_celsius(table, pascals), celsius, atol=1e-9)


def test_known_points_of_the_pressure_chart() -> None:
    at = np.array([5.0])
    assert refrigerant.saturation_pascals(refrigerant.load("R410A"), at)[0] == pytest.approx(933_000, rel=0.005)
    assert refrigerant.saturation_pascals(refrigerant.load("R32"), at)[0] == pytest.approx(951_000, rel=0.005)
    assert refrigerant.saturation_pascals(refrigerant.load("R134a"), at)[0] == pytest.approx(350_000, rel=0.005)


def test_beyond_the_table_its_ends_hold() -> None:
    table = refrigerant.load("R134a")
    ends = refrigerant.saturation(table, np.array([-90.0, 150.0]))
    np.testing.assert_allclose(ends.log_pressure, table.table[0, [0, -1]])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("superheat", [3.0, 8.0, 20.0])
def test_superheated_suction_vapour(name: str, superheat: float) -> None:
    table = refrigerant.load(name)
    celsius = np.linspace(-20, 20, 9)
    at = refrigerant.saturation(table, celsius)
    truth = {
        key: PropsSI(key, "P", np.exp(at.log_pressure), "T", celsius + superheat + ZERO_CELSIUS_KELVIN, name)
        for key in ("D", "H")
    }
    np.testing.assert_allclose(refrigerant.suction_density(at, celsius, np.full(9, superheat)), truth["D"], rtol=0.006)
    rise = at.vapour_enthalpy + at.suction_heat_capacity * superheat - truth["H"]
    assert np.abs(rise).max() < 1200  # J/kg, of some 200,000 that evaporate


def test_a_refrigerant_without_table_is_refused() -> None:
    with pytest.raises(RefrigerantError, match="'R22' has no table; expected one of R410A"):
        refrigerant.load("R22")


def test_the_file_is_small_and_says_how_it_was_made() -> None:
    text = refrigerant.TABLES_FILE.read_text(encoding="utf-8")
    made = json.loads(text)
    assert len(text) < 40_000
    assert made["made_by"].endswith(refrigerant_build.__name__)
    assert all(set(made["tables"][name]["properties"]) == set(Saturation._fields) for name in NAMES)
