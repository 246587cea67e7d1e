"""The judge of models: it knows the sounds it was shown, and finds out who copies."""

import numpy as np
import pytest
import torch

from foleyd.engines.base import Take
from foleyd.engines.mel import LogMel
from foleyd.training import listener, soundfont
from foleyd.training.clips import ClipIndex, Source, level
from foleyd.training.judge import FRAMES, Judge

PRESETS = {
    "flute": (0, 73),
    "banjo": (0, 105),
    "church organ": (0, 19),
    "applause": (0, 126),
    "tuba": (0, 58),
    "sitar": (0, 104),
}


class Player:
    """An engine's stand-in that plays the sound font: preset by prompt, key by seed."""

    def __init__(self, font, keys, noise=0.0):
        self.font, self.keys, self.noise = font, keys, noise

    @property
    def capabilities(self):
        from foleyd.engines import catalog, checkpoint

        return checkpoint.read(catalog.STARTER).capabilities

    def render(self, recipes, *, check_silence=True, **_):
        rng = np.random.default_rng(0)
        takes = []
        for recipe in recipes:
            note = soundfont.Note(self.keys[recipe.seed], 100, 1.0, 2.56)
            wave = self.font.play(*PRESETS[recipe.prompt], note)
            wave = wave + self.noise * rng.standard_normal(len(wave)).astype(np.float32)
            takes.append(Take(wave, 16_000, recipe.seed, "", "", "", "", 1))
        return takes


@pytest.fixture(scope="module")
def font():
    font = soundfont.SoundFont()
    yield font
    font.close()


@pytest.fixture(scope="module")
def judge(font, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listener, "BATCH", 24)
        yield taught(font, tmp_path_factory.mktemp("judge"))


def taught(font, folder):
    mels, sources, front = [], [], LogMel()
    for name, (bank, program) in PRESETS.items():
        for key in range(40, 80, 2):
            wave = level(font.play(bank, program, soundfont.Note(key, 100, 1.0, 2.56)))
            if wave is None:
                continue
            mels.append(front(torch.from_numpy(wave[None, : FRAMES * 160]))[0].numpy())
            sources.append(Source("fluid-soundfont-gm", f"{bank}:{program}", name, key))
    unheard = np.arange(len(mels)) % 5 == 4
    return Judge(
        np.stack(mels).astype(np.float16),
        ClipIndex([[]] * len(sources), sources),
        unheard,
        folder,
        [].append,
        56,
    )


def prompts():
    return [(name, f"{bank}:{program}") for name, (bank, program) in PRESETS.items()]


def test_right_sounds_are_recognised_and_wrong_ones_are_not(judge, font, tmp_path):
    assert judge.real_first > 0.9
    lines: list[str] = []
    right = judge.judge(Player(font, [43, 51, 63]), 3, lines.append, prompts(), tmp_path / "sheet.png")
    assert right.first > 0.7
    assert len(lines) == len(PRESETS)
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    wrong = [
        (name, preset)
        for (name, _), (_, preset) in zip(prompts(), prompts()[1:] + prompts()[:1], strict=True)
    ]
    assert judge.judge(Player(font, [43, 51, 63]), 3, lines.append, wrong).first < 0.2


def test_a_copy_of_a_training_clip_lies_next_to_it(judge, font):
    copies = judge.judge(Player(font, [40, 42, 44]), 3, [].append, prompts())
    others = judge.judge(Player(font, [40, 42, 44], noise=0.01), 3, [].append, prompts())
    assert copies.nearest < 0.1 < others.nearest


def test_silence_counts_as_wrong(judge, font):
    silent = Player(font, [0])
    silent.render = lambda recipes, **_: [
        Take(np.zeros(40_960, np.float32), 16_000, r.seed, "", "", "", "", 1) for r in recipes
    ]
    result = judge.judge(silent, 1, [].append, prompts())
    assert result.first == result.five == 0


def test_what_lies_below_the_codecs_own_noise_is_not_heard():
    mel = np.full((2, FRAMES, 64), -11.5, np.float32)
    mel[1] = -9.5
    assert torch.equal(*listener.prepared(mel))


def test_variations_keep_shape_and_floor_and_differ():
    mels = listener.prepared(np.random.default_rng(0).uniform(-11, 0, (4, FRAMES, 64)))
    torch.manual_seed(1)
    varied = listener.varied(mels.clone())
    assert varied.shape == mels.shape
    assert varied.min() >= (listener.QUIET + 5) / 3
    assert (varied - mels).abs().mean() > 0.1


def test_the_classifier_is_trained_once(font, judge, tmp_path):
    mels = np.random.default_rng(0).uniform(-9, 0, (12, FRAMES, 64)).astype(np.float32)
    labels = np.arange(12) % 3
    first = listener.train(mels, labels, tmp_path, [].append, 4)
    lines = []
    again = listener.train(mels, labels, tmp_path, lines.append, 4)
    assert not lines
    assert np.array_equal(listener.ranks(first, mels, labels), listener.ranks(again, mels, labels))
