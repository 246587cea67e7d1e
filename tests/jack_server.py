"""A real JACK server without a sound card, and clients that hear exactly what is played on it, and play."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np
import numpy.typing as npt

import programs
from foleyd_live.jacklibrary import (
    AUDIO,
    IS_INPUT,
    IS_OUTPUT,
    close_client,
    ffi,
    library,
    library_name,
    open_client,
    ports,
)
from foleyd_live.jacknative import PythonProcess
from foleyd_live.midi_system import NoMidi

if TYPE_CHECKING:
    from foleyd_live.jackmidi import JackMidi

PATIENCE_S = 120.0
# `JackNoStartServer` and `JackServerName`
_NO_START_SERVER, _SERVER_NAME = 1, 4
_names = itertools.count()
_PROBE = f"""
import ctypes, sys, time
jack = ctypes.CDLL({library_name()!r})
jack.jack_client_open.restype = ctypes.c_void_p
quiet = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(lambda message: None)
jack.jack_set_error_function(quiet)
jack.jack_set_info_function(quiet)
options = {_NO_START_SERVER | _SERVER_NAME}
while not (client := jack.jack_client_open(b"ready", options, None, sys.argv[1].encode())):
    time.sleep(0.02)
jack.jack_client_close(ctypes.c_void_p(client))
"""

Samples = npt.NDArray[np.float32]
T = TypeVar("T")


def wait(so: Callable[[], object], what: str) -> None:
    """Return once `so` is true. Fails the test where that does not come."""
    deadline = time.monotonic() + PATIENCE_S
    while not so():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.02)


def opened(make: Callable[[], T | None]) -> T:
    """A client of a server, by `make`: it is tried again, for no server takes a client in the moment in which
    another one begins or ends on the machine."""
    made: list[T] = []

    def so() -> bool:
        client = make()
        if client:
            made.append(client)
        return bool(made)

    wait(so, "the JACK server takes no client")
    return made[0]


def midi(name: str, inputs: Sequence[str], outputs: Sequence[str]) -> JackMidi:
    """A client of this process's default server that has MIDI ports."""
    from foleyd_live.jackmidi import JackMidi  # where JACK is not installed, it cannot be imported

    def make() -> JackMidi | None:
        with contextlib.suppress(NoMidi):
            return JackMidi(name, inputs, outputs)
        return None

    return opened(make)


class Server:
    """A ``jackd`` with the dummy driver. `environment` leads to it; in this process it is set while it
    lives.

    It runs in step with its clients, so that a slow machine makes it late and loses nothing.
    """

    def __init__(
        self, rate: int = 48_000, block: int = 256, channels: int = 4, *, realtime: bool = False
    ) -> None:
        self.name = f"foleyd-test-{os.getpid()}-{next(_names)}"
        self.rate, self.block, self.channels = rate, block, channels
        self.environment = {"JACK_DEFAULT_SERVER": self.name, "JACK_NO_START_SERVER": "1"}
        self._priority = "--realtime" if realtime else "--no-realtime"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, rate: int | None = None) -> None:
        """Start it, and return when clients can open."""
        self.rate = rate or self.rate
        driver = f"-d dummy -r {self.rate} -p {self.block} -P {self.channels} -C {self.channels}".split()
        program = programs.find("jackd", "jackd2")
        self._process = subprocess.Popen(
            [program, self._priority, "--sync", "--timeout", "20000", "-n", self.name, *driver],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "JACK_NO_AUDIO_RESERVATION": "1"},
        )
        # in a process of its own: here a client of the server before may still be closing
        probe = [sys.executable, "-c", _PROBE, self.name]
        asked = subprocess.run(probe, timeout=PATIENCE_S, check=False)
        assert asked.returncode == 0, "jackd does not answer"
        assert self._process.poll() is None, "jackd has ended"

    def stop(self, *, crash: bool = False) -> None:
        """End it, as a crash would where that is asked for."""
        if self._process is None:
            return
        if crash:
            self._process.kill()
        else:
            self._process.terminate()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def clear(self) -> None:
        """Remove what a server that crashed left in shared memory."""
        for path in Path("/dev/shm").glob(f"jack_*{self.name}_*"):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def served(
    rate: int = 48_000, block: int = 256, channels: int = 4, *, realtime: bool = False
) -> Iterator[Server]:
    """A server for the length of a block, and this process's default one."""
    server = Server(rate, block, channels, realtime=realtime)
    before = {name: os.environ.get(name) for name in server.environment}
    os.environ.update(server.environment)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        server.clear()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class _Client:
    """A client whose cycles call :meth:`_cycle`, on a thread that JACK may end at any time."""

    def __init__(self, name: str, channels: int, direction: int) -> None:
        self._jack = library()
        self._client = opened(lambda: open_client(name))
        self._ports = [
            self._jack.jack_port_register(self._client, f"{name}_{number}".encode(), AUDIO, direction, 0)
            for number in range(channels)
        ]
        self._process = PythonProcess(self._cycle)
        self._jack.jack_set_process_callback(self._client, self._process.call, self._process.data)

    def _cycle(self, frames: int) -> None:
        raise NotImplementedError

    def _buffers(self, frames: int) -> list[Samples]:
        """This cycle's samples of every port."""
        get = self._jack.jack_port_get_buffer
        return [np.frombuffer(ffi.buffer(get(port, frames), 4 * frames), np.float32) for port in self._ports]

    def _connect(self, pattern: str, direction: int) -> None:
        """Begin, and connect every port to one of another client's, once that has so many."""
        assert not self._jack.jack_activate(self._client)
        names: list[str] = []

        def enough() -> bool:
            names[:] = ports(self._client, direction, pattern)
            return len(names) >= len(self._ports)

        wait(enough, f"no {len(self._ports)} ports {pattern} appear on the server")
        for port, other in zip(self._ports, names, strict=False):
            own = self._jack.jack_port_name(port)
            ends = (other.encode(), own) if direction == IS_OUTPUT else (own, other.encode())
            assert not self._jack.jack_connect(self._client, *ends)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        close_client(self._client)
        self._process.close()


