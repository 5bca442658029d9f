"""The kinds of equipment as rules and models see them: which point, rule and fault family stands in which slot.

Slots are part of every snapshot, so points and families are only ever appended. Rules may come and go: what outlives a
release names its rule by id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np

from models.contracts.equipment import EQUIPMENT
from models.contracts.points import POINTS as VOCABULARY
from models.hvac import inputs_ahu, inputs_dx, inputs_terminal, inputs_water
from models.hvac.families import FAMILIES_OF, FAMILY, Family
from models.hvac.inputs import Spec
from models.hvac.points import F_MAX, R_MAX, Bools, Floats, Ints, P, Rows
from models.hvac.rules import RULE_TABLE, Rule


@dataclass(frozen=True, slots=True)
class Operation:
    """How one tells what a kind of equipment is doing.

    Attributes:
        running: Points and the value above which each says that the unit runs, the most trusted last; unknown is off.
        heating: Command of its heating, closed at 0; empty if it has none.
        cooling: Command of its cooling.
    """

    running: tuple[tuple[str, float], ...]
    heating: str = ""
    cooling: str = ""


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind of equipment: tuples in the order of the slots, matrices (R_MAX, ...), False where a slot is free."""

    name: str
    title: str
    code: int  # in the state: which kind a row was last fed as; 0 is none
    points: tuple[str, ...]
    rules: tuple[Rule, ...]
    families: tuple[Family, ...]
    operation: Operation
    spec: Spec | None = None  # what its trained models see and give, if there are any
    labels: tuple[str, ...] = field(init=False)
    units: tuple[str, ...] = field(init=False)
    slot: Mapping[str, int] = field(init=False)
    rule_ids: tuple[str, ...] = field(init=False)
    rule_slot: Mapping[str, int] = field(init=False)
    rule_of_mark: Mapping[int, str] = field(init=False)
    family_names: tuple[str, ...] = field(init=False)
    family_slot: Mapping[str, int] = field(init=False)
    confirmation_ms: Ints = field(init=False)  # (R_MAX,)
    needs: Bools = field(init=False)  # (R_MAX, P): the points without which a rule gives no verdict
    speaks_for: Bools = field(init=False)  # (R_MAX, F_MAX): an open episode of such a family explains the rule
    leads: tuple[tuple[int, Rows], ...] = field(init=False)  # families that only rules tell, and those rules
    evidence: Rows = field(init=False)  # rules that the diagnosis model weighs, in its order
    weights: tuple[tuple[int, int, float], ...] = field(
        init=False
    )  # of these, rule, family and log odds it adds by itself
    # The same as numbers, to be multiplied with: small counts are exact in float32 in any order of addition.
    needs_count: Floats = field(init=False)  # (P, R_MAX)
    speaks_for_count: Floats = field(init=False)  # (R_MAX, F_MAX)
    evidence_speaks_for: Floats = field(init=False)  # (evidence, families of the model)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "labels", tuple(VOCABULARY[name].label for name in self.points))
        put(self, "units", tuple(VOCABULARY[name].unit for name in self.points))
        put(self, "slot", {name: index for index, name in enumerate(self.points)})
        put(self, "rule_ids", tuple(rule.id for rule in self.rules))
        put(self, "rule_slot", {rule.id: index for index, rule in enumerate(self.rules)})
        put(self, "rule_of_mark", {rule_mark(rule.id): rule.id for rule in self.rules})
        put(self, "family_names", tuple(family.name for family in self.families))
        put(self, "family_slot", {family.name: index for index, family in enumerate(self.families)})
        confirmation = np.zeros(R_MAX, dtype=np.int64)
        needs, speaks_for = np.zeros((R_MAX, P), dtype=bool), np.zeros((R_MAX, F_MAX), dtype=bool)
        for index, rule in enumerate(self.rules):
            confirmation[index] = rule.confirmation_seconds * 1000
            needs[index, [self.slot[point] for point in rule.points]] = True
            speaks_for[index, [self.family_slot[name] for name in self.known_families(rule)]] = True
        put(self, "confirmation_ms", confirmation)
        put(self, "needs", needs)
        put(self, "speaks_for", speaks_for)
        put(self, "leads", self._leads())
        evidence = [] if self.spec is None else [self.rule_slot[rule] for rule in self.spec.evidence.values()]
        put(self, "evidence", np.array(evidence, dtype=np.intp))
        weighty = [(slot, self.rules[slot]) for slot in evidence if self.rules[slot].weight]
        put(self, "weights", tuple((slot, self.family_slot[rule.families[0]], rule.weight) for slot, rule in weighty))
        put(self, "needs_count", np.ascontiguousarray(needs.T).astype(np.float32))
        # Of the model's families only its own evidence says whether they could have shown.
        counted = speaks_for.copy()
        counted[[slot for slot in range(len(self.rules)) if slot not in evidence], : self.modelled] = False
        put(self, "speaks_for_count", counted.astype(np.float32))
        put(self, "evidence_speaks_for", speaks_for[evidence, : self.modelled].astype(np.float32))

    def _leads(self) -> tuple[tuple[int, Rows], ...]:
        found = []
        for family in range(self.modelled, len(self.families)):
            name = self.families[family].name
            rules = [slot for slot, rule in enumerate(self.rules) if self.known_families(rule)[:1] == (name,)]
            if rules:
                found.append((family, np.array(rules, dtype=np.intp)))
        return tuple(found)

    @property
    def models(self) -> Spec:
        """What its trained models see.

        Raises:
            ValueError: there are none for this kind.
        """
        if self.spec is None:
            raise ValueError(f"equipment {self.name}: no trained models; its rules judge it alone")
        return self.spec

    @property
    def modelled(self) -> int:
        """How many of the families, the first ones, the diagnosis model tells apart; rules alone tell the others."""
        return 0 if self.spec is None else len(self.spec.families)

    def known_families(self, rule: Rule) -> tuple[str, ...]:
        """The families of a rule that this kind has and that it speaks for here, the likeliest first."""
        if rule.speaks_on and self.name not in rule.speaks_on:
            return ()
        return tuple(name for name in rule.families if name in self.family_slot)


