"""The training itself, from clips to a checkpoint that the engine renders with; a few steps each."""

import json
import math
import shutil

import numpy as np
import pytest
import torch

from foleyd.engines.base import load
from foleyd.engines.mel import LogMel, filters
from foleyd.engines.vocoder import FrameVocoder, VocoderConfig
from foleyd.errors import ModelBroken
from foleyd.recipe import make, resolve
from foleyd.training import autoencoder, clips, denoiser, hearing, procedural, progress, starter, text
from foleyd.training.progress import Run, learning_rate
from foleyd.training.vocoder import SpectralLoss

CLIPS = 40


@pytest.fixture(scope="module")
def few_clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    generated = procedural.clips(np.random.default_rng(0), 2, 2)
    assert (
        clips.save(folder / "clips", [clip for clip, _ in zip(generated, range(CLIPS), strict=False)])
        == CLIPS
    )
    return folder


def test_log_mel_is_the_one_of_the_published_models():
    """Against values of librosa 0.10's slaney filters and a direct Fourier transform, computed apart."""
    bank = filters().double()
    width = 16_000 / 1024
    assert bank.shape == (64, 513)
    assert torch.all((bank.sum(1) * width - 1).abs() < 0.35)
    assert bank.argmax(1).tolist() == sorted(bank.argmax(1).tolist())
    tone = torch.sin(2 * math.pi * 1000 * torch.arange(16_000) / 16_000)[None]
    mel = LogMel()(tone)
    assert mel.shape == (1, 100, 64)
    peak = int(mel[0, 50].argmax())
    centre = float((bank[peak] * torch.arange(513)).sum() / bank[peak].sum() * width)
    assert centre == pytest.approx(1000, abs=60)
    assert LogMel()(torch.zeros(1, 1600)).max() == pytest.approx(math.log(1e-5), abs=0.5)


def test_a_step_of_everything_gives_a_checkpoint_that_renders(few_clips, tmp_path, monkeypatch):
    monkeypatch.setattr(
        denoiser, "LENGTHS", tuple((frames, 4, share) for frames, _, share in denoiser.LENGTHS)
    )
    plan = starter.Plan(
        autoencoder_steps=1,
        text_steps=1,
        grounding_steps=1,
        vocoder_steps=1,
        denoiser_steps=1,
        hearing_steps=1,
    )
    lines: list[str] = []
    figures: dict[str, float] = {}
    output = starter.train(few_clips, tmp_path / "model", plan, lines.append, figures)
    assert set(figures) == {
        "autoencoder_held_out_nats",
        "text_cosine",
        "ungrounded_cosine",
        "grounded_cosine",
        "vocoder_held_out_nats",
        "hearing_cosine",
        "retrieval_first",
        "retrieval_ten",
    }
    assert all(math.isfinite(value) for value in figures.values())
    engine = load(output, threads=1)
    recipe = resolve(make(prompt="wind", seed=1, seconds=1.28, steps=2), engine.capabilities)
    (take,) = engine.render([recipe], check_silence=False)
    assert take.samples.shape == (20_480,)
    assert engine.capabilities.sellable
    assert engine.capabilities.audio_tower
    names = {path.suffix for path in output.rglob("*") if path.is_file()}
    assert names <= {".json", ".safetensors", ".png"}
    assert (output / "loss.png").read_bytes().startswith(b"\x89PNG")
    stages = {"autoencoder", "text", "grounding", "vocoder", "hearing", "denoiser"}
    assert progress.curves(few_clips).keys() == stages

    def refuse(*_: object) -> None:
        raise AssertionError("a finished stage was trained again")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "advance", refuse)
        starter.train(few_clips, tmp_path / "again", plan, lines.append)
    first, second = (p / "unet" / "diffusion_pytorch_model.safetensors" for p in (output, tmp_path / "again"))
    assert first.read_bytes() == second.read_bytes()

    # from the finished model alone, in a new work folder: only what goes on is another one then
    fresh = tmp_path / "fresh"
    shutil.copytree(few_clips / "clips", fresh / "clips")
    for part, name in (("denoiser", "unet"), ("ear", "audio_encoder")):
        further = starter.go_on(fresh, tmp_path / part, plan, lines.append, output, part)
        assert _parts_that_differ(further, output) == {name}


def _parts_that_differ(one, other):
    parts = {path.parent.name for path in other.glob("*/*.safetensors")}
    assert parts == {"unet", "vae", "text_encoder", "audio_encoder", "vocoder"}
    return {
        part
        for part in parts
        for path in other.glob(f"{part}/*.safetensors")
        if path.read_bytes() != (one / part / path.name).read_bytes()
    }


