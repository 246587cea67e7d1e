"""A model hub on 127.0.0.1 for tests: what `huggingface_hub` asks of the real one, and its ways to go wrong.

It answers `/api/models/<id>[/revision/<r>]` and `/<id>/resolve/<r>/<file>`. Small files are stated with a
git blob hash and served at once; weight files with SHA-256, from another path behind a redirect, as the real
hub does.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
from safetensors.numpy import save

WEIGHTS = (".safetensors", ".bin")
RESOLVE = re.compile(r"/(?P<id>[^/]+/[^/]+)/(?P<how>resolve|blob-store)/(?P<revision>[^/]+)/(?P<file>.+)")
API = re.compile(r"/api/models/(?P<id>[^/]+/[^/]+)(/revision/(?P<revision>[^/]+))?")


@dataclass
class Repository:
    """One model: its files at one commit, what its card says, and what is wrong with it."""

    files: dict[str, bytes]
    commit: str = "a" * 40
    licence: str | None = "cc-by-nc-sa-4.0"
    token: str = ""  # a gated repository wants this one
    cut: dict[str, list[int]] = field(
        default_factory=dict
    )  # file → after how many bytes each answer breaks off
    wrong: dict[str, int] = field(default_factory=dict)  # file → how many answers have a byte flipped
    ranges: bool = True
    hashes: bool = True
    stated_sizes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """One request for a file's bytes: the Range header, and how many bytes went out."""

    file: str
    range: str
    sent: int
    agent: str


class Hub(ThreadingHTTPServer):
    """The server; `repositories` may be changed between requests, `seen` lists the file transfers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.seen: list[Seen] = []
        self.asked = 0
        self.failing = 0  # this status for everything, 0 for none

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def sent(self, file: str) -> list[int]:
        return [one.sent for one in self.seen if one.file == file]

    def ranges(self, file: str) -> list[str]:
        return [one.range for one in self.seen if one.file == file]


@contextmanager
def running() -> Iterator[Hub]:
    """A hub that answers for the length of a with block."""
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()


def files_of(folder: Path) -> dict[str, bytes]:
    """The files below a folder as a repository has them."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""

    def do_GET(self) -> None:
        self.server.asked += 1
        path = unquote(urlsplit(self.path).path)
        if self.server.failing:
            self._answer(self.server.failing, b"broken")
        elif match := API.fullmatch(path):
            self._describe(match["id"], match["revision"])
        elif match := RESOLVE.fullmatch(path):
            self._file(match["id"], match["how"], match["revision"], match["file"])
        else:
            self._answer(404, b"")

    def _found(self, name: str, revision: str | None) -> Repository | None:
        repository = self.server.repositories.get(name)
        if repository is None:
            self._answer(401, b"", {"X-Error-Message": "Repository not found"})
        elif repository.token and self.headers.get("Authorization") != f"Bearer {repository.token}":
            self._answer(401, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
        elif revision not in (None, "main", repository.commit):
            self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        else:
            return repository
        return None

    def _describe(self, name: str, revision: str | None) -> None:
        repository = self._found(name, revision)
        if repository is None:
            return
        siblings: list[dict[str, object]] = []
        for file, data in repository.files.items():
            size = repository.stated_sizes.get(file, len(data))
            sibling: dict[str, object] = {"rfilename": file}
            if repository.hashes:
                blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
                sibling |= {"size": size, "blobId": blob}
                if file.endswith(WEIGHTS):
                    digest = hashlib.sha256(data).hexdigest()
                    sibling["lfs"] = {"sha256": digest, "size": size, "pointerSize": 134}
            siblings.append(sibling)
        card = {} if repository.licence is None else {"license": repository.licence}
        info = {"id": name, "sha": repository.commit, "siblings": siblings, "cardData": card, "tags": []}
        self._answer(200, json.dumps(info).encode(), {"Content-Type": "application/json"})

    def _file(self, name: str, how: str, revision: str, file: str) -> None:
        repository = self._found(name, revision)
        if repository is None:
            return
        if file not in repository.files:
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        data = repository.files[file]
        linked = {"X-Repo-Commit": repository.commit, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
        if how == "resolve" and file.endswith(WEIGHTS):
            # The xet headers invite a client to another protocol; plain HTTP has to do all the same.
            self._answer(
                302, b"", linked | {"Location": self.path.replace("resolve", "blob-store"), "X-Xet-Hash": "0"}
            )
            return
        self._send(repository, file, data, linked)

    def _send(self, repository: Repository, file: str, data: bytes, headers: dict[str, str]) -> None:
        asked = self.headers.get("Range", "")
        start, status = 0, 200
        if asked and repository.ranges:
            start, status = int(asked.removeprefix("bytes=").removesuffix("-")), 206
            headers = headers | {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        body = data[start:]
        if repository.wrong.get(file, 0) > 0:
            repository.wrong[file] -= 1
            body = body[:-1] + bytes([body[-1] ^ 1])
        cuts = repository.cut.get(file, [])
        whole = len(body)
        if cuts:
            body = body[: cuts.pop(0)]
        self.server.seen.append(Seen(file, asked, len(body), self.headers.get("User-Agent", "")))
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(whole))
        self.end_headers()
        self.wfile.write(body)
        if len(body) < whole:
            self.wfile.flush()
            self.close_connection = True

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def small_checkpoint(fill: int = 0) -> dict[str, bytes]:
    """The files of a repository with an AudioLDM checkpoint's layout: real file forms, no network in them.

    The weights are 200 kB a component, and differ with `fill`.
    """
    index = {
        "_class_name": "AudioLDMPipeline",
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "ClapTextModelWithProjection"],
        "tokenizer": ["transformers", "RobertaTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "vocoder": ["transformers", "SpeechT5HifiGan"],
    }
    files = {"model_index.json": json.dumps(index).encode(), "scheduler/scheduler_config.json": b"{}"}
    files |= {"tokenizer/vocab.json": b'{"a": 0}', "tokenizer/merges.txt": b"#version: 0.2\n"}
    names = {"text_encoder": "model", "unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}
    for place, (part, name) in enumerate((names | {"vocoder": "model"}).items()):
        values = np.full(50_000, 10 * fill + place, dtype=np.float32)
        files[f"{part}/config.json"] = json.dumps({"part": part}).encode()
        files[f"{part}/{name}.safetensors"] = save({"weight": values}, metadata={"format": "pt"})
    return files
