"""Chances that two policies share: numbers that depend on who, what and how often only, never on the order of events.

So a fault that one policy finds early and another late meets the same luck, and differences between policies are theirs.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Chances:
    """Of U units and F families.

    Args:
        families: Their names: the chance of a family is the same wherever it stands in the list.
        units: U.
        seed: Of all chances.
    """

    def __init__(self, families: Sequence[str], units: int, seed: int) -> None:
        self._family = np.array([zlib.crc32(name.encode()) for name in families], dtype=np.uint64).reshape(-1, 1)
        self._unit = np.arange(1, units + 1, dtype=np.uint64)[None, :]
        self._seed = np.uint64(seed * 0x9E3779B97F4A7C15 % 2**64)

    def of_family(self, what: str, count: Ints) -> Floats:
        """Evenly in (0, 1), shape (F, U): of the `count`-th time that `what` happens to a family of a unit."""
        return self._draw(self._family, what, count)

    def of_unit(self, what: str, count: Ints | int) -> Floats:
        """Evenly in (0, 1), shape (U,): of the `count`-th time that `what` happens to a unit."""
        counts = np.broadcast_to(np.asarray(count, dtype=np.int64), self._unit.shape)
        drawn: Floats = self._draw(np.zeros((1, 1), dtype=np.uint64), what, counts)[0]
        return drawn

    def _draw(self, key: npt.NDArray[np.uint64], what: str, count: Ints) -> Floats:
        state = _mixed(key + self._seed + np.uint64(zlib.crc32(what.encode())) * np.uint64(0x2545F491))
        state = _mixed(state ^ self._unit)
        state = _mixed(state ^ count.astype(np.uint64) * np.uint64(0xD1342543DE82EF95))
        share: Floats = ((state >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
        return share


def _mixed(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of SplitMix64: near inputs, far outputs."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