def test_going_on_from_a_folder_without_a_model_is_refused(few_clips, tmp_path):
    with pytest.raises(FileNotFoundError, match="no model to go on from"):
        starter.go_on(few_clips, tmp_path / "out", starter.Plan(), [].append, tmp_path, "denoiser")


def test_the_tower_is_fed_what_its_own_front_end_gives():
    """The front end that ships with the tower, from transformers, against the one that is fast in bulk."""
    rng = np.random.default_rng(0)
    wave = (rng.standard_normal((2, clips.LENGTH)) * 4000).astype(np.int16)
    found = hearing.features(wave)
    length = hearing.SECONDS * clips.RATE
    for mine, samples in zip(found, wave, strict=True):
        theirs = hearing.extractor()(
            samples[:length].astype(np.float32) / 32767, sampling_rate=clips.RATE, return_tensors="np"
        )
        assert np.abs(mine - theirs["input_features"][0, 0]).max() < 0.05


def test_clips_and_captions_that_belong_together_come_together(tmp_path):
    """Four kinds of features, four captions: after some steps each finds its own."""
    rng = np.random.default_rng(0)
    kinds = rng.standard_normal((4, 1, 64)) * 15 - 40
    classes = np.arange(48) % 4
    features = (kinds[classes] + rng.standard_normal((48, 251, 64))).astype(np.float16)
    said = rng.standard_normal((4, 384)).astype(np.float16)
    said /= np.linalg.norm(said.astype(np.float32), axis=1, keepdims=True)
    pairs = _pairs(features, said[classes][:, None], classes)
    lines: list[str] = []
    tower = hearing.train(pairs, tmp_path, 30, lines.append)
    figures = hearing.figures(tower, features, pairs.captions, classes)
    assert figures["retrieval_first"] == 1.0
    assert figures["hearing_cosine"] > 0.5
    assert hearing.train(pairs, tmp_path, 30, lines.append) is not None
    assert len(lines) == 1


def _pairs(features, captions, classes, **others):
    count, none = len(features), np.zeros((0, *features.shape[1:]), np.float16)
    rest = {
        "share": np.full(count, 1 / count),
        "mixed": np.zeros(count, bool),
        "coded": none,
        "coded_rows": np.zeros(0, np.intp),
    }
    return hearing.Pairs(features=features, captions=captions, classes=classes, **rest | others)


def test_most_of_what_the_tower_hears_ends_before_its_five_seconds_do():
    """A sound of 2.56 s is most of what it is asked about, and silence fills what is missing."""
    torch.manual_seed(0)
    heard = hearing.varied(torch.full((400, 251, 64), -20.0))
    silent = (heard == -100).all(2)
    ends = torch.where(silent.any(1), silent.int().argmax(1), 251)
    assert all(bool(row[end:].all()) for row, end in zip(silent, ends, strict=True))
    whole, as_usual = float((ends == 251).float().mean()), float((ends == 128).float().mean())
    assert 0.15 < whole < 0.35
    assert 0.28 < as_usual < 0.48
    assert int((ends < 40).sum()) > 20
    assert int(ends.min()) >= 10


def test_rivals_are_a_caption_of_every_class_that_may_be_learned_from():
    captions = np.eye(6, 384, dtype=np.float16)[:, None] * 3
    held_out, mixture = 2, 4
    share = np.full(6, 0.2)
    share[held_out] = 0
    pairs = _pairs(
        np.zeros((6, 251, 64), np.float16),
        captions,
        np.array([0, 0, 1, 2, 2, 3]),
        share=share,
        mixed=np.arange(6) == mixture,
    )
    rivals = hearing.Rivals(pairs)
    assert rivals.classes.tolist() == [0, 2, 3]
    rng = np.random.default_rng(0)
    drawn = {tuple(rivals.draw(rng).argmax(1).tolist()) for _ in range(40)}
    assert drawn == {(0, 3, 5), (1, 3, 5)}


def test_a_clip_is_told_apart_from_captions_of_classes_that_the_batch_has_not():
    clip = torch.nn.functional.normalize(torch.eye(1, 384) + 0.01, dim=-1)
    other = torch.nn.functional.normalize(torch.eye(1, 384), dim=-1)
    own, scale = torch.tensor([0]), torch.tensor(3.0)
    alone = float(hearing.contrast(clip, clip, own, scale))
    beside = [
        float(hearing.contrast(clip, clip, own, scale, other, torch.tensor([[wrong]])))
        for wrong in (False, True)
    ]
    assert alone == beside[0] == 0
    assert beside[1] > 0.01


