"""JACK's own library: how it is reached, and which server runs."""

from __future__ import annotations

import sys
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

import cffi  # type: ignore[import-untyped]
import msgspec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

IS_INPUT, IS_OUTPUT, IS_PHYSICAL = 1, 2, 4
PLAYBACK = 1
AUDIO = b"32 bit float mono audio"
MIDI = b"8 bit raw midi"
_NO_START_SERVER = 1
_LIBRARIES = {"darwin": "libjack.0.dylib", "win32": "libjack64.dll"}
_C_LIBRARIES = {"win32": "msvcrt"}
# The clients of a process share the memory of one server. One that opens while another one's server has gone
# puts the new server's in its place, and the process dies of what still belongs to the old one.
_gate = threading.RLock()
_gone: dict[int, npt.NDArray[np.int64]] = {}
ffi = cffi.FFI()
ffi.cdef("""
    typedef struct { uint32_t min; uint32_t max; } jack_latency_range_t;
    void *jack_client_open(const char *name, int options, int *status, ...);
    int jack_client_close(void *client);
    int jack_activate(void *client);
    int jack_deactivate(void *client);
    size_t strlen(const char *text);
    uint32_t jack_get_sample_rate(void *client);
    uint32_t jack_get_buffer_size(void *client);
    uint64_t jack_get_time(void);
    int jack_get_cycle_times(void *client, uint32_t *frames, uint64_t *now, uint64_t *next, float *period);
    int jack_set_process_callback(void *client, int (*call)(uint32_t, void *), void *data);
    int jack_set_xrun_callback(void *client, int (*call)(void *), void *data);
    void jack_on_shutdown(void *client, void (*call)(void *), void *data);
    void jack_set_error_function(void (*call)(const char *));
    void jack_set_info_function(void (*call)(const char *));
    void *jack_port_register(void *client, const char *name, const char *type, unsigned long flags,
                             unsigned long size);
    const char *jack_port_name(void *port);
    void *jack_port_by_name(void *client, const char *name);
    void *jack_port_get_buffer(void *port, uint32_t frames);
    void jack_port_get_latency_range(void *port, int mode, jack_latency_range_t *range);
    const char **jack_get_ports(void *client, const char *name, const char *type, unsigned long flags);
    int jack_connect(void *client, const char *source, const char *target);
    int jack_disconnect(void *client, const char *source, const char *target);
    int jack_port_connected_to(void *port, const char *name);
    void jack_free(void *memory);
""")


class Terminals(msgspec.Struct, frozen=True):
    """A sound card as a JACK server shows it: ports of one name that lead out of the machine, or into it."""

    name: str
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]


class Server(msgspec.Struct, frozen=True):
    """A running JACK server: its rate in Hz, frames of its block, and what it plays on."""

    rate: int
    block: int
    terminals: tuple[Terminals, ...]


def library_name() -> str:
    """The file name of JACK's library on this system."""
    return _LIBRARIES.get(sys.platform, "libjack.so.0")


@cache
def library() -> Any:
    """JACK's library, None where there is none."""
    try:
        jack = ffi.dlopen(library_name())
    except OSError:
        return None
    # What it has to say goes to standard error, in the middle of whatever is shown there. It wants a function
    # for it: one that only reads its argument, never waits for Python, and is none of JACK's own (those
    # complain themselves where no server runs) is strlen.
    silence = ffi.cast("void (*)(const char *)", ffi.dlopen(_C_LIBRARIES.get(sys.platform)).strlen)
    jack.jack_set_error_function(silence)
    jack.jack_set_info_function(silence)
    return jack


def server() -> Server | None:
    """The JACK server that is running, None where there is none."""
    jack = library()
    client = open_client("foleyd-look") if jack else None
    if not client:
        return None
    try:
        return Server(jack.jack_get_sample_rate(client), jack.jack_get_buffer_size(client), terminals(client))
    finally:
        close_client(client)


def open_client(name: str, gone: npt.NDArray[np.int64] | None = None) -> Any:
    """A client of the server that is running; something false where there is none, or while a client whose
    server has gone is still open.

    `gone` `[1]` becomes one when the client's own server has gone (see `foleyd_live.jacknative.flag`).
    """
    with _gate:
        if any(flag[0] for flag in _gone.values()):
            return ffi.NULL
        client = library().jack_client_open(name.encode(), _NO_START_SERVER, ffi.new("int *"))
        if client and gone is not None:
            _gone[address(client)] = gone
        return client


def close_client(client: Any) -> None:
    """Leave the server, or what it left behind."""
    with _gate:
        _gone.pop(address(client), None)
        library().jack_deactivate(client)
        library().jack_client_close(client)


def terminals(client: Any) -> tuple[Terminals, ...]:
    """The cards of the server of `client`."""
    # a port that takes sound from us is an input in JACK's words
    outputs = ports(client, IS_INPUT | IS_PHYSICAL)
    inputs = ports(client, IS_OUTPUT | IS_PHYSICAL)
    cards = dict.fromkeys(name.rpartition(":")[0] for name in (*outputs, *inputs))
    return tuple(
        Terminals(
            card,
            tuple(name for name in outputs if name.rpartition(":")[0] == card),
            tuple(name for name in inputs if name.rpartition(":")[0] == card),
        )
        for card in cards
    )


def ports(client: Any, flags: int, pattern: str = "", kind: bytes = AUDIO) -> list[str]:
    """The names of the server's ports of a kind with these flags that the regular expression `pattern`
    finds."""
    found = library().jack_get_ports(client, pattern.encode(), kind, flags)
    if not found:
        return []
    names: list[str] = []
    while found[len(names)]:
        names.append(ffi.string(found[len(names)]).decode(errors="replace"))
    library().jack_free(found)
    return names


def address(pointer: Any) -> int:
    """A pointer as a number."""
    return int(ffi.cast("uintptr_t", pointer))
