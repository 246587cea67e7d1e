"""Memory given back to the system, and failures for want of it recognised."""

import ctypes
import gc
import mmap
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch

_ALLOCATORS = ("DefaultCPUAllocator", "MPS backend out of memory")
"""What is in the message of a plain RuntimeError by which an allocator says that it ran out."""


_DONT_NEED = 4
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \d+\s*(.*)")
"""The first line of a mapping in /proc/self/smaps (proc(5)): from, to, and the file's path."""


def give_back() -> None:
    """Free what nothing refers to any more and return it to the system, from torch's cache and from the C
    heap.

    glibc keeps freed blocks for later; a process that has let a model go would otherwise still look as large.
    """
    # a worker takes what it imported out of the collector's sight (`foleyd.daemon.lean`), a model with it
    gc.unfreeze()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
        if trim is not None:
            trim(0)


def let_go(folder: Path) -> None:
    """Take the pages of mapped files below `folder` out of this process (Linux; elsewhere nothing).

    A library that maps a file of weights and makes its own copy of them keeps both in memory. What is still
    wanted of the file comes back by itself when it is next read. Mappings that were written to are left.
    """
    for begin, end in unchanged(folder):
        _drop(begin, end)


class Pages:
    """The whole pages of mapped files from which `tensors` are used; they stay mapped while the tensors are
    there. `mapped`: what `unchanged` found."""

    def __init__(self, mapped: Sequence[tuple[int, int]], tensors: Iterable[torch.Tensor]) -> None:
        self._tensors = []
        for tensor in tensors:
            begin = -(-tensor.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
            end = (tensor.data_ptr() + tensor.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
            if begin < end and any(low <= begin and end <= high for low, high in mapped):
                self._tensors.append((tensor, begin, end))

    def let_go(self) -> None:
        """Take them out of this process; they come back by themselves when the tensors are next read."""
        for _, begin, end in self._tensors:
            _drop(begin, end)


def _drop(begin: int, end: int) -> None:
    ctypes.CDLL(None).madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), ctypes.c_int(_DONT_NEED))


def unchanged(folder: Path) -> Iterator[tuple[int, int]]:
    """The address ranges in which files below `folder` are mapped and were not written to: `madvise` would
    lose that (madvise(2), MADV_DONTNEED). Linux; elsewhere none."""
    if sys.platform != "linux":
        return
    where = f"{folder.resolve()}/"
    mapped: tuple[int, int] | None = None
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if found := _MAPPING.match(line):
            begin, end, path = found.groups()
            mapped = (int(begin, 16), int(end, 16)) if path.startswith(where) else None
        elif mapped is not None and line.startswith("Anonymous:") and line.split()[1] == "0":
            yield mapped


def ran_out(error: BaseException) -> bool:
    """Whether an exception means that the device had no room left."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(name in str(error) for name in _ALLOCATORS)
