"""The daemon's state, as status and metrics tell it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from foleyd import __version__
from foleyd.daemon.events import describe
from foleyd.daemon.jobs import PRIORITIES, Job
from foleyd.messages import JobInfo, MetricsReply, StatusReply

if TYPE_CHECKING:
    from foleyd.daemon.service import Service


class Report:
    """Reads the daemon's parts; changes nothing.

    Gauges are registered on construction; `osc` is set by whoever opens that wire.
    """

    def __init__(self, service: Service, usage: Usage) -> None:
        self._service = service
        self._usage = usage
        self._began = time.monotonic()
        self.osc: Callable[[], dict[str, int]] = dict
        """OSC's counters."""
        self._gauges()

    def status(self) -> StatusReply:
        """Everything at one moment."""
        service = self._service
        queue, state = service.queue, service.supervisor.state
        snapshot = queue.snapshot()
        counts: dict[str, int] = {
            "waiting": sum(snapshot.waiting.values()),
            "running": sum(snapshot.running.values()),
            **{priority: snapshot.waiting[priority] + snapshot.running[priority] for priority in PRIORITIES},
        }
        return StatusReply(
            version=__version__,
            pid=os.getpid(),
            up_s=round(time.monotonic() - self._began, 1),
            ready=service.supervisor.ready,
            worker=describe(state, service.supervisor.ready),
            queue=counts,
            jobs=tuple(self._job(job) for job in snapshot.jobs),
            failures=tuple(self._job(job) for job in service.events.failures),
            clients=service.leases.left(),
            library=self._usage.figures(),
            osc=self.osc(),
            events=service.events.number,
            memory_bytes=resident_bytes(),
        )

    def metrics(self) -> MetricsReply:
        """Everything that is counted."""
        return MetricsReply(text=self._service.metrics.text())

    def _job(self, job: Job) -> JobInfo:
        eta = self._service.queue.eta_s(job)
        return JobInfo(
            job_id=job.id,
            client=job.client,
            slot=job.slot,
            priority=job.priority,
            state=job.state,
            prompt=job.wanted[0].payload.request.recipe.prompt,
            count=sum(not one.payload.draft for one in job.wanted),
            position=job.position,
            eta_s=None if eta is None else round(eta, 2),
            step=job.step,
            steps=job.steps,
            code=job.code,
            message=job.message,
        )

    def _gauges(self) -> None:
        """Figures that are read when they are asked for."""
        service, usage = self._service, self._usage.figures
        readers: dict[str, tuple[str, Callable[[], float]]] = {
            "worker_up": ("1 while renders are taken.", lambda: service.supervisor.ready),
            "worker_restarts": (
                "Workers that had to be replaced.",
                lambda: service.supervisor.state.restarts,
            ),
            "worker_memory_bytes": (
                "Resident memory of the worker.",
                lambda: service.supervisor.state.memory_bytes or 0,
            ),
            "queue_waiting": ("Jobs that wait.", lambda: sum(service.queue.snapshot().waiting.values())),
            "queue_running": ("Jobs that run.", lambda: sum(service.queue.snapshot().running.values())),
            "library_clips": ("Clips in the library.", lambda: usage()["clips"]),
            "library_bytes": ("Bytes of clips and takes.", lambda: usage()["bytes"]),
            "library_free_bytes": ("What is free on its disk.", lambda: usage()["free_bytes"]),
            "clients": ("Clients with a lease.", lambda: len(service.leases.left())),
            "events": ("Events told.", lambda: service.events.number),
            "osc_received": ("Datagrams that came.", lambda: self.osc().get("received", 0)),
            "osc_refused": ("Datagrams that were refused.", lambda: self.osc().get("refused", 0)),
        }
        for name, (about, read) in readers.items():
            service.metrics.watch(f"foleyd_{name}", about, read)


class Usage:
    """How much the library holds: as it was last counted, so that asking costs nothing."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._clips = self._bytes = 0

    def set(self, clips: int, held: int) -> None:
        """What was counted anew."""
        self._clips, self._bytes = clips, held

    def figures(self) -> dict[str, int]:
        """Clips, their bytes, and what is free on the disk."""
        try:
            free = shutil.disk_usage(self._root).free
        except OSError:
            free = 0
        return {"clips": self._clips, "bytes": self._bytes, "free_bytes": free}


def resident_bytes() -> int:
    """Resident memory of this process, 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
