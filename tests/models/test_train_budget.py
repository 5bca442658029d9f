"""Alert budgets begin where healthy units of the kind are; models stay as they are."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import registry
from models.contracts.lesson import Lesson
from models.hvac import curriculum, features, train_budget
from models.hvac.alert_budget import BudgetSettings, Prior, ceiling_of, raised
from models.hvac.infer import open_model
from models.hvac.kinds import KINDS
from models.hvac.monitor import ARTIFACT_DIR, Monitor, model_name
from models.registry import Card
from simulators.hvac.lessons import play_lesson
from tests.models.plant import at

HOURS = 3.0
LESSON = Lesson(
    "small", 6, 5, at("2026-05-12T09:00:00"), HOURS, 60, (), "vav_box", ((at("2026-05-12T09:00:00"), HOURS),)
)


@pytest.fixture(scope="module")
def recording() -> curriculum.Recording:
    return curriculum.recorded(play_lesson, LESSON)


def shipped(kind: str, suffix: str = "") -> Card:
    return registry.read_card(ARTIFACT_DIR / f"{model_name('anomaly', KINDS[kind])}{suffix}.json")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["", ".int8"])
def test_every_shipped_kind_knows_its_prior(kind: str, suffix: str) -> None:
    told = shipped(kind, suffix).thresholds
    assert told["prior.mean"] > 0
    assert told["prior.deviation"] > 0


def test_a_unit_begins_at_the_level_of_its_kind_and_never_goes_above_it_unless_episodes_raise_it(
    recording: curriculum.Recording,
) -> None:
    monitor, state = Monitor.load(), features.new_state(LESSON.units)
    told = shipped("vav_box").thresholds
    ceiling = ceiling_of(Prior(told["prior.mean"], told["prior.deviation"]), BudgetSettings())
    ratios = []
    for minutes in curriculum.minutes_of(recording):
        minutes.means[:3] *= 1 + 0.2 * (minutes.minute_at_ms[0] // 3_600_000 % 2)  # hours that are nothing like healthy
        verdicts = monitor.step(state, minutes)
        ratios.append(verdicts.anomaly_raw / verdicts.anomaly_score / raised(state["budget"]))
    ratio = np.array(ratios)
    first = np.array([unit[~np.isnan(unit)][0] for unit in ratio.T])
    assert first == pytest.approx(ceiling, rel=1e-4)
    assert np.nanmax(ratio) < ceiling * 1.001


def test_priors_are_of_the_peaks_of_hours_in_which_a_unit_was_judged(recording: curriculum.Recording) -> None:
    monitor = Monitor.load()
    state = features.new_state(LESSON.units)
    raw = np.stack([monitor.step(state, minutes).anomaly_raw for minutes in curriculum.minutes_of(recording)])
    hour = recording.minute_at_ms // 3_600_000
    naive = [
        scores[hour == one][~np.isnan(scores[hour == one])].max()
        for one in np.unique(hour)
        for scores in raw.T
        if not np.isnan(scores[hour == one]).all()
    ]
    later = replace(recording, minute_at_ms=recording.minute_at_ms[:-50] + 7 * 86_400_000, means=recording.means[:-50])
    alone, short = (train_budget.hourly_peaks([one], monitor).tolist() for one in (recording, later))
    assert alone == naive
    assert train_budget.hourly_peaks([recording, later], monitor).tolist() == [*alone, *short]


def test_only_the_cards_change_and_the_old_prior_does_not_matter(tmp_path: Path) -> None:
    for file in ARTIFACT_DIR.glob("vav_box.*"):
        shutil.copy(file, tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.glob("*.tflite")}
    made = train_budget.train_budget(play_lesson, tmp_path, "vav_box", [LESSON])
    again = train_budget.train_budget(play_lesson, tmp_path, "vav_box", [LESSON])
    assert [files.card.name for files in made] == ["vav_box.anomaly", "vav_box.anomaly.int8"]
    assert {file.name: file.read_bytes() for file in tmp_path.glob("*.tflite")} == before
    assert [files.card for files in again] == [files.card for files in made]
    for files in made:
        assert registry.load(tmp_path, files.card.name, open_model).card == files.card
        old = registry.read_card(ARTIFACT_DIR / f"{files.card.name}.json")
        assert train_budget.without_prior(files.card) == train_budget.without_prior(old)
        assert files.card.thresholds["prior.mean"] != old.thresholds["prior.mean"]


def test_an_exact_prior_is_told_as_a_deviation_above_nothing() -> None:
    card = train_budget.with_prior(shipped("rtu"), Prior(0.5, 0.0))
    assert card.thresholds["prior.deviation"] > 0


def test_lessons_meet_fleets_in_every_season_of_units_that_no_fit_has_seen() -> None:
    for kind in KINDS:
        fleets = train_budget.lessons(kind)
        assert len({one.start_at_ms // (91 * 86_400_000) for one in fleets}) == 4
        assert all(one.interval_seconds == 60 and not one.faults for one in fleets)
        taught = {one.seed for one in curriculum_of(kind)}
        assert not taught & {one.seed for one in fleets}


def curriculum_of(kind: str) -> list[Lesson]:
    from models.hvac import curriculum_kinds

    lessons = [*curriculum_kinds.healthy_years(kind), *curriculum_kinds.faulty_days(kind)]
    return [*lessons, *curriculum.healthy_lessons(), *curriculum.faulty_lessons()]
