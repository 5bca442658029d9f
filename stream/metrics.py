"""What Prometheus sees of a worker, on a loopback address unless told otherwise."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple
from wsgiref.simple_server import WSGIServer

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from stream.settings import MetricsSettings

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_BATCH_SIZES = (1, 4, 16, 64, 256, 1024, 4096)


class _LatencyHistogram(Collector):
    """A histogram that takes many values at once; prometheus_client's own costs a microsecond each."""

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = name, text
        self._bounds = np.array(_SECONDS)
        self._counts = np.zeros(len(_SECONDS) + 1, dtype=np.int64)
        self._sum = 0.0

    def observe(self, seconds: npt.NDArray[np.float64]) -> None:
        """Count these values."""
        self._counts += np.bincount(np.searchsorted(self._bounds, seconds), minlength=len(self._counts))
        self._sum += float(seconds.sum())

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(self._name, self._text)
        totals = np.cumsum(self._counts)
        bounds = [*(str(bound) for bound in _SECONDS), "+Inf"]
        family.add_metric([], [(bound, float(total)) for bound, total in zip(bounds, totals, strict=True)], self._sum)
        yield family


class Metrics:
    """Counters of one worker. `serve` opens the endpoint if the settings name a port."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.records = Counter("plenum_stream_records", "Records taken", ["topic"], registry=self.registry)
        self.dead = Counter("plenum_stream_dead_letters", "Dead letters", ["topic", "reason"], registry=self.registry)
        self.outputs = Counter("plenum_stream_outputs", "Messages stored", ["topic"], registry=self.registry)
        self.failures = Counter("plenum_stream_failed_sends", "Sends that were tried again", registry=self.registry)
        self.missed = Counter("plenum_stream_missed_batches", "Batches read again", registry=self.registry)
        self.evicted = Counter("plenum_stream_evicted_keys", "Silent keys that were forgotten", registry=self.registry)
        self.batch = Histogram(
            "plenum_stream_batch_records", "Records a batch", registry=self.registry, buckets=_BATCH_SIZES
        )
        self.end_to_end = _LatencyHistogram("plenum_stream_end_to_end_seconds", "From record to stored results")
        self.registry.register(self.end_to_end)
        self._server: WSGIServer | None = None
        self._thread: threading.Thread | None = None

    def stored(self, timestamps_ms: npt.NDArray[np.int64]) -> None:
        """The results of records with these timestamps are stored now."""
        self.end_to_end.observe((time.time() * 1000 - timestamps_ms) / 1000)

    def on_scrape(self, read: Callable[[], Iterable[Standing]]) -> None:
        """Ask this for the state of each partition whenever Prometheus asks."""
        self.registry.register(_Gauges(read))

    def serve(self, settings: MetricsSettings) -> None:
        """Open the endpoint.

        Raises:
            OSError: the port is taken.
        """
        if settings.port:
            self._server, self._thread = start_http_server(settings.port, settings.host, registry=self.registry)

    def close(self) -> None:
        """Close the endpoint."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class Standing(NamedTuple):
    """How one partition of a topic stands. `lag_records` is None while it is not known."""

    topic: str
    partition: int
    lag_records: int | None
    snapshot_age_seconds: float


class _Gauges(Collector):
    """Values that are read when somebody asks."""

    def __init__(self, read: Callable[[], Iterable[Standing]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        lag = GaugeMetricFamily("plenum_stream_lag_records", "Records not taken", labels=["topic", "partition"])
        age = GaugeMetricFamily("plenum_stream_snapshot_age_seconds", "Since the last snapshot", labels=["partition"])
        ages = {}
        for standing in self._read():
            if standing.lag_records is not None:
                lag.add_metric([standing.topic, str(standing.partition)], standing.lag_records)
            ages[standing.partition] = standing.snapshot_age_seconds
        for partition, seconds in ages.items():
            age.add_metric([str(partition)], seconds)
        return [lag, age]
