"""Verdicts as sentences for people, the numbers beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.contracts.messages import Reason
from models.contracts.points import POINTS as VOCABULARY
from models.hvac.episodes import EpisodeChange
from models.hvac.kinds import Kind
from models.hvac.verdicts import Verdicts

_SYMBOLS = {"celsius": "°C", "pascals": "Pa", "watts": "W", "cubic_meters_per_second": "m³/s", "ppm": "ppm"}
_DIGITS = {"cubic_meters_per_second": 2, "watts": 0, "pascals": 0, "ppm": 0}
_POINTS_MAX = 3
_WORTH_SAYING = 0.5  # of the limit of healthy units
_RISK_WORTH_SAYING = 0.5


def value_text(value: float, unit: str) -> str:
    """A value as people write it: `24.1 °C`, `35 %`, `on`."""
    if unit == "fraction":
        return f"{100 * value:.0f} %"
    if unit == "state":
        return "on" if value > 0.5 else "off"
    return f"{value:.{_DIGITS.get(unit, 1)}f} {_SYMBOLS.get(unit, unit)}"


class _Unit:
    """One unit at one minute: its means in words."""

    def __init__(self, kind: Kind, means: npt.NDArray[np.float32]) -> None:
        self._kind, self._means = kind, means

    def number(self, point: str) -> float:
        slot = self._kind.slot.get(point)
        return float("nan") if slot is None else float(self._means[slot])

    def known(self, point: str) -> bool:
        return bool(np.isfinite(self.number(point)))

    def text(self, point: str) -> str:
        return value_text(self.number(point), VOCABULARY[point].unit)

    def valve(self, which: str) -> str:
        opening = self.number(f"{which}_valve_command")
        return f"{which} valve closed" if opening <= 0.02 else f"{which} valve {100 * opening:.0f} % open"

    def list(self, *parts: tuple[str, str]) -> str:
        """`name value` of those points that are read, in brackets; empty if none is."""
        said = [f"{name} {self.text(point)}" for name, point in parts if self.known(point)]
        return f" ({', '.join(said)})" if said else ""


def _direction(apart: float) -> str:
    return "above" if apart > 0 else "below"


def _kelvin(apart: float) -> str:
    return f"{abs(apart):.1f} °C {_direction(apart)}"


def _supply(u: _Unit, apart: float) -> str:
    around = [u.valve(which) for which in ("heating", "cooling") if u.known(f"{which}_valve_command")]
    if u.known("hot_water_return_temperature"):
        around.append(f"hot water returns at {u.text('hot_water_return_temperature')}")
    return (
        f"supply air {u.text('supply_air_temperature')} is {_kelvin(apart)} what its valve positions explain"
        f" ({', '.join(around)})"
    )


def _mixed(u: _Unit, apart: float) -> str:
    around = u.list(
        ("damper commanded to", "outdoor_air_damper_command"),
        ("outdoor air", "outdoor_air_temperature"),
        ("return air", "return_air_temperature"),
    )
    return f"mixed air {u.text('mixed_air_temperature')} is {_kelvin(apart)} what the damper explains{around}"


def _zone(u: _Unit, apart: float) -> str:
    around = u.list(("return air", "return_air_temperature"))
    return f"zone air {u.text('zone_air_temperature')} is {_kelvin(apart)} what return air explains{around}"


def _tracking(u: _Unit, apart: float) -> str:
    around = u.list(
        ("setpoint", "supply_air_temperature_setpoint"),
        ("heating valve", "heating_valve_command"),
        ("cooling valve", "cooling_valve_command"),
    )
    return f"supply air {u.text('supply_air_temperature')} is {_kelvin(apart)} where its control should hold it{around}"


def _share(apart: float) -> str:
    return f"{100 * abs(np.expm1(apart)):.0f} % {_direction(apart)}"


def _flow(u: _Unit, apart: float) -> str:
    around = u.list(("speed", "supply_fan_speed_command"))
    return f"air flow {u.text('supply_air_flow')} is {_share(apart)} what the fan's speed usually gives{around}"


def _fan(u: _Unit, apart: float) -> str:
    around = u.list(("flow", "supply_air_flow"), ("power", "supply_fan_power"))
    speed = u.text("supply_fan_speed_command")
    return f"fan speed {speed} is {100 * abs(apart):.0f} % {_direction(apart)} what its power explains{around}"


def _filter(u: _Unit, apart: float) -> str:
    around = u.list(("at", "supply_air_flow"))
    drop = u.text("filter_differential_pressure")
    return f"filter pressure drop {drop} is {np.exp(apart):.1f} times that of this unit's filter when clean{around}"


def _duct(u: _Unit, apart: float) -> str:
    around = u.list(("setpoint", "supply_air_static_pressure_setpoint"), ("fan speed", "supply_fan_speed_command"))
    share = f"{100 * abs(apart):.0f} % {_direction(apart)}"
    return f"duct pressure {u.text('supply_air_static_pressure')} is {share} where its control should hold it{around}"


def _water(name: str, point: str, explained: str, *around: tuple[str, str]) -> Callable[[_Unit, float], str]:
    return lambda u, apart: f"{name} {u.text(point)} is {_kelvin(apart)} {explained}{u.list(*around)}"


_SENTENCES: dict[str, Callable[[_Unit, float], str]] = {
    "zone": _zone,
    "mixed": _mixed,
    "supply": _supply,
    "tracking": _tracking,
    "flow_per_speed": _flow,
    "fan_speed_excess": _fan,
    "filter_pressure_per_flow": _filter,
    "duct": _duct,
    "hot_water": _water("hot water supply", "hot_water_supply_temperature", "what is usual here"),
    "hot_return": _water(
        "hot water return",
        "hot_water_return_temperature",
        "what the heating valve explains",
        ("valve", "heating_valve_command"),
        ("supply", "hot_water_supply_temperature"),
    ),
    "chilled_water": _water("chilled water supply", "chilled_water_supply_temperature", "what is usual here"),
    "chilled_return": _water(
        "chilled water return",
        "chilled_water_return_temperature",
        "what the cooling valve explains",
        ("valve", "cooling_valve_command"),
        ("supply", "chilled_water_supply_temperature"),
    ),
}


def _plain(point: str) -> Callable[[_Unit, float], str]:
    """What is said of a target that has no sentence of its own."""

    def say(u: _Unit, apart: float) -> str:
        known = VOCABULARY[point]
        away = value_text(abs(apart), known.unit) if known.unit != "state" else "far"
        return f"{known.label.lower()} {u.text(point)} is {away} {_direction(apart)} what the other readings explain"

    return say


class _Found(NamedTuple):
    target: int
    over: float


def explain(verdicts: Verdicts, index: int, means: npt.NDArray[np.float32] | None = None) -> tuple[Reason, ...]:
    """Why a unit is judged as it is: what stands out most, its confirmed rules, what else stands out, and its risk.

    Args:
        verdicts: As `Monitor.step` gives them.
        index: The unit's place in them.
        means: Shape (m, P), if other means than those judged are to be named.
    """
    values = (verdicts.means if means is None else means)[index]
    points = _point_reasons(verdicts, index, _Unit(verdicts.kind, values))
    return (*points[:1], *_rule_reasons(verdicts, index, values), *points[1:], *_risk_reason(verdicts, index))


def explain_change(verdicts: Verdicts, change: EpisodeChange) -> tuple[Reason, ...]:
    """Why an episode changed: as `explain`, or, where neither a rule nor a point stands out, that all readings together
    look like this fault. Edge and stream both say it in these words."""
    found = explain(verdicts, change.index)
    if found:
        return found
    probability = float(verdicts.fault_probability[change.index, verdicts.kind.family_slot[change.family]])
    verb = "no longer look" if change.transition == "cleared" else "look"
    text = f"all readings together {verb} like this fault: {probability:.0%} likely by the trained model"
    return (Reason(kind="risk", name="diagnosis", text=text, value=round(probability, 4)),)


def _point_reasons(verdicts: Verdicts, index: int, unit: _Unit) -> list[Reason]:
    kind, over = verdicts.kind, verdicts.over[index]
    spec = kind.spec
    if spec is None:
        return []
    family = spec.families[int(verdicts.fault_probability[index, : len(spec.families)].argmax())]
    typical = {spec.target_names.index(name) for name in spec.shows_in[family]}
    found = [_Found(int(target), float(over[target])) for target in np.flatnonzero(over >= _WORTH_SAYING)]
    # What is typical of the likeliest fault is said first: people act on the cause, not on its consequences.
    found.sort(key=lambda one: (one.target not in typical, -one.over))
    reasons = []
    for target, _ in found[:_POINTS_MAX]:
        slot = int(spec.target_slots[target])
        point, unit_name = kind.points[slot], kind.units[slot]
        apart = float(verdicts.apart[index, target] * spec.target_steps[target])
        celsius = unit_name == "celsius"
        value = unit.number(point)
        say = _SENTENCES.get(spec.target_names[target], _plain(point))
        reasons.append(
            Reason(
                kind="point",
                name=point,
                text=say(unit, apart),
                value=value if np.isfinite(value) else None,
                expected=value - apart if celsius and np.isfinite(value) else None,
                unit=unit_name,
                share=float(verdicts.point_shares[index, slot]),
            )
        )
    return reasons


def _rule_reasons(verdicts: Verdicts, index: int, values: npt.NDArray[np.float32]) -> list[Reason]:
    kind, reasons = verdicts.kind, []
    confirmed = np.flatnonzero(verdicts.rule_confirmed[index]).tolist()
    # Where our own rule on the same thing holds too, it is said once.
    said_by_kin = {kind.rules[number].kin for number in confirmed}
    for number in confirmed:
        rule = kind.rules[number]
        if rule.id in said_by_kin:
            continue
        suspect = int(verdicts.suspects[rule.id][index]) if rule.id in verdicts.suspects else -1
        slots = [kind.slot[point] for point in rule.points] + ([suspect] if suspect >= 0 else [])
        slots = [slot for slot in slots if np.isfinite(values[slot])]
        read = ", ".join(f"{kind.labels[s].lower()} {value_text(float(values[s]), kind.units[s])}" for s in slots)
        said = f"{rule.title[:1].lower()}{rule.title[1:]}" + (f": {read}" if read else "")
        reasons.append(
            Reason(
                kind="rule",
                name=rule.id,
                text=f"{said} (rule {rule.id}: {rule.equation})",
                value=float(verdicts.rule_excess[index, number]),
                unit=rule.unit,
            )
        )
    return reasons


def _risk_reason(verdicts: Verdicts, index: int) -> list[Reason]:
    day, week = (float(probability) for probability in verdicts.failure_probability[index])
    if week < _RISK_WORTH_SAYING:
        return []
    hours = float(verdicts.hours_to_failure[index])
    left = f", about {hours:.0f} hours left" if np.isfinite(hours) else ""
    text = f"failure within 24 hours {100 * day:.0f} %, within 7 days {100 * week:.0f} % likely{left}"
    return [Reason(kind="risk", name="168", text=text, value=week, unit="fraction")]
