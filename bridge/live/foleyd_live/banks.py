"""The banks on this machine: those that ship with foleyd, and the user's, which go before them by name.

**Writing.** Other programs write the user's banks too. Whoever does takes an exclusive lock on
``<bank>.json.lock`` beside the file first (``flock`` on Unix, the first byte with ``LockFileEx`` on Windows;
the lock's file stays), sees that the bank is still what was read, and puts the new file in its place in one
step. Who comes second is told, and nothing is lost.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import filelock

from foleyd.audio.atomic import replacing
from foleyd.errors import BadRequest, FoleydError
from foleyd.paths import home
from foleyd_live import json_text, presets
from foleyd_live.presets import Bank, Origin, Preset

SUFFIX = ".json"
SCHEMA = "schema.json"
PATIENCE_S = 10.0
"""How long to wait for another program that is writing the same bank."""

_Mark = tuple[str, int, int, int]


class BankChanged(FoleydError):
    """Another program has written the bank since it was read here."""

    code = "bank_changed"


def shipped_folder() -> Path | None:
    """Where the banks are that ship with foleyd: in the source tree, or where the wheel was unpacked; None
    where an installation has none."""
    tree = Path(__file__).parents[3] / "presets"
    if Path(__file__).parents[2].name == "bridge" and (tree / SCHEMA).is_file():
        return tree
    try:
        files = metadata.distribution("foleyd").files or []
    except metadata.PackageNotFoundError:
        return None
    found = next((file for file in files if file.parts[-3:] == ("foleyd", "presets", SCHEMA)), None)
    return None if found is None else Path(str(found.locate())).resolve().parent


class Banks:
    """The banks in two folders: `user`'s own (foleyd's place for them where None) and `shipped`."""

    def __init__(self, user: Path | None = None, shipped: Path | None = None) -> None:
        self.user = user or home("presets")
        self.shipped = shipped or shipped_folder()
        self._seen: dict[Path, tuple[_Mark, Bank | BadRequest]] = {}
        self._marks: tuple[_Mark, ...] | None = None
        self._all: tuple[Bank, ...] = ()
        self._broken: dict[str, str] = {}

    def names(self) -> list[str]:
        """All names in their order, those of broken banks too."""
        return sorted(self.files())

    def all(self) -> tuple[Bank, ...]:
        """All banks that are right, by name; the same object for as long as no file changes."""
        files = dict(sorted(self.files().items()))
        marks = tuple(_mark(path) for path in files.values())
        if marks != self._marks:
            found = {name: self._read(name, path) for name, path in files.items()}
            self._all = tuple(one for one in found.values() if isinstance(one, Bank))
            self._broken = {name: str(one) for name, one in found.items() if isinstance(one, BadRequest)}
            self._marks = marks
        return self._all

    def broken(self) -> dict[str, str]:
        """What is wrong with banks that are not right, by name."""
        self.all()
        return dict(self._broken)

    def get(self, name: str) -> Bank:
        """The bank of that name. Raises BadRequest for one that there is not, and for a broken one with its
        file, line and reason."""
        files = self.files()
        path = files.get(name) or files.get(name.lower())
        if path is None:
            known = ", ".join(sorted(files)) or "none yet"
            raise BadRequest(f"there is no bank {name!r:.60}: the banks are {known}.")
        found = self._read(path.stem, path)
        if isinstance(found, BadRequest):
            raise found
        return found

    def find(self, text: str) -> tuple[Bank, Preset | None]:
        """What `text` names: a bank, or a preset as bank/name. Raises BadRequest."""
        name, slash, rest = text.partition("/")
        bank = self.get(name)
        return bank, bank.preset(rest) if slash else None

    def save(self, bank: Bank) -> Bank:
        """Write a bank that was changed into the user's folder; the bank as it then is.

        A bank that ships with foleyd becomes one of the user's. Raises BankChanged where the user's file is
        not the one that `bank` was read from, and what writing raises.
        """
        return self._write(bank.name, json_text.write(bank.document), expected=bank.stamp)

    def install(self, file: Path, name: str = "", *, replace: bool = False) -> Bank:
        """Take in a file from anywhere, as it is; its own name is the bank's unless `name` is given. Raises
        BadRequest for a file that is no bank, and for a bank that the user has, unless `replace`."""
        name = presets.check_name(name or file.stem.lower())
        data = _bytes(file)
        presets.read(name, data, label=str(file))
        return self._write(name, data, expected=None if replace else "")

    def remove(self, name: str) -> Path:
        """Delete a bank of the user's, broken or not; its file. Raises BadRequest."""
        path = self._place(presets.check_name(name))
        if not path.is_file():
            raise BadRequest(
                f"bank {name} ships with foleyd and stays: a bank of yours with its name goes before it."
                if name in self.files()
                else f"you have no bank {name!r}: 'foleyd presets list' shows all."
            )
        with self._locked(name):
            path.unlink(missing_ok=True)
        return path

    def export(self, name: str, to: Path, *, replace: bool = False) -> Path:
        """Copy a bank's file to a file, or into a folder; where it is then. Raises BadRequest."""
        bank = self.get(name)
        target = to / f"{bank.name}{SUFFIX}" if to.is_dir() else to
        if target.exists() and not replace:
            raise BadRequest(f"{target} is there already: choose another name, or --replace.")
        with replacing(target) as beside:
            beside.write_bytes(_bytes(Path(bank.path)))
        return target

    def overrides(self, name: str) -> bool:
        """Whether the user's bank of that name hides one that ships."""
        shipped = self._folder(self.shipped)
        return self._place(name).is_file() and name in shipped

    def files(self) -> dict[str, Path]:
        """The files of all banks by name; the user's, where both have one."""
        return {**self._folder(self.shipped), **self._folder(self.user)}

    def _folder(self, folder: Path | None) -> dict[str, Path]:
        if folder is None or not folder.is_dir():
            return {}
        return {
            path.stem: path
            for path in folder.glob(f"*{SUFFIX}")
            if path.name != SCHEMA and presets.BANK_NAME.fullmatch(path.stem)
        }

    def _place(self, name: str) -> Path:
        return self.user / f"{name}{SUFFIX}"

    def _read(self, name: str, path: Path) -> Bank | BadRequest:
        """The bank in a file, or what is wrong with it; read once for as long as the file stays."""
        mark = _mark(path)
        seen = self._seen.get(path)
        if seen is None or seen[0] != mark:
            seen = self._seen[path] = mark, self._read_anew(name, path)
        return seen[1]

    def _read_anew(self, name: str, path: Path) -> Bank | BadRequest:
        origin: Origin = "user" if path.parent == self.user else "shipped"
        try:
            data = _bytes(path)
            stamp = _stamp(data) if origin == "user" else ""
            return presets.read(name, data, label=str(path), origin=origin, path=str(path), stamp=stamp)
        except BadRequest as error:
            return error

    def _write(self, name: str, data: bytes, *, expected: str | None) -> Bank:
        """`expected`: the stamp of the file that is replaced, empty for none, None for whatever is there."""
        path = self._place(presets.check_name(name))
        bank = presets.read(name, data, label=str(path), origin="user", path=str(path), stamp=_stamp(data))
        with self._locked(name):
            found = _stamp(_bytes(path)) if path.is_file() else ""
            if expected is not None and found != expected:
                raise _changed(path, found, expected)
            with replacing(path) as beside:
                beside.write_bytes(data)
        return bank

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        lock = f"{self._place(name)}.lock"
        try:
            self.user.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(lock, timeout=PATIENCE_S):
                yield
        except filelock.Timeout:
            raise FoleydError(f"another program is writing bank {name}: try again in a moment.") from None
        except OSError as error:
            raise BadRequest(
                f"cannot write to {self.user} ({error.strerror or error}): make it a folder that "
                "may be written."
            ) from error


def _changed(path: Path, found: str, expected: str) -> FoleydError:
    if not expected:
        return BankChanged(f"you have a bank in {path} already: change that one, or say --replace.")
    if not found:
        return BankChanged(f"{path} was removed by another program: read the banks again.")
    return BankChanged(f"{path} was changed by another program since it was read: read it again.")


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(json_text.MOST_BYTES + 1)
    except OSError as error:
        raise BadRequest(
            f"cannot read {path} ({error.strerror or error}): give the path of a bank."
        ) from None


def _stamp(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _mark(path: Path) -> _Mark:
    try:
        said = path.stat()
    except OSError:
        return os.fspath(path), 0, 0, 0
    return os.fspath(path), said.st_mtime_ns, said.st_size, said.st_ino


__all__ = ["BankChanged", "Banks", "shipped_folder"]
