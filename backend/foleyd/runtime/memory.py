"""Memory given back to the system, and failures for want of it recognised."""

import ctypes
import gc
import sys

import torch

_ALLOCATORS = ("DefaultCPUAllocator", "MPS backend out of memory")
"""What is in the message of a plain RuntimeError by which an allocator says that it ran out."""


def give_back() -> None:
    """Free what nothing refers to any more and return it to the system, from torch's cache and from the C
    heap.

    glibc keeps freed blocks for later; a process that has let a model go would otherwise still look as large.
    """
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
        if trim is not None:
            trim(0)


def ran_out(error: BaseException) -> bool:
    """Whether an exception means that the device had no room left."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(name in str(error) for name in _ALLOCATORS)
