"""``foleyd presets``: list, look at, check, make, install and remove banks of presets."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from foleyd.errors import BadRequest, Cancelled, FoleydError
from foleyd.options import read as read_fields
from foleyd.options import recipe_options
from foleyd.output import Output
from foleyd_live import preset_schema, presets, properties
from foleyd_live.banks import SCHEMA, Banks
from foleyd_live.presets import Bank, Preset

app = typer.Typer(
    name="presets",
    help="Presets: prompts with a seed and how to play them, in banks.",
    no_args_is_help=True,
    epilog="""\b
Examples:
  foleyd presets list --tag rain
  foleyd presets show drums
  foleyd presets new mine/Doorbell --prompt "an old doorbell" --seed 7 --play gain=-3 --play mode=gate
  foleyd presets check mine.json
  foleyd presets install mine.json

\b
A preset is named bank/name. A bank of yours goes before one of the same name that ships with foleyd.
""",
)

_WIDE = 1000
"""Columns of a table in a pipe, so that names stay whole for grep."""

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_Replace = Annotated[bool, typer.Option("--replace", help="Put it in the place of what is there.")]
_Bank = Annotated[str, typer.Argument(metavar="BANK", help="The name of a bank.")]


@app.command("list", epilog="Example: foleyd presets list --tag impact")
def list_presets(
    bank: Annotated[str, typer.Argument(metavar="BANK", help="Only this bank.")] = "",
    words: Annotated[
        str, typer.Option("--search", metavar="WORDS", help="Only presets with all these words.")
    ] = "",
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="Only with this tag; may be given again.")
    ] = None,
    category: Annotated[
        str, typer.Option("--category", metavar="CATID", help="Only of this UCS category, or its beginning.")
    ] = "",
    as_json: _Json = False,
) -> None:
    """List the presets of all banks."""
    with Output(as_json) as output:
        banks = Banks()
        found = [banks.get(bank)] if bank else banks.all()
        broken = {} if bank else banks.broken()
        rows = [
            (one, preset)
            for one in found
            for preset in one.presets
            if _matches(one, preset, words, tag or (), category)
        ]
        output.body["banks"] = [_bank_facts(one) for one in found]
        output.body["presets"] = [_facts(one, preset) for one, preset in rows]
        output.body["broken"] = broken
        for sentence in broken.values():
            print(sentence, file=sys.stderr)
        if not as_json:
            _print_table(rows)
            if not rows:
                print("There are no such presets.", file=sys.stderr)


@app.command(epilog="Example: foleyd presets show drums/'Deep kick'")
def show(
    name: Annotated[str, typer.Argument(metavar="BANK[/PRESET]", help="A bank, or one of its presets.")],
    as_json: _Json = False,
) -> None:
    """Show all that is known of a bank or a preset."""
    with Output(as_json) as output:
        bank, preset = Banks().find(name)
        if preset is None:
            output.body["bank"] = _bank_facts(bank)
            output.body["presets"] = [_facts(bank, one) for one in bank.presets]
            for key, value in _bank_facts(bank).items():
                output.line(f"{key:8} {value}")
            if not as_json:
                _print_table([(bank, one) for one in bank.presets])
            return
        output.body["preset"] = _facts(bank, preset)
        for key, value in _facts(bank, preset).items():
            if value not in ("", [], {}):
                output.line(f"{key:8} {_in_words(value)}")


@app.command(epilog="Example: foleyd presets check presets/*.json")
def check(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE…", help="Files of banks; all banks here when absent.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Check banks: the first mistake of each with its line, and what this foleyd does not know."""
    with Output(as_json) as output:
        # the schema lies beside the banks, where *.json finds it
        named = [file for file in files or _own_files() if file.name != SCHEMA]
        checked = output.body["checked"] = [_checked(file) for file in named]
        for one in checked:
            output.line(one["problem"] or f"{one['file']}: {one['presets']} presets, no mistake")
            for note in one["notes"]:
                output.line(f"{one['file']}, {note}")
        if bad := [one for one in checked if one["problem"]]:
            raise FoleydError(f"{len(bad)} of {len(checked)} banks cannot be used.")


