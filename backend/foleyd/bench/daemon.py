"""How fast a daemon answers, at rest and while its worker renders, and how well it foretells its renders."""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from foleyd.bench.asking import Asker, OscAsker
from foleyd.engines import catalog
from foleyd.errors import FoleydError
from foleyd.private_daemon import Told, private_daemon
from foleyd.private_home import private_home

Fields = Mapping[str, int | float | str]

LABELS = {
    "start": "start to first answer",
    "admission_zmq": "admission, ZeroMQ, busy",
    "admission_osc": "admission, OSC, busy",
    "status": "status on control, busy",
    "cancel": "cancel on control, busy",
    "kept_zmq": "kept sound, ZeroMQ",
    "kept_osc": "kept sound, OSC",
}
AIMS = {
    "start": "p50 < 1000 ms",
    "admission_zmq": "p99 < 10 ms",
    "admission_osc": "p99 < 10 ms",
    "status": "p99 < 10 ms",
    "cancel": "p99 < 10 ms",
    "kept_zmq": "p50 < 5 ms",
    "kept_osc": "p50 < 5 ms",
}
"""What the figures ought to be on an ordinary machine; printed beside them, never asserted."""

LOAD: Fields = {"prompt": "a long load", "seconds": 10.0, "steps": 200, "guidance": 3.0}
LOADS = 16
"""Clips of the job that keeps the worker busy."""
MIX = {"seconds": (0.5, 1.0, 2.0, 4.0), "steps": (4, 8, 16), "guidance": (1.0, 3.0)}
"""What the renders are drawn from whose times are foretold."""
LEARNT = 10
"""Renders that the daemon learns from before."""
WAITING: Fields = {"prompt": "a waiting sound", "seconds": 2.0, "steps": 20}
"""What is admitted behind it."""
DELIVERIES = 50
KEPT_S = 1.0
"""Seconds of the kept sound that is asked for again and again."""
_POLL_S = 0.05


class Series(msgspec.Struct, frozen=True):
    """Round trips of one kind, in seconds of wall clock: the middle one, the 99 % point, the longest."""

    name: str
    count: int
    p50: float
    p99: float
    longest: float


class Delivery(msgspec.Struct, frozen=True):
    """A clip's samples over ZeroMQ: bytes, and bytes a second beside those of a copy in memory."""

    bytes: int
    bytes_a_second: float
    copy_bytes_a_second: float


class Foretold(msgspec.Struct, frozen=True):
    """Renders whose time was told at admission: their number, and what they took for each second that was
    told: the middle one and the span of the middle 80 %."""

    count: int
    p10: float
    p50: float
    p90: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement. `busy`: whether the worker rendered from the first to the last round trip that says so;
    `memory_bytes`: resident memory of the daemon at the end."""

    model: str
    device: str
    series: tuple[Series, ...]
    delivery: Delivery
    foretold: Foretold
    busy: bool
    memory_bytes: int


def measure(model: str, *, starts: int, runs: int, jobs: int, seconds: float) -> Figures:
    """Start a daemon `starts` times, and measure the last one: `runs` round trips of each kind, `jobs`
    renders whose time is foretold, deliveries of a clip of `seconds`.

    Everything is kept in a folder that goes with the daemon. Raises FoleydError where it does not start, and
    what it answers with.
    """
    entry = catalog.resolve(model)
    took: list[float] = []
    for _ in range(starts - 1):
        with _started(model, took):
            pass
    with (
        _started(model, took) as told,
        Asker(Path(told.connection_file)) as asker,
        OscAsker(told.osc_address) as osc,
    ):
        _until_loaded(asker)
        foretold = _foretell(asker, jobs)
        kept = _kept(asker, osc, runs)
        delivery = _deliver(asker, seconds, min(runs, DELIVERIES))
        with _busy(Path(told.connection_file)) as job:
            under = _under_load(asker, osc, runs)
            busy = _works_on(asker, job)
        status = asker.status()
    times = {"start": took, **under, **kept}
    return Figures(
        model=entry.id,
        device=status.worker.device,
        series=tuple(_series(name, times[name]) for name in LABELS),
        delivery=delivery,
        foretold=foretold,
        busy=busy,
        memory_bytes=status.memory_bytes,
    )


@contextlib.contextmanager
def _started(model: str, took: list[float]) -> Iterator[Told]:
    """A daemon that knows nothing yet; adds the time from its start to its first answer to `took`."""
    with private_home():
        began = time.perf_counter()
        with private_daemon("--model", model) as told:
            with Asker(Path(told.connection_file)) as asker:
                asker.info()
            took.append(time.perf_counter() - began)
            yield told


def _until_loaded(asker: Asker) -> None:
    """Wait for the model, so that no render's time has its load in it."""
    while (worker := asker.status().worker).phase != "ready":
        if not worker.ready:
            raise FoleydError(worker.last_error)
        time.sleep(_POLL_S)


