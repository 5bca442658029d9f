"""Which points of a unit are drawn together: one chart a quantity, in the order in which a technician reads them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from cloud.dashboard.words import point_label, shown_unit
from models.contracts.layout import Layout


class Group(NamedTuple):
    """One chart: points of one unit of measurement."""

    id: str
    title: str
    points: tuple[str, ...]


GROUPS: tuple[Group, ...] = (
    Group(
        "air",
        "Air temperatures",
        (
            "supply_air_temperature",
            "supply_air_temperature_setpoint",
            "mixed_air_temperature",
            "return_air_temperature",
            "outdoor_air_temperature",
            "supply_air_heating_temperature_setpoint",
            "supply_air_cooling_temperature_setpoint",
        ),
    ),
    Group(
        "positions",
        "Valves, dampers and fan",
        (
            "outdoor_air_damper_command",
            "heating_valve_command",
            "cooling_valve_command",
            "supply_fan_speed_command",
            "return_air_damper_command",
            "exhaust_air_damper_command",
            "return_fan_speed_command",
        ),
    ),
    Group(
        "pressure",
        "Pressure",
        ("supply_air_static_pressure", "supply_air_static_pressure_setpoint", "filter_differential_pressure"),
    ),
    Group("flow", "Air flow", ("supply_air_flow",)),
    Group(
        "zone",
        "Zone temperature",
        (
            "zone_air_temperature",
            "zone_air_heating_temperature_setpoint",
            "zone_air_cooling_temperature_setpoint",
        ),
    ),
    Group(
        "water",
        "Water temperatures",
        (
            "hot_water_supply_temperature",
            "hot_water_return_temperature",
            "chilled_water_supply_temperature",
            "chilled_water_return_temperature",
        ),
    ),
    Group("power", "Fan power", ("supply_fan_power",)),
    Group("humidity", "Humidity", ("outdoor_air_relative_humidity", "return_air_relative_humidity")),
    Group("co2", "CO₂", ("return_air_co2_concentration",)),
    Group("states", "Running", ("supply_fan_status", "return_fan_status", "occupancy")),
)


_QUANTITIES = {
    "celsius": "Temperatures",
    "fraction": "Valves, dampers and fan",
    "pascals": "Pressure",
    "watts": "Power",
    "cubic_meters_per_second": "Air flow",
    "state": "Running",
    "none": "Points",
}


class Line(msgspec.Struct, frozen=True):
    """One line of a chart, as charts.js takes it. `factor` turns our unit into the one that is shown."""

    point: str
    label: str
    factor: float
    digits: int
    slot: int  # of the palette
    dashed: bool  # setpoints
    stepped: bool  # states, setpoints and commands jump


class Chart(msgspec.Struct, frozen=True):
    """One chart, as charts.js takes it."""

    id: str
    title: str
    unit: str
    lines: tuple[Line, ...]


def charts_of(layout: Layout) -> list[Chart]:
    """Charts for the points of a layout; points that no group knows are drawn by their unit of measurement."""
    units = {channel.point: channel.unit for channel in layout.channels}
    groups = [
        Group(group.id, group.title, tuple(point for point in group.points if point in units)) for group in GROUPS
    ]
    known = {point for group in groups for point in group.points}
    others: dict[str, list[str]] = {}
    for point, unit in units.items():
        if point not in known:
            others.setdefault(unit, []).append(point)
    for number, (unit, points) in enumerate(others.items()):
        symbol = shown_unit(unit)[1]
        groups.append(Group(f"other{number}", f"Other points{f', {symbol}' if symbol else ''}", tuple(points)))
    return [_chart(group, units) for group in groups if group.points]


def evidence_of(points: list[str], layout: Layout) -> list[Chart]:
    """Charts of these points only, one a unit of measurement: the evidence of an alert."""
    units = {channel.point: channel.unit for channel in layout.channels}
    by_unit: dict[str, list[str]] = {}
    for point in points:
        if point in units:
            by_unit.setdefault(units[point], []).append(point)
    return [
        _chart(Group(f"evidence-{unit}", _QUANTITIES.get(unit, unit), tuple(names)), units)
        for unit, names in by_unit.items()
    ]


def _chart(group: Group, units: dict[str, str]) -> Chart:
    _, symbol, _ = shown_unit(units[group.points[0]])
    lines = []
    for slot, point in enumerate(group.points):
        factor, _, digits = shown_unit(units[point])
        lines.append(
            Line(
                point=point,
                label=point_label(point),
                factor=factor,
                digits=digits,
                slot=slot,
                dashed=point.endswith("setpoint"),
                stepped=units[point] == "state" or point.endswith("setpoint"),
            )
        )
    return Chart(group.id, group.title, symbol, tuple(lines))
