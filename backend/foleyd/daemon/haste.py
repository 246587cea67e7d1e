"""Sounds in a hurry: what a render costs, drafts in few steps, and a deadline that steps are chosen for."""

from __future__ import annotations

import time

import msgspec

from foleyd import anew, recipe
from foleyd.daemon.estimate import FEWEST_STEPS, CostModel, Work
from foleyd.daemon.forecast import alone
from foleyd.daemon.models import Request
from foleyd.errors import BadRequest
from foleyd.recipe import Recipe

TWO_EVALUATIONS = frozenset({"heun"})
"""Schedulers that run the network twice a step."""
FEWER_STEPS = (16, 12, 10, 8, 6, 5, FEWEST_STEPS)
"""What is tried to keep a deadline."""


class Deadline(msgspec.Struct, frozen=True):
    """`seconds` from `began` (of `time.monotonic`) on, within which a sound is to be there. `open`: whether
    it may have fewer steps than its recipe says."""

    seconds: float
    began: float
    open: bool

    @property
    def spent(self) -> float:
        """Seconds since it was set."""
        return time.monotonic() - self.began

    @property
    def left(self) -> float:
        """Seconds until it is over, 0 from then on."""
        return max(0.0, self.seconds - self.spent)

    def share(self, among: int) -> Deadline:
        """One of so many equal parts of what is left, from now on."""
        return self if among == 1 else Deadline(self.left / among, time.monotonic(), self.open)


def work(request: Request) -> Work:
    """What a request costs, as far as it tells."""
    made, able = request.recipe, request.capabilities
    steps = max(1, recipe.steps_taken(made))
    return Work(
        # sounds with an adapter may be run by another runtime, and take another time
        model=f"{request.model.id} {request.model.revision[:12]}{' adapted' * bool(made.adapter)}".strip(),
        seconds=anew.computed(made, able.seconds[1]) or able.auto_seconds,
        steps=steps,
        guided=(made.guidance or 1.0) > 1.0,
        guided_share=made.guidance_to - made.guidance_from,
        evaluations=2 * steps - 1 if made.scheduler in TWO_EVALUATIONS else None,
        sketches=request.best_of if request.best_of > 1 else 0,
    )


def fewer(made: Recipe) -> list[int]:
    """Steps to try, most first, where the recipe's own take too long."""
    return [steps for steps in FEWER_STEPS if steps < (made.steps or 0)]


def in_steps(request: Request, steps: int) -> Request:
    """The same sound in so many steps."""
    return msgspec.structs.replace(request, recipe=recipe.change(request.recipe, steps=steps))


def draft(request: Request, steps: int) -> Request:
    """A draft of a sound in so many steps. Raises BadRequest unless the sound itself has more."""
    if request.best_of > 1:
        raise BadRequest("draft and best_of are both given: a draft's seed is not chosen, give one of them.")
    if steps >= (request.recipe.steps or 0):
        raise BadRequest(f"draft is {steps}, the sound itself has {request.recipe.steps} steps: give fewer.")
    return in_steps(request, steps)


def in_time(request: Request, cost: CostModel, deadline: Deadline) -> Request:
    """The request with as many steps as its deadline allows where those are open, for a worker that has
    nothing else to do. As it is where no render of its model was timed on the device. Raises TooSlow."""
    spent = deadline.spent
    steps = fewer(request.recipe) if deadline.open else []
    *more, fewest = (request, *(in_steps(request, count) for count in steps))
    for tried in more:
        if alone(work(tried), cost, spent, deadline.seconds) is None:
            return tried
    refusal = alone(work(fewest), cost, spent, deadline.seconds)
    if refusal is not None:
        raise refusal
    return fewest
