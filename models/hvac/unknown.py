"""A unit of a type that we do not know, live: learned from its own first days, then scored, with one episode at a time.

    frames ──▶ rows of good samples ──▶ GenericUnit ──▶ score, anomalous, shares ──▶ opened, cleared
                                        (generic.py)

Gateway and stream run this over the same frames, so their scores are equal and their alerts have the same ids.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from models.contracts.layout import Layout
from models.contracts.messages import Reason
from models.hvac.families import UNKNOWN_FAMILY
from models.hvac.generic import GenericSettings, GenericUnit
from models.hvac.points import Floats

Doubles = npt.NDArray[np.float64]

FAMILY = UNKNOWN_FAMILY
RULE = "generic"  # in the alert's id, where known equipment has the rule that opened the episode
NEVER = -1
_REASONS_MAX = 3
_SHARE_MIN = 0.05
# What is kept of a unit must fit into one message of a changelog: it watches its first points, so many at most, and keeps
# so many values of its first days.
WATCHED_MAX = 64
_LEARN_VALUES_MAX = 65_536


class Change(NamedTuple):
    """The unit's episode opened or ended at this sample."""

    transition: Literal["opened", "cleared"]
    opened_at_ms: int
    measured_at_ms: int
    score: float
    reasons: tuple[Reason, ...]


class Seen(NamedTuple):
    """What a frame says: the newest score, None while the unit is learned or nothing can be said, and what changed."""

    score: float | None
    anomalous: bool
    reasons: tuple[Reason, ...]
    changes: tuple[Change, ...]


NOTHING = Seen(None, False, (), ())


class _Saved(msgspec.Struct, array_like=True):
    layout_id: int
    measured_at_ms: int
    opened_at_ms: int
    unit: bytes


def live_settings(layout: Layout, settings: GenericSettings | None = None) -> GenericSettings:
    """Settings of a unit that teaches itself: how many rows of its first days it keeps goes by its number of points."""
    settings = settings or GenericSettings()
    rows = max(512, _LEARN_VALUES_MAX // min(len(layout.channels), WATCHED_MAX))
    return msgspec.structs.replace(settings, learn_rows_max=min(settings.learn_rows_max, rows))


def reasons_of(layout: Layout, row: Floats | Doubles, shares: Floats | Doubles) -> tuple[Reason, ...]:
    """The points that make up most of a score, in sentences.

    Args:
        layout: Of the unit.
        row: What was read, shape (C,).
        shares: Of each point in the score, shape (C,).
    """
    found = []
    for place in np.argsort(-np.nan_to_num(np.asarray(shares, dtype=np.float64)), kind="stable")[
        :_REASONS_MAX
    ].tolist():
        share, value = float(shares[place]), float(row[place])
        if not share >= _SHARE_MIN:
            break
        channel, known = layout.channels[place], bool(np.isfinite(row[place]))
        said = f" {value:.4g}{'' if channel.unit == 'none' else ' ' + channel.unit}" if known else ""
        text = f"{channel.point}{said} does not go with the other readings as in this unit's first days ({share:.0%})"
        found.append(
            Reason(
                kind="point",
                name=channel.point,
                text=text,
                value=value if known else None,
                unit=channel.unit,
                share=share,
            )
        )
    return tuple(found)


def opened_at_ms(saved: bytes) -> int:
    """When the open episode of a saved unit began, NEVER when none is open or another release wrote this."""
    try:
        return msgspec.msgpack.decode(saved, type=_Saved).opened_at_ms
    except msgspec.MsgspecError:
        return NEVER


class UnknownUnit:
    """One unit with this layout. `take` its frames in order."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._unit = GenericUnit(live_settings(layout))
        self._measured_at_ms = NEVER
        self._opened_at_ms = NEVER

    def take(
        self, values: Floats, quality: npt.NDArray[np.uint8] | None, measured_at_ms: int, interval_ms: int
    ) -> Seen:
        """The samples of one frame; those that are not later than what was seen before are left out.

        Args:
            values: Shape (C, n), on the grid of the frames.
            quality: Shape (C, n), or None when every sample is good.
            measured_at_ms: Of the first sample.
            interval_ms: Between samples.
        """
        at_ms = measured_at_ms + interval_ms * np.arange(values.shape[1], dtype=np.int64)
        good = values if quality is None else np.where(quality == 0, values, np.float32(np.nan))
        good = good[:WATCHED_MAX]
        later = at_ms > self._measured_at_ms
        if not later.any():
            return NOTHING
        rows, at_ms = good.T[later].astype(np.float64), at_ms[later]
        self._measured_at_ms = int(at_ms[-1])
        scores = self._unit.take(rows, at_ms)
        if scores is None:
            return NOTHING
        changes = []
        is_open = np.concatenate([[self._opened_at_ms != NEVER], scores.anomalous])
        for place in np.flatnonzero(is_open[1:] != is_open[:-1]).tolist():
            transition: Literal["opened", "cleared"] = "opened" if scores.anomalous[place] else "cleared"
            if transition == "opened":
                self._opened_at_ms = int(at_ms[place])
            reasons = reasons_of(self.layout, rows[place], scores.shares[place])
            score = float(scores.score[place])
            changes.append(Change(transition, self._opened_at_ms, int(at_ms[place]), score, reasons))
            if transition == "cleared":
                self._opened_at_ms = NEVER
        known = np.flatnonzero(np.isfinite(scores.score))
        anomalous = bool(scores.anomalous[-1])
        if not len(known):
            return Seen(None, anomalous, (), tuple(changes))
        newest = int(known[-1])
        reasons = reasons_of(self.layout, rows[newest], scores.shares[newest])
        return Seen(float(scores.score[newest]), anomalous, reasons, tuple(changes))

    def save(self) -> bytes:
        """Everything that it knows."""
        saved = _Saved(self.layout.id, self._measured_at_ms, self._opened_at_ms, self._unit.save())
        return msgspec.msgpack.encode(saved)

    @classmethod
    def restore(cls, saved: bytes, layout: Layout) -> UnknownUnit:
        """Go on where it stopped; a new one, if the unit has another layout now or another release wrote this."""
        unit = cls(layout)
        try:
            kept = msgspec.msgpack.decode(saved, type=_Saved)
            if kept.layout_id == layout.id:
                unit._unit = GenericUnit.restore(kept.unit)
                unit._measured_at_ms, unit._opened_at_ms = kept.measured_at_ms, kept.opened_at_ms
        except (msgspec.MsgspecError, ValueError):
            return cls(layout)
        return unit
