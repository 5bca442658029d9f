"""The small line of each unit's anomaly score on the fleet page: the last hours, read once and kept up to date."""

from __future__ import annotations

from collections import deque

from cloud.fleet import UnitView
from cloud.history import History

SPAN_MS = 3 * 3600 * 1000
WIDTH, HEIGHT = 88, 22
# The top of the line; above this a score is as bad as it gets.
SCORE_MAX = 2.0
_POINTS_MAX = 400
# Older than this, the kept scores have a hole that only the history can fill.
_HOLE_MS = 5 * 60 * 1000


class Trends:
    """Scores of the last three hours (plant time) by unit. Calls the history, so call it in a thread."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._kept: dict[str, deque[tuple[int, float | None]]] = {}

    def line(self, view: UnitView, now_ms: int) -> str:
        """SVG points of a unit's line, empty if there are fewer than two scores."""
        kept = self._kept.get(view.key)
        health = view.health
        if health is None:
            return ""
        newest_ms = kept[-1][0] if kept else 0
        if kept is None or health.measured_at_ms - newest_ms > _HOLE_MS:
            found = self._history.health(view.key, now_ms - SPAN_MS, now_ms + SPAN_MS)
            kept = deque(((one.measured_at_ms, one.anomaly_score) for one in found), maxlen=_POINTS_MAX)
            self._kept[view.key] = kept
        if not kept or health.measured_at_ms > kept[-1][0]:
            kept.append((health.measured_at_ms, health.anomaly_score))
        return svg_points(list(kept), now_ms)


def svg_points(scores: list[tuple[int, float | None]], now_ms: int) -> str:
    """`x,y` pairs for a polyline, the newest at the right edge; scores that could not be made are left out."""
    shown = [
        (at_ms, score) for at_ms, score in scores if score is not None and now_ms - SPAN_MS <= at_ms <= now_ms + SPAN_MS
    ]
    if len(shown) < 2:
        return ""
    end_ms = max(now_ms, shown[-1][0])
    step = (HEIGHT - 2) / SCORE_MAX
    return " ".join(
        f"{WIDTH * (1 - (end_ms - at_ms) / SPAN_MS):.1f},{HEIGHT - 1 - step * min(score, SCORE_MAX):.1f}"
        for at_ms, score in shown
    )