def rule_mark(rule: str) -> int:
    """A number for a rule that is the same in every release, whatever its slot: 0 to 2**31 - 1."""
    return crc32(rule.encode()) & 0x7FFF_FFFF


_FAN = (("supply_air_flow", 0.02), ("supply_fan_speed_command", 0.05), ("supply_fan_status", 0.5))
_OPERATION: dict[str, Operation] = {
    "ahu": Operation(_FAN, "heating_valve_command", "cooling_valve_command"),
    "rtu": Operation(_FAN, "heating_command", "dx_cooling_command"),
    "heat_pump": Operation(_FAN, "auxiliary_heating_command"),
    "chiller": Operation((("chiller_power", 1000.0), ("compressor_status", 0.5), ("chiller_status", 0.5))),
    "boiler": Operation((("boiler_fuel_power", 1000.0), ("boiler_firing_rate_command", 0.02), ("boiler_status", 0.5))),
    "fan_coil": Operation(_FAN, "heating_valve_command", "cooling_valve_command"),
    "vav_box": Operation((("zone_air_flow", 0.005), ("supply_fan_status", 0.5)), "reheat_valve_command"),
}
_SPECS: dict[str, Spec] = {
    "ahu": inputs_ahu.AHU,
    "rtu": inputs_dx.RTU,
    "heat_pump": inputs_dx.HEAT_PUMP,
    "chiller": inputs_water.CHILLER,
    "boiler": inputs_water.BOILER,
    "fan_coil": inputs_terminal.FAN_COIL,
    "vav_box": inputs_terminal.VAV_BOX,
}


def _rules_for(name: str, points: Sequence[str], table: Sequence[Rule]) -> tuple[Rule, ...]:
    return tuple(rule for rule in table if name in rule.equipment and set(rule.points) <= set(points))


def make_kinds(table: Sequence[Rule] = RULE_TABLE) -> dict[str, Kind]:
    """Every kind of equipment that we know, with those rules of the table that fit it.

    Raises:
        ValueError: more rules or families than there are slots, or a model reads what the kind does not have.
    """
    kinds = {}
    for code, (name, equipment) in enumerate(EQUIPMENT.items(), start=1):
        rules = _rules_for(name, equipment.points, table)
        families = tuple(FAMILY[family] for family in FAMILIES_OF[name])
        spec = _SPECS.get(name)
        if len(rules) > R_MAX or len(families) > F_MAX:
            raise ValueError(
                f"equipment {name}: {len(rules)} rules and {len(families)} families, expected at most {R_MAX} and {F_MAX}"
            )
        if spec is not None:
            spec.check(FAMILIES_OF[name], [rule.id for rule in rules])
        kinds[name] = Kind(name, equipment.title, code, equipment.points, rules, families, _OPERATION[name], spec)
    return kinds


KINDS: dict[str, Kind] = make_kinds()
KIND_OF_CODE: dict[int, Kind] = {kind.code: kind for kind in KINDS.values()}
# What stands in which slot, as one number: state saved under another is of another release.
SLOTS_MARK = crc32(
    repr([(kind.name, kind.points, kind.rule_ids, kind.family_names) for kind in KINDS.values()]).encode()
)
