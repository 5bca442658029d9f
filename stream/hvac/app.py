"""Wiring of the app: which topic is decoded how, which functions work on it, where results go. No decisions here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from models.contracts import topics
from models.contracts.codec import decode_batch
from models.contracts.messages import EdgeAlert, MessageError, decode_json
from models.contracts.settings import load
from models.hvac.families import FAMILY
from models.hvac.monitor import Monitor
from models.hvac.settings import MonitorSettings
from stream.app import Decoded, Input, Reference, Rejected, StreamApp
from stream.hvac import decide, evict, score, state
from stream.hvac.layouts import Layouts
from stream.settings import StreamSettings


def load_monitor(settings: StreamSettings) -> Monitor:
    """The models and thresholds that the settings name.

    Raises:
        SettingsError: the thresholds cannot be read.
    """
    model = settings.model
    thresholds = load(model.monitor_file, MonitorSettings) if model.monitor_file else None
    return Monitor.load(Path(model.artifact_dir) if model.artifact_dir else None, thresholds)


def hvac(settings: StreamSettings, monitor: Monitor) -> StreamApp:
    """The app for HVAC fleets."""
    layouts = Layouts()
    wait_ms = round(settings.chain.wait_seconds * 1000)
    evict_hours = settings.state.evict_days * 24
    return StreamApp(
        name="hvac",
        inputs=(
            Input(topics.FRAMES, partial(decode_frames, layouts=layouts), checksummed=True),
            Input(topics.EDGE_ALERTS, partial(decode_edge_alerts, layouts=layouts)),
        ),
        tables=state.TABLES,
        update=partial(state.update, wait_ms=wait_ms),
        score=partial(score.score, monitor=monitor),
        decide=partial(decide.decide, monitor=monitor),
        outputs=(topics.HEALTH, topics.ALERTS),
        state_topic=topics.HVAC_STATE,
        dead_topic=topics.HVAC_DEAD,
        references=(Reference(topics.LAYOUTS, layouts.take),),
        evict_hours=evict_hours,
        evict=partial(evict.evict, layouts=layouts, hours=evict_hours, model_version=monitor.version),
        state_version=state.VERSION,
    )


def decode_frames(payloads: Sequence[bytes], layouts: Layouts) -> Decoded:
    """Frames of any layouts; one whose layout is not known may be readable after a refresh."""
    decoded = decode_batch(payloads, layouts.by_id)
    rejected = [
        Rejected(position, error.reason, str(error), retry=error.reason == "layout")
        for position, error in decoded.rejected
    ]
    backwards = sorted(
        position for batch in decoded.batches for position in batch.index[batch.prior_seq >= batch.seq].tolist()
    )
    batches = decoded.batches
    if backwards:
        text = "frame names a predecessor that does not come before it"
        rejected += [Rejected(position, "malformed", text) for position in backwards]
        left = sorted({position for batch in batches for position in batch.index.tolist()} - set(backwards))
        batches = decode_batch([payloads[position] for position in left], layouts.by_id).batches
        for batch in batches:
            batch.index = np.array(left, dtype=np.intp)[batch.index]
    return Decoded(state.Frames(payloads, batches, layouts.by_id), rejected)


def decode_edge_alerts(payloads: Sequence[bytes], layouts: Layouts) -> Decoded:
    """Edge alerts, each with its unit's kind of equipment."""
    alerts: list[tuple[EdgeAlert, str]] = []
    rejected: list[Rejected] = []
    for position, payload in enumerate(payloads):
        try:
            alert = decode_json(payload, EdgeAlert)
        except MessageError as error:
            rejected.append(Rejected(position, "malformed", str(error)))
            continue
        if alert.family not in FAMILY:
            known = ", ".join(FAMILY)
            rejected.append(Rejected(position, "family", f"fault family {alert.family!r}, expected one of {known}"))
            continue
        alerts.append((alert, layouts.equipment(f"{alert.site}/{alert.unit}")))
    return Decoded(alerts, rejected)
