"""Compute the refrigerant tables anew with CoolProp: `python -m simulators.hvac.plants.refrigerant_build`.

Writes refrigerant_tables.json beside this file. Equal CoolProp, equal file.
"""

from __future__ import annotations

import json

import CoolProp
import numpy as np
from CoolProp.CoolProp import PropsSI

from simulators.hvac.moist import Floats
from simulators.hvac.plants.refrigerant import (
    DISCHARGE_SUPERHEAT_KELVIN,
    HOT_SUPERHEAT_KELVIN,
    SUCTION_SUPERHEAT_KELVIN,
    TABLES_FILE,
    ZERO_CELSIUS_KELVIN,
    Saturation,
)

# Coldest and warmest saturation temperature. Heat capacities grow without bound towards the critical point (R410A 71
# celsius, R32 78, R134a 101), so each table ends below it; a high-pressure switch opens before.
RANGES_CELSIUS = {"R410A": (-46, 66), "R32": (-46, 70), "R134a": (-24, 80)}
STEP_KELVIN = 1.0
_DIGITS = 6


def saturation_rows(name: str, celsius: Floats) -> Saturation:
    """Straight from CoolProp, shape (N,) each. R410A is taken at its dew line; its glide is 0.1 kelvin."""
    kelvin = celsius + ZERO_CELSIUS_KELVIN
    pressure = PropsSI("P", "T", kelvin, "Q", 1, name)

    def vapour(key: str, superheat_kelvin: float) -> Floats:
        values: Floats = PropsSI(key, "T", kelvin + superheat_kelvin, "P", pressure, name)
        return values

    enthalpy = PropsSI("H", "T", kelvin, "Q", 1, name)
    density = PropsSI("D", "T", kelvin, "Q", 1, name)
    # Liquid is followed 5 kelvin below saturation, as far as it is usually cooled.
    liquid = PropsSI("H", "T", kelvin, "Q", 0, name)
    cooled = PropsSI("H", "T", kelvin - 5.0, "Q", 0, name)
    return Saturation(
        np.log(pressure),
        liquid,
        enthalpy,
        PropsSI("S", "T", kelvin, "Q", 1, name),
        np.log(density),
        (liquid - cooled) / 5.0,
        (vapour("H", SUCTION_SUPERHEAT_KELVIN) - enthalpy) / SUCTION_SUPERHEAT_KELVIN,
        (vapour("H", DISCHARGE_SUPERHEAT_KELVIN) - enthalpy) / DISCHARGE_SUPERHEAT_KELVIN,
        (vapour("H", HOT_SUPERHEAT_KELVIN) - enthalpy) / HOT_SUPERHEAT_KELVIN,
        -np.log(vapour("D", SUCTION_SUPERHEAT_KELVIN) / density) / np.log1p(SUCTION_SUPERHEAT_KELVIN / kelvin),
    )


def main() -> None:
    """Write the file."""
    tables = {}
    for name, (first, last) in RANGES_CELSIUS.items():
        rows = saturation_rows(name, np.arange(first, last + STEP_KELVIN / 2, STEP_KELVIN))
        tables[name] = {
            "first_celsius": first,
            "step_kelvin": STEP_KELVIN,
            "properties": {
                field: [float(f"{value:.{_DIGITS}g}") for value in row] for field, row in rows._asdict().items()
            },
        }
    made = {"made_by": "python -m simulators.hvac.plants.refrigerant_build", "coolprop": CoolProp.__version__}
    TABLES_FILE.write_text(json.dumps(made | {"tables": tables}, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{TABLES_FILE.name}: {len(tables)} refrigerants, {TABLES_FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
