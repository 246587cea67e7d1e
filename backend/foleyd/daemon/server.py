"""The daemon's wiring: opens the library, the wires and the queue, joins them, and ends them in order.

:func:`serve` runs one daemon until it is told to stop. What may keep a second one from starting is opened
first (the library's lock, then the ports), so that it says who is in the way and changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec

from foleyd import paths
from foleyd.commands import CONTROL_PORT, EVENTS_PORT, OSC_PORT, SHELL_PORT
from foleyd.daemon.dispatch import Dispatcher
from foleyd.daemon.estimate import CostModel
from foleyd.daemon.events import Events
from foleyd.daemon.jobs import Limits
from foleyd.daemon.leases import Leases
from foleyd.daemon.library import Library
from foleyd.daemon.metrics import Metrics
from foleyd.daemon.models import Models
from foleyd.daemon.osc_face import OscFace
from foleyd.daemon.queue import Queue
from foleyd.daemon.report import Report, Usage
from foleyd.daemon.service import Service
from foleyd.daemon.show_log import ShowLog
from foleyd.daemon.stock import Change
from foleyd.daemon.supervisor import Supervisor, WorkerState
from foleyd.daemon.zmq_face import ZmqFace
from foleyd.errors import FoleydError
from foleyd.wire import connection as connections
from foleyd.wire import zmq as zmq_wire
from foleyd.wire.connection import Connection
from foleyd.wire.osc_endpoint import Endpoint as OscEndpoint
from foleyd.wire.osc_endpoint import PortTaken, open_endpoint

TICK_S = 1.0
"""Seconds between two looks at the leases."""
COUNT_TICKS = 5
"""Ticks between two counts of a library that changes."""
MOST_PORTS = 50
"""Ports that are tried for OSC."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What ``foleyd serve`` was told. A port of 0 is any free one; `osc_port` None leaves OSC off. Ports
    that are taken give way to the next free ones unless `exact_osc`, `exact_zmq`."""

    library: Path | None = None
    connection_file: Path | None = None
    zmq_ports: tuple[int, int, int] = (SHELL_PORT, CONTROL_PORT, EVENTS_PORT)
    osc_port: int | None = OSC_PORT
    osc_bind: str = "127.0.0.1"
    osc_allow: tuple[str, ...] = ()
    osc_sources: Path | None = None
    """Where files may lie that OSC names as sources, beside the library's own."""
    exact_osc: bool = False
    exact_zmq: bool = False
    model: str = "starter"
    preload: bool = True
    device: str = "auto"
    precision: str = "auto"
    runtime: str = "auto"
    threads: int | None = None
    limits: Limits = Limits()
    idle_s: float = 600.0
    worker: Sequence[str] | None = None
    """How a worker is started, for tests with one that has faults."""


async def serve(settings: Settings, ready: Callable[[Connection], None]) -> None:
    """Run a daemon until SIGINT, SIGTERM or a shutdown request. `ready` is called once it answers.

    Raises LibraryHeld, PortTaken, BadRequest, ModelMissing, and FoleydError where the connection file is that
    of another daemon which answers: then nothing was left behind, and nothing of the other one changed.
    """
    async with AsyncExitStack() as stack:
        daemon = await asyncio.to_thread(Daemon, settings)
        stack.push_async_callback(daemon.close)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, RuntimeError):
                loop.add_signal_handler(number, daemon.stopped.set)
        await daemon.open(stack)
        # what stands now stands for good: later collections need not look at it
        gc.collect()
        gc.freeze()
        ready(daemon.connection)
        await daemon.stopped.wait()
        await daemon.farewell()


