"""What trained models see of a minute: points normalised by the unit's condition, with a mask of what is there.

Temperatures are taken relative to one another, flow, power and filter pressure relative to the unit's own reference, so
that size and season drop out. The anomaly model reconstructs each *target* from the inputs that physics ties it to, never
from itself. One `Spec` a kind of equipment; `inputs_ahu.py` is the air handler's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from models.contracts.equipment import EQUIPMENT
from models.hvac.facts import Facts
from models.hvac.points import T_MAX, Bools, Floats, Ints, P, Rows

_SLOW = 1800.0
# Beyond it no healthy plant goes.
_FAR = np.array(6, dtype=np.float32)
_NOTHING = np.array(0, dtype=np.float32)


class Term(NamedTuple):
    """One side of a difference: the five-minute mean of a point, its last minute, or a fixed value."""

    point: str = ""
    last: bool = False
    value: float = 0.0


class Input(NamedTuple):
    """One column: `(left - right) / unit_step`, or what `of` makes of the facts.

    `unit_step` is the change of the point, in its own unit, for a change of 1 in the column. With `while_running` the
    column is missing where that says no.
    """

    name: str
    point: str
    unit_step: float
    left: Term = Term()
    right: Term = Term()
    of: Callable[[Facts], Floats] | None = None
    while_running: Callable[[Facts], Bools] | None = None


def point(name: str, middle: float, step: float, column: str = "") -> Input:
    """A point as it is, `step` of it from `middle` being 1."""
    return Input(column or name, name, step, Term(name), Term(value=middle))


def apart(column: str, name: str, other: str, step: float) -> Input:
    """How far a point is above another."""
    return Input(column, name, step, Term(name), Term(other))


def change(name: str, step: float) -> Input:
    """How far the last minute is from the mean over five: what is on the move is hard to explain."""
    return Input(f"{name}_change", name, step, Term(name, last=True), Term(name))


def made(column: str, name: str, step: float, of: Callable[[Facts], Floats]) -> Input:
    """A figure of its own making, in steps of `step` of the point."""
    return Input(column, name, step, of=of)


def over_reference(column: str, name: str, step: float) -> Input:
    """A figure against the unit's own healthy one."""
    return made(column, name, step, lambda f: f.reference(column) / np.float32(step))


def held(column: str, name: str, seconds: Callable[[Facts], Ints]) -> Input:
    """For how long something has been as it is, up to half an hour."""
    return made(column, name, 1, lambda f: np.minimum(seconds(f) / _SLOW, 1).astype(np.float32))


class _Differences(NamedTuple):
    """The inputs that are plain differences, worked out at once: both sides as places in [means, last minutes, values]."""

    inputs: Rows
    left: Rows
    right: Rows
    values: Floats
    steps: Floats

    @classmethod
    def of(cls, rows: Sequence[Input], slots: Mapping[str, int]) -> _Differences:
        values: list[float] = []

        def place(term: Term) -> int:
            if term.point:
                return slots[term.point] + (P if term.last else 0)
            values.append(term.value)
            return 2 * P + len(values) - 1

        plain = [number for number, row in enumerate(rows) if row.of is None]
        left = [place(rows[number].left) for number in plain]
        right = [place(rows[number].right) for number in plain]
        steps = [rows[number].unit_step for number in plain]
        return cls(
            np.array(plain, np.intp),
            np.array(left, np.intp),
            np.array(right, np.intp),
            np.array(values, np.float32),
            np.array(steps, np.float32),
        )

    def work_out(self, facts: Facts) -> Floats:
        """Shape (m, plain inputs)."""
        there = np.empty((len(facts.rows), 2 * P + len(self.values)), dtype=np.float32)
        there[:, :P], there[:, P : 2 * P], there[:, 2 * P :] = facts.mean, facts.now, self.values
        found: Floats = (there[:, self.left] - there[:, self.right]) / self.steps
        return found


