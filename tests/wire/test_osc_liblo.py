"""liblo's programs, which we did not write, at the other end of the wire."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import Callable

import pytest

from foleyd.wire.osc import Argument, Message, pairs
from foleyd.wire.osc_endpoint import Endpoint, Sender
from osc_packets import DEADLINE_S, talking


@pytest.fixture
def liblo() -> Callable[[str], str]:
    """``liblo("oscsend")``: its path. Skips without it, but fails where CI says that it must be there."""

    def find(name: str) -> str:
        program = shutil.which(name)
        if program is None:
            message = f"{name} is missing: apt-get install liblo-tools"
            if os.environ.get("CI") == "true":
                pytest.fail(message)
            pytest.skip(message)
        return program

    return find


async def oscsend(program: str, endpoint: Endpoint, *arguments: str) -> None:
    assert endpoint.own is not None
    # liblo refuses text beyond ASCII where the locale has none
    surroundings = {**os.environ, "LC_ALL": "C.UTF-8"}
    process = await asyncio.create_subprocess_exec(
        program, f"osc.udp://127.0.0.1:{endpoint.own.port}/", *arguments, env=surroundings
    )
    assert await asyncio.wait_for(process.wait(), DEADLINE_S) == 0


@pytest.mark.parametrize(
    ("types", "values", "heard"),
    [
        ("", [], ()),
        ("isssi", ["-1", "glass bell", "slot", "a", "20"], (-1, "glass bell", "slot", "a", 20)),
        ("fssf", ["-1", "fünf Glöckchen 🔔", "steps", "20"], (-1.0, "fünf Glöckchen 🔔", "steps", 20.0)),
        ("hdTFN", ["1099511627776", "0.1"], (2**40, 0.1, True, False, None)),
    ],
)
def test_oscsend_is_understood(
    liblo: Callable[[str], str], types: str, values: list[str], heard: tuple[Argument, ...]
) -> None:
    async def scenario() -> None:
        said: asyncio.Queue[Message] = asyncio.Queue()
        async with talking({"/foleyd/render": lambda given, _: said.put_nowait(given)}) as (endpoint, _):
            await oscsend(liblo("oscsend"), endpoint, "/foleyd/render", types, *values)
            assert await asyncio.wait_for(said.get(), DEADLINE_S) == Message("/foleyd/render", heard)

    asyncio.run(scenario())


def test_types_that_are_not_taken_are_refused(liblo: Callable[[str], str]) -> None:
    async def scenario() -> None:
        async with talking() as (endpoint, client):
            for tag, value in [("I", []), ("c", ["x"]), ("m", ["90403f00"]), ("S", ["symbol"])]:
                await oscsend(liblo("oscsend"), endpoint, "/foleyd/sync", tag, *value)
            client.send(b"/foleyd/sync\0\0\0\0,\0\0\0", endpoint.own)
            assert await client.answer() == ("/foleyd/synced",)
            assert endpoint.counters.refused == {"types": 4}

    asyncio.run(scenario())


def test_typed_and_float_requests_of_oscsend_are_one(liblo: Callable[[str], str]) -> None:
    async def scenario() -> None:
        said: asyncio.Queue[dict[str, Argument]] = asyncio.Queue()
        async with talking({"/r": lambda given, _: said.put_nowait(pairs(given.arguments))}) as (endpoint, _):
            values = ["steps", "20", "seconds", "2.5", "seed", "12"]
            asked = []
            for types in ("sisfsi", "sfsfsf"):
                await oscsend(liblo("oscsend"), endpoint, "/r", types, *values)
                asked.append(await asyncio.wait_for(said.get(), DEADLINE_S))
        assert asked[0] == asked[1] == {"steps": 20, "seconds": 2.5, "seed": 12}

    asyncio.run(scenario())


def test_oscdump_reads_what_we_write(liblo: Callable[[str], str]) -> None:
    async def scenario() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            liblo("oscdump"), "-L", f"osc.udp://:{port}", stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            async with talking() as (endpoint, _):
                line = asyncio.ensure_future(process.stdout.readline())
                # it does not say when it listens, so it is told until it says what it heard
                for _ in range(DEADLINE_S * 10):
                    endpoint.send(Sender("127.0.0.1", port), "/done", "/a b", -5, 2**40, 0.25, True, "é")
                    await asyncio.wait({line}, timeout=0.1)
                    if line.done():
                        break
                heard = (await asyncio.wait_for(line, DEADLINE_S)).decode(errors="replace")
        finally:
            process.terminate()
            await process.wait()
        _, address, types, *_ = heard.split()
        assert (address, types) == ("/done", "sihfis")
        assert '"/a b" -5 1099511627776 0.25' in heard.replace("0.250000", "0.25")

    asyncio.run(scenario())
