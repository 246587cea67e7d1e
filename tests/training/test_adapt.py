"""`foleyd train adapt`: what it refuses, what it makes of names, and a run that is killed and goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from foleyd import cli
from foleyd.bench import random_model as tiny
from foleyd.engines import adapters, base, catalog
from foleyd.errors import BadRequest
from foleyd.paths import home
from foleyd.recipe import make, resolve
from foleyd.training import adapt, own_samples
from foleyd.training.progress import Run

NAMES = [f"Dustbox_{what}-{k:02}.wav" for what in ("Kick", "OpenHat") for k in range(1, 5)]


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight short hits of two kinds, and files that are none."""
    folder = tmp_path_factory.mktemp("kit")
    rng = np.random.default_rng(0)
    for k, name in enumerate(NAMES):
        time = np.arange(4000) / 44_100
        hit = np.sin(2 * np.pi * (60 + 10 * k) * time) if "Kick" in name else rng.standard_normal(4000)
        soundfile.write(folder / name, hit * np.exp(-time * 40) * 0.5, 44_100)
    (folder / "notes.txt").write_text("recorded in a garage")
    return folder


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    card = {"min_generate_seconds": 0.32, "auto_seconds": 0.64}
    return tiny.build(tmp_path_factory.mktemp("tiny"), card=card)


@pytest.fixture
def model(tiny_model: Path) -> catalog.Entry:
    return catalog.resolve(str(tiny_model))


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("stem", "said"),
    [
        ("TR808_Kick-01", "TR808 kick"),
        ("OpenHat 3", "open hat"),
        ("bd_909_hard", "bd 909 hard"),
        ("SK1 Voice (Loud)", "SK1 voice loud"),
        ("007", "007"),
    ],
)
def test_names_of_files_become_words(stem: str, said: str) -> None:
    assert own_samples.caption(stem) == said


def test_a_folder_is_heard_with_its_word(kit: Path) -> None:
    found = own_samples.read(kit)
    assert found.word == "dustbox"
    assert [one.name for one in found.samples] == NAMES
    assert {one.caption for one in found.samples} == {"dustbox kick", "dustbox open hat"}
    assert own_samples.without(found.word, "a Dustbox kick") == "a kick"
    sample = found.samples[0].samples
    assert abs(len(sample) - 4000 * 16_000 / 44_100) < 2
    assert np.abs(sample).max() == pytest.approx(1)
    named = own_samples.read(kit, word="MX1")
    assert {one.caption for one in named.samples} == {"MX1 dustbox kick", "MX1 dustbox open hat"}


def test_variants_are_small_and_the_first_is_the_recording(kit: Path) -> None:
    sample = own_samples.read(kit).samples[0].samples
    assert own_samples.varied(sample, 0, 5) is sample
    several = [own_samples.varied(sample, k, 5) for k in range(1, 4)]
    assert len({len(one) for one in several}) == 3
    for one in several:
        assert 0.45 < np.abs(one).max() <= 1.1
        assert abs(len(one) - len(sample)) < 0.02 * 16_000 + 0.06 * len(sample)


def test_what_cannot_be_used_is_named_whole(kit: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="is no folder"):
        own_samples.read(tmp_path / "none")
    for name in NAMES[:3]:
        (tmp_path / name).write_bytes((kit / name).read_bytes())
    with pytest.raises(BadRequest, match="holds 3 sounds: give at least 8"):
        own_samples.read(tmp_path)
    for name in NAMES[3:]:
        (tmp_path / name).write_bytes((kit / name).read_bytes())
    (tmp_path / "cut.wav").write_bytes(b"RIFF")
    soundfile.write(tmp_path / "mute.flac", np.zeros(800), 16_000)
    soundfile.write(tmp_path / "odd.wav", np.full(800, np.nan), 16_000, subtype="FLOAT")
    with pytest.raises(BadRequest, match="3 sounds that cannot be used") as refused:
        own_samples.read(tmp_path)
    for name in ("cut.wav", "mute.flac", "odd.wav"):
        assert name in str(refused.value)


