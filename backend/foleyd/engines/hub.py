"""Fetching AudioLDM checkpoints from a model hub: what there is, how big, under which licence, then the
files.

Talks to the Hugging Face Hub, or anything that answers like it, through ``huggingface_hub``'s own session
(proxies, tokens, redirects and retries are its business). The transfer itself is plain HTTP with ranges: the
library's own download starts from nothing after an interruption, and a checkpoint is gigabytes.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec
from huggingface_hub import HfApi, constants, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import ModelInfo, RepoSibling
from huggingface_hub.utils import (  # type: ignore[attr-defined]
    build_hf_headers,
    hf_raise_for_status,
    http_stream_backoff,
)

from foleyd import __version__
from foleyd.engines import folder as layout
from foleyd.errors import ModelBroken, ModelMissing, Offline

TIMEOUT_S = 30.0
ATTEMPTS = 5  # transfers that break off without one new byte before giving up
RETRY_WAIT_S = 1.0
_INDEX_LIMIT_BYTES = 1 << 20

# Base of every failure of the HTTP library under huggingface_hub (httpx before its version 2, httpx2 since).
_TransportError: type[Exception] = next(
    kind for kind in HfHubHTTPError.__mro__ if kind.__name__ == "HTTPError"
)

# Licences, as the hub spells them, under which what a model makes may be sold without further conditions.
SELLABLE_LICENCES = frozenset(
    {
        "0bsd",
        "apache-2.0",
        "bsd",
        "bsd-2-clause",
        "bsd-3-clause",
        "cc-by-4.0",
        "cc0-1.0",
        "isc",
        "mit",
        "unlicense",
    }
)

_COMMIT = re.compile(r"[0-9a-f]{40}")


class Progress(msgspec.Struct, frozen=True):
    """How far a pull is: ``phase`` is "wait", "download", "check" or "convert"; bytes done of all bytes."""

    phase: str
    file: str
    done: int
    total: int


Report = Callable[[Progress], None]


class Wanted(msgspec.Struct, frozen=True):
    """One file to fetch: relative name, size in bytes, and the hash the hub states: SHA-256 or git blob
    SHA-1."""

    name: str
    size: int
    digest: str
    kind: str  # "sha256" | "git"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a pull is going to do; shown before it is done."""

    id: str
    revision: str
    licence: str
    sellable: bool
    title: str
    files: tuple[Wanted, ...]
    convert: dict[str, str]
    endpoint: str

    @property
    def bytes(self) -> int:
        """Bytes to download when nothing is here yet."""
        return sum(file.size for file in self.files)

    @property
    def room(self) -> int:
        """Bytes of disk the pull needs at its largest: a .bin and the safetensors made of it stand side by
        side."""
        return self.bytes + sum(file.size for file in self.files if file.name in self.convert)


def switched_off() -> str | None:
    """The environment variable that forbids the network (FOLEYD_OFFLINE, HF_HUB_OFFLINE), None where none
    does."""
    for name in ("FOLEYD_OFFLINE", "HF_HUB_OFFLINE"):
        if os.environ.get(name, "").strip().lower() in {"1", "on", "true", "yes"}:
            return name
    return None


def plan(model: str, revision: str = "", *, endpoint: str | None = None) -> Plan:
    """Ask the hub about a repository ("owner/name") and choose what to fetch. Nothing is written.

    ``revision`` is a commit, branch or tag, "" for the hub's main branch; ``endpoint`` the hub's address,
    None for ``HF_ENDPOINT`` or the Hugging Face Hub. Raises ModelMissing (unknown or not allowed),
    ModelBroken (not an AudioLDM checkpoint), Offline (not reachable).
    """
    place = (endpoint or constants.ENDPOINT).rstrip("/")
    with _translated(model, revision, place):
        info = HfApi(endpoint=place, library_name="foleyd", library_version=__version__).model_info(
            model, revision=revision or None, files_metadata=True, timeout=TIMEOUT_S
        )
    commit = info.sha or ""
    if not _COMMIT.fullmatch(commit):
        raise ModelBroken(f"The hub at {place} names no commit for {model}: pull it from another hub.")
    siblings = {file.rfilename: file for file in info.siblings or ()}
    choice = layout.choose(siblings.keys(), model)
    names = [*choice.files, *((layout.DESCRIPTION,) if layout.DESCRIPTION in siblings else ())]
    files = tuple(_wanted(siblings[name], place) for name in names)
    index = next(file for file in files if file.name == layout.INDEX)
    with _translated(model, revision, place):
        layout.check_index(_small(_url(model, commit, index.name, place), index, place), model)
    licence = _licence(info)
    return Plan(
        id=model,
        revision=commit,
        licence=licence or "unknown",
        sellable=licence.lower() in SELLABLE_LICENCES,
        title=model.rsplit("/", 1)[-1],
        files=files,
        convert=choice.convert,
        endpoint=place,
    )


