"""When the jobs of a queue will be done, and what of a job that takes too long would fit instead."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from foleyd.daemon.estimate import FEWEST_STEPS, SHORTEST_S, CostModel, Work
from foleyd.daemon.jobs import PRIORITIES, Job, Rank, Render
from foleyd.errors import TooSlow


class Span(NamedTuple):
    """From when to when a render is expected to run, on the queue's clock."""

    start: float
    end: float


Forecast = Mapping[str, Span]
"""Spans of all renders that somebody waits for, by their keys."""


def gives_way(running: Rank, waiting: Rank, together: int = 1) -> bool:
    """Whether what runs (`together`: so many sounds at once, the first of them at this rank) is stopped for
    the waiting render: background work is for live work, and so is a batch, which takes longer than one."""
    stoppable = PRIORITIES[running[0]] == "background" or (together > 1 and PRIORITIES[running[0]] != "live")
    return stoppable and PRIORITIES[waiting[0]] == "live"


def foresee(jobs: Iterable[Job], running: Sequence[Render], cost: CostModel, now: float) -> Forecast | None:
    """When the open sounds of `jobs` will be made, one after the other, if no other job comes.

    `running` are the renders that the worker has; what gives way is done anew. None where nothing is known of
    the time that one of them takes.
    """
    ranks: dict[str, Rank] = {}
    works: dict[str, Work] = {}
    for job in jobs:
        for index in job.open:
            key, rank = job.wanted[index].key, job.rank(index)
            ranks[key] = min(rank, ranks.get(key, rank))
            works.setdefault(key, job.wanted[index].work)
    order = sorted(ranks, key=lambda key: ranks[key])
    batch = [render for render in running if render.key in ranks]
    spans: dict[str, Span] = {}
    at = now
    if batch:
        first = min(batch, key=lambda render: ranks[render.key])
        if not gives_way(ranks[first.key], ranks[order[0]], len(batch)):
            took = cost.estimate(msgspec.structs.replace(works[first.key], batch=len(running)))
            if took is None:
                return None
            at += _left(first, took, now)
            spans = {render.key: Span(now, at) for render in batch}
    for key in order:
        if key in spans:
            continue
        took = cost.estimate(works[key])
        if took is None:
            return None
        spans[key] = Span(at, at + took)
        at += took
    return spans


def start_of(job: Job, forecast: Forecast) -> float:
    """When the first of a job's open sounds is begun."""
    return min(forecast[job.wanted[index].key].start for index in job.open)


def end_of(job: Job, forecast: Forecast) -> float:
    """When the last of a job's open sounds is there."""
    return max(forecast[job.wanted[index].key].end for index in job.open)


def too_slow(
    job: Job,
    others: Iterable[Job],
    running: Sequence[Render],
    cost: CostModel,
    now: float,
    within_s: float,
) -> TooSlow | None:
    """The refusal of a `job` that cannot be there (but for what may wait) in `within_s` seconds when it joins
    the `others`; None where it can, or where nobody knows since no render of its model was timed on this
    device."""
    due = [one for index, one in enumerate(job.wanted) if index in job.open and not one.may_wait]
    works = {one.key: one.work for one in due}
    if not all(cost.knows(work.model) for work in works.values()):
        return None
    others = list(others)
    forecast = foresee([*others, job], running, cost, now)
    eta = 0.0 if forecast is None else max((forecast[key].end - now for key in works), default=0.0)
    if eta <= within_s:
        return None
    # a smaller request is for other sounds: it shares no render with anyone
    apart = [msgspec.structs.replace(one, key=f"\0{one.key}") for one in job.wanted]
    smaller = dataclasses.replace(job, wanted=tuple(apart))
    wait = start_of(smaller, foresee([*others, smaller], running, cost, now) or {}) - now
    costs = {key: cost.estimate(work) or 0.0 for key, work in works.items()}
    dearest = max(costs, key=lambda key: costs[key])
    share = (within_s - wait) * costs[dearest] / sum(costs.values())
    return _refusal(works[dearest], cost.fitting(works[dearest], share), eta, wait, within_s)


def alone(work: Work, cost: CostModel, wait: float, within_s: float) -> TooSlow | None:
    """As :func:`too_slow`, for a work that has a worker of its own, `wait` seconds from the beginning on."""
    took = cost.estimate(work) if cost.knows(work.model) else None
    if took is None or wait + took <= within_s:
        return None
    return _refusal(work, cost.fitting(work, within_s - wait), wait + took, wait, within_s)


def _left(running: Render, took: float, now: float) -> float:
    """Seconds that the running render still needs, of the `took` that it was thought to need."""
    # by the clock while it keeps to the estimate, which counts what follows the steps; by steps when late
    undone = 1 - running.step / running.steps if running.step else 0.0
    return max(took - (now - running.began), took * undone)


def _refusal(work: Work, fit: Work | None, eta: float, wait: float, within_s: float) -> TooSlow:
    hint = _what_fits(work, fit, wait, within_s)
    return TooSlow(f"This would take about {eta:.1f} s, longer than the {within_s:.3g} s given: {hint}.", eta)


def _what_fits(work: Work, fit: Work | None, wait: float, within_s: float) -> str:
    if fit is not None and fit.seconds == work.seconds:
        return f"{_count(fit.steps, 'step')} instead of {work.steps} would fit"
    if fit is not None:
        return f"{fit.seconds:g} s of sound in {_count(fit.steps, 'step')} would fit"
    if wait >= within_s:
        return f"nothing would fit, since the work before it takes {wait:.1f} s, so give it more time"
    least = f"{SHORTEST_S:g} s of sound in {_count(min(work.steps, FEWEST_STEPS), 'step')}"
    return f"nothing would fit, not even {least}, so give it more time"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