def test_captions_come_from_a_table_that_knows_every_file(kit: Path, tmp_path: Path) -> None:
    table = tmp_path / "captions.csv"
    lines = [f"{name},a dusty hit" for name in NAMES]
    table.write_text("\n".join(["file,caption", *lines]))
    found = own_samples.read(kit, table)
    assert found.word == ""
    assert {one.caption for one in found.samples} == {"a dusty hit"}
    for text, sentence in (
        ("name,words\na,b", "no columns 'file' and 'caption'"),
        ("\n".join(["file,caption", *lines[1:]]), f"no caption for 1 sound: {NAMES[0]}"),
        ("\n".join(["file,caption", *lines, "gone.wav,gone"]), "names 1 file not in the folder: gone.wav"),
        ("", "no columns"),
    ):
        table.write_text(text)
        with pytest.raises(BadRequest, match=sentence):
            own_samples.read(kit, table)
    table.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadRequest, match="not CSV in UTF-8"):
        own_samples.read(kit, table)


def test_a_run_that_is_stopped_goes_on_and_leaves_a_card(
    kit: Path, model: catalog.Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = own_samples.read(kit)
    plan = adapt.Plan(name="dust", steps=4, rank=2, licence="CC0-1.0")
    lines: list[str] = []

    class Killed(Exception):
        """Stands for the end of the process."""

    real = Run.save

    def save(self: Run, *what: object) -> None:
        real(self, *what)  # type: ignore[arg-type]
        if self.step == 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Run, "due", property(lambda self: self.step >= 2))
        patch.setattr(Run, "save", save)
        with pytest.raises(Killed):
            adapt.train(model, collection, plan, lines.append)
    assert not adapters.root().exists()
    lines.clear()
    made = adapt.train(model, collection, plan, lines.append)
    assert lines[0] == "goes on at step 2 of 4"
    assert [line.split()[1] for line in lines[1:]] == ["3/4", "4/4"]
    assert not (home("cache") / "adapt" / "dust").exists()

    card = made.card
    assert (card.base, card.revision) == (model.id, model.revision)
    assert (card.licence, card.word, card.steps, card.rank, card.seed) == ("CC0-1.0", "dustbox", 4, 2, 0)
    assert not card.sellable  # the published AudioLDM's licence, which the tiny model has, forbids it
    assert list(card.files) == NAMES
    assert card.captions[NAMES[0]] == "dustbox kick"
    tensors = load_file(made.weights)
    assert len(tensors) == 2 * card.layers > 20
    assert any(tensor.abs().max() > 0 for name, tensor in tensors.items() if "lora_B" in name)
    files = {path.name for path in made.folder.iterdir()}
    assert files == {"adapter.safetensors", "adapter.json", "README.md", "loss.png"}
    assert "dustbox open hat" in (made.folder / "README.md").read_text()
    assert (made.folder / "loss.png").read_bytes().startswith(b"\x89PNG")

    engine = base.load(model.folder, runtime="torch")
    plain = resolve(make(prompt="dustbox kick", seed=1, seconds=0.64, steps=2), engine.capabilities)
    named = msgspec.structs.replace(plain, adapter="dust", adapter_revision=made.revision)
    [[without], [with_it]] = [engine.render([one]) for one in (plain, named)]
    assert not np.array_equal(without.samples, with_it.samples)
    engine.unload()

    with pytest.raises(BadRequest, match="already: give another --name"):
        adapt.train(model, collection, plan, lines.append)


def test_another_plan_does_not_go_on_from_the_old(kit: Path, model: catalog.Entry) -> None:
    collection = own_samples.read(kit)
    first = adapt._work(model, collection, adapt.Plan(name="dust", steps=4))
    (first / "latents.npy").touch()
    assert (adapt._work(model, collection, adapt.Plan(name="dust", steps=4)) / "latents.npy").is_file()
    assert not (adapt._work(model, collection, adapt.Plan(name="dust", steps=5)) / "latents.npy").exists()


