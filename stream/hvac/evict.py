"""Units that sent nothing for a long time are forgotten, and nobody is left waiting for the end of their alerts.

An episode that is open then is closed with a reason that says so: what went on since is not known, and a unit that comes
back starts anew, so nothing else would ever close it. A unit whose frame still waits for the one before it stays until that
wait is over.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from models.contracts import topics
from models.contracts.messages import AlertEvent, Reason, alert_id_for
from models.hvac import unknown
from models.hvac.families import FAMILY
from models.hvac.features import NEVER
from models.hvac.kinds import KIND_OF_CODE
from stream.app import Evicted, Output
from stream.hvac.layouts import Layouts
from stream.hvac.state import LIVE, NOT_DUE, UNKNOWN, Learned
from stream.table import HOUR_MS, Rows, State, Table

SILENT = "silent"  # name of the reason


def evict(state: State, name: str, rows: Rows, layouts: Layouts, hours: int, model_version: str) -> Evicted:
    """Which units of a table are forgotten after `hours` of silence, and the ends of their alerts."""
    table = state.tables[name]
    if name == LIVE:
        rows = rows[table.columns["chain_due_at_ms"][rows] == NOT_DUE]
    if name == UNKNOWN:
        return Evicted(rows, list(_unknown(table, rows, layouts, hours, model_version)))
    return Evicted(rows, list(_known(table, rows, layouts, hours, model_version, retrospective=name != LIVE)))


def _known(
    table: Table, rows: Rows, layouts: Layouts, hours: int, model_version: str, *, retrospective: bool
) -> Iterator[Output]:
    columns = table.columns
    opened = columns["episode_opened_at_ms"][rows]
    for index, slot in zip(*(part.tolist() for part in np.nonzero(opened != NEVER)), strict=True):
        row = int(rows[index])
        kind = KIND_OF_CODE[int(columns["kind"][row])]
        rule = kind.rule_of_mark.get(int(columns["episode_rule"][row, slot]), "model")
        opened_at_ms = int(opened[index, slot])
        seen_at_ms = int(columns["last_minute_at_ms"][row])
        yield _closed(
            table.keys[row],
            layouts,
            kind.name,
            kind.family_names[slot],
            rule,
            opened_at_ms,
            seen_at_ms,
            hours,
            model_version,
            retrospective=retrospective,
        )


def _unknown(table: Table, rows: Rows, layouts: Layouts, hours: int, model_version: str) -> Iterator[Output]:
    for row in rows.tolist():
        learned = table.extras.get(row)
        opened_at_ms = unknown.opened_at_ms(learned.unit) if isinstance(learned, Learned) else NEVER
        if opened_at_ms != NEVER:
            key, seen_at_ms = table.keys[row], int(table.columns["last_measured_at_ms"][row])
            yield _closed(
                key,
                layouts,
                layouts.equipment(key),
                unknown.FAMILY,
                unknown.RULE,
                opened_at_ms,
                seen_at_ms,
                hours,
                model_version,
            )


def _closed(
    key: str,
    layouts: Layouts,
    equipment: str,
    family: str,
    rule: str,
    opened_at_ms: int,
    seen_at_ms: int,
    hours: int,
    model_version: str,
    *,
    retrospective: bool = False,
) -> Output:
    site, unit = key.split("/")
    message = layouts.units.get(key)
    at_ms = max(opened_at_ms, seen_at_ms) + hours * HOUR_MS
    text = (
        f"nothing was received from this unit for {hours / 24:g} days, so it is not watched any more;"
        " whether the fault has gone is not known"
    )
    event = AlertEvent(
        alert_id=alert_id_for(site, unit, rule, opened_at_ms),
        transition="cleared",
        site=site,
        gateway=message.gateway if message else "unknown",
        unit=unit,
        equipment=equipment,
        family=family,
        rule=rule,
        severity=FAMILY[family].severity,
        title=FAMILY[family].title,
        opened_at_ms=opened_at_ms,
        measured_at_ms=at_ms,
        cleared_at_ms=at_ms,
        reasons=(Reason(kind="rule", name=SILENT, text=text),),
        checks=FAMILY[family].checks,
        retrospective=retrospective,
        model_version=model_version,
    )
    return Output(topics.ALERTS, key, event)
