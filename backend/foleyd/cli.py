"""The command line: ``foleyd COMMAND …``. Thin: it finds the command, calls it, and turns errors into one
sentence.

Nothing but the command that is called is imported, so ``foleyd --help`` answers at once.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import typer
import typer.core
import typer.main

from foleyd import __version__
from foleyd.errors import Cancelled, FoleydError

DEBUG = "FOLEYD_DEBUG"
"""Environment variable: set, errors come with their traceback."""


class Command(NamedTuple):
    """Where a command is (module:attribute, a function or a Typer), what it says in one line, and its
    epilog."""

    target: str
    summary: str


COMMANDS: dict[str, Command] = {
    "render": Command("foleyd.render_cli:render", "Turn sentences into sound files."),
    "pack": Command("foleyd.pack_cli:pack", "Make variants for games and samplers, equally loud."),
    "build": Command("foleyd.build_cli:build", "Render a project's sounds from a list, what changed."),
    "serve": Command("foleyd.serve_cli:serve", "Answer DAWs and live hosts over ZeroMQ and OSC."),
    "live": Command("foleyd_live.live_cli:live", "Play clips on pads, in time, on the audio device."),
    "status": Command("foleyd.status_cli:status", "Show what the running daemon is doing."),
    "replay": Command("foleyd.replay_cli:replay", "Render what a show asked for again."),
    "demo": Command("foleyd.demo:demo", "Render two sounds and say where they are."),
    "models": Command("foleyd.models_cli:app", "List, show, pull and remove models."),
    "presets": Command("foleyd_live.presets_cli:app", "List, check, make and install presets."),
    "library": Command("foleyd.library_cli:app", "Find, tag, keep, export and prune clips."),
    "plugin": Command("foleyd.plugin_cli:app", "Build and install the plugin for DAWs."),
    "doctor": Command("foleyd.doctor:doctor", "Check this machine, one line a check."),
    "bench": Command("foleyd.bench:app", "Measure the command line, renders, the daemon and the live host."),
    "train": Command("foleyd.training.cli:app", "Teach a model your own samples; train the starter again."),
}
"""The commands in the order that the help shows them."""

EPILOG = """\b
Examples:
  foleyd render "a deep kick drum" -o kick.wav
  foleyd demo
  foleyd doctor
"""


class Commands(typer.core.TyperGroup):
    """A group that imports a command when it is called, and knows the others by their line in the table."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command; None for a name that is not in the table."""
        row = COMMANDS.get(cmd_name)
        return None if row is None else _load(cmd_name, row)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.summary) for name, row in COMMANDS.items()])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that `args` name, with a suggestion where there is none of that name."""
        names: Any = dict.fromkeys(COMMANDS)
        self.commands.update(names)  # what suggestions are drawn from
        return super().resolve_command(ctx, args)


def _load(name: str, row: Command) -> Any:
    module_name, _, attribute = row.target.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name == "foleyd" or (error.name or "").startswith("foleyd."):
            raise
        raise FoleydError(
            f"'foleyd {name}' needs the Python package '{error.name}', which is not installed: "
            f"pip install '{_extra(name)}'."
        ) from error
    found = getattr(module, attribute)
    if isinstance(found, typer.Typer):
        found.rich_markup_mode = None
        group = typer.main.get_group(found)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name, epilog=getattr(module, "EPILOG", None))(found)
    return typer.main.get_command(alone)


def _extra(name: str) -> str:
    return "foleyd[train]" if name == "train" else "foleyd"


app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
    epilog=EPILOG,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"foleyd {__version__}")
        raise typer.Exit


@app.callback()
def foleyd(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Words to playable sound: renders clips from sentences, on this machine."""
    if ctx.invoked_subcommand is None:
        print(ctx.get_help(), file=sys.stderr)
        raise typer.Exit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (``sys.argv`` by default) and return its exit status: 0, 1 failed, 2 bad usage,
    130 Ctrl-C."""
    try:
        status = typer.main.get_command(app).main(
            args=None if arguments is None else list(arguments), prog_name="foleyd", standalone_mode=False
        )
    except FoleydError as error:
        _complain(str(error), error)
        return error.exit_status
    except typer.TyperException as error:
        return _complain_usage(error)
    except (KeyboardInterrupt, typer.Abort):
        _complain("Cancelled.")
        return Cancelled.exit_status
    except BrokenPipeError:
        # whoever read our output has gone; the interpreter must not trip over it again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except Exception as error:
        text = " ".join(str(error).split())
        _complain(
            f"Something went wrong inside foleyd ({type(error).__name__}: {text}): {DEBUG}=1 shows where.",
            error,
        )
        return 1
    if status == Cancelled.exit_status:  # typer turns Ctrl-C into a status without a word
        _complain("Cancelled.")
    return status if isinstance(status, int) else 0


def _complain(sentence: str, error: BaseException | None = None) -> None:
    print(f"foleyd: {sentence}", file=sys.stderr)
    if error is not None and os.environ.get(DEBUG):
        traceback.print_exception(error)


def _complain_usage(error: typer.TyperException) -> int:
    """One line for what the parser refuses, and where the help is."""
    context = getattr(error, "ctx", None)
    said = " ".join(error.format_message().split())
    if type(error).__name__ == "NoArgsIsHelpError" or not said:
        print(context.get_help() if context is not None else "foleyd --help", file=sys.stderr)
        return 2
    path = context.command_path if context is not None else "foleyd"
    print(f"foleyd: {said.rstrip('.')}; see '{path} --help'.", file=sys.stderr)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
