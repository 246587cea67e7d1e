"""From log-mel to samples: pieces that sound like the whole, and the starter's vocoder for other models."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import audioldm_reference as reference
from foleyd.bench import random_model as tiny
from foleyd.engines import base, checkpoint, sounding
from foleyd.engines.audioldm import AudioLDM
from foleyd.engines.base import Piece
from foleyd.engines.catalog import STARTER
from foleyd.errors import BadRequest, Cancelled, ModelBroken
from foleyd.recipe import Recipe

HOP = 160
SAME = 1e-4
"""How far pieces may be from the whole, as a part of its peak."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose vocoder has the kernels of the published ones, so it reaches as far."""
    shape = tiny.Shape(**{**vars(tiny.TINY), "vocoder_kernels": tiny.PUBLISHED.vocoder_kernels})
    return tiny.build(tmp_path_factory.mktemp("tiny"), shape)


def recipe(engine: AudioLDM, **values: object) -> Recipe:
    usual = {"prompt": "a deep kick drum", "seconds": 2.56, "seed": 5, "steps": 2}
    return reference.resolved(engine.capabilities, **{**usual, **values})


def edit(path: Path, **changed: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def drawn(frames: int) -> torch.Tensor:
    return torch.randn((1, frames, 64), generator=torch.Generator().manual_seed(frames)) - 4


@given(frames=st.integers(1, 5000), reach=st.none() | st.integers(0, 60))
def test_pieces_follow_each_other_without_a_gap(frames: int, reach: int | None) -> None:
    found = list(sounding.spans(frames, reach))
    assert [span.begin for span in found] == [0, *(span.end for span in found[:-1])]
    assert found[-1].end == frames
    assert {span.last - span.first for span in found} == {min(frames, sounding.window(reach))}
    margin = sounding.margin(reach)
    for span in found:
        assert span.first == 0 or span.begin - span.first >= margin
        assert span.last == frames or span.last - span.end >= margin


@pytest.mark.parametrize(
    ("frames", "calls"),
    [(1, 1), (20, 1), (179, 1), (180, 1), (181, 2), (256, 2), (282, 2), (308, 2), (309, 3), (512, 4)],
)
def test_pieces_make_the_sound_of_the_whole(engine: AudioLDM, folder: Path, frames: int, calls: int) -> None:
    mel, vocoder = drawn(frames), engine.networks.vocode
    with torch.inference_mode():
        whole = vocoder(mel)[:, : frames * HOP]
        found = list(sounding.vocode(vocoder, mel, HOP, checkpoint.read(folder).reach))
    assert len(found) == calls
    assert torch.cat(found, dim=1).shape == whole.shape
    assert float((torch.cat(found, dim=1) - whole).abs().max()) <= SAME * float(whole.abs().max())


def test_a_shorter_reach_would_be_heard(engine: AudioLDM, folder: Path) -> None:
    mel, vocoder = drawn(256), engine.networks.vocode
    reach = checkpoint.read(folder).reach
    assert reach is not None
    with torch.inference_mode():
        whole = vocoder(mel)[:, : 256 * HOP]
        cut = torch.cat(list(sounding.vocode(vocoder, mel, HOP, reach // 2)), dim=1)
    assert float((cut - whole).abs().max()) > 1e-3 * float(whole.abs().max())


def test_the_reach_covers_whatever_a_frame_can_change(engine: AudioLDM, folder: Path) -> None:
    reach = checkpoint.read(folder).reach
    assert reach is not None
    mel, other = drawn(160), drawn(160)
    other[:, 80] += 3
    with torch.inference_mode():
        moved = (engine.networks.vocode(mel) - engine.networks.vocode(other)).abs()[0].numpy()
    frames = np.flatnonzero(moved > 1e-7 * moved.max()) // HOP
    assert 80 - reach <= frames.min() < 80 < frames.max() <= 80 + reach
    assert frames.max() - 80 > reach // 2, "the reach is far too long"


def test_pieces_of_a_render_are_its_take(engine: AudioLDM) -> None:
    said: list[Piece] = []
    takes = engine.render([recipe(engine), recipe(engine, seed=6)], heard=said.append)
    assert [piece.clip for piece in said] == [0, 0, 1, 1]
    for clip, take in enumerate(takes):
        own = [piece for piece in said if piece.clip == clip]
        assert [piece.start for piece in own] == [0, 154 * HOP]
        assert np.array_equal(np.concatenate([piece.samples for piece in own]), take.samples)


def test_a_cancel_is_heard_between_two_pieces(engine: AudioLDM) -> None:
    said: list[Piece] = []
    with pytest.raises(Cancelled):
        engine.render([recipe(engine)], heard=said.append, cancelled=lambda: bool(said))
    assert len(said) == 1


def test_the_starters_vocoder_serves_a_model_that_speaks_its_log_mel(engine: AudioLDM) -> None:
    assert engine.capabilities.vocoders == ("own", "fast")
    mels: list[torch.Tensor] = []
    decode = engine.networks.decode
    engine.networks.decode = lambda latents: mels.append(decode(latents)) or mels[-1]
    try:
        own, fast = engine.render([recipe(engine), recipe(engine, vocoder="fast")])
    finally:
        engine.networks.decode = decode
    assert own.take_id != fast.take_id
    vocoder = sounding.KINDS["FrameVocoder"].load(STARTER / "vocoder")
    with torch.inference_mode():
        right = vocoder(mels[1])[0].numpy()
    assert np.allclose(fast.samples, right, atol=1e-5 * np.abs(right).max())
    assert not np.allclose(own.samples, right, atol=0.1 * np.abs(right).max())


def test_the_starter_has_no_other_vocoder_than_its_own() -> None:
    about = checkpoint.read(STARTER)
    assert (about.capabilities.vocoders, about.reach, sounding.fast(about)) == (("own",), None, None)


@pytest.mark.parametrize(
    "changed", [{"sampling_rate": 48_000}, {"upsample_rates": [4, 4, 2, 2, 2]}, {"normalize_before": True}]
)
def test_a_model_of_another_log_mel_has_no_fast_vocoder(tmp_path: Path, changed: dict[str, object]) -> None:
    folder = tiny.build(tmp_path / "m")
    edit(folder / "vocoder" / "config.json", **changed)
    about = checkpoint.read(folder)
    assert about.capabilities.vocoders == ("own",)
    assert sounding.fast(about) is None


def test_asking_for_what_a_model_lacks_is_refused() -> None:
    starter = base.load(STARTER)
    try:
        with pytest.raises(BadRequest, match=r"^vocoder is 'fast': this model takes own\.$"):
            starter.render([reference.resolved(starter.capabilities, prompt="x", seed=1, vocoder="fast")])
    finally:
        starter.unload()


def test_a_vocoder_whose_lists_differ_in_length_is_refused(tmp_path: Path) -> None:
    folder = tiny.build(tmp_path / "m")
    edit(folder / "vocoder" / "config.json", upsample_kernel_sizes=[16, 16])
    with pytest.raises(ModelBroken, match="have different lengths"):
        checkpoint.read(folder)
