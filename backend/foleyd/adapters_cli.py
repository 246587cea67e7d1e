"""``foleyd models adapters list | show | remove``: what models were taught of a user's own sounds."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from foleyd.errors import BadRequest, Cancelled, ModelBroken

if TYPE_CHECKING:
    from foleyd.engines.adapters import Adapter

app = typer.Typer(
    name="adapters",
    help="What models were taught of your own sounds ('foleyd train adapt').",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_JSON = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
_NAME = Annotated[str, typer.Argument(metavar="NAME", help="The adapter's name.")]


@app.command("list", epilog="Example: foleyd models adapters list --json")
def list_adapters(as_json: _JSON = False) -> None:
    """List the adapters that are here."""
    from foleyd.engines import adapters

    found = adapters.entries()
    if as_json:
        typer.echo(json.dumps([facts(one) for one in found], ensure_ascii=False))
        return
    if not found:
        typer.echo("There are no adapters yet: make one with 'foleyd train adapt'.", err=True)
    for one in found:
        card = one.card
        sell = "may be sold" if card.sellable else "not for sale"
        state = (
            one.problem
            or f"{len(card.files)} sounds, {card.licence}, {sell}, say {card.word or 'its captions'!r}"
        )
        typer.echo(f"{one.name:24} {card.base or '?':12} {state}")


@app.command("show", epilog="Example: foleyd models adapters show tr808")
def show_adapter(name: _NAME, as_json: _JSON = False) -> None:
    """Show an adapter's card: the model, the data and its licence, how it was trained."""
    from foleyd.engines import adapters
    from foleyd.engines.catalog import in_words

    found = adapters.resolve(name)
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(found.card) | facts(found), ensure_ascii=False))
        return
    card = found.card
    rows = {
        "adapter": found.name,
        "model": f"{card.base} at revision {card.revision}",
        "revision": found.revision,
        "word": card.word or "none: prompts like its captions get it",
        "sounds": f"{len(card.files)}, licence {card.licence}",
        "sellable": "yes" if card.sellable else "no, as far as the licence says",
        "trained": f"{card.steps} steps, rank {card.rank} on {card.layers} layers, seed {card.seed}",
        "size": in_words(found.bytes),
        "folder": str(found.folder),
        "captions": "; ".join(sorted(set(card.captions.values()))),
    }
    for row, value in rows.items():
        typer.echo(f"{row:9} {value}")


@app.command("remove", epilog="Example: foleyd models adapters remove tr808 --yes")
def remove_adapter(
    name: _NAME,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: _JSON = False,
) -> None:
    """Delete an adapter from this machine. Clips that it made stay; they cannot be made again without it."""
    from foleyd.engines import adapters
    from foleyd.engines.catalog import in_words

    with contextlib.suppress(ModelBroken):  # what is broken may be removed all the more
        adapters.resolve(name)
    if not yes:
        if not sys.stdin.isatty():
            raise BadRequest("Nobody is here to be asked: say it beforehand with --yes.")
        typer.echo(f"Delete the adapter {name}? [y/N] ", nl=False, err=True)
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise Cancelled(f"{name} was left as it is.")
    freed = adapters.remove(name)
    if as_json:
        typer.echo(json.dumps({"name": name, "freed_bytes": freed}))
    else:
        typer.echo(f"{name} is gone, {in_words(freed)} freed.")


def facts(adapter: Adapter) -> dict[str, Any]:
    """What a list says of an adapter."""
    card = adapter.card
    return {
        "name": adapter.name,
        "revision": adapter.revision,
        "base": card.base,
        "base_revision": card.revision,
        "word": card.word,
        "sounds": len(card.files),
        "licence": card.licence,
        "sellable": card.sellable,
        "bytes": adapter.bytes,
        "folder": str(adapter.folder),
        "problem": adapter.problem,
    }