def _foretell(asker: Asker, jobs: int) -> Foretold:
    """Mixed renders, one after the other, and how their times compare to what was told before."""
    dice, ratios = random.Random(1), []
    for number in range(LEARNT + jobs):
        drawn: dict[str, int | float | str] = {name: dice.choice(values) for name, values in MIX.items()}
        began = time.perf_counter()
        reply = asker.admit({"prompt": f"mixed {number}", "seed": number, **drawn})
        asker.result(reply.job_id)
        if number >= LEARNT and reply.eta_s:
            ratios.append((time.perf_counter() - began) / reply.eta_s)
    return Foretold(len(ratios), *(_point(ratios, share) for share in (0.1, 0.5, 0.9)))


def _kept(asker: Asker, osc: OscAsker, runs: int) -> dict[str, list[float]]:
    """A sound that is there already, asked for again: to the result over ZeroMQ, samples and all, and to
    ``/done`` over OSC."""
    wanted: Fields = {"prompt": "a kept sound", "seconds": KEPT_S, "steps": 4, "seed": 1}
    _made(asker, wanted)

    def over_zmq() -> None:
        asker.result(asker.admit(wanted).job_id)

    def over_osc() -> None:
        osc.send("/foleyd/render", -1, *_pairs(wanted))
        osc.until(lambda said: said.address in ("/done", "/fail"))

    return {"kept_zmq": _times(over_zmq, runs), "kept_osc": _times(over_osc, runs)}


def _deliver(asker: Asker, seconds: float, runs: int) -> Delivery:
    """A clip's samples, read and sent, and the same bytes copied in memory."""
    wanted: Fields = {"prompt": "a clip", "seconds": seconds, "steps": 4, "seed": 1, "width": "dual"}
    clip = _made(asker, wanted)
    [samples] = asker.clip(clip)
    copy = bytearray(len(samples))

    def copied() -> None:
        copy[:] = samples

    sent, copies = (_times(work, runs) for work in (lambda: asker.clip(clip), copied))
    return Delivery(len(samples), len(samples) / _point(sent, 0.5), len(samples) / _point(copies, 0.5))


def _made(asker: Asker, wanted: Fields) -> str:
    """The clip that a request comes to; untrained models may be silent, which is no matter here."""
    result, _ = asker.result(asker.admit(wanted).job_id)
    if not result.clips:
        raise FoleydError(f"The daemon made no sound to measure with: {result.message}")
    return result.clips[0].clip_id


@contextlib.contextmanager
def _busy(path: Path) -> Iterator[int]:
    """The worker renders for the length of the block; the job that it works on."""
    with Asker(path) as asker:
        job = asker.admit(LOAD, LOADS).job_id
        while not _works_on(asker, job):
            time.sleep(_POLL_S)
        yield job
        asker.cancel(job)
        asker.result(job)


