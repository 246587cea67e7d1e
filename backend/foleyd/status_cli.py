"""``foleyd status``: what the running daemon is doing, on one screen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foleyd.messages import JobInfo, StatusReply
from foleyd.output import Output

EPILOG = """\b
Examples:
  foleyd status
  foleyd status --json
  foleyd status --metrics
"""


def status(
    connection_file: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The daemon's connection file.", show_default="the usual place"),
    ] = None,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Print all figures in Prometheus' text format instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the daemon's queue, worker, model, memory and last failures."""
    from foleyd.client import Client

    with Output(as_json) as output, Client(connection_file, name="status") as client:
        if metrics:
            output.body["metrics"] = text = client.metrics()
            output.line(text.rstrip())
            return
        found = client.status()
        output.body["status"] = found
        if not as_json:
            for line in screen(found):
                output.line(line)


def screen(found: StatusReply) -> list[str]:
    """The status as lines of text."""
    worker, queue, library, osc = found.worker, found.queue, found.library, found.osc
    state = "ready" if found.ready else "NOT READY"
    own = f"pid {found.pid}, up {_span(found.up_s)}, {_size(found.memory_bytes)}"
    lines = [
        f"foleyd {found.version}, {own}: {state}",
        f"worker   {worker.phase}{_about(worker.model)}{_about(worker.device)}{_about(worker.loading)}"
        + (f", {_size(worker.memory_bytes)}" if worker.memory_bytes else ""),
    ]
    if worker.restarts or worker.last_error:
        lines.append(
            f"         {worker.restarts} restarts, {worker.deaths} deaths in a row. {worker.last_error}"
        )
    lines.append(
        f"queue    {queue['waiting']} waiting, {queue['running']} running "
        f"(live {queue['live']}, normal {queue['normal']}, background {queue['background']})"
    )
    lines += [f"         {_job(job)}" for job in found.jobs[:10]]
    if len(found.jobs) > 10:
        lines.append(f"         and {len(found.jobs) - 10} more")
    lines.append(
        f"library  {library['clips']} clips, {_size(library['bytes'])}, {_size(library['free_bytes'])} free"
    )
    clients = ", ".join(f"{name} ({left:.0f} s)" for name, left in found.clients.items())
    lines.append(f"clients  {clients or 'none'}")
    if osc:
        lines.append(f"OSC      {osc['received']} received, {osc['refused']} refused, {osc['late']} late")
    lines += [f"failed   {_job(job)}: {job.message}" for job in found.failures]
    return lines


def _job(job: JobInfo) -> str:
    done = f", step {job.step}/{job.steps}" if job.state == "running" else ""
    eta = f", {job.eta_s:.1f} s left" if job.eta_s is not None and job.state in ("queued", "running") else ""
    slot = f" on {job.slot}" if job.slot else ""
    many = f" ×{job.count}" if job.count > 1 else ""
    prompt = job.prompt if len(job.prompt) <= 40 else job.prompt[:39] + "…"
    return f'#{job.job_id} {job.state} "{prompt}"{many} for {job.client}{slot}, {job.priority}{done}{eta}'


def _about(text: str) -> str:
    return f", {text}" if text else ""


def _span(seconds: float) -> str:
    minutes, hours = seconds // 60, seconds // 3600
    return f"{seconds:.0f} s" if minutes < 1 else f"{minutes:.0f} min" if hours < 1 else f"{hours:.0f} h"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
