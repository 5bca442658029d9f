"""A small fleet as frames: values that follow from unit and minute alone, faults that open and clear episodes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from models.contracts.frame import Frame, as_sent, encode
from models.contracts.layout import Layout, layout_for
from models.contracts.messages import LayoutMessage, encode_json
from models.contracts.points import AHU_POINTS
from models.hvac.monitor import Monitor
from models.hvac.settings import EpisodeSettings, MonitorSettings
from stream.app import StreamApp
from stream.hvac.app import hvac
from stream.settings import ChainSettings, StreamSettings

START_MS = 1_764_000_000_000
START_MS -= START_MS % 60_000
N = 10  # samples a frame, one a minute
FRAME_MS = N * 60_000
LAYOUT: Layout = layout_for("ahu", AHU_POINTS)
_STEADY = {
    "outdoor_air_temperature": 12.0,
    "outdoor_air_relative_humidity": 0.5,
    "return_air_temperature": 22.0,
    "mixed_air_temperature": 17.0,
    "supply_air_temperature": 17.6,
    "supply_air_temperature_setpoint": 17.5,
    "zone_air_temperature": 22.0,
    "zone_air_heating_temperature_setpoint": 20.0,
    "zone_air_cooling_temperature_setpoint": 24.0,
    "outdoor_air_damper_command": 0.5,
    "heating_valve_command": 0.0,
    "cooling_valve_command": 0.0,
    "supply_fan_speed_command": 0.7,
    "supply_fan_status": 1.0,
    "supply_fan_power": 2000.0,
    "supply_air_flow": 2.0,
    "supply_air_static_pressure": 250.0,
    "supply_air_static_pressure_setpoint": 250.0,
    "filter_differential_pressure": 80.0,
    "hot_water_supply_temperature": 60.0,
    "hot_water_return_temperature": 30.0,
    "chilled_water_supply_temperature": 7.0,
    "chilled_water_return_temperature": 12.0,
    "occupancy": 1.0,
}


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
        """The unit's frame number `index` since the start; a faulty one has hot supply air with both valves closed."""
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


def values(unit: str, index: int, faulty: bool) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Shape (channels, N)."""
    out = np.repeat(np.array([_STEADY[point] for point in AHU_POINTS], dtype=np.float32)[:, None], N, axis=1)
    minute = index * N + np.arange(N)
    phase = sum(unit.encode()) % 17
    for name, size in (("outdoor_air_temperature", 0.3), ("supply_air_flow", 0.05), ("zone_air_temperature", 0.2)):
        out[AHU_POINTS.index(name)] += np.float32(size) * np.sin((minute + phase) / 7).astype(np.float32)
    if faulty:
        out[AHU_POINTS.index("supply_air_temperature")] += np.float32(6)
        out[AHU_POINTS.index("hot_water_return_temperature")] += np.float32(26)
    return out


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