class Recorder(_Client):
    """Hears the output ports of a client, sample by sample: the host's where no other `ports` are meant. A
    context manager.

    :meth:`time_of` says when, by the server's clock.
    """

    def __init__(self, server: Server, channels: int, seconds: float, ports: str = ".*:out_") -> None:
        self._rate = server.rate
        self._heard = np.zeros((int(seconds * server.rate), channels), np.float32)
        self._count = 0
        self._began: list[tuple[int, float]] = []
        self._times = (ffi.new("uint32_t *"), ffi.new("uint64_t[2]"), ffi.new("float *"))
        super().__init__("recorder", channels, IS_INPUT)
        self._connect(ports, IS_OUTPUT)
        # a connection counts from one of the next cycles on
        connected = self._count
        wait(lambda: self._count >= connected + 8 * server.block, "the server has stopped")

    def _cycle(self, frames: int) -> None:
        begin, end = self._count, min(self._count + frames, len(self._heard))
        self._began.append((begin, self._now()))
        for channel, buffer in enumerate(self._buffers(frames)):
            self._heard[begin:end, channel] = buffer[: end - begin]
        self._count = end

    def _now(self) -> float:
        """When this cycle begins, as the server estimates it, in seconds of :func:`time.monotonic`."""
        frames, times, period = self._times
        self._jack.jack_get_cycle_times(self._client, frames, times, times + 1, period)
        # the server's clock is another one: only how long ago it was can be taken from it
        return time.monotonic() - (self._jack.jack_get_time() - times[0]) / 1e6

    @property
    def heard(self) -> Samples:
        """What was heard so far, `[frames, channels]`."""
        return self._heard[: self._count]

    def time_of(self, place: int) -> float:
        """When the cycle of a place in `heard` came to it, in seconds since 1970."""
        begin, seconds = max((one for one in self._began if one[0] <= place), key=lambda one: one[0])
        return seconds + (place - begin) / self._rate + time.time() - time.monotonic()

    def until(self, frames: int) -> Samples:
        """Wait until so many frames were heard."""
        wait(lambda: self._count >= frames, "the server has stopped")
        return self.heard

    def after(self, first: Samples, frames: int) -> Samples:
        """Wait for the sample `first` `[channels]`, and so many frames from it on."""
        columns = len(first)

        def place() -> int:
            found = np.flatnonzero((self.heard[:, :columns] == first).all(axis=1))
            return int(found[0]) if len(found) else -1

        wait(lambda: 0 <= place() <= self._count - frames, "what is waited for is not heard")
        begin = place()
        return self.heard[begin : begin + frames].copy()


class Player(_Client):
    """Plays `samples` `[frames, channels]` into the input ports of the host's client, once it is told to."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._at = -1
        super().__init__("player", samples.shape[1], IS_OUTPUT)
        self._connect("foleyd.*:in_", IS_INPUT)

    def _cycle(self, frames: int) -> None:
        at = self._at
        part = self._samples[at : at + frames] if at >= 0 else self._samples[:0]
        for channel, buffer in enumerate(self._buffers(frames)):
            buffer[:] = 0.0
            buffer[: len(part)] = part[:, channel]
        if at >= 0:
            self._at = at + frames

    def play(self) -> None:
        """Begin."""
        self._at = 0

    @property
    def over(self) -> bool:
        """Whether all was played."""
        return self._at >= len(self._samples)
