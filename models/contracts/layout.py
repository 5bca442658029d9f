"""The layout of a frame: which channel is which point, in which unit, at which scale.

A layout is identified by its content, so that all units with the same points share one and their frames decode together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt

from models.contracts.points import POINTS, Point, PointError

CHANNELS_MAX = 256


class Channel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One column of the plane. `scale` is the value of one step, in `unit`; 0 sends float32 (points of unknown range)."""

    point: str
    unit: str
    scale: float
    brick: str = ""


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """The channels of one kind of unit, in the order of the plane.

    `equipment` is `ahu` or another known type, or `generic` for points outside the vocabulary.
    """

    equipment: str
    channels: tuple[Channel, ...]

    def __post_init__(self) -> None:
        names = [channel.point for channel in self.channels]
        if not 0 < len(names) <= CHANNELS_MAX:
            raise ValueError(f"layout has {len(names)} channels, expected 1 to {CHANNELS_MAX}")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"layout names points twice: {', '.join(twice)}")
        for channel in self.channels:
            if not 0 <= channel.scale < 1e9:
                raise ValueError(f"layout channel {channel.point!r} has scale {channel.scale!r}, expected 0 or more")

    @cached_property
    def id(self) -> int:
        """First eight bytes of the SHA-256 of the canonical JSON, as an unsigned integer."""
        return int.from_bytes(hashlib.sha256(msgspec.json.encode(self)).digest()[:8], "big")

    @cached_property
    def points(self) -> tuple[str, ...]:
        """Point names, in the order of the plane."""
        return tuple(channel.point for channel in self.channels)

    @cached_property
    def scales(self) -> npt.NDArray[np.float32]:
        """Scale of each channel, shape (channels,)."""
        return np.array([channel.scale for channel in self.channels], dtype=np.float32)

    def positions(self, points: Sequence[str]) -> npt.NDArray[np.intp]:
        """Column of each of these points, -1 where the layout lacks it, shape (len(points),)."""
        where = {name: position for position, name in enumerate(self.points)}
        return np.array([where.get(name, -1) for name in points], dtype=np.intp)


def channel_for(point: Point) -> Channel:
    """The channel that carries a point of the vocabulary, in its own unit and scale."""
    return Channel(point=point.name, unit=point.unit, scale=point.scale, brick=point.brick)


def layout_for(equipment: str, points: Sequence[str]) -> Layout:
    """The layout of a known type of equipment with these points of the vocabulary, in this order.

    Raises:
        PointError: a point is not in the vocabulary.
    """
    unknown = [name for name in points if name not in POINTS]
    if unknown:
        raise PointError(
            f"points {unknown!r} are not in the vocabulary; use equipment 'generic' with units of your own"
        )
    return Layout(equipment=equipment, channels=tuple(channel_for(POINTS[name]) for name in points))
