"""Networks of diffusers and transformers out of a checkpoint's folders: safetensors only, whole or not at
all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError

from foleyd.errors import ModelBroken, RenderFailed
from foleyd.runtime import memory


@contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Turn what the libraries raise for a bad folder into one sentence; keep their progress bars quiet."""
    bars: Any = transformers.utils.logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, MemoryError, SafetensorError) as error:
        if memory.ran_out(error):
            raise RenderFailed(
                f"there is no room in memory for {folder.name}: close other programs, or choose a smaller "
                "model.",
                "memory",
            ) from error
        raise ModelBroken(
            f"{folder.name} cannot be loaded ({' '.join(str(error).split()):.300}): pull the model again."
        ) from error
    finally:
        if shown:
            bars.enable_progress_bar()


def diffuser(kind: Any, folder: Path) -> Any:
    """A network of diffusers, in float32. Raises ValueError where weights are missing, OSError…"""
    network, report = kind.from_pretrained(
        folder,
        use_safetensors=True,
        local_files_only=True,
        low_cpu_mem_usage=False,  # the other way needs one more package and changes nothing but the peak
        torch_dtype=torch.float32,
        output_loading_info=True,
    )
    return _complete(network, report, folder)


def pretrained(kind: Any, folder: Path) -> Any:
    """A network of transformers, in float32. Raises as `diffuser` does."""
    network, report = kind.from_pretrained(
        folder, use_safetensors=True, local_files_only=True, dtype=torch.float32, output_loading_info=True
    )
    return _complete(network, report, folder)


def _complete(network: Any, report: Mapping[str, Any], folder: Path) -> Any:
    """The network, unless weights were missing: the libraries only warn and leave those to chance.

    Buffers may be missing, since older versions computed and did not store them.
    """
    missing = set(report["missing_keys"]) & {name for name, _ in network.named_parameters()}
    if missing:
        raise ValueError(f"{folder.name} lacks {len(missing)} weights, among them {min(missing)}")
    return network
