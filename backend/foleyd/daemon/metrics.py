"""Figures for monitoring, in Prometheus' text exposition format."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SOON = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
LONG = (0.25, 0.5, 1, 2, 5, 10, 20, 60, 120)


class Metrics:
    """The counters of one daemon."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "foleyd_requests", "Requests by command and wire.", ("command", "via"), registry=self.registry
        )
        self.refusals = Counter(
            "foleyd_refusals", "Requests that were refused, by code.", ("code",), registry=self.registry
        )
        self.jobs = Counter("foleyd_jobs", "Jobs by how they ended.", ("state",), registry=self.registry)
        self.renders = Counter(
            "foleyd_renders", "Takes that jobs needed: rendered or kept.", ("source",), registry=self.registry
        )
        self.admission = Histogram(
            "foleyd_admission_seconds",
            "From a render request's arrival to its admission.",
            buckets=SOON,
            registry=self.registry,
        )
        self.rendering = Histogram(
            "foleyd_render_seconds", "A worker's time for one take.", buckets=LONG, registry=self.registry
        )

    def watch(self, name: str, about: str, read: Callable[[], float]) -> None:
        """A gauge that is read when it is asked for."""
        Gauge(name, about, registry=self.registry).set_function(read)

    def text(self) -> str:
        """All figures."""
        return generate_latest(self.registry).decode()
