"""A large fleet as numbered frames: every unit lives one of a few simulated days, over and over.

    unit 4711 ──▶ base unit 7, window 3 of its day ──▶ the plane is packed already; names, numbers and times are put in

Frames are what agents send: chains of `prior_seq`, one epoch and one count for each gateway, values on the layout's grid.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.contracts import frame_pb2
from models.contracts.codec import encode, pack, parse
from models.contracts.equipment import EQUIPMENT
from models.contracts.frame import Frame, as_sent
from models.contracts.layout import Layout, layout_for
from models.contracts.messages import GatewayStatus, LayoutMessage
from simulators.hvac.plants.faults import FAMILIES, HABITS, FaultPlan
from simulators.hvac.plants.lesson import play
from simulators.hvac.plants.plant import make

UNITS_MAX = 100_000
_HEALTHY = 24
_FAULTY = 8
_SEVERITY = 0.9
# Gateways of the load were switched on a day before their first frame.
_UP_MS = 86_400_000


class LoadError(ValueError):
    """A load that cannot be made as it was asked for."""


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """What fleet it is. `interval_seconds` from 15 to 300, as the plants are simulated."""

    site: str = "load"
    units: int = 1000
    gateways: int = 40
    kinds: tuple[str, ...] = ("ahu",)
    samples: int = 60
    interval_seconds: float = 60.0
    start_at_ms: int = 1_748_822_400_000  # Monday, 2 June 2025, 00:00 UTC
    pattern_hours: float = 24.0
    faulty_fraction: float = 0.02
    seed: int = 1

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            LoadError: with the value at fault.
        """
        unknown = [kind for kind in self.kinds if kind not in EQUIPMENT]
        if unknown or not self.kinds:
            raise LoadError(f"kinds {','.join(self.kinds)!r}: expected some of {', '.join(EQUIPMENT)}")
        if not 1 <= self.units <= UNITS_MAX:
            raise LoadError(f"{self.units} units: expected 1 to {UNITS_MAX}")
        if not 1 <= self.gateways <= self.units:
            raise LoadError(f"{self.gateways} gateways: expected 1 to {self.units}, the number of units")
        if not 1 <= self.samples <= 240:
            raise LoadError(f"{self.samples} samples a frame: expected 1 to 240")
        if not 15 <= self.interval_seconds <= 300:
            raise LoadError(f"interval of {self.interval_seconds:g} s: expected 15 to 300 s, the steps of the plants")
        if not 0 <= self.faulty_fraction <= 1:
            raise LoadError(f"fraction {self.faulty_fraction:g} of faulty units: expected 0 to 1")
        if self.windows < 1:
            raise LoadError(
                f"a pattern of {self.pattern_hours:g} h is shorter than a frame of {self.samples} samples every"
                f" {self.interval_seconds:g} s; make it longer"
            )

    @property
    def interval_ms(self) -> int:
        """Between two samples."""
        return round(self.interval_seconds * 1000)

    @property
    def windows(self) -> int:
        """Frames in the pattern that a unit repeats."""
        return int(self.pattern_hours * 3600 / (self.samples * self.interval_seconds))

    @property
    def epoch(self) -> int:
        """Of every gateway; follows from site and seed, so a run can be made again to the bit."""
        digest = hashlib.sha256(f"{self.site}/{self.seed}".encode()).digest()
        return int.from_bytes(digest[:7], "big") | 1


class Numbered(NamedTuple):
    """A frame with its numbers."""

    unit: int
    gateway: int
    seq: int
    payload: bytes


