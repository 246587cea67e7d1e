"""A project's list of sounds, `sounds.toml`: what each is made of, how many of it, and where its files go."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from foleyd import recipe
from foleyd.destination import Format, format_named, slug
from foleyd.errors import BadRequest
from foleyd.fields import FIELDS
from foleyd.pack import Naming
from foleyd.recipe import Recipe

MOST_VARIANTS = 64
_LARGEST_FILE = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 -]{0,39}")
_RECIPE = {field.name for field in FIELDS.values() if field.flag} - {"operation"}
_OWN = {"count", "format", "folder", "category"}
_PROJECT = {"name", "creator", "folder", "sellable"}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A sound of the list: `count` variants of `recipe` in the files `files`, relative to the list."""

    name: str
    recipe: Recipe
    count: int
    kind: Format
    files: tuple[PurePosixPath, ...]


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A list of sounds, read. `root` is the folder that it lies in."""

    name: str
    source: Path
    sellable: bool
    sounds: tuple[Wanted, ...]

    @property
    def root(self) -> Path:
        """What file names are relative to."""
        return self.source.parent

    @property
    def lock(self) -> Path:
        """Where it is kept what was made: `sounds.lock.json` beside `sounds.toml`."""
        return self.source.with_suffix(".lock.json")


def read(source: Path) -> Project:
    """Read a list. Raises BadRequest naming the table and key that is wrong."""
    document = _parsed(source)
    project = _table(source, document, "project")
    defaults = _table(source, document, "defaults")
    sounds = _table(source, document, "sounds")
    if document:
        raise BadRequest(
            f"{source.name} holds '{next(iter(document)):.40}': write [project], [defaults], [sounds.NAME]."
        )
    _known(source, "project", project, _PROJECT)
    _known(source, "defaults", defaults, _RECIPE | _OWN)
    if not sounds:
        raise BadRequest(f"{source.name} lists no sounds: write a table [sounds.NAME] for each.")
    wanted = [
        _wanted(source, name, _table(source, sounds, name), defaults, project) for name in tuple(sounds)
    ]
    owners: dict[str, str] = {}
    for one in wanted:
        for file in one.files:
            other = owners.setdefault(str(file).casefold(), one.name)
            if other != one.name:
                raise BadRequest(
                    f"{source.name}: sounds '{other}' and '{one.name}' both have the file {file}."
                )
    return Project(
        name=str(project.get("name", source.stem)),
        source=source,
        sellable=bool(project.get("sellable", False)),
        sounds=tuple(wanted),
    )


def _parsed(source: Path) -> dict[str, Any]:
    try:
        if source.stat().st_size > _LARGEST_FILE:
            raise BadRequest(f"{source.name} is larger than {_LARGEST_FILE >> 20} MiB: split it.")
        return tomllib.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadRequest(f"the list {source} cannot be read ({error.strerror}): check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"{source.name} is not TOML ({error}): see 'foleyd build --help'.") from error


def _table(source: Path, document: dict[str, Any], name: str) -> dict[str, Any]:
    found = document.pop(name, {})
    if not isinstance(found, dict):
        raise BadRequest(f"{source.name}: '{name:.40}' is no table: write it in brackets.")
    return dict(found)


def _known(source: Path, where: str, table: Mapping[str, Any], names: set[str]) -> None:
    from difflib import get_close_matches

    for key in table:
        if key not in names:
            near = get_close_matches(key, names, n=1)
            advice = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(sorted(names))}."
            raise BadRequest(f"{source.name}: {where} has no '{key:.40}': {advice}")


def _wanted(
    source: Path, name: str, own: dict[str, Any], defaults: Mapping[str, Any], project: Mapping[str, Any]
) -> Wanted:
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"{source.name}: a sound is called '{name:.40}': give 1 to 40 letters, digits, spaces or dashes."
        )
    where = f"sounds.{name}"
    _known(source, where, own, _RECIPE | _OWN | {"prompt"})
    values = {**defaults, **own}
    count, folder = values.pop("count", 1), values.pop("folder", "")
    if type(count) is not int or not 1 <= count <= MOST_VARIANTS:
        raise BadRequest(f"{source.name}: {where} has count {count!r:.40}: give 1 to {MOST_VARIANTS}.")
    try:
        kind = format_named(str(values.pop("format", "wav")))
        naming = Naming(
            str(project.get("name", source.stem)),
            str(values.pop("category", "")),
            str(project.get("creator", "foleyd")),
        )
        place = _inside(str(project.get("folder", ".")), str(folder))
        base = recipe.make(**{"seed": 0, **values})
    except BadRequest as error:
        raise BadRequest(f"{source.name}: {where}: {error}") from None
    stems = [naming.stem(name, number) for number in range(1, count + 1)]
    if count == 1 and not naming.category:
        stems = [slug(name)]
    files = tuple(place / f"{stem}{kind.suffix}" for stem in stems)
    return Wanted(name=name, recipe=base, count=count, kind=kind, files=files)


def _inside(*parts: str) -> PurePosixPath:
    """A folder beside the list or below. Raises BadRequest for any other."""
    place = PurePosixPath(*parts)
    if any(part.startswith("/") or "\\" in part for part in parts) or ".." in place.parts:
        raise BadRequest(f"folder is '{place}': give one below the list's own, without '..'.")
    return place