def test_words_without_the_name_are_held_to_what_the_model_said(kit: Path, model: catalog.Entry) -> None:
    """The rows that are held have other words, in their shares, and the model's own sounds of them."""
    collection = own_samples.read(kit)
    plan = adapt.Plan(name="dust", steps=1, rank=2)
    work = home("cache") / "adapt" / "dust"
    work.mkdir(parents=True)
    about = adapt.checkpoint.read(model.folder, model.revision)
    unet = adapt.weights.diffuser(adapt.UNet2DConditionModel, model.folder / "unet")
    data = adapt._data(about, unet, collection, plan, work, [].append)
    assert data.latents.shape[:2] == (8, adapt.VARIANTS)
    assert data.said.shape[:2] == (8, len(adapt.SPOKEN))
    count = len(adapt.OTHERS) + 2 + 1  # «kick» and «open hat», and no words
    assert len(data.others) == len(data.made) == count
    assert np.isfinite(data.made).all()
    latents, said = adapt._draw(data, np.random.default_rng(0))
    assert len(latents) == len(said) == adapt.OWN + adapt.HELD
    near = (said[: adapt.OWN] @ data.said.flatten(0, 1).T).max(1).values
    assert bool((near > 0.9).all())
    rng = np.random.default_rng(1)
    drawn = np.concatenate([adapt._others(count, rng) for _ in range(2000)])
    assert np.mean(drawn == count - 1) == pytest.approx(adapt.SILENT, abs=0.02)
    assert np.mean((drawn >= len(adapt.OTHERS)) & (drawn < count - 1)) == pytest.approx(adapt.BARE, abs=0.02)
    # without a word of the collection's own there is nothing bare
    wordless = np.concatenate([adapt._others(len(adapt.OTHERS) + 1, rng) for _ in range(2000)])
    assert np.mean(wordless == len(adapt.OTHERS)) == pytest.approx(adapt.SILENT, abs=0.02)


COMMAND = [sys.executable, "-m", "foleyd.cli", "train", "adapt"]


def test_a_killed_command_is_done_again_from_its_checkpoint(kit: Path, tiny_model: Path) -> None:
    """SIGKILL at the first line of the log leaves nothing half-made; the same again ends as if it had not
    been."""
    arguments = ["--data", str(kit), "--name", "dust", "--model", str(tiny_model), "--rank", "2"]
    command = [*COMMAND, *arguments, "--steps", "3", "--threads", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("hears"):
                process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert not adapters.root().exists()
    [left] = (home("cache") / "adapt").iterdir()
    lines: list[str] = []
    plan = adapt.Plan(name="dust", steps=3, rank=2)
    made = adapt.train(catalog.resolve(str(tiny_model)), own_samples.read(kit), plan, lines.append)
    assert made.card.steps == 3
    assert not left.exists()


def test_it_is_listed_shown_and_removed(
    kit: Path, model: catalog.Entry, capsys: pytest.CaptureFixture[str]
) -> None:
    made = adapt.train(model, own_samples.read(kit), adapt.Plan(name="dust", steps=1, rank=1), [].append)
    capsys.readouterr()
    assert cli.main(["models", "adapters", "list"]) == 0
    line = capsys.readouterr().out
    assert "dust" in line
    assert "unknown" in line
    assert "not for sale" in line
    assert cli.main(["models", "list"]) == 0
    assert "dust" in capsys.readouterr().out
    assert cli.main(["models", "adapters", "show", "dust", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["revision"], told["steps"], len(told["files"])) == (made.revision, 1, 8)
    assert cli.main(["models", "adapters", "remove", "dust"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert cli.main(["models", "adapters", "remove", "dust", "--yes"]) == 0
    assert adapters.entries() == ()
    assert cli.main(["models", "adapters", "remove", "dust", "--yes"]) == 1
    assert cli.main(["models", "adapters", "remove", "../x", "--yes"]) == 2


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--name", "x"], 2, "--data"),
        (["--data", ".", "--name", "a/b"], 2, "no adapter's name"),
        (["--data", "nowhere", "--name", "x"], 2, "is no folder"),
        (["--data", ".", "--name", "x", "--model", "cvssp/audioldm-s-full-v2"], 1, "foleyd models pull"),
        (["--data", ".", "--name", "x", "--rank", "0"], 2, "--rank"),
    ],
)
def test_refusals_are_one_line(
    arguments: list[str],
    status: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "adapt", *arguments]) == status
    [line] = capsys.readouterr().err.strip().splitlines()
    assert said in line


def test_help_says_what_becomes_of_it() -> None:
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)
    for word in ("--data", "--captions", "--word", "--model", "--licence", "--adapter", "Example"):
        assert word in done.stdout
