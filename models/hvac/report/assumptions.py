"""What the report assumes: a settings struct with its sample beside it. Each number says in the sample where it is from."""

from __future__ import annotations

from typing import Annotated

import msgspec

from models.contracts.equipment import EQUIPMENT
from models.contracts.settings import Count, Positive, Settings, SettingsError
from models.hvac.report.tasks import TASKS, Fraction, NotNegative, Task

Days = Annotated[float, msgspec.Meta(ge=0, le=365)]


class FleetSettings(Settings, frozen=True):
    """Which units, and how long they are watched."""

    equipment: tuple[str, ...] = ("ahu", "rtu")
    units: Annotated[int, msgspec.Meta(ge=2, le=5000)] = 100
    sites: Count = 20
    years: Annotated[float, msgspec.Meta(gt=0, le=20)] = 1.0
    climate: str = "mixed"


class FaultSettings(Settings, frozen=True):
    """How often things go wrong. Lives of parts are the simulator's table; the others are shares of the units."""

    wear_acceleration: Positive = 1.0
    hidden_years: NotNegative = 3.0
    schedule_wrong_at_start_fraction: Fraction = 0.15
    schedule_wrong_per_unit_year: NotNegative = 0.10
    simultaneous_heating_cooling_at_start_fraction: Fraction = 0.05
    simultaneous_heating_cooling_per_unit_year: NotNegative = 0.03
    control_hunting_at_start_fraction: Fraction = 0.10
    control_hunting_per_unit_year: NotNegative = 0.05


class ReactiveSettings(Settings, frozen=True):
    """What happens under every policy when a unit stops or people complain."""

    notice_hours: NotNegative = 4.0
    response_hours: NotNegative = 24.0
    complaint_hours: Positive = 8.0
    complaint_days: Annotated[int, msgspec.Meta(ge=1, le=30)] = 5
    complaint_pause_days: Days = 21.0
    find_probability: Fraction = 0.75
    find_severity: Fraction = 0.4


class ScheduledSettings(Settings, frozen=True):
    """Visits by the calendar."""

    visit_months: Positive = 3.0
    visit_hours: NotNegative = 1.5
    find_probability: Fraction = 0.5


class PlenumSettings(Settings, frozen=True):
    """What is done about alerts."""

    acted_fraction: Fraction = 0.8
    planning_hours: NotNegative = 168.0
    notice_hours: NotNegative = 0.5
    false_visit_fraction: Fraction = 0.5
    # By month; 0: no visits that no alert asked for.
    visit_months: NotNegative = 0.0


class ComplianceSettings(Settings, frozen=True):
    """When maintenance is due, and when it is late."""

    due_severity: Fraction = 0.5
    late_days: Days = 30.0


class EnergySettings(Settings, frozen=True):
    """How heat and cold that a plant elsewhere makes are counted."""

    hot_water_efficiency_fraction: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.82
    chilled_water_cop: Positive = 4.0


class CostSettings(Settings, frozen=True):
    """Prices, in units of the currency."""

    currency: str = "USD"
    labour_per_hour: NotNegative = 125.0
    callout: NotNegative = 150.0
    emergency_factor: Annotated[float, msgspec.Meta(ge=1)] = 1.5
    electricity_per_kwh: NotNegative = 0.13
    fuel_per_kwh: NotNegative = 0.045
    product_per_unit_year: NotNegative = 330.0


class ReportSettings(Settings, frozen=True):
    """All of them. `tasks` replaces rows of the table in tasks.py by family."""

    fleet: FleetSettings = FleetSettings()
    faults: FaultSettings = FaultSettings()
    reactive: ReactiveSettings = ReactiveSettings()
    scheduled: ScheduledSettings = ScheduledSettings()
    plenum: PlenumSettings = PlenumSettings()
    compliance: ComplianceSettings = ComplianceSettings()
    energy: EnergySettings = EnergySettings()
    cost: CostSettings = CostSettings()
    tasks: dict[str, Task] = msgspec.field(default_factory=dict)

    def task(self, family: str) -> Task:
        """What mending this family takes."""
        return self.tasks.get(family) or TASKS[family]

    def __post_init__(self) -> None:
        for name in self.tasks:
            if name not in TASKS:
                raise ValueError(f"task of family {name!r} is not known; expected one of {', '.join(TASKS)}")
        for kind in self.fleet.equipment:
            if kind not in EQUIPMENT:
                raise ValueError(f"equipment {kind!r} is not known; expected one of {', '.join(EQUIPMENT)}")
        if not self.fleet.equipment or len(set(self.fleet.equipment)) != len(self.fleet.equipment):
            raise ValueError(f"equipment {list(self.fleet.equipment)!r}: expected at least one kind, each once")


def with_fleet(
    settings: ReportSettings, units: int | None = None, years: float | None = None, equipment: str = ""
) -> ReportSettings:
    """Settings with what the command line says instead.

    Raises:
        SettingsError: a size or kind that cannot be.
    """
    fleet = msgspec.to_builtins(settings.fleet)
    fleet |= {name: value for name, value in (("units", units), ("years", years)) if value is not None}
    if equipment:
        fleet["equipment"] = tuple(part.strip() for part in equipment.split(",") if part.strip())
    try:
        return msgspec.structs.replace(settings, fleet=msgspec.convert(fleet, FleetSettings))
    except (msgspec.ValidationError, ValueError) as error:
        raise SettingsError(f"report hvac: {error}") from error
