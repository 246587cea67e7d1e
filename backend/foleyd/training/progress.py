"""The book-keeping of a training run: learning rate, log lines, checkpoints that survive a kill."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

CHECKPOINT_SECONDS = 300.0


def learning_rate(step: int, steps: int, peak: float, warm: int = 200) -> float:
    """Linear warm-up over `warm` steps to `peak`, then a half cosine down to zero at `steps`."""
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm))))


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of the next step, for all that `optimiser` moves."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The loss curves of every run in `folder`, points (step, loss), by the run's name."""
    return {
        record.parent.name: [(step, loss) for step, loss in json.loads(record.read_text())["curve"]]
        for record in sorted(folder.glob("*/run.json"))
    }


class Run:
    """One network's training: where it is, when it was last saved, its loss curve.

    `folder` holds `state.safetensors` (weights and optimiser moments by name), `run.json` (step, curve). Both
    are written beside and renamed, so a kill at any moment leaves the previous checkpoint. `every`: steps
    between two points of the curve.
    """

    def __init__(self, folder: Path, name: str, steps: int, every: int = 100) -> None:
        self.folder, self._every = folder / name, every
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name, self.steps, self.step = name, steps, 0
        self.curve: list[tuple[int, float]] = []
        self._saved = self._logged = time.monotonic()
        self._sum, self._count = 0.0, 0

    @property
    def finished(self) -> bool:
        """Whether the planned number of steps has been made."""
        return self.step >= self.steps

    def resume(self, networks: dict[str, torch.nn.Module], optimiser: torch.optim.Optimizer | None) -> bool:
        """Loads the last checkpoint, if there is one, into `networks` and `optimiser`."""
        record = self.folder / "run.json"
        if not record.is_file():
            return False
        kept = json.loads(record.read_text())
        self.step, self.curve = kept["step"], [tuple(p) for p in kept["curve"]]
        tensors = load_file(self.folder / kept["state"])
        for label, network in networks.items():
            prefix = f"{label}/"
            network.load_state_dict({k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)})
        if optimiser is not None:
            state: dict[int, dict[str, Any]] = {}
            for key, value in tensors.items():
                if key.startswith("optimiser/"):
                    _, index, field = key.split("/")
                    state.setdefault(int(index), {})[field] = value
            optimiser.load_state_dict(
                {"state": state, "param_groups": optimiser.state_dict()["param_groups"]}
            )
        return True

    def save(self, networks: dict[str, torch.nn.Module], optimiser: torch.optim.Optimizer | None) -> None:
        """Writes a checkpoint; the one before is removed only when this one is whole."""
        tensors = {
            f"{label}/{k}": v.detach().contiguous().clone()
            for label, n in networks.items()
            for k, v in n.state_dict().items()
        }
        if optimiser is not None:
            for index, fields in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser/{index}/{k}": torch.as_tensor(v).clone() for k, v in fields.items()}
        state = f"state-{self.step}.safetensors"
        save_file(tensors, self.folder / state)
        draft = self.folder / "run.json.part"
        draft.write_text(json.dumps({"step": self.step, "curve": self.curve, "state": state}))
        draft.replace(self.folder / "run.json")
        for old in self.folder.glob("state-*.safetensors"):
            if old.name != state:
                old.unlink()
        self._saved = time.monotonic()

    def advance(self, loss: float) -> str | None:
        """Counts a step; every hundred steps, or as `every` says, returns a line for the log and adds a point
        to the curve."""
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss of {self.name} is {loss} at step {self.step}: resume with a lower learning rate"
            )
        self.step += 1
        self._sum, self._count = self._sum + loss, self._count + 1
        if self.step % self._every and not self.finished:
            return None
        mean, now = self._sum / self._count, time.monotonic()
        pace = (now - self._logged) / self._count
        self._sum, self._count, self._logged = 0.0, 0, now
        self.curve.append((self.step, mean))
        left = pace * (self.steps - self.step) / 60
        return f"{self.name} {self.step}/{self.steps} loss {mean:.4f} {pace:.3f} s/step {left:.1f} min left"

    def learn(
        self,
        loss: torch.Tensor,
        optimiser: torch.optim.Optimizer,
        networks: dict[str, torch.nn.Module],
        log: Callable[[str], None],
        told: torch.Tensor | None = None,
        limit: float = 1.0,
    ) -> None:
        """One step of `optimiser` down the gradient of `loss`, whose norm is at most `limit`; counts it,
        logs, and saves where it is time to. The curve gets `told` in place of `loss` where that is given."""
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        parameters = [one for group in optimiser.param_groups for one in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, limit)
        optimiser.step()
        line = self.advance(float((loss if told is None else told).detach()))
        if line:
            log(line)
        if self.due:
            self.save(networks, optimiser)

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return time.monotonic() - self._saved > CHECKPOINT_SECONDS or self.finished