def test_what_the_codec_gives_back_is_as_loud_as_a_clip_and_ends_after_its_seconds(few_clips):
    waves, _ = clips.load(few_clips / "clips")
    mels = autoencoder.mel_spectrograms(waves[:3], [].append)
    sounder = FrameVocoder(VocoderConfig(width=8, hidden=8, layers=1))
    heard = hearing.coded(mels, autoencoder.build(), sounder, [].append)
    assert heard.shape == (3, 251, 64)
    assert np.isfinite(heard).all()
    assert heard[:, :120].max((1, 2)) == pytest.approx([15, 15, 15], abs=15)
    assert heard[:, 135:].max() == -100


def test_pairs_of_one_class_are_not_told_apart():
    vectors = torch.nn.functional.normalize(torch.eye(3, 384), dim=-1)
    apart = torch.tensor([0, 1, 2])
    alike = torch.tensor([0, 0, 2])
    swapped = vectors[[1, 0, 2]]
    scale = torch.tensor(3.0)
    assert float(hearing.contrast(vectors, vectors, apart, scale)) < 0.01
    assert float(hearing.contrast(vectors, swapped, apart, scale)) > 5
    assert float(hearing.contrast(vectors, vectors, alike, scale)) < 0.01


def test_latents_are_normalised_inside_the_autoencoder():
    vae = autoencoder.build().eval()
    torch.manual_seed(0)
    mel = torch.randn(4, 1, 64, 64) * 3 - 6
    with torch.no_grad():
        before = vae.encode(mel).latent_dist.mode()
        sound = vae.decode(before).sample
        latents = autoencoder.normalise(vae, before.numpy().astype(np.float32))
        after = vae.encode(mel).latent_dist.mode()
        assert torch.allclose(after.mean((0, 2, 3)), torch.zeros(8), atol=1e-2)
        assert torch.allclose(after.std((0, 2, 3)), torch.ones(8), atol=1e-2)
        assert np.abs(latents - after.numpy()).max() < 2e-2
        assert torch.allclose(vae.decode(after).sample, sound, atol=1e-3)


def test_training_goes_on_from_its_checkpoint(tmp_path):
    def network() -> torch.nn.Linear:
        torch.manual_seed(0)
        return torch.nn.Linear(3, 2)

    def step(run: Run, net: torch.nn.Linear, optimiser: torch.optim.Optimizer) -> None:
        optimiser.zero_grad()
        loss = net(torch.full((1, 3), float(run.step + 1))).square().mean()
        loss.backward()
        optimiser.step()
        run.advance(float(loss.detach()))

    whole, run = network(), Run(tmp_path / "whole", "net", 6)
    optimiser = torch.optim.AdamW(whole.parameters(), lr=0.01)
    while not run.finished:
        step(run, whole, optimiser)

    part, run = network(), Run(tmp_path / "part", "net", 6)
    optimiser = torch.optim.AdamW(part.parameters(), lr=0.01)
    for _ in range(3):
        step(run, part, optimiser)
    run.save({"net": part}, optimiser)
    (tmp_path / "part" / "net" / "state-99.safetensors").write_bytes(b"half a checkpoint")

    later, run = torch.nn.Linear(3, 2), Run(tmp_path / "part", "net", 6)
    optimiser = torch.optim.AdamW(later.parameters(), lr=0.01)
    assert run.resume({"net": later}, optimiser)
    assert run.step == 3
    while not run.finished:
        step(run, later, optimiser)
    assert torch.equal(whole.weight, later.weight)


def test_a_loss_that_is_no_number_stops_the_training(tmp_path):
    with pytest.raises(FloatingPointError, match="lower learning rate"):
        Run(tmp_path, "net", 5).advance(math.nan)