class LoadFleet:
    """The fleet: names, layouts and frames. Making one simulates a day of each kind, a second or two."""

    def __init__(self, plan: FleetPlan) -> None:
        """Simulate the base days.

        Raises:
            LoadError: the plan cannot be.
        """
        plan.check()
        self.plan = plan
        kinds = len(plan.kinds)
        self.layouts = {kind: layout_for(kind, EQUIPMENT[kind].simulated) for kind in plan.kinds}
        self.names = [f"{plan.kinds[unit % kinds]}-{unit + 1:06d}" for unit in range(plan.units)]
        self.keys = [f"{plan.site}/{name}".encode() for name in self.names]
        self.gateways = [f"gw-{gateway + 1:05d}" for gateway in range(plan.gateways)]
        self.gateway_of = [unit * plan.gateways // plan.units for unit in range(plan.units)]
        self.last_seq = [0] * plan.gateways
        patterns = [_base_days(plan, kind, self.layouts[kind]) for kind in plan.kinds]
        draw = np.random.default_rng([plan.seed, 0x10AD])
        faulty = draw.random(plan.units) < plan.faulty_fraction
        base = np.where(
            faulty, _HEALTHY + draw.integers(0, _FAULTY, plan.units), draw.integers(0, _HEALTHY, plan.units)
        )
        self.faulty = [self.names[unit] for unit in np.flatnonzero(faulty).tolist()]
        self._windows = [patterns[unit % kinds][place] for unit, place in enumerate(base.tolist())]
        self._prior = [0] * plan.units

    def layout_messages(self) -> Iterator[LayoutMessage]:
        """What each unit is, as its gateway tells it."""
        kinds = self.plan.kinds
        for unit, name in enumerate(self.names):
            yield LayoutMessage(
                site=self.plan.site,
                gateway=self.gateways[self.gateway_of[unit]],
                unit=name,
                layout=self.layouts[kinds[unit % len(kinds)]],
            )

    def statuses(self, sent_at_ms: int, *, online: bool) -> Iterator[GatewayStatus]:
        """Each gateway's account: with it the loss ledger of the cloud is exact."""
        plan = self.plan
        units: list[list[str]] = [[] for _ in self.gateways]
        for name, gateway in zip(self.names, self.gateway_of, strict=True):
            units[gateway].append(name)
        for gateway, name in enumerate(self.gateways):
            yield GatewayStatus(
                site=plan.site,
                gateway=name,
                state="online" if online else "offline",
                sent_at_ms=sent_at_ms,
                started_at_ms=sent_at_ms,
                epoch=plan.epoch,
                last_seq=self.last_seq[gateway],
                backlog_frames=0,
                units=tuple(units[gateway]),
                version="load",
            )

    def frames(self) -> Iterator[Numbered]:
        """Frames without end: the first of every unit, then the second of every unit."""
        plan, last_seq, prior = self.plan, self.last_seq, self._prior
        epoch, site, frame_ms = plan.epoch, plan.site, plan.samples * plan.interval_ms
        index = 0
        while True:
            window, at_ms = index % plan.windows, plan.start_at_ms + index * frame_ms
            boottime_ms = _UP_MS + index * frame_ms
            for unit, name in enumerate(self.names):
                gateway = self.gateway_of[unit]
                seq = last_seq[gateway] + 1
                message = self._windows[unit][window]
                message.site, message.gateway, message.unit = site, self.gateways[gateway], name
                message.epoch, message.seq, message.prior_seq = epoch, seq, prior[unit]
                message.measured_at_ms, message.boottime_ms = at_ms, boottime_ms
                payload = pack(message)
                last_seq[gateway] = prior[unit] = seq
                yield Numbered(unit, gateway, seq, payload)
            index += 1


def _base_days(plan: FleetPlan, kind: str, layout: Layout) -> list[list[frame_pb2.Frame]]:
    """Packed windows of each base unit, healthy ones first: [base][window]."""
    broken = [family for family in FAMILIES[kind] if family not in HABITS]
    faults = [
        FaultPlan(_HEALTHY + place, broken[place % len(broken)], plan.start_at_ms, _SEVERITY)
        for place in range(_FAULTY)
    ]
    plant = make(kind, _HEALTHY + _FAULTY, plan.seed, plan.start_at_ms, faults)
    hours = plan.windows * plan.samples * plan.interval_seconds / 3600
    chunks = [values for _, values in play(plant, [(plan.start_at_ms, hours)], plan.interval_seconds)]
    day = np.concatenate(chunks)  # (n, U, C)
    return [[_packed(plan, layout, window) for window in _cut(day[:, base], plan)] for base in range(day.shape[1])]


def _cut(day: npt.NDArray[np.float32], plan: FleetPlan) -> list[npt.NDArray[np.float32]]:
    """One unit's day, shape (n, C), as windows of shape (C, samples)."""
    return [np.ascontiguousarray(part.T) for part in np.split(day, plan.windows)]


def _packed(plan: FleetPlan, layout: Layout, values: npt.NDArray[np.float32]) -> frame_pb2.Frame:
    """A frame's message with everything that is the same in each of its uses."""
    frame = Frame(
        site=plan.site,
        gateway="",
        unit="",
        epoch=plan.epoch,
        seq=1,
        prior_seq=0,
        measured_at_ms=plan.start_at_ms,
        interval_ms=plan.interval_ms,
        values=as_sent(values, layout),
        boottime_ms=_UP_MS,
    )
    return parse(encode(frame, layout))
