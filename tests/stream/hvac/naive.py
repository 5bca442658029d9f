"""The HVAC app as one would write it first: frame by frame, unit by unit, in the order of seqs, no batches, no waiting.

What it shares with the app is what both must: how frames are coded, and the models of `models/hvac`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from models.contracts import topics
from models.contracts.codec import decode
from models.contracts.frame import Frame
from models.contracts.messages import AlertEvent, Health, alert_id_for
from models.hvac import episodes, features
from models.hvac.kinds import KINDS
from stream.app import Encoded
from tests.stream import fleet
from tests.stream.records import Rec, messages


class Said(NamedTuple):
    """One thing said of one unit: a transition of an alert, or a health with its score."""

    key: str
    what: str
    at_ms: int
    score: float | None = None


def oracle(log: Sequence[Rec]) -> list[Said]:
    """Everything that is to be said of these frames, sorted; the last one only ends the waiting of the others."""
    units: dict[str, list[Frame]] = {}
    for record in log[:-1]:
        frame = decode(record.value or b"", fleet.LAYOUT)
        units.setdefault(f"{frame.site}/{frame.unit}", []).append(frame)
    said: list[Said] = []
    for key, frames in units.items():
        said += _of_unit(key, sorted(frames, key=lambda frame: frame.seq))
    return sorted(said, key=str)


def _of_unit(key: str, frames: list[Frame]) -> Iterable[Said]:
    monitor, kind, row = fleet.monitor(), KINDS["ahu"], np.array([0])
    state = features.new_state(1)
    positions = features.positions(kind, fleet.LAYOUT)
    site, unit = key.split("/")
    for frame in frames:
        values = features.gather(frame.values[None], None, positions)
        newest = None
        for minutes in features.fold(
            state, kind, row, np.array([frame.measured_at_ms]), np.array([frame.interval_ms]), values
        ):
            verdicts = monitor.step(state, minutes)
            score = float(verdicts.anomaly_score[0])
            at_ms = int(verdicts.minute_at_ms[0])
            newest = Said(key, "health", at_ms + 60_000, round(score, 4) if np.isfinite(score) else None)
            for change in episodes.decide(state, verdicts, monitor.settings.episodes):
                alert_id = alert_id_for(site, unit, change.rule, change.opened_at_ms)
                yield Said(key, f"{change.transition} {alert_id}", at_ms)
        if newest is not None:
            yield newest


def said_by_app(outputs: Iterable[Encoded]) -> list[Said]:
    """The same of what the app said."""
    outputs = list(outputs)
    said = [
        Said(f"{one.site}/{one.unit}", f"{one.transition} {one.alert_id}", one.measured_at_ms)
        for one in messages(outputs, topics.ALERTS, AlertEvent)
    ]
    said += [
        Said(f"{one.site}/{one.unit}", "health", one.measured_at_ms, one.anomaly_score)
        for one in messages(outputs, topics.HEALTH, Health)
    ]
    return sorted(said, key=str)
