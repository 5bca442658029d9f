"""What to say: episodes of faults become alert events, opened once and cleared once.

A gateway that was alone may have opened an episode already: its alert opens it here under the same id, and if it is open
here, nothing is said twice. What historical frames show becomes a retrospective alert, unless live state has it open.
"""

from __future__ import annotations

from collections.abc import Iterator

from models.contracts import frame_pb2, topics
from models.contracts.messages import AlertEvent, EdgeAlert, WaitingCost, alert_id_for
from models.hvac import episodes
from models.hvac.costs import PENALTIES_FILE, CostSettings, size_point, waiting_cost
from models.hvac.explain import explain_change
from models.hvac.families import FAMILY
from models.hvac.features import NEVER
from models.hvac.kinds import KIND_OF_CODE, KINDS
from models.hvac.monitor import Monitor, Verdicts
from stream.app import Output
from stream.hvac.score import Scored, fault_probabilities, number, risks
from stream.hvac.state import LIVE, EdgeAlerts, Wave
from stream.table import State


def decide(state: State, step: Scored | EdgeAlerts, monitor: Monitor) -> Iterator[Output]:
    """Alert events and health of one scored step."""
    if isinstance(step, EdgeAlerts):
        for alert, equipment in step.alerts:
            event = _take_edge_alert(state, alert, equipment)
            if event is not None:
                yield _output(event)
        return
    wave = step.wave
    for verdicts, places in step.judged:
        for change in episodes.decide(wave.table.columns, verdicts, monitor.settings.episodes):
            if not wave.live and _is_open_live(state, wave, change):
                continue
            header = wave.batch.headers[wave.at[places[change.index]]]
            yield _output(_event(wave, header, verdicts, change, monitor))
    yield from step.health


def _output(event: AlertEvent) -> Output:
    return Output(topics.ALERTS, f"{event.site}/{event.unit}", event)


def _event(
    wave: Wave, header: frame_pb2.Frame, verdicts: Verdicts, change: episodes.EpisodeChange, monitor: Monitor
) -> AlertEvent:
    family = FAMILY[change.family]
    return AlertEvent(
        alert_id=alert_id_for(header.site, header.unit, change.rule, change.opened_at_ms),
        transition=change.transition,
        site=header.site,
        gateway=header.gateway,
        unit=header.unit,
        equipment=wave.batch.layout.equipment,
        family=change.family,
        rule=change.rule,
        severity=change.severity,
        title=family.title,
        opened_at_ms=change.opened_at_ms,
        measured_at_ms=int(verdicts.minute_at_ms[change.index]),
        cleared_at_ms=change.cleared_at_ms,
        reasons=explain_change(verdicts, change),
        checks=family.checks,
        fault_probabilities=fault_probabilities(verdicts, change.index),
        risks=risks(verdicts, change.index),
        hours_to_failure=number(verdicts.hours_to_failure[change.index]),
        hours_to_failure_low=number(verdicts.hours_to_failure_low[change.index]),
        hours_to_failure_high=number(verdicts.hours_to_failure_high[change.index]),
        waiting=_waiting(verdicts, change, monitor.settings.costs),
        retrospective=not wave.live,
        model_version=monitor.version,
    )


def _waiting(verdicts: Verdicts, change: episodes.EpisodeChange, settings: CostSettings) -> WaitingCost | None:
    """What a day of waiting costs while an episode is open; None where nothing was measured of such a fault."""
    if change.transition == "cleared" or not PENALTIES_FILE.exists():
        return None
    kind, index = verdicts.kind, change.index
    slot = kind.slot.get(size_point(kind.name))
    return waiting_cost(
        kind.name,
        change.family,
        float(verdicts.fault_probability[index, kind.family_slot[change.family]]),
        float(verdicts.failure_probability[index, -1]),
        float("nan") if slot is None else float(verdicts.means[index, slot]),
        settings,
    )


def _is_open_live(state: State, wave: Wave, change: episodes.EpisodeChange) -> bool:
    """Whether live state has this episode's family open: then history tells nothing new, until that is over."""
    live = state.tables[LIVE]
    row = live.find(wave.table.keys[change.row])
    family = KINDS[wave.batch.layout.equipment].family_slot[change.family]
    if row is None or live.columns["episode_opened_at_ms"][row, family] == NEVER:
        return False
    wave.table.columns["episode_opened_at_ms"][change.row, family] = NEVER
    return True


def _take_edge_alert(state: State, alert: EdgeAlert, equipment: str) -> AlertEvent | None:
    """Open an episode that a gateway saw first; None when it is open, or when that minute was judged here already."""
    if alert.transition != "opened":
        return None  # the frames themselves clear an episode
    live = state.tables[LIVE]
    rows = live.rows([f"{alert.site}/{alert.unit}"])
    live.touch(rows)
    row, columns = int(rows[0]), live.columns
    if alert.opened_at_ms <= int(columns["last_minute_at_ms"][row]):
        return None
    # What the frames said that were folded here counts more than a layout that may not have come yet.
    kind = KIND_OF_CODE.get(int(columns["kind"][row])) or KINDS.get(equipment)
    if kind is None or not episodes.force_open(columns, kind, row, alert.family, alert.opened_at_ms, alert.rule):
        return None
    family = FAMILY[alert.family]
    return AlertEvent(
        alert_id=alert.alert_id,
        transition="opened",
        site=alert.site,
        gateway=alert.gateway,
        unit=alert.unit,
        equipment=equipment,
        family=alert.family,
        rule=alert.rule,
        severity=alert.severity,
        title=family.title,
        opened_at_ms=alert.opened_at_ms,
        measured_at_ms=alert.measured_at_ms,
        reasons=alert.reasons,
        checks=family.checks,
        model_version=alert.model_version,
    )
