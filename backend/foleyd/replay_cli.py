"""``foleyd replay``: ask for the sounds of a show log again, and say whether they came out the same."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foleyd.errors import BadRequest, Cancelled, FoleydError, NoDaemon, RenderFailed
from foleyd.output import Output

if TYPE_CHECKING:
    from foleyd.client import Client
    from foleyd.daemon.show_log import Entry

EPILOG = """\b
Examples:
  foleyd replay                           # the log of the last run
  foleyd replay show-20261122-201500.jsonl --in-time
  foleyd replay show-20261122-201500.jsonl --list

\b
A log lies in foleyd's folder of logs, one for each run of 'foleyd serve'. A clip that is in the
library is not rendered again; --library DIR with another folder in 'foleyd serve' makes all anew.
"""


def replay(
    log: Annotated[
        Path | None, typer.Argument(metavar="LOG", help="A show log.", show_default="the newest")
    ] = None,
    in_time: Annotated[
        bool, typer.Option("--in-time", help="Ask at the pace of the show, not as fast as they are made.")
    ] = False,
    just_list: Annotated[bool, typer.Option("--list", help="Only say what the log holds.")] = False,
    connection_file: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The daemon's connection file.", show_default="the usual place"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Render what a show asked for again, on the running daemon; fails where a clip differs."""
    from foleyd.daemon import show_log

    with Output(as_json) as output:
        path = log or show_log.newest()
        if path is None:
            raise BadRequest("There is no show log yet: 'foleyd serve' writes one for each run.")
        asked = show_log.renders(show_log.read(path))
        lines: list[dict[str, object]] = []
        output.body |= {"log": str(path), "renders": lines}
        if just_list:
            for entry, result in asked:
                lines.append(_line(entry, result, result.clips if result else ()))
                output.line(_sentence(entry, result.state if result else "unfinished"))
            return
        differing = _play(asked, lines, output, connection_file, in_time)
        if differing:
            raise RenderFailed(f"{differing} of {len(asked)} renders did not come out as in the log.")


def _play(
    asked: list[tuple[Entry, Entry | None]],
    lines: list[dict[str, object]],
    output: Output,
    connection_file: Path | None,
    in_time: bool,
) -> int:
    """Ask for everything in order; how many came out otherwise."""
    from foleyd.client import Client

    differing = 0
    began = time.monotonic()
    with Client(connection_file, name="replay") as client:
        for entry, result in asked:
            if in_time:
                time.sleep(max(0.0, entry.at - asked[0][0].at - (time.monotonic() - began)))
            clips, said = _again(client, entry)
            before = result.clips if result else ()
            same = bool(before) and clips == before
            ended = result is not None and result.state == "done"
            differing += ended and not same
            how = "the same" if same else said or ("differs" if ended else "made (the show had none)")
            lines.append({**_line(entry, result, clips), "same": same})
            output.line(_sentence(entry, how))
    return differing


def _again(client: Client, entry: Entry) -> tuple[tuple[str, ...], str]:
    """The clips that a request gives now, and what went wrong."""
    clips: list[str] = []
    said = ""
    runtime = str(entry.content.get("runtime", ""))
    tried = {"best_of": entry.content.get("best_of") or 1, "retries": entry.content.get("retries", 0)}
    for fields in entry.recipes:
        try:
            result = client.render(**fields, **tried, runtime=runtime, deliver="none").result()
        except (NoDaemon, Cancelled):
            raise
        except FoleydError as error:  # as in the show, where one sound that failed left the others
            said = said or str(error)
            continue
        clips += [clip.clip_id for clip in result.clips]
    return tuple(clips), said


def _line(entry: Entry, result: Entry | None, clips: tuple[str, ...]) -> dict[str, object]:
    return {
        "at": entry.at,
        "client": entry.client,
        "prompt": _prompt(entry),
        "seeds": [fields.get("seed") for fields in entry.recipes],
        "state": result.state if result else "unfinished",
        "clips": clips,
    }


def _prompt(entry: Entry) -> str:
    return str(entry.recipes[0].get("prompt", "")) if entry.recipes else ""


def _sentence(entry: Entry, how: str) -> str:
    seeds = ", ".join(str(fields.get("seed")) for fields in entry.recipes)
    return f'"{_prompt(entry)}" (seed {seeds}): {how}'