def fetch(task: Plan, folder: Path, report: Report) -> None:
    """Bring every file of a plan into ``folder``, each whole and with the hash the hub stated.

    What an earlier, interrupted fetch left there is used: whole files are checked, cut ones continued. Raises
    ModelBroken (a hash differs), Offline (the hub is gone), DiskFull.
    """
    done = 0
    for file in task.files:
        target = folder / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not _here(file, target, done, task.bytes, report):
            _bring(task, file, target, done, report)
        done += file.size
    report(Progress("download", "", done, task.bytes))


def missing_bytes(task: Plan, folder: Path) -> int:
    """Bytes of a plan that are not in ``folder`` yet, by size alone."""
    return sum(
        file.size - min(file.size, max(_size(folder / file.name), _size(_part(folder / file.name))))
        for file in task.files
    )


def _bring(task: Plan, file: Wanted, target: Path, before: int, report: Report) -> None:
    url = _url(task.id, task.revision, file.name, task.endpoint)
    part = _part(target)
    resumed = _size(part) > 0
    with _translated(task.id, task.revision, task.endpoint):
        digest = _transfer(url, file, part, before, task, report)
        if digest != file.digest and resumed:
            # The older half may come from a broken disk or a proxy's error page: once more from nothing.
            part.unlink()
            digest = _transfer(url, file, part, before, task, report)
    if digest != file.digest:
        part.unlink()
        raise ModelBroken(
            f"{task.id}: {file.name} arrived with another hash than the hub states and was thrown away: "
            "pull it again."
        )
    part.replace(target)


def _transfer(url: str, file: Wanted, part: Path, before: int, task: Plan, report: Report) -> str:
    """Fill ``part`` to the file's size, from where it stands; give back its digest."""

    def seen(done: int) -> None:
        report(Progress("download", file.name, before + done, task.bytes))

    if _size(part) > file.size:
        part.unlink()
    failures = 0
    while not part.exists() or _size(part) < file.size:
        have = _size(part)
        error: Exception = ModelBroken(
            f"{file.name} is shorter than the hub states: pull the model again later."
        )
        try:
            with part.open("ab") as stream:
                _receive(url, file, stream, have, seen)
                stream.flush()
                os.fsync(stream.fileno())
        except (HfHubHTTPError, OfflineModeIsEnabled):
            raise
        except (_TransportError, TimeoutError, ConnectionError) as broken:
            error = broken
        failures = 0 if _size(part) > have else failures + 1
        if failures >= ATTEMPTS:
            raise error
        time.sleep(RETRY_WAIT_S * failures)
    report(Progress("check", file.name, before + file.size, task.bytes))
    return _digest(file, part)


def _receive(url: str, file: Wanted, stream: BinaryIO, have: int, seen: Callable[[int], None]) -> None:
    """One request: append what comes to ``stream``, which holds the first ``have`` bytes."""
    headers = _headers()
    if have:
        headers["Range"] = f"bytes={have}-"
    with http_stream_backoff(
        "GET",
        url,
        headers=headers,
        timeout=TIMEOUT_S,
        max_retries=ATTEMPTS,
        base_wait_time=RETRY_WAIT_S,
        retry_on_exceptions=(),
    ) as response:
        hf_raise_for_status(response)
        if have and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            stream.truncate(0)  # the server ignored the range and sends it all
            have = 0
        seen(have)
        for piece in response.iter_bytes():  # as they come: pieces of a set size are lost half-filled
            have += len(piece)
            if have > file.size:
                stream.truncate(0)
                raise ModelBroken(f"{file.name} is longer than the hub states: pull the model again later.")
            stream.write(piece)
            seen(have)


