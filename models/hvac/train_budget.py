"""Where the alert budget of a unit never met begins: the highest anomaly scores of hours in which others were healthy.

    met in each season   |  a day  |  . . ten days . . |  a day  |      read every minute, as gateways do or faster

What a unit shows in its first weeks is meant, whatever the season: later its own hours count. Single readings every five
minutes stray further (twice as far for air handlers), but an episode needs five of them in succession, and units read so
kept the budget with this prior (0.03 episodes a unit-week over all kinds); one of their own would only say less. No fit and
no test has seen these units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from models import registry
from models.contracts.lesson import Lesson
from models.hvac import curriculum, features, quantize
from models.hvac.alert_budget import Prior, prior_of
from models.hvac.anomaly import PRIOR
from models.hvac.cards import ArtifactFiles
from models.hvac.curriculum import Plant, Recording
from models.hvac.features import Minutes
from models.hvac.infer import open_model
from models.hvac.kinds import KINDS
from models.hvac.monitor import Models, Monitor, model_name
from models.hvac.points import Floats
from models.hvac.settings import MonitorSettings
from models.registry import Artifact, Card

_SEED = 14_000
_UNITS = 48
_SEASONS = 4
_AGAIN_DAYS = 11  # after a Monday: a Friday
_YEAR_START_MS = 1_767_571_200_000  # Monday 5 January 2026, 00:00
_DAY_MS, _HOUR_MS = 86_400_000, 3_600_000
_SEASON_MS = 91 * _DAY_MS
_DEVIATION_MIN = 1e-3


def lessons(equipment: str, units: int = _UNITS) -> list[Lesson]:
    """Healthy fleets of a kind, one met in each season and seen again the week after; of air handlers both plants."""
    out = []
    for season in range(_SEASONS):
        start_ms = _YEAR_START_MS + season * _SEASON_MS
        stretches = ((start_ms, 24.0), (start_ms + _AGAIN_DAYS * _DAY_MS, 24.0))
        hours = (_AGAIN_DAYS + 1) * 24.0
        name = f"budget {equipment} {season}"
        out.append(Lesson(name, units, _SEED + season, start_ms, hours, 60.0, (), equipment, stretches))
    if equipment != "ahu":
        return out
    single_zone = curriculum.healthy_lessons(_SEED, units)[::6]
    return [*out, *(replace(one, interval_seconds=60.0) for one in single_zone)]


def hourly_peaks(recordings: Sequence[Recording], monitor: Monitor) -> Floats:
    """Highest anomaly score of each hour of each unit, shape (k,); hours in which nothing was judged have none.

    Args:
        recordings: Of fleets of one kind, whole minutes, each at a time of its own; they are judged side by side.
        monitor: With models of this kind.
    """
    kind = KINDS[recordings[0].equipment]
    units = [one.means.shape[1] for one in recordings]
    first = np.cumsum([0, *units])
    state = features.new_state(int(first[-1]))
    raw = [np.empty(one.means.shape[:2], dtype=np.float32) for one in recordings]
    for number in range(max(len(one.minute_at_ms) for one in recordings)):
        there = [place for place, one in enumerate(recordings) if number < len(one.minute_at_ms)]
        rows = np.concatenate([np.arange(first[place], first[place + 1]) for place in there])
        at_ms = np.concatenate([np.full(units[place], recordings[place].minute_at_ms[number]) for place in there])
        means = np.concatenate([recordings[place].means[number] for place in there])
        minutes = Minutes(kind, rows, at_ms, means, np.ones(len(rows), dtype=np.float32))
        scores = np.split(monitor.step(state, minutes).anomaly_raw, np.cumsum([units[place] for place in there])[:-1])
        for place, seen in zip(there, scores, strict=True):
            raw[place][number] = seen
    peaks = []
    for one, scores_all in zip(recordings, raw, strict=True):
        begins = np.flatnonzero(np.diff(one.minute_at_ms // _HOUR_MS, prepend=-1))
        peaks.append(np.fmax.reduceat(scores_all, begins, axis=0).ravel())
    found: Floats = np.concatenate(peaks)
    return found[~np.isnan(found)]


def without_prior(card: Card) -> Card:
    """The card of an anomaly model that has one alarm level for all units."""
    kept = {name: value for name, value in card.thresholds.items() if name not in PRIOR}
    return msgspec.structs.replace(card, thresholds=kept)


def with_prior(card: Card, prior: Prior) -> Card:
    """The card of an anomaly model that knows where the alert budget of a unit never met begins."""
    values = round(prior.mean, 4), round(max(prior.deviation, _DEVIATION_MIN), 4)
    told = dict(zip(PRIOR, values, strict=True))
    return msgspec.structs.replace(card, thresholds={**without_prior(card).thresholds, **told})


def train_budget(
    plant: Plant, directory: Path, equipment: str, fleets: Sequence[Lesson] | None = None
) -> list[ArtifactFiles]:
    """The anomaly models of a kind, float and, where it is there, int8, each with its own prior: a minute on one core.

    Args:
        plant: Plays the lessons.
        directory: Where the models of the kind stand; they stay as they are, only their cards are written anew.
        equipment: The kind.
        fleets: What `lessons` gives by default.
    """
    kind = KINDS[equipment]
    recordings = [curriculum.recorded(plant, lesson) for lesson in fleets or lessons(equipment)]
    out = []
    for suffix in ("", quantize.SUFFIX):
        name = model_name("anomaly", kind) + suffix
        if suffix and not (directory / f"{name}.json").exists():
            continue
        artifact, diagnosis = (
            registry.load(directory, model_name(part, kind) + suffix, open_model) for part in ("anomaly", "diagnosis")
        )
        alone = Artifact(without_prior(artifact.card), artifact.model)
        monitor = Monitor(MonitorSettings(), {equipment: Models(alone, diagnosis)})
        card = with_prior(artifact.card, prior_of(hourly_peaks(recordings, monitor).astype(np.float64)))
        files = ArtifactFiles(card, (directory / card.file).read_bytes())
        registry.write(directory, files.card, files.content)
        out.append(files)
    return out
