"""The desk as a stream of PortAudio: ALSA, CoreAudio, WASAPI, ASIO."""

from __future__ import annotations

import ctypes
from typing import Any

from foleyd_live.desk import Desk
from foleyd_live.devices import Device, NoDevice, portaudio, quiet
from foleyd_live.numpy_block import NumpyBlock


class PortAudioStream:
    """A stream on `device`, with inputs from `source` where there are any. `block` is in frames, 0 as the
    device likes it best."""

    def __init__(self, desk: Desk, device: Device, source: Device | None, block: int) -> None:
        """Raises NoDevice where the device does not open so."""
        self.sounddevice = portaudio()
        both = source is not None
        self._options: dict[str, Any] = {
            "samplerate": desk.rate,
            "blocksize": block,
            "device": (source.number, device.number) if source is not None else device.number,
            "channels": (desk.inputs, desk.outputs) if both else desk.outputs,
            "dtype": "float32",
            "latency": "low",
            "clip_off": True,
            "dither_off": True,
            "prime_output_buffers_using_stream_callback": True,
        }
        try:
            with quiet():
                self._stream = self._opened(desk, both)
                _ask_for_priority(self.sounddevice, self._stream, device.host_api)
        except (self.sounddevice.PortAudioError, ValueError) as error:
            said = str(error).partition("[")[0].strip().rstrip(".")
            raise NoDevice(
                f"{device.name} ({device.host_api}) cannot be opened at {desk.rate} Hz with {desk.outputs} "
                f"outputs ({said}): choose others, 'foleyd live --devices' lists what there is."
            ) from error
        latency = self._stream.latency
        self.latency_s = float(latency[1] if both else latency)
        self.block = block

    def _opened(self, desk: Desk, both: bool) -> Any:
        mixer: Any = desk.mixer
        if mixer.name == "numba":
            ffi = self.sounddevice._ffi
            pointer = ffi.cast("PaStreamCallback *", mixer.address)
            data = ffi.cast("void *", mixer.table.ctypes.data)
            self._keep = (mixer, pointer, data)
            return self.sounddevice._StreamBase(
                "duplex" if both else "output",
                callback=pointer,
                userdata=data,
                wrap_callback=None,
                **self._options,
            )
        block = NumpyBlock(desk)

        def run(out: Any, sound: Any, times: Any, status: Any) -> None:
            latency = times.outputBufferDacTime - times.currentTime
            block.run(out, sound, latency, int(status.output_underflow), int(status.input_overflow))

        if both:
            return self.sounddevice.Stream(
                callback=lambda sound, out, frames, times, status: run(out, sound, times, status),
                **self._options,
            )
        return self.sounddevice.OutputStream(
            callback=lambda out, frames, times, status: run(out, None, times, status), **self._options
        )

    def start(self) -> None:
        """Begin to be called. Raises NoDevice."""
        try:
            with quiet():
                self._stream.start()
        except self.sounddevice.PortAudioError as error:
            raise NoDevice(
                f"the audio device does not start ({error}): another program may hold it."
            ) from error

    @property
    def active(self) -> bool:
        """Whether PortAudio still calls."""
        try:
            return bool(self._stream.active)
        except self.sounddevice.PortAudioError:
            return False

    def refresh(self) -> None:
        """Nothing changes while the stream runs."""

    def close(self) -> None:
        """Let the device go."""
        with quiet():
            self._stream.abort()
            self._stream.close()


def _ask_for_priority(sounddevice: Any, stream: Any, host_api: str) -> None:
    """Elsewhere the audio thread has its priority anyway; on ALSA it gets one where it asks for it and the
    system grants it."""
    if host_api != "ALSA":
        return
    ask = ctypes.CDLL(sounddevice._libname).PaAlsa_EnableRealtimeScheduling
    ask(ctypes.c_void_p(int(sounddevice._ffi.cast("uintptr_t", stream._ptr))), 1)
