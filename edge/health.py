"""What the agent counts and complains of: states of devices, and messages that do not repeat themselves all day."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

LOG = logging.getLogger("edge")
_REPEAT_SECONDS = 600.0
_KEYS_MAX = 10_000


@dataclass(slots=True)
class _Complaint:
    said_at: float
    suppressed: int = 0


@dataclass(slots=True)
class Health:
    """Counters and complaints of one agent. `monotonic` tells seconds for intervals.

    The counters: samples_read, samples_bad, samples_missing, samples_late, polls_late, frames_closed, frames_stored,
    frames_sent, frames_resent, frames_acknowledged, frames_set_aside, alerts, reconnects, errors.
    """

    monotonic: Callable[[], float]
    counts: Counter[str] = field(default_factory=Counter)
    _failing: dict[str, str] = field(default_factory=dict)
    _complaints: dict[str, _Complaint] = field(default_factory=dict)

    def complain(self, key: str, message: str) -> None:
        """Log a warning, but the same one (by its key) only once in ten minutes, with how many it stands for."""
        now = self.monotonic()
        known = self._complaints.get(key)
        if known is not None and now - known.said_at < _REPEAT_SECONDS:
            known.suppressed += 1
            return
        more = f" ({known.suppressed} more like it)" if known is not None and known.suppressed else ""
        if len(self._complaints) >= _KEYS_MAX:
            self._complaints.clear()
        self._complaints[key] = _Complaint(now)
        LOG.warning("%s%s", message, more)

    def device_failed(self, name: str, why: str) -> None:
        """A device (or a unit behind it) does not answer as it should."""
        if name not in self._failing:
            LOG.warning("%s", why)
        self._failing[name] = why

    def device_answers(self, name: str) -> None:
        """It answers (again)."""
        if self._failing.pop(name, None) is not None:
            LOG.warning("%s answers again", name)

    @property
    def failing(self) -> dict[str, str]:
        """Devices that do not answer now, and why."""
        return dict(self._failing)
