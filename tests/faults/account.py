"""The account of a fault: what was counted, what is allowed, and whether it holds. As a table, and as RESULT lines."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.table import Table

from models.contracts.figures import Figure


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was counted or measured. Without bounds it is only told. `timed`: a busy machine may spoil it."""

    name: str
    value: float
    unit: str
    least: float = -math.inf
    most: float = math.inf
    timed: bool = False

    @property
    def holds(self) -> bool:
        """Whether it lies within its bounds; NaN never does."""
        return self.least <= self.value <= self.most

    @property
    def allowed(self) -> str:
        """The bounds in words, empty without any."""
        if self.least == self.most:
            return f"{self.most:g}"
        if math.isinf(self.least) and math.isinf(self.most):
            return ""
        return f"at least {self.least:g}" if math.isinf(self.most) else f"at most {self.most:g}"


@dataclass(slots=True)
class Account:
    """What came of one fault.

    Attributes:
        row: Its id in the table of faults that we survive, such as F12.
        fault: What was done.
        lines: What was found.
    """

    row: str
    fault: str
    lines: list[Line] = field(default_factory=list)

    def tell(self, name: str, value: float, unit: str) -> None:
        """A figure without bounds."""
        self.lines.append(Line(name, value, unit))

    def exactly(self, name: str, value: float, expected: float, unit: str) -> None:
        """A figure that must be this one."""
        self.lines.append(Line(name, value, unit, expected, expected))

    def at_least(self, name: str, value: float, least: float, unit: str, *, timed: bool = False) -> None:
        """A figure with a lower bound."""
        self.lines.append(Line(name, value, unit, least=least, timed=timed))

    def at_most(self, name: str, value: float, most: float, unit: str, *, timed: bool = False) -> None:
        """A figure with an upper bound."""
        self.lines.append(Line(name, value, unit, most=most, timed=timed))

    def broken(self, *, timed: bool = True) -> list[str]:
        """What does not hold, in sentences; with or without what was timed."""
        return [
            f"{self.row}: {line.name} is {line.value:g} {line.unit}, expected {line.allowed}"
            for line in self.lines
            if not line.holds and (timed or not line.timed)
        ]

    def figures(self) -> list[Figure]:
        """All lines as figures `faults.<row>.<name>`."""
        return [Figure(f"faults.{self.row.lower()}.{line.name}", line.value, line.unit) for line in self.lines]


def table(accounts: Iterable[Account]) -> Table:
    """The ledger of several faults."""
    made = Table("row", "fault", "what", "seen", "unit", "allowed", "holds", title="The ledger of faults")
    for account in accounts:
        for place, line in enumerate(account.lines):
            row, fault = (account.row, account.fault) if place == 0 else ("", "")
            verdict = "" if not line.allowed else "yes" if line.holds else "NO"
            made.add_row(row, fault, line.name, f"{line.value:.6g}", line.unit, line.allowed, verdict)
        made.add_section()
    return made
