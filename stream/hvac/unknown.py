"""Units of types that we do not know: scored frame by frame from what their own first days taught.

    frame ──▶ the unit as it was saved ──▶ take ──▶ health, alert events; saved again

What they have shown lies in a table of its own, a few hundred kilobytes a unit. Historical frames of such units go to
history and lake only: a unit teaches itself in order of time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from models.contracts import frame_pb2, topics
from models.contracts.messages import AlertEvent, Health, alert_id_for
from models.hvac.families import FAMILY, UNKNOWN_FAMILY
from models.hvac.unknown import RULE, Change, Seen, UnknownUnit
from stream.app import Output
from stream.hvac.state import UNKNOWN, Learned, Wave
from stream.table import State


def judge_unknown(state: State, wave: Wave, model_version: str) -> Iterator[Output]:
    """Alert events and health of a wave of frames of one unknown layout; works on the table of such units."""
    if not wave.live:
        return
    table, batch = state.tables[UNKNOWN], wave.batch
    rows = table.rows([wave.table.keys[row] for row in wave.rows.tolist()])
    table.touch(rows)
    for row, at in zip(rows.tolist(), wave.at.tolist(), strict=True):
        learned = table.extras.get(row)
        unit = UnknownUnit.restore(learned.unit if isinstance(learned, Learned) else b"", batch.layout)
        values, at_ms = batch.values[at], int(batch.measured_at_ms[at])
        quality = None if batch.quality is None else batch.quality[at]
        interval_ms = int(batch.interval_ms[at])
        seen = unit.take(values, quality, at_ms, interval_ms)
        table.set_extra(row, Learned(unit.save()))
        end_ms = at_ms + interval_ms * batch.n
        table.columns["last_measured_at_ms"][row] = end_ms
        header, equipment = batch.headers[at], batch.layout.equipment
        for change in seen.changes:
            event = _event(header, equipment, change, model_version)
            yield Output(topics.ALERTS, f"{event.site}/{event.unit}", event)
        good = np.isfinite(values) if quality is None else np.isfinite(values) & (quality == 0)
        health = _health(header, equipment, seen, end_ms, float(good.mean()), model_version)
        yield Output(topics.HEALTH, f"{health.site}/{health.unit}", health)


def _event(header: frame_pb2.Frame, equipment: str, change: Change, model_version: str) -> AlertEvent:
    family = FAMILY[UNKNOWN_FAMILY]
    return AlertEvent(
        alert_id=alert_id_for(header.site, header.unit, RULE, change.opened_at_ms),
        transition=change.transition,
        site=header.site,
        gateway=header.gateway,
        unit=header.unit,
        equipment=equipment,
        family=family.name,
        rule=RULE,
        severity=family.severity,
        title=family.title,
        opened_at_ms=change.opened_at_ms,
        measured_at_ms=change.measured_at_ms,
        cleared_at_ms=change.measured_at_ms if change.transition == "cleared" else None,
        reasons=change.reasons,
        checks=family.checks,
        model_version=model_version,
    )


def _health(
    header: frame_pb2.Frame, equipment: str, seen: Seen, end_ms: int, usable: float, model_version: str
) -> Health:
    return Health(
        site=header.site,
        gateway=header.gateway,
        unit=header.unit,
        equipment=equipment,
        measured_at_ms=end_ms,
        anomaly_score=None if seen.score is None else round(seen.score, 4),
        anomalous=seen.anomalous,
        top_points=seen.reasons if seen.anomalous else (),
        usable_fraction=round(usable, 4),
        model_version=model_version,
    )