class Daemon:
    """The parts of one daemon, and what each tells the others.

    Made outside the loop (it opens the library, which may take a while), opened and closed in it.
    """

    connection: Connection
    """How to reach it, once it is open."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stopped = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._shelf_changed = False
        self.models = Models()
        self.entry = self.models.adopt(settings.model)
        self.library = Library(settings.library, command="foleyd serve", listen=self._clip_changed)
        self.usage = Usage(self.library.root)
        self.metrics, self.log = Metrics(), ShowLog()
        self.cost = CostModel(paths.home("cache") / "costs.json")
        self.queue = Queue(settings.limits, cost=self.cost, listen=lambda job: self.events.job(job))
        self.events = Events(self.queue.eta_s)
        self.supervisor = Supervisor(
            device=settings.device,
            precision=settings.precision,
            runtime=settings.runtime,
            threads=settings.threads,
            idle_s=settings.idle_s,
            command=settings.worker,
            on_state=self._worker_changed,
        )
        self.dispatcher = Dispatcher(self.queue, self.supervisor, self.library, self.cost, self.metrics)
        self.leases = Leases(self._lease_ended)
        self.service = Service(
            model=self.entry.id,
            models=self.models,
            queue=self.queue,
            supervisor=self.supervisor,
            dispatcher=self.dispatcher,
            library=self.library,
            leases=self.leases,
            events=self.events,
            metrics=self.metrics,
            log=self.log,
            usage=self.usage,
            source_folder=settings.osc_sources,
        )
        self.report = Report(self.service, self.usage)
        self.osc = OscFace(self.service, self.report)
        self.zmq = ZmqFace(self.service, self.report, self.stopped.set)

    async def open(self, stack: AsyncExitStack) -> None:
        """Open the wires, begin to work, and publish the connection file; `stack` undoes it all."""
        settings = self.settings
        self._loop = asyncio.get_running_loop()
        await self.service.count()
        await asyncio.to_thread(_refuse_second, settings.connection_file)
        if settings.osc_port is not None:
            await self._open_osc(stack, settings.osc_port)
        shell, control, events = settings.zmq_ports
        wanted = connections.fresh(
            shell_port=shell,
            control_port=control,
            iopub_port=events,
            osc=self.service.osc,
            library=str(self.library.root),
        )
        endpoint = zmq_wire.Endpoint(wanted, self.zmq.handle, exact=settings.exact_zmq)
        self.connection = endpoint.connection
        self.zmq.attach(endpoint)
        await stack.enter_async_context(endpoint)
        stack.push_async_callback(self.supervisor.close)
        await stack.enter_async_context(_running(self.dispatcher.run()))
        await stack.enter_async_context(_running(self._tick()))
        where = connections.write(self.connection, settings.connection_file)
        stack.callback(connections.remove, self.connection, where)
        self.log.write(
            "start",
            content={"library": str(self.library.root), "model": self.entry.id, "osc": self.service.osc},
        )
        if settings.preload:
            await stack.enter_async_context(_running(self._preload()))

    async def farewell(self) -> None:
        """Take no more jobs, end those under way, and see that their clients are told."""
        self.service.ending = True
        self.queue.cancel()
        self.dispatcher.wake()
        await self.osc.errands.drain()
        await self.zmq.errands.drain()

    async def close(self) -> None:
        """Let go of the library and of what is open on the disk."""
        await self.osc.errands.close()
        await self.zmq.errands.close()
        await self.service.close()
        await asyncio.to_thread(self.dispatcher.close)
        with contextlib.suppress(FoleydError):  # estimates begin anew then
            self.cost.save()
        self.log.close()
        self.library.close()

    async def _open_osc(self, stack: AsyncExitStack, port: int) -> None:
        settings = self.settings
        endpoint = OscEndpoint(self.osc.dispatch, allow=settings.osc_allow)
        self.osc.attach(endpoint)
        self.report.osc = endpoint.figures
        transport = await _bound(settings.osc_bind, port, endpoint, exact=settings.exact_osc)
        stack.callback(transport.close)
        assert endpoint.own is not None
        # who listens on all addresses is told by the one that programs on this machine reach
        host = "127.0.0.1" if endpoint.own.host == "0.0.0.0" else endpoint.own.host
        self.service.osc = f"{host}:{endpoint.own.port}"

    async def _preload(self) -> None:
        # what keeps a model from loading is told again to whoever asks for a sound
        with contextlib.suppress(FoleydError):
            await self.supervisor.preload(self.entry.folder, self.entry.id, self.entry.revision)

    async def _tick(self) -> None:
        ticks = 0
        while True:
            await asyncio.sleep(TICK_S)
            ticks += 1
            if self.leases.expire():
                self.service.see_leases()
            if ticks % COUNT_TICKS == 0 and self._shelf_changed:
                self._shelf_changed = False
                await self.service.count()

    def _worker_changed(self, state: WorkerState) -> None:
        if state.device:
            self.cost.device = state.device
        self.events.worker(state, self.supervisor.ready)

    def _clip_changed(self, change: Change, clip_id: str) -> None:
        # told by the library's thread; what it mends while it opens is no event
        if self._loop is not None:
            self._shelf_changed = True
            self._loop.call_soon_threadsafe(self.events.clip, change, clip_id)

    def _lease_ended(self, client: str) -> None:
        self.queue.lease_ended(client)
        self.osc.client_left(client)
        self.dispatcher.wake()


def _refuse_second(path: Path | None) -> None:
    """Raise FoleydError where a daemon that answers has published itself in this file: its clients would lose
    it."""
    try:
        other = connections.read(path)
    except FoleydError:  # there is none, or none that anybody could use
        return
    if not connections.is_stale(other):
        raise FoleydError(
            f"A daemon runs already (process {other.pid}, library {other.library}): end it, or give this one "
            "a file of its own with --connection-file."
        )


async def _bound(host: str, first: int, endpoint: OscEndpoint, *, exact: bool) -> asyncio.DatagramTransport:
    """OSC on port `first` or, unless `exact`, the next free one. Raises PortTaken."""
    for port in range(first, first + (1 if exact or not first else MOST_PORTS)):
        try:
            return await open_endpoint(host, port, endpoint)
        except PortTaken as error:
            taken = error
    raise taken


@contextlib.asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """`work` in a task for the length of the block."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
