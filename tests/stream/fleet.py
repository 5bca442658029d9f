"""A small fleet as frames: simulated air handlers, healthy or faulty at will; values follow from unit and minute alone."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from models.contracts.codec import encode
from models.contracts.frame import Frame, as_sent
from models.contracts.layout import Layout, layout_for
from models.contracts.messages import LayoutMessage, encode_json
from models.contracts.points import AHU_POINTS
from models.hvac.monitor import Monitor
from models.hvac.settings import EpisodeSettings, MonitorSettings
from simulators.hvac.faults import FaultPlan
from simulators.hvac.world import Fleet, run
from stream.app import StreamApp
from stream.hvac.app import hvac
from stream.settings import ChainSettings, StreamSettings

# A Monday in June, 06:00: with the valves closed most of the time, a leaking one shows within minutes.
START_MS = 1_748_844_000_000
N = 10  # samples a frame, one a minute
FRAME_MS = N * 60_000
LAYOUT: Layout = layout_for("ahu", AHU_POINTS)
_UNITS = 8
_MINUTES = 360


@dataclass
class Sender:
    """A gateway with one outbox file."""

    gateway: str = "gw1"
    epoch: int = 11
    site: str = "plant"
    layout: Layout = LAYOUT
    seq: int = 0
    last_of: dict[str, int] = field(default_factory=dict)

    def frame(self, unit: str, index: int, *, faulty: bool = False, historical: bool = False) -> bytes:
        """The unit's frame number `index` since the start; a faulty one comes from a twin with a leaking heating valve."""
        self.seq += 1
        frame = Frame(
            site=self.site,
            gateway=self.gateway,
            unit=unit,
            epoch=self.epoch,
            seq=self.seq,
            prior_seq=self.last_of.get(unit, 0),
            measured_at_ms=START_MS + index * FRAME_MS,
            interval_ms=60_000,
            values=as_sent(values(unit, index, faulty), self.layout),
            historical=historical,
        )
        self.last_of[unit] = self.seq
        return encode(frame, self.layout)


def values(unit: str, index: int, faulty: bool) -> npt.NDArray[np.float32]:
    """Shape (channels, N): what a simulated unit's sensors say in these minutes; after six hours the same again."""
    minutes = (index * N + np.arange(N)) % _MINUTES
    return np.ascontiguousarray(_plant(faulty)[minutes, zlib.crc32(unit.encode()) % _UNITS].T)


@lru_cache(maxsize=2)
def _plant(faulty: bool) -> npt.NDArray[np.float32]:
    """Six hours of air handlers, all healthy or all with a leaking heating valve, shape (minutes, units, channels)."""
    family = "heating_valve_leaking"
    plans = [FaultPlan(unit, family, START_MS, severity=1.0) for unit in range(_UNITS)] if faulty else []
    plant = Fleet(_UNITS, seed=3, start_at_ms=START_MS, plans=plans, occupied_hours=(0.0, 24.0), warmup_hours=2)
    return run(plant, _MINUTES, 60.0)[1]


def layout_message(unit: str, site: str = "plant", gateway: str = "gw1") -> LayoutMessage:
    """What the bridge writes of a unit."""
    return LayoutMessage(site=site, gateway=gateway, unit=unit, layout=LAYOUT)


def monitor() -> Monitor:
    """The shipped models, with episodes that clear within an hour."""
    return Monitor.load(settings=MonitorSettings(episodes=EpisodeSettings(clear_minutes=30)))


_MONITOR: list[Monitor] = []


def app(wait_seconds: float = 5.0, *, known: bool = True) -> StreamApp:
    """The HVAC app, knowing our layout or not."""
    if not _MONITOR:
        _MONITOR.append(monitor())
    made = hvac(StreamSettings(chain=ChainSettings(wait_seconds=wait_seconds)), _MONITOR[0])
    if known:
        made.references[0].take(encode_json(layout_message("ahu-1")))
    return made