@app.command(epilog="Example: foleyd presets install ~/Downloads/metal.json")
def install(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file of a bank.")],
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="What to call it; as the file when absent.")
    ] = "",
    replace: _Replace = False,
    as_json: _Json = False,
) -> None:
    """Take in a bank from a file; one with a mistake is refused whole."""
    with Output(as_json) as output:
        banks = Banks()
        bank = banks.install(file, name, replace=replace)
        output.body["bank"] = _bank_facts(bank)
        output.line(f"{bank.name}: {len(bank.presets)} presets, in {bank.path}")
        if banks.overrides(bank.name):
            print(f"It goes before the bank {bank.name} that ships with foleyd.", file=sys.stderr)


@app.command(epilog="Example: foleyd presets remove mine/Doorbell")
def remove(
    name: Annotated[
        str, typer.Argument(metavar="BANK[/PRESET]", help="One of your banks, or one of its presets.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: _Json = False,
) -> None:
    """Delete a bank of yours, or take a preset out of one."""
    with Output(as_json) as output:
        banks = Banks()
        bank, slash, preset = name.partition("/")
        if slash:
            changed = banks.save(presets.drop(_own(banks, bank), preset))
            output.body["bank"] = _bank_facts(changed)
            output.line(f"{changed.name}: {len(changed.presets)} presets left.")
            return
        if not yes and not _ask(f"Delete bank {bank} of yours?"):
            raise Cancelled(f"{bank} was left as it is.")
        hid = banks.overrides(bank)
        output.body["removed"] = str(banks.remove(bank))
        output.line(f"{bank} is gone." + (" The one that ships with foleyd is seen again." if hid else ""))


@app.command(
    epilog='Example: foleyd presets new mine/Doorbell --prompt "an old doorbell" --seed 7,9 --tag door'
)
@recipe_options
def new(
    name: Annotated[
        str, typer.Argument(metavar="BANK[/PRESET]", help="A bank, made where it is new; and its preset.")
    ],
    given: dict[str, Any],
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="What to hear, in words.")] = "",
    title: Annotated[str, typer.Option(metavar="TEXT", help="What people call a new bank.")] = "",
    about: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    category: Annotated[str, typer.Option(metavar="CATID", help="Category of UCS, such as MUSCPerc.")] = "",
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="A word to find it by; repeatable.")
    ] = None,
    play: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="How a pad plays it, such as gain=-3; repeatable."),
    ] = None,
    replace: _Replace = False,
    as_json: _Json = False,
) -> None:
    """Make an empty bank, or a preset in a bank of yours (a copy of it, where it ships with foleyd)."""
    with Output(as_json) as output:
        banks = Banks()
        bank_name, slash, preset_name = name.partition("/")
        bank = _bank_for(banks, bank_name, title, "" if slash else about, must_be_new=not slash)
        if slash:
            bank = _with_preset(
                bank,
                {
                    "name": preset_name,
                    "about": about,
                    "category": category,
                    "tags": list(tag or ()),
                    "recipe": {"prompt": prompt, **_recipe(given)},
                    "play": dict(_setting(one) for one in play or ()),
                },
                replace=replace,
            )
        elif prompt or given or tag or play or category:
            raise BadRequest(f"{name} names a bank alone: say bank/preset to make a preset.")
        saved = banks.save(bank)
        output.body["bank"] = _bank_facts(saved)
        if slash:
            output.body["preset"] = _facts(saved, saved.preset(preset_name))
        output.line(f"{name} is in {saved.path}")


@app.command(epilog="Example: foleyd presets export weather -o ~/shared/")
def export(
    bank: _Bank,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE|DIR", help="Where to put it.")] = Path(),
    replace: _Replace = False,
    as_json: _Json = False,
) -> None:
    """Copy a bank's file."""
    with Output(as_json) as output:
        path = Banks().export(bank, out, replace=replace)
        output.body["path"] = str(path)
        output.line(str(path))


@app.command(epilog="Example: foleyd presets schema > schema.json")
def schema() -> None:
    """Print the JSON Schema of banks."""
    print(json.dumps(preset_schema.schema(), ensure_ascii=False, indent=2))


def _matches(bank: Bank, preset: Preset, words: str, tags: Sequence[str], category: str) -> bool:
    text = " ".join(
        (bank.name, bank.title, preset.name, preset.about, preset.prompt, *preset.tags)
    ).casefold()
    own = {tag.casefold() for tag in preset.tags}
    return (
        all(word in text for word in words.casefold().split())
        and own.issuperset(tag.casefold() for tag in tags)
        and preset.category.casefold().startswith(category.casefold())
    )


