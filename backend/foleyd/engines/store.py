"""The store of pulled models: one folder a model and revision, and room for pulls in progress.

::

    <root>/cvssp--audioldm-s-full-v2/<commit>/      a whole, checked checkpoint folder
    <root>/cvssp--audioldm-s-full-v2/current        the commit pulled last
    <root>/.pull/cvssp--audioldm-s-full-v2@<commit>/   a pull that is not finished

A name from outside never becomes a path before it has matched ``MODEL_ID``; revisions are looked up among the
folders that are there, not joined.
"""

from __future__ import annotations

import re
import shutil
import uuid
from pathlib import Path

from foleyd.engines.folder import write_whole
from foleyd.errors import ModelMissing

MODEL_ID = re.compile(r"(?=.{3,96}\Z)(?!.*(--|\.\.))[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
"""A hub's "owner/name": no "..", and no "--", which stands for the slash in folder names."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_CURRENT = "current"
_PULLS = ".pull"


class Store:
    """The models below one folder; the folder need not exist."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def ids(self) -> tuple[str, ...]:
        """The names of the models that have at least one revision here, sorted."""
        if not self.root.is_dir():
            return ()
        names = sorted(path.name.replace("--", "/", 1) for path in self.root.iterdir() if path.is_dir())
        return tuple(name for name in names if MODEL_ID.fullmatch(name) and self.revisions(name))

    def revisions(self, model: str) -> tuple[str, ...]:
        """The commits of a model that are here: the current one first, the others by age, newest first."""
        place = self._place(model)
        if not place.is_dir():
            return ()
        found = [path for path in place.iterdir() if path.is_dir() and _COMMIT.fullmatch(path.name)]
        found.sort(key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
        current = self._current(model)
        return tuple(sorted((path.name for path in found), key=lambda commit: commit != current))

    def folder(self, model: str, commit: str) -> Path:
        """Where a revision of a model is, or would be; ValueError for what is no commit."""
        if not _COMMIT.fullmatch(commit):
            raise ValueError(f"a commit is 40 hex digits, not {commit!r}")
        return self._place(model) / commit

    def room(self, model: str, commit: str) -> Path:
        """The folder a pull of this revision fills; it survives an interruption."""
        return self.root / _PULLS / f"{self.folder(model, commit).parent.name}@{commit}"

    def lock(self, model: str) -> Path:
        """The file that one pull of a model at a time holds locked."""
        return self.root / _PULLS / f"{self._place(model).name}.lock"

    def accept(self, model: str, commit: str) -> None:
        """Move a finished pull in, in one step, and make it the current revision."""
        target = self.folder(model, commit)
        target.parent.mkdir(parents=True, exist_ok=True)
        self.room(model, commit).rename(target)
        self.prefer(model, commit)

    def prefer(self, model: str, commit: str) -> None:
        """Make a revision that is here the one that is used when none is asked for."""
        write_whole(self._place(model) / _CURRENT, f"{commit}\n".encode())

    def reopen(self, model: str, commit: str) -> None:
        """Take a damaged revision back into the room of pulls, so that its good files are used again."""
        room = self.room(model, commit)
        shutil.rmtree(room, ignore_errors=True)
        room.parent.mkdir(parents=True, exist_ok=True)
        self.folder(model, commit).rename(room)

    def remove(self, model: str, revision: str = "") -> int:
        """Delete the revisions of a model that begin with ``revision`` ("" all), unfinished pulls too; bytes
        freed."""
        place = self._place(model)
        gone = [place / commit for commit in self.revisions(model) if commit.startswith(revision)]
        pulls = self.root / _PULLS
        if pulls.is_dir():
            gone += [path for path in pulls.iterdir() if path.name.startswith(f"{place.name}@{revision}")]
        if not gone:
            which = f" as revision {revision}" if revision else ""
            raise ModelMissing(f"{model} is not on this machine{which}: 'foleyd models list' says what is.")
        freed = 0
        for path in gone:
            freed += sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            trash = pulls / f"trash-{uuid.uuid4().hex}"
            pulls.mkdir(exist_ok=True)
            path.rename(trash)  # a removal that is cut short must not leave half a model under its name
            shutil.rmtree(trash)
        left = self.revisions(model)
        if left and self._current(model) not in left:
            self.prefer(model, left[0])
        if not left and place.is_dir():
            shutil.rmtree(place)
        return freed

    def _place(self, model: str) -> Path:
        if not MODEL_ID.fullmatch(model):
            raise ValueError(f"a model is named 'owner/name', not {model!r}")
        return self.root / model.replace("/", "--")

    def _current(self, model: str) -> str:
        try:
            return (self._place(model) / _CURRENT).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return ""