def test_learning_rate_rises_then_falls_to_nothing():
    rates = [learning_rate(step, 1000, 1.0, warm=100) for step in range(1001)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == 1.0
    assert rates[:100] == sorted(rates[:100])
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert rates[1000] == pytest.approx(0, abs=1e-9)


def test_every_batch_has_one_length_and_sometimes_no_text():
    rng = np.random.default_rng(0)
    nothing = np.full(384, 7, np.float16)
    data = denoiser.Conditioned(
        np.zeros((5, 8, 128, 16), np.float16),
        np.zeros((5, 2, 384), np.float16),
        nothing,
        np.array([0.5, 0.5, 0, 0, 0]),
    )
    seen = [denoiser.draw(data, rng) for _ in range(40)]
    assert {latents.shape[2] for latents, _ in seen} == {64, 128, 32}
    dropped = torch.cat([condition[:, 0] == 7 for _, condition in seen]).float().mean()
    assert 0.05 < float(dropped) < 0.17


def test_pruned_words_keep_their_meaning():
    folder = text.package_folder()
    full, bert = text.teacher(folder)
    vocabulary = full.get_vocab()
    pieces = text.prune(vocabulary, ["glockenspiel"], full, size=3000)
    assert len(pieces) == 3000
    tokenizer = text.pruned_tokenizer(folder, pieces)
    tower = text.build(bert, [vocabulary[piece] for piece in pieces]).eval()
    sentence = "the sound of water"
    with torch.no_grad():
        tokens = tokenizer([sentence], return_tensors="pt")
        mine = tower.text_model(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        ).last_hidden_state
        encoded = full.encode(sentence)
        theirs = bert(
            input_ids=torch.tensor([encoded.ids]), attention_mask=torch.tensor([encoded.attention_mask])
        )
    assert torch.allclose(mine, theirs.last_hidden_state, atol=1e-5)
    assert tokenizer.convert_tokens_to_ids("[PAD]") == 0


def test_vocoder_makes_hop_samples_a_frame_and_sees_only_its_field():
    vocoder = FrameVocoder(VocoderConfig(width=32, hidden=64, layers=2)).eval()
    torch.manual_seed(1)
    mel = torch.randn(1, 60, 64) - 5
    other = mel.clone()
    other[:, 40:] += 1
    with torch.no_grad():
        a, b = vocoder(mel), vocoder(other)
    assert a.shape == (1, 9600)
    reach = (40 - vocoder.receptive_frames) * 160
    assert torch.equal(a[:, :reach], b[:, :reach])
    assert not torch.equal(a, b)


def test_vocoder_comes_back_from_its_folder_and_a_broken_one_is_refused(tmp_path):
    vocoder = FrameVocoder(VocoderConfig(width=32, hidden=64, layers=2)).eval()
    vocoder.save(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["_class_name"] == "FrameVocoder"
    mel = torch.full((1, 12, 64), -4.0)
    with torch.no_grad():
        assert torch.allclose(FrameVocoder.from_folder(tmp_path)(mel), vocoder(mel), atol=1e-2)
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelBroken, match="cannot be read"):
        FrameVocoder.from_folder(tmp_path)


def test_overlap_add_gives_a_spectrum_back():
    """Frames of a known signal's own spectra overlap to that signal again."""
    vocoder = FrameVocoder()
    window, hop = vocoder.config.window, vocoder.config.hop
    torch.manual_seed(0)
    wave = torch.randn(1, 50 * hop)
    edge = (window - hop) // 2
    padded = torch.nn.functional.pad(wave, (edge, edge))
    frames = padded.unfold(1, window, hop) * torch.hann_window(window)
    again = vocoder._overlap(frames * torch.hann_window(window))
    assert torch.allclose(again[:, window:-window], wave[:, window:-window], atol=1e-4)


def test_spectral_loss_tells_near_from_far():
    time = torch.arange(8000) / 16_000
    tone = torch.sin(2 * math.pi * 440 * time)[None]
    loss = SpectralLoss()
    near, far = torch.sin(2 * math.pi * 440 * time + 1)[None], torch.sin(2 * math.pi * 900 * time)[None]
    assert float(loss(tone, tone)) == pytest.approx(0, abs=1e-5)
    assert float(loss(near, tone)) < 0.2 * float(loss(far, tone))


def test_whitened_captions_are_apart_and_hardly_used_directions_stay_small():
    rng = np.random.default_rng(0)
    spread = np.array([0.05] * 60 + [1e-6] * 324)
    captions = (rng.standard_normal((4000, 384)) * np.sqrt(spread) + 0.3).astype(np.float32)
    weight, bias = denoiser.whitening(captions)
    white = captions @ weight.T + bias
    variance = np.sort(white.var(0))
    assert np.abs(white.mean(0)).max() < 1e-3
    assert variance[-60:] == pytest.approx(0.99, abs=0.1)
    assert variance[:324].max() < 0.01
    network = denoiser.build(captions)
    assert network.class_embedding.weight.detach().numpy() == pytest.approx(weight)
    assert network.class_embedding.bias.detach().numpy() == pytest.approx(bias)


def test_noise_levels_cover_all_and_crowd_in_the_middle():
    torch.manual_seed(0)
    drawn = torch.cat([denoiser.levels(24) for _ in range(400)]).numpy()
    assert 0 <= drawn.min() < 20
    assert 980 < drawn.max() <= 999
    even = 1 - denoiser.MIDDLE
    # a logit-normal has 77 % of its draws between 0.23 and 0.77, where an even one has 54 %
    assert np.mean(np.abs(drawn / 1000 - 0.5) < 0.27) == pytest.approx(
        even * 0.54 + denoiser.MIDDLE * 0.773, abs=0.03
    )
