"""The models on a machine: found by name, pulled whole or not at all, checked, repaired, removed."""

from __future__ import annotations

import pickle
import queue
import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from foleyd.bench import random_model as tiny
from foleyd.engines import catalog, checkpoint, folder, hub
from foleyd.engines.store import Store
from foleyd.errors import BadRequest, Cancelled, DiskFull, ModelBroken, ModelMissing, Offline
from foleyd.paths import home
from loopback_hub import Hub, Repository, files_of, running, small_checkpoint

ID = "cvssp/audioldm-s-full-v2"
OTHER = "someone/sounds"
UNET = "unet/diffusion_pytorch_model.safetensors"
UNET_BIN = "unet/diffusion_pytorch_model.bin"
FIRST, SECOND = "a" * 40, "b" * 40


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "FOLEYD_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("FOLEYD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(hub, "RETRY_WAIT_S", 0.0)
    monkeypatch.setattr(catalog, "STARTER", write(tmp_path / "starter", small_checkpoint(9)))


@pytest.fixture
def server() -> Iterator[Hub]:
    with running() as one:
        one.repositories[ID] = Repository(small_checkpoint())
        one.repositories[OTHER] = Repository(small_checkpoint(1), licence="apache-2.0")
        yield one


def write(place: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    return place


def everything_below(place: Path) -> list[str]:
    """All files but locks, which stay as empty files by their nature."""
    found = (path for path in place.rglob("*") if path.is_file() and path.suffix != ".lock")
    return sorted(path.relative_to(place).as_posix() for path in found)


def test_pulled_model_is_found_described_and_verified(server: Hub) -> None:
    entry = catalog.pull(ID, endpoint=server.url)
    assert (
        entry
        == catalog.resolve(ID)
        == catalog.resolve("audioldm-s-full-v2")
        == catalog.resolve(ID, "aaaaaaa")
    )
    assert (entry.id, entry.revision, entry.source, entry.problem) == (ID, FIRST, "store", "")
    assert (entry.licence, entry.sellable) == ("CC-BY-NC-SA-4.0", False)
    assert set(entry.files) == set(small_checkpoint())
    assert entry.bytes == sum(len(data) for data in small_checkpoint().values())
    assert entry.folder.is_relative_to(home("models"))
    assert catalog.verify(entry) == ()
    assert catalog.entries() == (catalog.resolve("starter"), entry)
    manifest = folder.read_manifest(entry.folder)
    assert manifest is not None
    assert (manifest.id, manifest.revision) == (ID, FIRST)


def test_licence_of_a_known_model_does_not_depend_on_the_hub(server: Hub) -> None:
    server.repositories[ID].licence = "mit"
    shown: list[hub.Plan] = []
    entry = catalog.pull(ID, endpoint=server.url, agree=lambda plan: not shown.append(plan))
    assert (
        (shown[0].licence, shown[0].sellable) == (entry.licence, entry.sellable) == ("CC-BY-NC-SA-4.0", False)
    )


def test_other_models_carry_their_hubs_licence_and_keep_their_engine_settings(server: Hub) -> None:
    server.repositories[OTHER].files["foleyd.json"] = b'{"steps": 12, "licence": "mine", "sellable": false}'
    entry = catalog.pull(OTHER, endpoint=server.url)
    assert (entry.licence, entry.sellable, entry.title) == ("apache-2.0", True, "sounds")
    assert b'"steps": 12' in (entry.folder / "foleyd.json").read_bytes()


def test_size_and_licence_are_shown_before_and_no_means_no(server: Hub) -> None:
    with pytest.raises(Cancelled):
        catalog.pull(ID, endpoint=server.url, agree=lambda plan: plan.bytes == 0)
    assert {one.file for one in server.seen} == {"model_index.json"}
    assert everything_below(home("models")) == []


def test_second_pull_downloads_nothing(server: Hub) -> None:
    catalog.pull(ID, endpoint=server.url)
    server.seen.clear()
    catalog.pull(ID, endpoint=server.url, agree=lambda _: pytest.fail("nothing to agree to"))
    assert {one.file for one in server.seen} <= {"model_index.json"}


def test_pull_that_breaks_off_leaves_no_model_and_goes_on(server: Hub) -> None:
    server.repositories[ID].cut[UNET] = [70_000] + [0] * hub.ATTEMPTS
    with pytest.raises(Offline):
        catalog.pull(ID, endpoint=server.url)
    with pytest.raises(ModelMissing):
        catalog.resolve(ID)
    assert [entry.id for entry in catalog.entries()] == ["starter"]
    server.seen.clear()
    entry = catalog.pull(ID, endpoint=server.url)
    assert server.ranges(UNET) == ["bytes=70000-"]
    assert server.sent("text_encoder/model.safetensors") == []
    assert catalog.verify(entry) == ()
    assert not list(home("models").rglob("*.part"))


def test_damage_is_found_by_hash_and_mended_by_pulling_again(server: Hub) -> None:
    entry = catalog.pull(ID, endpoint=server.url)
    broken = entry.folder / UNET
    broken.write_bytes(broken.read_bytes()[:-1] + b"\x01")
    assert catalog.verify(entry) == (
        f"{ID}: {UNET} has changed since it was stored: run 'foleyd models pull {ID}'.",
    )
    server.seen.clear()
    assert catalog.verify(catalog.pull(ID, endpoint=server.url)) == ()
    assert len(server.sent(UNET)) == 1
    assert server.sent("vae/diffusion_pytorch_model.safetensors") == []


@pytest.mark.parametrize("harm", ["gone", "cut", "no manifest, cut"])
def test_damage_that_shows_without_reading_stops_a_render(server: Hub, harm: str) -> None:
    entry = catalog.pull(ID, endpoint=server.url)
    broken = entry.folder / UNET
    if harm == "gone":
        broken.unlink()
    else:
        broken.write_bytes(broken.read_bytes()[:1000])
    if harm == "no manifest, cut":
        (entry.folder / folder.MANIFEST).unlink()
    with pytest.raises(ModelBroken, match=f"diffusion_pytorch_model.*run 'foleyd models pull {ID}'"):
        catalog.resolve(ID)
    assert [one.problem != "" for one in catalog.entries()] == [False, True]
    catalog.pull(ID, endpoint=server.url)
    assert catalog.verify(catalog.resolve(ID)) == ()


def test_pickled_folder_is_converted_once_and_its_pickles_go(server: Hub, tmp_path: Path) -> None:
    files = server.repositories[ID].files
    del files[UNET]
    made = tmp_path / "made.bin"
    torch.save({"weight": torch.arange(10.0)}, made)
    files[UNET_BIN] = made.read_bytes()
    phases: list[str] = []
    entry = catalog.pull(ID, endpoint=server.url, progress=lambda step: phases.append(step.phase))
    assert torch.equal(load_file(entry.folder / UNET)["weight"], torch.arange(10.0))
    assert UNET in entry.files
    assert not list(home("models").rglob("*.bin"))
    assert catalog.verify(entry) == ()
    assert phases.index("download") < phases.index("convert")
    manifest = folder.read_manifest(entry.folder)
    assert manifest is not None
    assert [file.name for file in manifest.converted] == [UNET_BIN]


class Harmful:
    """A pickle of this makes a folder when it is loaded the usual way."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.mkdir, (self.mark,)


def test_malicious_weights_do_not_run_and_leave_nothing(server: Hub, tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    files = server.repositories[OTHER].files
    del files[UNET]
    files[UNET_BIN] = pickle.dumps(Harmful(mark))
    with pytest.raises(ModelBroken, match=f"^{OTHER}: {UNET_BIN} was not loaded: it is a pickle"):
        catalog.pull(OTHER, endpoint=server.url)
    assert not mark.exists()
    assert everything_below(home("models")) == []
    with pytest.raises(ModelMissing):
        catalog.resolve(OTHER)
    pickle.loads(files[UNET_BIN])
    assert mark.is_dir()


def test_folder_with_pickles_only_is_not_loaded(tmp_path: Path) -> None:
    files = small_checkpoint()
    files[UNET_BIN] = files.pop(UNET)
    with pytest.raises(ModelBroken, match=f"{UNET_BIN} only, a pickle"):
        catalog.resolve(str(write(tmp_path / "own", files)))


@pytest.mark.parametrize("switch", ["FOLEYD_OFFLINE", "HF_HUB_OFFLINE", "argument"])
def test_offline_asks_nobody(server: Hub, monkeypatch: pytest.MonkeyPatch, switch: str) -> None:
    if switch != "argument":
        monkeypatch.setenv(switch, "1")
    with pytest.raises(Offline, match=f"while {'--offline' if switch == 'argument' else switch} forbids"):
        catalog.pull(ID, endpoint=server.url, offline=switch == "argument")
    assert server.asked == 0


def test_looking_for_a_model_never_asks_the_hub(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
    with pytest.raises(ModelMissing) as caught:
        catalog.resolve(ID)
    assert str(caught.value) == (
        f"{ID} is not on this machine: run 'foleyd models pull {ID}' (1.7 GB, CC-BY-NC-SA-4.0)."
    )
    catalog.entries()
    assert server.asked == 0


BAD_NAMES = [
    "../x", "..", "a/..", "../../etc/passwd", "/etc/passwd", "a/b/c", "a//b", "a/b\0", "a/b\n", "a/.b",
    ".a/b", "a--b/c", "a/b..c", "a\\b/c", "C:\\x", "~/x", "", " ", "a/" + "b" * 100,
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_no_name_leads_out_of_the_store(server: Hub, tmp_path: Path, name: str) -> None:
    outside = write(home("models").parent / "x", small_checkpoint())
    with pytest.raises((BadRequest, ModelMissing)):
        catalog.resolve(name, folders=False)
    with pytest.raises(BadRequest):
        catalog.pull(name, endpoint=server.url)
    with pytest.raises(BadRequest):
        catalog.remove(name)
    assert server.asked == 0
    assert files_of(outside) == small_checkpoint()
    assert not home("models").exists()


def test_no_revision_leads_out_of_the_store(server: Hub) -> None:
    catalog.pull(ID, endpoint=server.url)
    outside = write(home("models") / "x", small_checkpoint())
    for revision in ("../../x", "..", "../x"):
        with pytest.raises(ModelMissing):
            catalog.resolve(ID, revision)
        with pytest.raises(ModelMissing):
            catalog.remove(ID, revision)
        with pytest.raises(ValueError, match="40 hex digits"):
            Store(home("models")).folder(ID, revision)
    assert outside.is_dir()


def test_revisions_stand_side_by_side_and_the_last_pulled_counts(server: Hub) -> None:
    catalog.pull(ID, endpoint=server.url)
    server.repositories[ID] = Repository(small_checkpoint(2), commit=SECOND)
    catalog.pull(ID, endpoint=server.url)
    assert catalog.resolve(ID).revision == SECOND
    assert catalog.resolve(ID, FIRST).revision == FIRST
    assert [entry.revision for entry in catalog.entries()][1:] == [SECOND, FIRST]
    with pytest.raises(
        ModelMissing, match=f"not as revision ccccccc: run 'foleyd models pull {ID} --revision"
    ):
        catalog.resolve(ID, "ccccccc")
    assert catalog.remove(ID, SECOND) > 800_000
    assert catalog.resolve(ID).revision == FIRST
    catalog.remove(ID)
    assert everything_below(home("models")) == []
    with pytest.raises(ModelMissing, match="'foleyd models list' says"):
        catalog.remove(ID)


def test_removing_also_clears_a_pull_that_broke_off(server: Hub) -> None:
    server.repositories[ID].wrong[UNET] = 99
    with pytest.raises(ModelBroken):
        catalog.pull(ID, endpoint=server.url)
    assert everything_below(home("models")) != []
    assert catalog.remove(ID) > 0
    assert everything_below(home("models")) == []


def test_starter_stays_and_needs_no_network(server: Hub) -> None:
    entry = catalog.resolve("starter")
    assert (entry.id, entry.source, entry.folder) == ("starter", "starter", catalog.STARTER)
    assert catalog.pull("starter", endpoint=server.url) == entry
    with pytest.raises(BadRequest, match="stays"):
        catalog.remove("starter")
    assert server.asked == 0


def test_own_folder_is_named_by_content_not_by_place(tmp_path: Path) -> None:
    one = catalog.resolve(str(write(tmp_path / "one", small_checkpoint(3))))
    two = catalog.resolve(str(write(tmp_path / "two", small_checkpoint(3) | {"README.md": b"other words"})))
    assert one.revision == two.revision
    assert len(one.revision) == 16
    assert (one.id, two.id) == ("folder:one", "folder:two")
    assert str(tmp_path) not in one.id + one.title
    changed = small_checkpoint(3)
    changed["unet/config.json"] += b" "
    assert catalog.resolve(str(write(tmp_path / "three", changed))).revision != one.revision
    with pytest.raises(ModelMissing, match="give its path with --model"):
        catalog.resolve("folder:one")
    with pytest.raises(ModelMissing, match="leave the revision out"):
        catalog.resolve(str(tmp_path / "one"), "0123456789abcdef")


def test_content_is_hashed_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = write(tmp_path / "own", small_checkpoint(4))
    first = catalog.resolve(str(own)).revision
    with monkeypatch.context() as patch:
        patch.setattr(folder, "take_stock", lambda _: pytest.fail("read again"))
        assert catalog.resolve(str(own)).revision == first
    (own / "unet/config.json").write_bytes(b'{"other": 1}')
    assert catalog.resolve(str(own)).revision != first


def test_manifest_gives_the_same_revision_as_the_content(tmp_path: Path) -> None:
    own = write(tmp_path / "own", small_checkpoint(5))
    before = catalog.resolve(str(own)).revision
    folder.write_manifest(own, folder.Manifest(folder.take_stock(own)))
    assert catalog.resolve(str(own)).revision == before
    assert catalog.verify(catalog.resolve(str(own))) == ()


def test_a_folder_trained_further_in_place_is_another_revision(tmp_path: Path) -> None:
    own = write(tmp_path / "own", small_checkpoint(5))
    folder.write_manifest(own, folder.Manifest(folder.take_stock(own)))
    before = catalog.resolve(str(own)).revision
    [weights] = (own / "unet").glob("*.safetensors")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert catalog.resolve(str(own)).revision != before


def test_a_home_folder_of_nobody_is_refused_in_one_sentence() -> None:
    with pytest.raises(BadRequest, match="home folder"):
        catalog.resolve("~nobody-of-that-name/model")


def test_description_is_read_and_a_broken_one_reported(tmp_path: Path) -> None:
    own = write(tmp_path / "own", small_checkpoint())
    (own / "foleyd.json").write_text('{"licence": "CC0-1.0", "sellable": true, "title": "Mine", "steps": 8}')
    entry = catalog.resolve(str(own))
    assert (entry.licence, entry.sellable, entry.title) == ("CC0-1.0", True, "Mine")
    (own / "foleyd.json").write_text('{"sellable": "perhaps"}')
    with pytest.raises(ModelBroken, match=r"own/foleyd.json cannot be read"):
        catalog.resolve(str(own))


def test_full_disk_is_said_before_the_download(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 5_000_000, 5_000_000))
    with pytest.raises(DiskFull, match=r"needs 68 MB of disk and 5\.0 MB are free"):
        catalog.pull(ID, endpoint=server.url)
    assert server.sent(UNET) == []


def test_second_pull_of_a_model_waits_for_the_first(server: Hub) -> None:
    lock = Store(home("models")).lock(ID)
    lock.parent.mkdir(parents=True)
    phases: queue.Queue[str] = queue.Queue()
    held = FileLock(lock)
    held.acquire()
    thread = threading.Thread(
        target=catalog.pull,
        args=(ID,),
        kwargs={"endpoint": server.url, "progress": lambda step: phases.put(step.phase)},
    )
    thread.start()
    try:
        assert phases.get(timeout=60) == "wait"
        assert server.sent(UNET) == []
    finally:
        held.release()
        thread.join()
    assert catalog.resolve(ID).revision == FIRST


def test_catalog_loads_no_network_and_no_model_library() -> None:
    code = (
        "import sys, foleyd.engines.catalog, foleyd.models_cli\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'huggingface_hub', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
        "\nimport foleyd.engines.pull\nprint('torch' in sys.modules)"
    )
    place = str(Path(catalog.__file__).parents[2])
    child = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": place}, capture_output=True, text=True, check=True
    )
    assert child.stdout.split("\n")[:2] == ["[]", "False"]


@pytest.mark.parametrize(
    ("count", "words"), [(12, "12 bytes"), (1_690_000_000, "1.7 GB"), (80_400_000, "80 MB")]
)
def test_sizes_in_words(count: int, words: str) -> None:
    assert catalog.in_words(count) == words


def test_tiny_checkpoint_from_the_hub_is_one_the_engine_understands(server: Hub, tmp_path: Path) -> None:
    server.repositories[OTHER].files = files_of(tiny.build(tmp_path / "tiny"))
    entry = catalog.pull(OTHER, endpoint=server.url)
    understood = checkpoint.read(entry.folder, entry.revision)
    assert understood.capabilities.licence == "apache-2.0"
    assert understood.capabilities.sellable
    assert understood.capabilities.revision == FIRST