def _here(file: Wanted, target: Path, before: int, total: int, report: Report) -> bool:
    if not target.exists():
        return False
    report(Progress("check", file.name, before, total))
    if _size(target) == file.size and _digest(file, target) == file.digest:
        return True
    target.unlink()
    return False


def _digest(file: Wanted, path: Path) -> str:
    """The file's hash in the kind that the hub stated it in; a git blob's SHA-1 is over "blob
    <size>\\0<content>"."""
    if file.kind == "sha256":
        return layout.sha256(path)
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while piece := stream.read(layout.CHUNK_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _small(url: str, file: Wanted, place: str) -> bytes:
    if file.size > _INDEX_LIMIT_BYTES:
        raise ModelBroken(
            f"The hub at {place} has a {file.name} of {file.size} bytes: that is no AudioLDM checkpoint."
        )
    with http_stream_backoff(
        "GET", url, headers=_headers(), timeout=TIMEOUT_S, max_retries=ATTEMPTS, base_wait_time=RETRY_WAIT_S
    ) as response:
        hf_raise_for_status(response)
        text = b""
        for piece in response.iter_bytes():
            text += piece
            if len(text) > _INDEX_LIMIT_BYTES:
                raise ModelBroken(
                    f"{file.name} is longer than the hub at {place} states: pull the model again later."
                )
        return text


def _wanted(sibling: RepoSibling, place: str) -> Wanted:
    name, size = sibling.rfilename, sibling.size
    if size is not None and sibling.lfs is not None:
        return Wanted(name, size, sibling.lfs.sha256, "sha256")
    if size is not None and sibling.blob_id is not None:
        return Wanted(name, size, sibling.blob_id, "git")
    raise ModelBroken(
        f"The hub at {place} states no size or hash for {name}, so it cannot be checked: use another hub."
    )


def _licence(info: ModelInfo) -> str:
    stated = info.card_data.get("license") if info.card_data is not None else None
    tagged = (tag.removeprefix("license:") for tag in info.tags or () if tag.startswith("license:"))
    licence = stated if isinstance(stated, str) and stated else next(tagged, "")
    # It goes into tables and into every clip: a name, not whatever a stranger wrote.
    return licence if re.fullmatch(r"[\w.+-]{1,64}", licence) else ""


def _url(model: str, commit: str, name: str, place: str) -> str:
    return hf_hub_url(model, name, revision=commit, endpoint=place)


def _headers() -> dict[str, str]:
    headers = build_hf_headers(library_name="foleyd", library_version=__version__)
    return headers | {"Accept-Encoding": "identity"}  # a compressed answer has no byte ranges


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@contextmanager
def _translated(model: str, revision: str, place: str) -> Iterator[None]:
    """Turn what the hub and the network can say into one sentence each."""
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise Offline("The network is switched off by HF_HUB_OFFLINE: unset it to pull models.") from error
    except GatedRepoError as error:
        raise ModelMissing(
            f"{model} is gated: accept its terms at {place}/{model}, then run 'hf auth login' "
            "or set HF_TOKEN."
        ) from error
    except RevisionNotFoundError as error:
        raise ModelMissing(
            f"{model} has no revision {revision!r}: leave it out to get the newest."
        ) from error
    except HFValidationError as error:
        raise ModelMissing(f"{model} is no name the hub at {place} could have: check it.") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403, 404):  # the hub answers 401 for what does not exist, so as not to tell
            raise ModelMissing(
                f"The hub at {place} has no model {model}, or it is private: check the name, or set HF_TOKEN."
            ) from error
        raise Offline(
            f"The hub at {place} answered {status} for {model}: try again later, nothing is lost."
        ) from error
    except (_TransportError, TimeoutError, ConnectionError) as error:
        raise Offline(
            f"The hub at {place} cannot be reached: check the network and pull again, "
            "it goes on where it stopped."
        ) from error
