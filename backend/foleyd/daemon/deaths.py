"""How a worker ended, in one sentence that says what to do, and whether it was for want of memory."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Sequence
from pathlib import Path

from foleyd.errors import WorkerDied

VMSTAT = Path("/proc/vmstat")
GROUPS = Path("/proc/self/cgroup")
GROUP_ROOT = Path("/sys/fs/cgroup")

_HINTS = {
    "SIGKILL": "most often the system ran out of memory, so close other programs or ask for fewer seconds",
    "SIGILL": "a package was built for another processor, so install packages made for this one",
    "SIGBUS": "a model file could not be read to its end, so check it with 'foleyd doctor'",
}
_USUAL_HINT = "try again, and see 'foleyd doctor' if it happens twice"


def death(
    status: int, when: str, last_words: Sequence[str], *, memory: bool, garbled: str = ""
) -> WorkerDied:
    """The error for a process that ended.

    `status`: as `subprocess` counts it, minus the signal's number where it was one; `when`: what it was
    doing, in words; `last_words`: the last lines on its standard error, which the error also carries as a
    note; `memory`: whether the system is known to have run out of it; `garbled`: why the parent itself ended
    it, if it did.
    """
    error = _sentence(status, when, last_words, memory, garbled)
    if last_words:
        error.add_note("The worker's last words:\n" + "\n".join(last_words))
    return error


def _sentence(status: int, when: str, last_words: Sequence[str], memory: bool, garbled: str) -> WorkerDied:
    if garbled:
        return WorkerDied(
            f"The worker was ended {when} since it made no sense ({garbled}): run 'foleyd doctor' to see "
            "what is missing."
        )
    if status >= 0:
        said = last_words[-1] if last_words else "it said nothing"
        return WorkerDied(
            f"The worker ended with status {status} {when} ({said}): run 'foleyd doctor' to see what is "
            "missing."
        )
    name = _name(-status)
    if memory and name == "SIGKILL":
        return WorkerDied(
            f"The worker was ended by {name} {when} because the system ran out of memory: close other "
            "programs or ask for fewer seconds.",
            "memory",
        )
    return WorkerDied(f"The worker was ended by {name} {when}: {_HINTS.get(name, _USUAL_HINT)}.", "signal")


def oom_kills() -> tuple[int, ...]:
    """How many processes the system has killed for want of memory, by each count that it keeps: the
    machine's, and those of the control groups that this process and its children are in (`oom_kill` in
    proc_vmstat(5) and in cgroup v2's memory.events). A count that grows while a worker works says why the
    worker was killed. Zeros where nothing is counted, as outside Linux.
    """
    return tuple(_count(path) for path in (VMSTAT, *_group_files()))


def grown(before: Sequence[int], after: Sequence[int]) -> bool:
    """Whether one of the counts of :func:`oom_kills` has grown."""
    return any(now > then for then, now in zip(before, after, strict=False))


def _group_files() -> list[Path]:
    files = [GROUP_ROOT / "memory.events"]  # in a container the root is the container's own group
    with contextlib.suppress(OSError, ValueError):
        for line in GROUPS.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                files.append(GROUP_ROOT / path.lstrip("/") / "memory.events")
            elif "memory" in controllers.split(","):
                files.append(GROUP_ROOT / "memory" / path.lstrip("/") / "memory.oom_control")
    return files


def _count(path: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
