"""Which renders may be made as one batch, and how long one waits for others of its shape."""

from __future__ import annotations

from foleyd.daemon.models import Request
from foleyd.engines.base import SHARED

WINDOW_S = 0.03
"""How long after its admission a render waits for company, on a worker that gains by a batch."""
APART = frozenset({"layers"})
"""Operations that are several renders one after the other anyway."""


def alike(request: Request, runtime: str) -> str:
    """What a request has in common with those that it may share a batch with: the model, the shape, the
    runtime that it insists on, and what the engine asks for; "" where it is made alone, as everything that
    starts from a source is, and what is longer than one piece."""
    made = request.recipe
    windows = request.capabilities.in_windows(made)
    if made.operation in APART or made.sources or windows or not request.frames:
        return ""
    shared = (request.model.id, request.model.revision, runtime, request.frames, request.best_of)
    return repr((*shared, *(getattr(made, name) for name in SHARED)))
