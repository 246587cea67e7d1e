"""What the machine could compute: the rate of large matrix products, and the work in a render."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

SIZE = 2048
"""Rows and columns of the matrices."""
PRODUCTS = 5
"""Products of a kind in each turn."""
KINDS: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


class Products:
    """Products of two matrices on a torch device; `wait` waits for what it has begun."""

    def __init__(self, device: Any, wait: Callable[[], None]) -> None:
        self._device, self._wait = device, wait
        self.best: dict[str, float] = {}
        self._factors: dict[str, torch.Tensor] = {}

    def add(self, kind: str) -> None:
        """Multiply in that precision too, from the next turn on; the first product is not counted."""
        if kind not in self._factors:
            factor = torch.randn(SIZE, SIZE).to(self._device, KINDS[kind])
            torch.mm(factor, factor)
            self._factors[kind] = factor

    def turn(self) -> None:
        """Some products of each kind; the fastest of all turns counts, in operations a second."""
        for kind, factor in self._factors.items():
            for _ in range(PRODUCTS):
                self._wait()
                began = time.perf_counter()
                torch.mm(factor, factor)
                self._wait()
                rate = 2 * SIZE**3 / (time.perf_counter() - began)
                self.best[kind] = max(self.best.get(kind, 0.0), rate)


@contextmanager
def counted(networks: Any, names: tuple[str, ...]) -> Iterator[dict[str, float]]:
    """Count the multiplications and additions of an engine's torch networks inside the block, by name."""
    work: dict[str, float] = {}
    before = {name: getattr(networks, name) for name in names if getattr(networks, name) is not None}
    for name, network in before.items():
        setattr(networks, name, _counting(name, network, work))
    try:
        yield work
    finally:
        for name, network in before.items():
            setattr(networks, name, network)


def _counting(name: str, network: Callable[..., Any], work: dict[str, float]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        with FlopCounterMode(display=False) as counter:
            result = network(*arguments, **named)
        work[name] = work.get(name, 0.0) + counter.get_total_flops()
        return result

    return call
