"""The sheet of a model: every prompt once, with one seed, to look at and to listen to."""

from __future__ import annotations

import numpy as np
from matplotlib.image import imread

from foleyd import cli
from foleyd.audio.export import read_clip, read_meta
from foleyd.engines import catalog, checkpoint
from foleyd.engines.base import Take
from foleyd.training import showcase


class Beeper:
    """An engine's stand-in: a tone, and silence for a prompt that asks for it."""

    capabilities = checkpoint.read(catalog.STARTER).capabilities

    def render(self, recipes, *, check_silence=True):
        tone = np.sin(np.arange(40_960) * 0.3).astype(np.float32)
        return [
            Take(tone * ("silence" not in one.prompt), 16_000, one.seed, "", "", "", "", 1) for one in recipes
        ]


def test_every_prompt_becomes_a_tile_and_a_clip_that_says_how_it_was_made(tmp_path):
    lines: list[str] = []
    files = showcase.show(
        Beeper(), catalog.resolve("starter"), tmp_path, lines.append, 5, ["a beep!", "silence", "Low beep"]
    )
    assert [file.name for file in files] == ["01-a-beep.ogg", "03-low-beep.ogg", "sounds.png"]
    samples, rate = read_clip(files[0])
    assert (rate, samples.shape[-1]) == (16_000, 40_960)
    about = read_meta(files[0])
    assert (about.recipe.prompt, about.recipe.seed, about.sellable) == ("a beep!", 5, True)
    assert any(line.startswith("silence: the model gave silence") for line in lines)
    picture = imread(files[-1])
    assert picture.shape[1] == 1600
    assert picture.std() > 0.01


def test_sixty_four_prompts_fill_the_sheet():
    assert len(set(showcase.PROMPTS)) == 64 == showcase.COLUMNS**2


def test_a_model_that_is_not_there_is_named(tmp_path, capsys):
    assert cli.main(["train", "sheet", "--model", "nothing", "--output", str(tmp_path / "x")]) != 0
    assert "nothing" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
