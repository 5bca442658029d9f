"""Widths and types of the arrays that rules and models work on. All kinds of equipment share them, slot by slot.

What stands in a slot is the kind's matter (`kinds.py`): slot 4 of the points is the supply air of an air handler and the
setpoint of a chiller. Slots that a kind does not use are NaN, 0 or False.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from models.contracts.equipment import POINTS_MAX

P = POINTS_MAX  # points
R_MAX = 80  # rules
F_MAX = 16  # fault families
T_MAX = 16  # targets of the anomaly model
B_MAX = 12  # figures that a unit is held against
J_MAX = T_MAX + 2 + F_MAX  # health figures that the failure risk follows

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]
# Dense arrays by name, first axis = row, one row a unit.
State = dict[str, npt.NDArray[Any]]
