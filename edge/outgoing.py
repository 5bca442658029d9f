"""What this gateway sends, made from what it knows: frames, layouts, statuses. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata

from edge.detector import Verdict
from edge.framing import ClosedFrame, Unit
from edge.outbox_file import Loss
from edge.outbox_schema import Counts, Draft
from edge.settings import EdgeSettings
from models.contracts import frame_pb2
from models.contracts.codec import encode
from models.contracts.frame import Frame
from models.contracts.messages import Gap, GatewayStatus, LayoutMessage

try:
    VERSION = metadata.version("plenum")
except metadata.PackageNotFoundError:
    VERSION = "unpacked"
# Before this (2025-01-01), the machine plainly does not know what time it is.
_PLAUSIBLE_WALL_MS = 1_735_689_600_000


def draft(settings: EdgeSettings, closed: ClosedFrame, verdict: Verdict, model_version: str, wall_ms: int) -> Draft:
    """A closed frame, ready but for its number."""
    frame = Frame(
        site=settings.site,
        gateway=settings.gateway,
        unit=closed.unit.name,
        epoch=0,
        seq=0,
        prior_seq=0,
        measured_at_ms=closed.measured_at_ms,
        interval_ms=closed.unit.interval_ms,
        values=verdict.values,
        quality=closed.quality if closed.quality.any() else None,
        jitter_ms=closed.jitter_ms,
        score=verdict.score,
        reasons=verdict.reasons,
        model_version=model_version,
        clock=frame_pb2.CLOCK_SYNCHRONISED if wall_ms > _PLAUSIBLE_WALL_MS else frame_pb2.CLOCK_UNSET,
        boottime_ms=closed.boottime_ms,
    )

    def encode_as(epoch: int, seq: int, prior_seq: int) -> bytes:
        frame.epoch, frame.seq, frame.prior_seq = epoch, seq, prior_seq
        return encode(frame, closed.unit.layout)

    return Draft(closed.unit.name, closed.measured_at_ms, encode_as)


def hollow_draft(unit: str, measured_at_ms: int) -> Draft:
    """The place of a frame that is given up: it gets a number, so that the loss is counted, and has no bytes."""

    def encode_as(_epoch: int, _seq: int, _prior_seq: int) -> bytes:
        raise AssertionError("a frame that was given up is never stored")

    return Draft(unit, measured_at_ms, encode_as)


def layout_message(settings: EdgeSettings, unit: Unit) -> LayoutMessage:
    """What a unit is and which channels its frames have."""
    return LayoutMessage(
        site=settings.site,
        gateway=settings.gateway,
        unit=unit.name,
        layout=unit.layout,
        name=unit.title,
        location=unit.location,
    )


def status(
    settings: EdgeSettings,
    counts: Counts,
    *,
    online: bool,
    sent_at_ms: int,
    started_at_ms: int,
    units: Iterable[str],
    model_version: str,
    failing: Iterable[str],
) -> GatewayStatus:
    """Birth, heartbeat or last will."""
    return GatewayStatus(
        site=settings.site,
        gateway=settings.gateway,
        state="online" if online else "offline",
        sent_at_ms=sent_at_ms,
        started_at_ms=started_at_ms,
        epoch=counts.epoch,
        last_seq=counts.last_seq,
        backlog_frames=counts.backlog,
        backlog_oldest_at_ms=counts.oldest_at_ms,
        gaps=counts.gaps,
        units=tuple(sorted(units)),
        version=VERSION,
        model_version=model_version,
        devices_failing=tuple(sorted(failing)),
    )


def farewell(settings: EdgeSettings, loss: Loss, at_ms: int) -> GatewayStatus:
    """The closing account of a store that was lost: whatever of it had not arrived is a gap."""
    return GatewayStatus(
        site=settings.site,
        gateway=settings.gateway,
        state="online",
        sent_at_ms=at_ms,
        started_at_ms=at_ms,
        epoch=loss.epoch,
        last_seq=loss.last,
        backlog_frames=0,
        gaps=(Gap(loss.first, loss.last, "spool_lost"),) if loss.first <= loss.last else (),
        version=VERSION,
    )