def _checked(file: Path) -> dict[str, Any]:
    """What is wrong with a file, and what is not known of it."""
    try:
        bank = presets.read(file.stem, _read(file), label=str(file))
    except BadRequest as error:
        return {"file": str(file), "presets": 0, "problem": str(error), "notes": []}
    return {"file": str(file), "presets": len(bank.presets), "problem": "", "notes": list(bank.notes)}


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadRequest(
            f"cannot read {file} ({error.strerror or error}): give the path of a bank."
        ) from None


def _own_files() -> list[Path]:
    banks = Banks()
    return [path for _, path in sorted(banks.files().items())]


def _own(banks: Banks, name: str) -> Bank:
    bank = banks.get(name)
    if bank.origin != "user":
        raise BadRequest(f"bank {name} ships with foleyd and stays: export and install a copy to change it.")
    return bank


def _bank_for(banks: Banks, name: str, title: str, about: str, *, must_be_new: bool) -> Bank:
    """The bank to put a preset into: as it is, or new and empty."""
    presets.check_name(name)
    if name in banks.names():
        if must_be_new:
            raise BadRequest(f"there is a bank {name} already: name a preset to put into it, {name}/NAME.")
        return banks.get(name)
    said = {"title": title, "about": about}
    return presets.make(
        name, {"format": presets.FORMAT, **{key: text for key, text in said.items() if text}, "presets": []}
    )


def _with_preset(bank: Bank, preset: dict[str, Any], *, replace: bool) -> Bank:
    known = {one.name.casefold() for one in bank.presets}
    if preset["name"].casefold() in known and not replace:
        raise BadRequest(f"{bank.name} has a preset {preset['name']!r} already: rename it, or --replace.")
    return presets.put(bank, {key: value for key, value in preset.items() if value not in ("", [], {})})


def _recipe(given: dict[str, Any]) -> dict[str, Any]:
    """The fields of the command line as a preset has them; several seeds come with commas between them."""
    rest = {name: value for name, value in given.items() if name != "seed"}
    seed = str(given.get("seed", "")).strip()
    if not seed:
        return read_fields(rest)
    if seed == presets.RANDOM:
        return {**read_fields(rest), "seed": seed}
    seeds = [read_fields({"seed": one})["seed"] for one in seed.split(",")]
    return {**read_fields(rest), "seed": seeds if len(seeds) > 1 else seeds[0]}


def _setting(text: str) -> tuple[str, properties.Value]:
    """A property of a pad and its value, from ``name=value``. Raises BadRequest."""
    name, equals, value = text.partition("=")
    if not equals or name not in presets.PLAY:
        raise BadRequest(f"play is {text!r:.60}: give NAME=VALUE with one of {', '.join(presets.PLAY)}.")
    row = presets.PLAY[name]
    if row.kind not in ("number", "integer", "switch"):
        return name, properties.check(row, value)
    try:
        return name, properties.check(row, float(value))
    except ValueError:
        return name, properties.check(row, value)


def _bank_facts(bank: Bank) -> dict[str, Any]:
    facts = {
        "name": bank.name,
        "title": bank.title,
        "about": bank.about,
        "author": bank.author,
        "licence": bank.licence,
        "origin": bank.origin,
        "presets": len(bank.presets),
        "path": bank.path,
    }
    return {name: value for name, value in facts.items() if value != ""}


def _facts(bank: Bank, preset: Preset) -> dict[str, Any]:
    return {
        "preset": f"{bank.name}/{preset.name}",
        "about": preset.about,
        "category": preset.category,
        "tags": list(preset.tags),
        "recipe": preset.recipe,
        "seed": list(preset.seeds) if len(preset.seeds) > 1 else (*preset.seeds, presets.RANDOM)[0],
        "play": preset.play,
        "author": preset.author or bank.author,
        "licence": preset.licence or bank.licence,
    }


def _print_table(rows: Sequence[tuple[Bank, Preset]]) -> None:
    if not rows:
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("preset", "category", "seed", "prompt", "tags", box=None, pad_edge=False)
    for bank, preset in rows:
        cells = (
            f"{bank.name}/{preset.name}",
            preset.category,
            ", ".join(map(str, preset.seeds)) or presets.RANDOM,
            preset.prompt,
            ", ".join(preset.tags),
        )
        table.add_row(*map(escape, cells))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDE
    console.print(table)


def _in_words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _ask(question: str) -> bool:
    if not sys.stdin.isatty():
        raise BadRequest(f"{question} Nobody is here to answer: say it beforehand with --yes.")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
