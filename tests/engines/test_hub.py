"""Fetching from a hub: what is chosen, what is asked for again, what is never kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest

from foleyd.engines import hub
from foleyd.errors import ModelBroken, ModelMissing, Offline
from loopback_hub import Hub, Repository, running, small_checkpoint

ID = "someone/sounds"
UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "FOLEYD_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(hub, "RETRY_WAIT_S", 0.0)


@pytest.fixture
def server() -> Iterator[Hub]:
    with running() as one:
        one.repositories[ID] = Repository(small_checkpoint())
        yield one


def fetch(server: Hub, folder: Path) -> list[hub.Progress]:
    reports: list[hub.Progress] = []
    hub.fetch(hub.plan(ID, endpoint=server.url), folder, reports.append)
    return reports


def left(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_plan_takes_what_a_checkpoint_needs_and_nothing_else(server: Hub) -> None:
    needed = small_checkpoint()
    server.repositories[ID].files = needed | {
        "README.md": b"words",
        ".gitattributes": b"x",
        "unet/diffusion_pytorch_model.bin": b"pickle",
        "unet/diffusion_pytorch_model.fp16.safetensors": b"half",
        "unet/modeling.py": b"import os",
        "vocoder/../../../evil": b"out",
        "../evil": b"out",
    }
    plan = hub.plan(ID, endpoint=server.url)
    assert {file.name for file in plan.files} == set(needed)
    assert plan.bytes == sum(len(data) for data in needed.values())
    assert plan.room == plan.bytes
    assert plan.convert == {}
    assert plan.revision == "a" * 40


def test_plan_converts_only_where_there_is_no_safetensors(server: Hub) -> None:
    files = server.repositories[ID].files
    files["unet/diffusion_pytorch_model.bin"] = files.pop(UNET)
    files["vocoder/pytorch_model.bin"] = b"unused"
    plan = hub.plan(ID, endpoint=server.url)
    assert plan.convert == {"unet/diffusion_pytorch_model.bin": UNET}
    assert plan.room == plan.bytes + len(files["unet/diffusion_pytorch_model.bin"])


@pytest.mark.parametrize(
    ("stated", "licence", "sellable"),
    [
        ("apache-2.0", "apache-2.0", True),
        ("cc-by-nc-sa-4.0", "cc-by-nc-sa-4.0", False),
        ("openrail", "openrail", False),
        ("other", "other", False),
        (None, "unknown", False),
    ],
)
def test_licence_is_the_hubs_word_and_unknown_ones_do_not_sell(
    server: Hub, stated: str | None, licence: str, sellable: bool
) -> None:
    server.repositories[ID].licence = stated
    plan = hub.plan(ID, endpoint=server.url)
    assert (plan.licence, plan.sellable) == (licence, sellable)


def test_fetch_brings_every_file_once(server: Hub, tmp_path: Path) -> None:
    reports = fetch(server, tmp_path)
    assert left(tmp_path) == server.repositories[ID].files
    assert len(server.sent(UNET)) == 1
    assert "foleyd" in server.seen[-1].agent
    done = [report.done for report in reports]
    assert done == sorted(done)
    assert done[-1] == reports[-1].total == sum(len(data) for data in left(tmp_path).values())


def test_broken_connection_goes_on_with_a_range(server: Hub, tmp_path: Path) -> None:
    size = len(server.repositories[ID].files[UNET])
    server.repositories[ID].cut[UNET] = [70_000, 50_000]
    fetch(server, tmp_path)
    assert server.ranges(UNET) == ["", "bytes=70000-", "bytes=120000-"]
    assert sum(server.sent(UNET)) == size
    assert left(tmp_path) == server.repositories[ID].files


def test_next_fetch_goes_on_where_a_dead_network_stopped_the_last(server: Hub, tmp_path: Path) -> None:
    server.repositories[ID].cut[UNET] = [70_000] + [0] * hub.ATTEMPTS
    with pytest.raises(Offline, match="cannot be reached"):
        fetch(server, tmp_path)
    assert not (tmp_path / UNET).exists()
    before = len(server.sent(UNET))
    fetch(server, tmp_path)
    assert server.ranges(UNET)[before:] == ["bytes=70000-"]
    assert sum(server.sent(UNET)) == len(server.repositories[ID].files[UNET])
    assert left(tmp_path) == server.repositories[ID].files


def test_next_fetch_goes_on_after_ctrl_c(server: Hub, tmp_path: Path) -> None:
    def stop(report: hub.Progress) -> None:
        if report.file == UNET and report.done - before >= 30_000:
            raise KeyboardInterrupt

    plan = hub.plan(ID, endpoint=server.url)
    names = [file.name for file in plan.files]
    before = sum(file.size for file in plan.files[: names.index(UNET)])
    with pytest.raises(KeyboardInterrupt):
        hub.fetch(plan, tmp_path, stop)
    have = (tmp_path / (UNET + ".part")).stat().st_size
    assert have >= 30_000
    assert hub.missing_bytes(plan, tmp_path) == plan.bytes - before - have
    fetch(server, tmp_path)
    assert server.ranges(UNET) == ["", f"bytes={have}-"]
    assert left(tmp_path) == server.repositories[ID].files


def test_server_without_ranges_is_read_from_the_start(server: Hub, tmp_path: Path) -> None:
    server.repositories[ID].ranges = False
    server.repositories[ID].cut[UNET] = [70_000]
    fetch(server, tmp_path)
    assert left(tmp_path) == server.repositories[ID].files


@pytest.mark.parametrize("file", [UNET, "unet/config.json"])
def test_wrong_hash_leaves_nothing_of_that_file(server: Hub, tmp_path: Path, file: str) -> None:
    server.repositories[ID].wrong[file] = 99
    with pytest.raises(ModelBroken, match=f"{file} arrived with another hash"):
        fetch(server, tmp_path)
    assert not [name for name in left(tmp_path) if name.startswith(file)]


def test_garbage_in_a_broken_off_file_is_noticed_and_replaced(server: Hub, tmp_path: Path) -> None:
    part = tmp_path / (UNET + ".part")
    part.parent.mkdir()
    part.write_bytes(b"<html>not found</html>")
    fetch(server, tmp_path)
    assert server.ranges(UNET) == ["bytes=22-", ""]
    assert left(tmp_path) == server.repositories[ID].files


def test_whole_file_with_other_content_is_fetched_again(server: Hub, tmp_path: Path) -> None:
    fetch(server, tmp_path)
    target = tmp_path / UNET
    target.write_bytes(bytes(target.stat().st_size))
    fetch(server, tmp_path)
    assert left(tmp_path) == server.repositories[ID].files
    assert len(server.sent(UNET)) == 2
    assert len(server.sent("vae/diffusion_pytorch_model.safetensors")) == 1


@pytest.mark.parametrize(("stated", "word"), [(100, "longer"), (10_000_000, "shorter")])
def test_file_of_another_length_than_stated_is_refused(
    server: Hub, tmp_path: Path, stated: int, word: str
) -> None:
    server.repositories[ID].stated_sizes[UNET] = stated
    server.repositories[ID].ranges = False
    with pytest.raises(ModelBroken, match=f"{word} than the hub states"):
        fetch(server, tmp_path)
    assert not (tmp_path / UNET).exists()


def test_unknown_model_and_revision(server: Hub) -> None:
    with pytest.raises(ModelMissing, match="has no model someone/other"):
        hub.plan("someone/other", endpoint=server.url)
    with pytest.raises(ModelMissing, match="no revision 'old'"):
        hub.plan(ID, "old", endpoint=server.url)
    assert hub.plan(ID, "main", endpoint=server.url).revision == "a" * 40


def test_gated_model_wants_a_token_and_takes_it(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.repositories[ID].token = "let-me-in"
    with pytest.raises(ModelMissing, match=f"gated: accept its terms at {server.url}/{ID}"):
        hub.plan(ID, endpoint=server.url)
    monkeypatch.setenv("HF_TOKEN", "let-me-in")
    fetch(server, tmp_path)
    assert left(tmp_path) == server.repositories[ID].files


def test_hub_that_fails_or_is_away(server: Hub) -> None:
    server.failing = 500
    with pytest.raises(Offline, match="answered 500"):
        hub.plan(ID, endpoint=server.url)
    with running() as gone:
        url = gone.url
    with pytest.raises(Offline, match="cannot be reached"):
        hub.plan(ID, endpoint=url)


def test_hub_without_hashes_is_not_trusted(server: Hub) -> None:
    server.repositories[ID].hashes = False
    with pytest.raises(ModelBroken, match="no size or hash"):
        hub.plan(ID, endpoint=server.url)


def test_commit_that_would_be_a_path_is_refused(server: Hub) -> None:
    server.repositories[ID].commit = "../../evil"
    with pytest.raises(ModelBroken, match="names no commit"):
        hub.plan(ID, endpoint=server.url)


def test_other_pipelines_are_refused_before_their_weights(server: Hub) -> None:
    files = server.repositories[ID].files
    files["model_index.json"] = files["model_index.json"].replace(b"UNet2DConditionModel", b"OtherUNet")
    with pytest.raises(ModelBroken, match="its unet is a OtherUNet"):
        hub.plan(ID, endpoint=server.url)
    assert {one.file for one in server.seen} == {"model_index.json"}


def test_incomplete_repository_says_what_is_missing(server: Hub) -> None:
    del server.repositories[ID].files[UNET]
    with pytest.raises(ModelBroken, match=f"lacks {UNET}"):
        hub.plan(ID, endpoint=server.url)


@pytest.mark.parametrize(("value", "off"), [("1", True), ("true", True), ("0", False), ("", False)])
@pytest.mark.parametrize("name", ["FOLEYD_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_switches(monkeypatch: pytest.MonkeyPatch, name: str, value: str, off: bool) -> None:
    monkeypatch.setenv(name, value)
    assert hub.switched_off() == (name if off else None)