def _works_on(asker: Asker, job: int) -> bool:
    return any(one.job_id == job and one.state == "running" for one in asker.status().jobs)


def _under_load(asker: Asker, osc: OscAsker, runs: int) -> dict[str, list[float]]:
    """Jobs admitted and cancelled again, and the status told, all while the worker renders."""
    times: dict[str, list[float]] = {
        name: [] for name in ("admission_zmq", "cancel", "admission_osc", "status")
    }
    for number in range(runs):
        began = time.perf_counter()
        job = asker.admit({**WAITING, "seed": number}).job_id
        admitted = time.perf_counter()
        asker.cancel(job)
        cancelled = time.perf_counter()
        asker.result(job)
        times["admission_zmq"].append(admitted - began)
        times["cancel"].append(cancelled - admitted)
        times["admission_osc"].append(_admitted_over_osc(osc, number))
        began = time.perf_counter()
        asker.status()
        times["status"].append(time.perf_counter() - began)
    return times


def _admitted_over_osc(osc: OscAsker, number: int) -> float:
    began = time.perf_counter()
    osc.send("/foleyd/render", -1, *_pairs({**WAITING, "seed": number, "prompt": "another"}))
    queued = osc.until(lambda said: said.address in ("/foleyd/queued", "/fail"))
    took = time.perf_counter() - began
    if queued.address == "/fail":
        raise FoleydError(str(queued.arguments[1]))
    osc.send("/foleyd/cancel", -1)
    osc.until(lambda said: said.address == "/fail")  # that is how a job ends which was cancelled
    return took


def _pairs(wanted: Fields) -> list[int | float | str]:
    """The prompt, then names and values, as OSC has them."""
    rest = [part for name, value in wanted.items() if name != "prompt" for part in (name, value)]
    return [wanted["prompt"], *rest]


def _times(work: Callable[[], object], runs: int) -> list[float]:
    """Seconds of each run, after one that is not counted."""
    work()
    marks = [time.perf_counter()]
    for _ in range(runs):
        work()
        marks.append(time.perf_counter())
    return [after - before for before, after in itertools.pairwise(marks)]


def _series(name: str, times: Sequence[float]) -> Series:
    return Series(name, len(times), _point(times, 0.5), _point(times, 0.99), max(times))


def _point(values: Sequence[float], share: float) -> float:
    """The value that `share` of the others do not pass (nearest rank), 0 where there is none."""
    if not values:
        return 0.0
    return sorted(values)[min(len(values) - 1, round(share * (len(values) - 1)))]


def table(figures: Figures) -> list[str]:
    """The figures as lines of text."""
    delivery, foretold = figures.delivery, figures.foretold
    ratio = delivery.bytes_a_second / delivery.copy_bytes_a_second
    span = f"{foretold.p10:.2f} to {foretold.p90:.2f}"
    return [
        f"{figures.model} on {figures.device}, {figures.memory_bytes / 1e6:.0f} MB in the daemon",
        "",
        f"{'round trip':<26}{'count':>7}{'p50':>12}{'p99':>12}{'longest':>12}   aim",
        *(_line(one) for one in figures.series),
        *([] if figures.busy else ["", "The worker was done before the end: busy means less than it says."]),
        "",
        f"{'clip delivery':<26}{delivery.bytes_a_second / 1e6:>7.0f} MB/s of {delivery.bytes / 1e6:.1f} MB",
        f"{'copy in memory':<26}{delivery.copy_bytes_a_second / 1e6:>7.0f} MB/s, ratio {ratio:.4f}",
        f"{'took / was foretold':<26}{foretold.p50:>7.2f}, middle 80 % {span}, {foretold.count} renders",
    ]


def _line(one: Series) -> str:
    figures = "".join(f"{value * 1000:>9.2f} ms" for value in (one.p50, one.p99, one.longest))
    return f"{LABELS[one.name]:<26}{one.count:>7}{figures}   {AIMS[one.name]}"
