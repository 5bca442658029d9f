"""What a row of the rule table says."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from models.contracts.units import conversion
from models.hvac.facts import Facts
from models.hvac.points import Floats
from models.hvac.settings import RuleSettings

# What a catalogue's parameter is measured in: our value = its value x factor + offset.
_FACTORS: dict[str, tuple[float, float]] = {
    "degF": (conversion("degF").factor, conversion("degF").offset),
    "degF difference": (1 / 1.8, 0.0),
    "inH2O": (conversion("inH2O").factor, 0.0),
    "psi": (conversion("psi").factor, 0.0),
    "cfm": (conversion("cfm").factor, 0.0),
    "gpm": (conversion("gpm").factor, 0.0),
    "percent": (0.01, 0.0),
    "below full": (-1.0, 1.0),
    "minutes to seconds": (60.0, 0.0),
    "as it is": (1.0, 0.0),
}


class Threshold(NamedTuple):
    """A parameter of the catalogue and the settings that hold it, named from [rules] on: `air.fan_heat_celsius`.

    Without settings it is known and applied elsewhere: by whoever tells the point that the rule reads.
    """

    parameter: str
    unit: str
    settings: tuple[str, ...]

    def ours(self, value: float) -> float:
        """The catalogue's value in our unit."""
        factor, offset = _FACTORS[self.unit]
        return value * factor + offset


class Rule(NamedTuple):
    """One rule, of the kinds of `equipment` that have its `points`; where one of these is not read, it gives no verdict.

    Attributes:
        points: All needed.
        any_of: Groups of points of which one each is needed.
        optional: Points that refine it where they are read.
        families: Faults that it speaks for, the likeliest first; empty: it is shown, never an alert.
        gate: When it is judged at all (conditions.GATES).
        inclusive: It holds at its threshold already.
        slack: What is lost in float32 and by rounded settings, in its unit: so far over the threshold it does not hold yet.
        kin: The catalogue's rule on the same thing, of a rule of our own: people are told one of the two.
        weight: Log odds that it adds by itself to its first family: for evidence so plain that it counts whatever the
            diagnosis model has learned to make of it.
        thresholds: Parameters of the catalogue.
        settings: Those that it reads, named from [rules] on.
        catalogue: Whether its condition and thresholds are the catalogue's.
        sweep: What it looks at instead of points of its own.
        speaks_on: Kinds of equipment on which it speaks for its families, all if empty: elsewhere healthy units trip it.
    """

    id: str
    title: str
    equation: str
    points: tuple[str, ...]
    families: tuple[str, ...]
    confirmation_seconds: int
    source: str
    unit: str
    excess: Callable[[Facts, RuleSettings], Floats]
    weight: float = 0.0
    equipment: tuple[str, ...] = ("ahu",)
    any_of: tuple[tuple[str, ...], ...] = ()
    optional: tuple[str, ...] = ()
    gate: str = "any"
    inclusive: bool = False
    slack: float = 0.0
    kin: str = ""
    thresholds: tuple[Threshold, ...] = ()
    settings: tuple[str, ...] = ()
    catalogue: bool = False
    sweep: str = ""
    speaks_on: tuple[str, ...] = ()


# By unit: below the resolution of any sensor, above what float32 and settings of four digits lose.
_SLACK: dict[str, float] = {
    "celsius": 5e-4, "fraction": 1e-5, "pascals": 0.05, "cubic_meters_per_second": 1e-5, "state": 1e-3, "none": 1e-3,
    "hours": 1e-3,
}  # fmt: skip


def catalogue_rule(
    name: str,
    title: str,
    equation: str,
    points: tuple[str, ...],
    excess: Callable[[Facts, RuleSettings], Floats],
    *,
    confirm: int,
    unit: str = "celsius",
    gate: str = "any",
    equipment: tuple[str, ...] = ("ahu",),
    families: tuple[str, ...] = (),
    any_of: tuple[tuple[str, ...], ...] = (),
    optional: tuple[str, ...] = (),
    inclusive: bool = False,
    slack: float | None = None,
    source: str = "open-fdd catalogue",
    thresholds: tuple[Threshold, ...] = (),
    sweep: str = "",
    speaks_on: tuple[str, ...] = (),
) -> Rule:
    """A row of the catalogue, its settings taken from its thresholds."""
    return Rule(
        id=name,
        title=title,
        equation=equation,
        points=points,
        families=families,
        confirmation_seconds=confirm,
        source=source,
        unit=unit,
        excess=excess,
        equipment=equipment,
        any_of=any_of,
        optional=optional,
        gate=gate,
        inclusive=inclusive,
        slack=_SLACK[unit] if slack is None else slack,
        thresholds=thresholds,
        settings=tuple(dict.fromkeys(name for one in thresholds for name in one.settings)),
        catalogue=True,
        sweep=sweep,
        speaks_on=speaks_on,
    )
