"""A plant for tests of API and dashboard: real frames through the real history, fleet, ledger and alerts, no Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import uvicorn

from cloud.alerts.service import AlertService
from cloud.alerts.webhooks import Endpoint
from cloud.api.app import create_app
from cloud.context import Context
from cloud.fleet import Fleet
from cloud.history import open_history
from cloud.ledger import Ledger
from cloud.settings import CloudSettings, LoginSettings
from models.contracts.clock import PlantClock, wall_ms
from models.contracts.codec import decode_batch, encode
from models.contracts.frame import Frame
from models.contracts.layout import layout_for
from models.contracts.messages import (
    AlertEvent,
    GatewayStatus,
    Health,
    LayoutMessage,
    Reason,
    Risk,
    WaitingCost,
    alert_id_for,
)
from models.contracts.points import AHU_POINTS
from models.contracts.settings import ClockSettings

T = TypeVar("T")
LAYOUT = layout_for("ahu", AHU_POINTS)
INTERVAL_MS = 15_000
SAMPLES = 10
FRAME_MS = INTERVAL_MS * SAMPLES
PASSWORD = "correct horse battery"
MEAN = {
    "outdoor_air_temperature": (6, 4), "outdoor_air_relative_humidity": (0.6, 0.1), "return_air_temperature": (22.4, 0.4),
    "mixed_air_temperature": (17, 1.2), "supply_air_temperature": (16.2, 0.8), "supply_air_temperature_setpoint": (16, 0),
    "zone_air_temperature": (21.8, 0.5), "zone_air_heating_temperature_setpoint": (20, 0),
    "zone_air_cooling_temperature_setpoint": (24, 0), "outdoor_air_damper_command": (0.35, 0.12),
    "heating_valve_command": (0.12, 0.1), "cooling_valve_command": (0.02, 0.02), "supply_fan_speed_command": (0.68, 0.06),
    "supply_fan_status": (1, 0), "supply_fan_power": (5400, 500), "supply_air_flow": (4.2, 0.3),
    "supply_air_static_pressure": (248, 9), "supply_air_static_pressure_setpoint": (250, 0),
    "filter_differential_pressure": (118, 5), "hot_water_supply_temperature": (62, 2),
    "hot_water_return_temperature": (48, 2), "chilled_water_supply_temperature": (7, 0.3),
    "chilled_water_return_temperature": (12, 0.5), "occupancy": (1, 0),
}  # fmt: skip


def make_context(
    tmp_path: Path,
    endpoints: tuple[Endpoint, ...] = (),
    clock: ClockSettings | None = None,
    session_hours: float = 12,
    password_file: bool = True,
) -> Context:
    """Everything that `python -m cloud run` shares, on files in this directory; Kafka counts as connected."""
    secret = tmp_path / "admin.password"
    secret.write_text(PASSWORD)
    settings = CloudSettings(
        data_dir=str(tmp_path / "data"),
        clock=clock or ClockSettings(),
        login=LoginSettings(session_hours=session_hours, admin_password_file=str(secret) if password_file else ""),
    )
    (tmp_path / "data").mkdir(exist_ok=True)
    context = Context(
        settings=settings,
        clock=PlantClock(settings.clock),
        history=open_history(tmp_path / "data", settings.history),
        ledger=Ledger(),
        fleet=Fleet(),
        alerts=AlertService(tmp_path / "data" / "alerts.sqlite", endpoints),
    )
    context.ingest.kafka_connected = True
    return context


class Plant:
    """Feeds a context as the ingest does. `seq` counts for each gateway as the outbox does."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._seq: dict[str, int] = {}
        self._rng = np.random.default_rng(7)

    def unit(self, unit: str, gateway: str = "gw1", site: str = "hq", name: str = "", location: str = "") -> str:
        """Announce a unit; its key."""
        message = LayoutMessage(site, gateway, unit, LAYOUT, name=name, location=location)
        self.context.history.write_layouts([message])
        self.context.fleet.apply_layout(message)
        return f"{site}/{unit}"

    def frame(self, key: str, measured_at_ms: int, shifts: dict[str, float] | None = None) -> None:
        """One frame of ten samples, 15 s apart, of a healthy air handler, shifted where a test wants a fault."""
        view = self.context.fleet.unit(key)
        assert view is not None
        gateway = view.gateway
        self._seq[gateway] = self._seq.get(gateway, 0) + 1
        hours = (measured_at_ms + np.arange(SAMPLES) * INTERVAL_MS) / 3.6e6
        values = np.empty((len(AHU_POINTS), SAMPLES), np.float32)
        for row, point in enumerate(AHU_POINTS):
            mean, swing = MEAN[point]
            phase = row * 1.3 + len(key)
            values[row] = mean + swing * (
                np.sin(hours * 2 * math.pi / 2.3 + phase) * 0.7 + self._rng.normal(0, 0.12, SAMPLES)
            )
            values[row] += (shifts or {}).get(point, 0.0)
            if LAYOUT.channels[row].unit == "fraction":
                values[row] = np.clip(values[row], 0, 1)
        frame = Frame(view.site, gateway, view.unit, 11, self._seq[gateway], 0, measured_at_ms, INTERVAL_MS, values)
        batch = decode_batch([encode(frame, LAYOUT)], {LAYOUT.id: LAYOUT}).batches
        stored = self.context.history.write_frames(batch, wall_ms())
        self.context.ledger.arrived(stored, wall_ms())
        for one in batch:
            self.context.fleet.apply_frames(one)
        self.context.ingest.frames_stored += 1

    def health(self, key: str, measured_at_ms: int, score: float | None = 0.3, **changes: Any) -> None:
        """State of a unit after a minute."""
        site, _, unit = key.partition("/")
        view = self.context.fleet.unit(key)
        values: dict[str, Any] = {
            "site": site,
            "gateway": view.gateway if view else "gw1",
            "unit": unit,
            "equipment": "ahu",
            "measured_at_ms": measured_at_ms,
            "anomaly_score": score,
            "anomalous": score is not None and score >= 1,
            "risks": (Risk(24, 0.004), Risk(168, 0.02)),
            "model_version": "ahu-3f2a91",
        }
        health = Health(**(values | changes))
        self.context.history.write_health([health], wall_ms())
        self.context.fleet.apply_health(health)

    def gateway(self, gateway: str = "gw1", site: str = "hq", **changes: Any) -> None:
        """A heartbeat, or a last will with state="offline"."""
        values: dict[str, Any] = {
            "site": site,
            "gateway": gateway,
            "state": "online",
            "sent_at_ms": wall_ms(),
            "started_at_ms": wall_ms() - 60_000,
            "epoch": 11,
            "last_seq": self._seq.get(gateway, 0),
            "backlog_frames": 0,
            "version": "0.1.0",
            "model_version": "ahu-3f2a91",
        }
        status = GatewayStatus(**(values | changes))
        self.context.fleet.apply_gateway(status, wall_ms())
        self.context.ledger.told(status, wall_ms())

    def alert(self, key: str, opened_at_ms: int, **changes: Any) -> str:
        """An alert's first event; its id."""
        site, _, unit = key.partition("/")
        rule = changes.get("rule", "SAT-WARM")
        values: dict[str, Any] = {
            "alert_id": alert_id_for(site, unit, rule, opened_at_ms),
            "transition": "opened",
            "site": site,
            "gateway": "gw1",
            "unit": unit,
            "equipment": "ahu",
            "family": "heating_valve_leaking",
            "rule": rule,
            "severity": "warning",
            "title": "Heating valve lets hot water through while closed",
            "opened_at_ms": opened_at_ms,
            "measured_at_ms": opened_at_ms,
            "reasons": (
                Reason(
                    "rule",
                    rule,
                    "Supply air warm with both valves closed: supply air 21.4 °C, mixed air 16.9 °C, heating valve 0 %"
                    " (SAT - MAT - fan heat > e for closed, rested coils)",
                ),
                Reason(
                    "point",
                    "supply_air_temperature",
                    "Supply air is 21.4 °C, expected 17.3 °C",
                    21.4,
                    17.3,
                    "celsius",
                    0.62,
                ),
            ),
            "checks": (
                "Close the valve and feel the pipe behind it: it must cool down within minutes",
                "Check the actuator's stroke and close-off; run it from end to end",
                "Inspect the seat for dirt; replace the valve if it still passes",
            ),
            "fault_probabilities": {"heating_valve_leaking": 0.86, "supply_air_sensor_drift": 0.11},
            "risks": (Risk(24, 0.12), Risk(168, 0.61)),
            "hours_to_failure": 96.0,
            "waiting": WaitingCost(41.5, 747, 0.5, 250, 3120, "EUR"),
            "model_version": "ahu-3f2a91",
        }
        event = AlertEvent(**(values | changes))
        self.context.alerts.apply(event)
        return event.alert_id


class Served:
    """The application on a real server in a thread; `call` does something on its event loop, as the ingest would."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.app = create_app(context)
        self._server = uvicorn.Server(
            uvicorn.Config(self.app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=1)
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._server.serve())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def call(self, what: Callable[[], T]) -> T:
        """Do it on the loop's thread and wait for it."""
        assert self._loop is not None

        async def do() -> T:
            return what()

        return asyncio.run_coroutine_threadsafe(do(), self._loop).result(20)

    def start(self) -> None:
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.02)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)


@contextlib.contextmanager
def served(context: Context) -> Iterator[Served]:
    """A running server that is gone afterwards."""
    server = Served(context)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        context.history.close()
        context.alerts.database.close()
