"""What can go wrong in foleyd, one class a kind.

``str(error)`` is the whole message: one sentence that says what is wrong and what to do about it. ``code`` is
the word that programs compare (replies on every wire carry it, and it never changes), ``exit_status`` is what
the command line ends with: 1 for work that failed, 2 for a request that could never work, 130 for Ctrl-C.
"""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

FailureReason = Literal["nan", "inf", "silence", "memory", "error"]
"""Why a render came to nothing; see :class:`RenderFailed`."""


class FoleydError(Exception):
    """Base of everything that foleyd reports to a user on purpose."""

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 1


class BadRequest(FoleydError):
    """The request itself cannot be met: a field out of its range, an unknown name, a file that cannot be
    read."""

    code = "bad_request"
    exit_status = 2


class ModelMissing(FoleydError):
    """The model is not on this disk; the sentence names the command that brings it."""

    code = "model_missing"


class ModelBroken(FoleydError):
    """The model's folder is there but unusable: a file missing, a hash that differs, pickled weights only."""

    code = "model_broken"


class NotSellable(FoleydError):
    """The request asks for sounds that may be sold, and the model's licence does not allow it."""

    code = "not_sellable"
    exit_status = 2


class RenderFailed(FoleydError):
    """The model ran and gave nothing that may be called a sound.

    ``reason`` is one of ``nan``, ``inf`` (the samples or the latents are not numbers), ``silence``,
    ``memory`` (the device had no room), ``error`` (anything else; the sentence says what).
    """

    code = "render_failed"
    reason: FailureReason

    def __init__(self, message: str, reason: FailureReason = "error") -> None:
        if reason not in get_args(FailureReason):
            raise ValueError(f"reason is {reason!r}: give one of {', '.join(get_args(FailureReason))}")
        # both go to Exception, so that an instance survives a copy or a pickle with its reason
        super().__init__(message, reason)
        self.reason = reason

    def __str__(self) -> str:
        return str(self.args[0])


class Cancelled(FoleydError):
    """The user, or a newer job on the same slot, asked for the work to stop."""

    code = "cancelled"
    exit_status = 130


class WorkerDied(FoleydError):
    """The process that held the model ended before its work did."""

    code = "worker_died"


class DiskFull(FoleydError):
    """There was no room to write; nothing half-written was left."""

    code = "disk_full"


class Offline(FoleydError):
    """The network was needed and is switched off or out of reach."""

    code = "offline"
