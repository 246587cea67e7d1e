"""``foleyd live``: the live host, in the foreground."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from foleyd_live.settings import Settings

EPILOG = """\b
Examples:
  foleyd live
  foleyd live --show friday.json
  foleyd live --device hw:2 --rate 48000 --block 128 --outputs 4 --cue 2
  foleyd live --midi-in "Launchpad" --midi-out "Launchpad"
  foleyd live --osc-bind 0.0.0.0 --osc-allow 192.168.1.20      # TouchOSC on a tablet
  foleyd live --devices

\b
Pads play at once, with or without a daemon; 'foleyd serve' in another terminal makes sounds for them.
OSC (UDP 17140), MIDI, the page and the keyboard on it reach the same controls. Ctrl-C ends it and saves
the show; what the pads have is written down all the time, and --resume brings it back after a crash.
"""


def live(
    device: Annotated[str, typer.Option(metavar="NAME|NUMBER", help="Audio device.")] = "",
    host_api: Annotated[
        str, typer.Option("--host-api", metavar="NAME", help="Audio system, such as JACK, ALSA or ASIO.")
    ] = "",
    rate: Annotated[int, typer.Option(min=0, max=192_000, metavar="HZ", help="0: the device's own.")] = 0,
    block: Annotated[
        int, typer.Option(min=0, max=8192, metavar="FRAMES", help="0: as the device likes it.")
    ] = 0,
    outputs: Annotated[
        int, typer.Option(min=0, max=32, metavar="CHANNELS", help="0: all that the device has.")
    ] = 0,
    inputs: Annotated[
        int, typer.Option(min=0, max=32, metavar="CHANNELS", help="Inputs to record from; 0: none.")
    ] = 0,
    cue: Annotated[
        int,
        typer.Option(
            min=-1, max=16, metavar="PAIR", help="Outputs of the cue bus; 0: the second pair, -1: none."
        ),
    ] = 0,
    mixer: Annotated[str, typer.Option(metavar="NAME", help="'auto', 'numba' or 'numpy'.")] = "auto",
    show: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A show to open; it is made where it does not exist.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Begin with what the last host had when it ended or crashed.")
    ] = False,
    collect: Annotated[
        bool, typer.Option("--collect", help="Copy the show's clips beside it, and end.")
    ] = False,
    bank: Annotated[str, typer.Option(metavar="NAME", help="A bank of presets for the first pads.")] = "",
    midi_in: Annotated[
        list[str] | None, typer.Option(metavar="PORT", help="MIDI input, by part of its name; repeatable.")
    ] = None,
    midi_out: Annotated[
        list[str] | None, typer.Option(metavar="PORT", help="MIDI output for pad lights; repeatable.")
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="Keep time with Ableton Link.")] = False,
    osc_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, metavar="PORT", help="UDP port of OSC; 0: any.", show_default="17140"),
    ] = None,
    osc_bind: Annotated[str, typer.Option(metavar="ADDRESS", help="Where OSC listens.")] = "127.0.0.1",
    osc_allow: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Another machine that may send OSC; repeatable."),
    ] = None,
    page: Annotated[bool, typer.Option("--page/--no-page", help="Whether to serve the page.")] = True,
    page_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, metavar="PORT", help="TCP port of the page.", show_default="17180"),
    ] = None,
    page_bind: Annotated[str, typer.Option(metavar="ADDRESS", help="Where the page listens.")] = "127.0.0.1",
    page_allow: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="A host name that browsers may reach it by; repeatable."),
    ] = None,
    connection_file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Where the daemon publishes itself.")
    ] = None,
    sounds: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="A folder whose files may be loaded by path, beside the library; repeatable."
        ),
    ] = None,
    recordings: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where recordings go.", show_default="foleyd's own")
    ] = None,
    prefetch: Annotated[
        bool,
        typer.Option("--prefetch/--no-prefetch", help="Render neighbouring presets while the daemon idles."),
    ] = True,
    replay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Play a trigger log again, after loading the show.")
    ] = None,
    headless: Annotated[bool, typer.Option("--headless", help="Neither page nor status screen.")] = False,
    devices: Annotated[bool, typer.Option("--devices", help="List the audio devices, and end.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print where it listens as one line of JSON once it plays.")
    ] = False,
) -> None:
    """Play clips on pads, in time, and ask the daemon for new ones."""
    from foleyd_live import compiler
    from foleyd_live import devices as audio
    from foleyd_live.host import Host
    from foleyd_live.running import run

    if devices:
        typer.echo(audio.table())
        return
    settings = Settings(
        device=device,
        host_api=host_api,
        rate=rate,
        block=block,
        outputs=outputs,
        inputs=inputs,
        cue=cue,
        mixer=mixer,
        osc_bind=osc_bind,
        osc_port=osc_port,
        osc_allow=tuple(osc_allow or ()),
        page=page and not headless,
        page_bind=page_bind,
        page_port=page_port,
        page_allow=tuple(page_allow or ()),
        midi_in=tuple(midi_in or ()),
        midi_out=tuple(midi_out or ()),
        link=link,
        connection_file=connection_file,
        sounds=tuple(sounds or ()),
        recordings=recordings,
        show=show,
        resume=resume,
        bank=bank,
        prefetch=prefetch,
        replay=replay,
        screen=not headless and not as_json and sys.stdout.isatty(),
    )
    if not settings.screen:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s")

    def say(host: Host) -> None:
        told = host.where()
        if as_json:
            print(json.dumps(told), flush=True)
        elif not settings.screen:
            for name, value in told.items():
                print(f"{name}: {value}", flush=True)

    if collect:
        asyncio.run(_collect(settings))
        return
    if mixer in ("auto", "numba") and compiler.is_empty():
        typer.echo("The mixer is compiled for this machine: half a minute, this once.", err=True)
    asyncio.run(run(settings, say))


async def _collect(settings: Settings) -> None:
    import foleyd_live.show as shows
    from foleyd.errors import BadRequest

    if settings.show is None:
        raise BadRequest("--collect needs --show FILE: name the show whose clips are to be copied.")
    for path in shows.collect(settings.show):
        print(path)