@dataclass(frozen=True, eq=False)
class Spec:
    """What the models of one kind of equipment see and give: D inputs, T targets, the families that they tell apart.

    Attributes:
        equipment: Name of the kind.
        rows: The inputs, shape (D,).
        targets: Each with the inputs that may explain it.
        context: Inputs that the diagnosis model reads beside the residuals.
        families: Those that the diagnosis model tells apart, the first of the kind's.
        shows_in: For each of them the targets in which it shows.
        evidence: Rules that the diagnosis model weighs: its own name of each, and the rule's id.
    """

    equipment: str
    rows: tuple[Input, ...]
    targets: Mapping[str, tuple[str, ...]]
    context: tuple[str, ...]
    families: tuple[str, ...]
    shows_in: Mapping[str, tuple[str, ...]]
    evidence: Mapping[str, str]
    index: Mapping[str, int] = field(init=False)
    target_names: tuple[str, ...] = field(init=False)
    target_inputs: Rows = field(init=False)  # (T,): each target's own input
    target_slots: Rows = field(init=False)  # (T,): the slot of its point
    target_steps: Floats = field(init=False)  # (T,)
    visible: Floats = field(init=False)  # (T, D): which input each target may see
    context_inputs: Rows = field(init=False)
    differences: _Differences = field(init=False)
    made: tuple[tuple[int, Callable[[Facts], Floats]], ...] = field(init=False)  # the other inputs, each by its place
    # By what must run for them: which inputs, (D,).
    gated: tuple[tuple[Callable[[Facts], Bools], Bools], ...] = field(init=False)
    shows: Floats = field(init=False)  # (T, families): in which targets each family shows

    def __post_init__(self) -> None:
        put = object.__setattr__
        names = [row.name for row in self.rows]
        put(self, "index", {name: place for place, name in enumerate(names)})
        put(self, "target_names", tuple(self.targets))
        put(self, "target_inputs", np.array([names.index(name) for name in self.targets], dtype=np.intp))
        slots = {name: slot for slot, name in enumerate(EQUIPMENT[self.equipment].points)}
        put(self, "differences", _Differences.of(self.rows, slots))
        put(self, "made", tuple((place, row.of) for place, row in enumerate(self.rows) if row.of is not None))
        gates = dict.fromkeys(row.while_running for row in self.rows if row.while_running is not None)
        put(self, "gated", tuple((gate, np.array([row.while_running is gate for row in self.rows])) for gate in gates))
        put(self, "target_slots", np.array([slots[self.rows[i].point] for i in self.target_inputs], dtype=np.intp))
        put(self, "target_steps", np.array([self.rows[i].unit_step for i in self.target_inputs], dtype=np.float32))
        visible = np.array([[name in seen for name in names] for seen in self.targets.values()], dtype=np.float32)
        put(self, "visible", visible)
        shows = np.array(
            [[name in self.shows_in[family] for family in self.families] for name in self.targets], np.float32
        )
        put(self, "shows", shows)
        put(self, "context_inputs", np.array([names.index(name) for name in self.context], dtype=np.intp))

    @property
    def anomaly_inputs(self) -> tuple[str, ...]:
        """Columns of the anomaly model: the inputs, then whether each is there."""
        return (*self.index, *(f"there_{name}" for name in self.index))

    @property
    def anomaly_outputs(self) -> tuple[str, ...]:
        """For each target what is expected, then the logarithm of how far healthy units stray from it."""
        return (*(f"expected_{name}" for name in self.targets), *(f"sigma_log_{name}" for name in self.targets))

    @property
    def limits(self) -> tuple[str, ...]:
        """Thresholds of the anomaly model: what healthy units hardly ever pass, in standard deviations."""
        return tuple(f"limit.{name}" for name in self.targets)

    @property
    def diagnosis_inputs(self) -> tuple[str, ...]:
        """Columns of the diagnosis model."""
        return (
            *(f"residual_{name}" for name in self.targets),
            *(f"judged_{name}" for name in self.targets),
            "filter_resistance_rise",
            "fan_speed_excess",
            *self.context,
            *(f"rule_{name}" for name in self.evidence),
        )

    @property
    def diagnosis_outputs(self) -> tuple[str, ...]:
        """Log odds, no fault first."""
        return tuple(f"logit_{name}" for name in ("healthy", *self.families))

    def check(self, families: Sequence[str], rules: Sequence[str]) -> None:
        """Refuse a spec that names what its kind does not have.

        Raises:
            ValueError: a family stands elsewhere, a rule is unknown, or there are too many targets.
        """
        if tuple(families[: len(self.families)]) != self.families:
            raise ValueError(
                f"models of {self.equipment}: families {self.families!r}, expected the first of {families!r}"
            )
        lost = sorted(set(self.evidence.values()) - set(rules))
        if lost:
            raise ValueError(f"models of {self.equipment}: no rules {lost!r} any more; see evidence in their spec")
        if len(set(self.target_slots.tolist())) < len(self.targets):
            raise ValueError(f"models of {self.equipment}: two targets stand for one point, expected one of each")
        if len(self.targets) > T_MAX:
            raise ValueError(f"models of {self.equipment}: {len(self.targets)} targets, expected at most {T_MAX}")

    def inputs(self, facts: Facts) -> tuple[Floats, Bools]:
        """The columns of each minute, shape (m, D), 0 where missing, and whether they are there, shape (m, D).

        Values beyond what any healthy plant shows are cut, so that no fault leads the models far off.
        """
        x, numbers = np.empty((len(facts.rows), len(self.rows)), dtype=np.float32), facts.numbers()
        with np.errstate(invalid="ignore", divide="ignore"):
            x[:, self.differences.inputs] = self.differences.work_out(facts)
            for place, of in self.made:
                x[:, place] = of(numbers)
        there = np.isfinite(x)
        for gate, inputs in self.gated:
            there &= ~inputs | gate(numbers).reshape(-1, 1)
        x = np.where(there, x, _NOTHING)
        return np.minimum(np.maximum(x, -_FAR), _FAR), there
