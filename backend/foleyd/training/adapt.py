"""A model taught a user's own samples: LoRA (Hu et al. 2022) on the UNet of an AudioLDM checkpoint.

The network learns the samples under captions that name their collection. Under captions that do not, and
under no words at all, it is held to what it said before: sounds that it makes of other words beforehand are
learned along (prior preservation, Ruiz et al. 2023), with the answers of the network without its adapter. So
other prompts stay as they were, and guidance leads from the old to the new.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor

from foleyd import mixture
from foleyd.diffusion import noise, schedulers
from foleyd.diffusion.guidance import Guidance, Guided
from foleyd.diffusion.loop import sample
from foleyd.engines import adapters, checkpoint, prompts, weights
from foleyd.engines import folder as layout
from foleyd.engines.adapted import PREFIX
from foleyd.engines.adapters import Adapter, Card
from foleyd.engines.base import SourceSound
from foleyd.engines.catalog import Entry
from foleyd.engines.encoder import Ear, Encoder
from foleyd.engines.hub import SELLABLE_LICENCES
from foleyd.engines.networks import Denoiser
from foleyd.errors import BadRequest
from foleyd.fields import SEED_LIMIT
from foleyd.paths import home
from foleyd.training import curve, own_samples, precision
from foleyd.training.clips import RATE
from foleyd.training.denoiser import levels
from foleyd.training.own_samples import Collection
from foleyd.training.progress import Run, learning_rate, set_rate

Log = Callable[[str], None]

LAYERS = (
    "to_q",
    "to_k",
    "to_v",
    "to_out.0",
    "proj_in",
    "proj_out",
    "ff.net.0.proj",
    "ff.net.2",
    "conv1",
    "conv2",
    "conv_shortcut",
    "time_emb_proj",
    "class_embedding",
)
"""The ends of the names of the layers that get a pair: attention, convolutions, and where the words come
in."""
PEAK_RATE = 2e-3
WARM = 20
OWN, HELD = 4, 3
"""Rows of a batch that learn the samples, and that are held to the network as it was."""
HOLD = 2.0
"""Weight of the second's loss beside the first's, which is larger."""
VARIANTS = 4
"""Of each sample: as it is, and varied (`own_samples.varied`)."""
BLUR = 0.1
"""Length of the random vector added to each embedding, so that words near a caption's fall near it, too."""
BARE, SILENT = 0.5, 0.15
"""Shares of the held rows that have captions without the collection's word, and no words at all; the others
have some of `OTHERS`."""
MADE = 0.7
"""Share of the held rows that are the model's own sound of their words; the others are samples, whatever the
words."""
MADE_STEPS, AT_ONCE = 6, 8
SHORT = 0.85
"""Share of the batches as long as the samples are; the others are as long as a clip of the model."""
POINTS = 50
"""Of the loss curve."""
SPOKEN = ("{}", "a {}", "{} sample", "the sound of a {}")
OTHERS = (
    "rain on a roof", "gusty wind", "ocean waves", "thunder", "a crackling fire", "a stream", "birdsong",
    "crickets at night", "a dog barks", "footsteps on gravel", "a door slams", "a creaking door",
    "glass breaks", "a car engine", "a siren", "a train passes", "an alarm clock", "a clock ticks",
    "a telephone rings", "a laser shot", "an explosion", "a whoosh", "a riser", "a coin pick-up",
    "a robot voice", "a digital glitch", "a dark drone", "a warm synth pad", "a church bell",
    "a piano note", "an acoustic guitar note", "a bass guitar", "a violin", "a flute", "a trumpet",
    "a choir", "a marimba", "an organ chord", "a kick drum", "a snare drum", "a closed hi-hat",
    "an open hi-hat", "a crash cymbal", "a low tom", "a ride cymbal", "a hand clap", "a cowbell", "a conga",
    "a shaker", "a drum loop", "an acoustic drum kit",
)  # fmt: skip
"""What people ask a model for: it is held to its answers."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How an adapter is trained; `licence` is that of the samples."""

    name: str
    steps: int = 250
    rank: int = 8
    seed: int = 0
    licence: str = adapters.UNKNOWN


class _Data(msgspec.Struct, frozen=True):
    """What is learned and what is held.

    `latents`: of the samples, `[samples, VARIANTS, c, t, f]`; `said`: embeddings of their captions `[samples,
    SPOKEN, d]`; `others`: embeddings of other words `[others, d]`, first those of `OTHERS`, then captions
    without the collection's word, last no words; `made`: what the model makes of them `[others, c, t, f]`, of
    the shortest length; `lengths`: of batches in frames, with their `shares`.
    """

    latents: npt.NDArray[np.float16]
    said: Tensor
    others: Tensor
    made: npt.NDArray[np.float16]
    lengths: tuple[int, ...]
    shares: tuple[float, ...]


def train(model: Entry, collection: Collection, plan: Plan, log: Log) -> Adapter:
    """Train an adapter and put it among the others of this machine; goes on where an interrupted call with
    the same plan, samples and model stopped.

    Raises BadRequest for a name that is taken or none, and for a model that cannot hear; FloatingPointError
    where the loss is no number.
    """
    adapters.check_free(plan.name)
    about = checkpoint.read(model.folder, model.revision)
    work = _work(model, collection, plan)
    with weights.loading(model.folder):
        unet: Any = weights.diffuser(UNet2DConditionModel, model.folder / "unet")
    unet.requires_grad_(False).eval()
    data = _data(about, unet, collection, plan, work, log)
    torch.manual_seed(plan.seed)
    unet.add_adapter(LoraConfig(r=plan.rank, lora_alpha=plan.rank, target_modules=list(LAYERS)))
    run = Run(work, "lora", plan.steps, every=max(1, plan.steps // POINTS))
    _learn(unet, DDIMScheduler.from_config(about.scheduler), data, plan, run, log)
    pairs = {
        f"{PREFIX}{name}": tensor.detach().float().contiguous()
        for name, tensor in get_peft_model_state_dict(unet).items()
    }
    made = _put(model, collection, plan, run, pairs)
    shutil.rmtree(work)
    return made


def _work(model: Entry, collection: Collection, plan: Plan) -> Path:
    """The work folder of this very training; what another one left under the name is thrown away."""
    facts = {
        "plan": msgspec.to_builtins(plan),
        "model": [model.id, model.revision],
        "samples": [[one.name, one.sha256, one.caption] for one in collection.samples],
        "word": collection.word,
    }
    key = hashlib.sha256(msgspec.json.encode(facts, order="deterministic")).hexdigest()
    place = home("cache") / "adapt" / plan.name
    stamp = place / "key"
    if place.is_dir() and not (stamp.is_file() and stamp.read_text(encoding="ascii") == key):
        shutil.rmtree(place)
    place.mkdir(parents=True, exist_ok=True)
    layout.write_whole(stamp, key.encode())
    return place


def _data(
    about: checkpoint.Checkpoint, unet: Any, collection: Collection, plan: Plan, work: Path, log: Log
) -> _Data:
    lasting = sorted(len(one.samples) / RATE for one in collection.samples)
    known = about.lengths()
    needed = about.geometry.frames(lasting[3 * len(lasting) // 4])
    usual = about.usual_length
    short = next((frames for frames in known if frames >= needed), known[-1])
    lengths = (short, usual) if short != usual else (usual,)
    latents = _kept(work / "latents.npy", lambda: _latents(about, collection, plan, max(lengths), log))
    words = _words(about)
    said = torch.stack([words([form.format(one.caption) for form in SPOKEN]) for one in collection.samples])
    bare = {own_samples.without(collection.word, one.caption) for one in collection.samples}
    others = words([*OTHERS, *sorted(bare - {""}), ""])
    made = _kept(work / "made.npy", lambda: _made(about, unet, others, min(lengths), plan.seed, log))
    shares = (SHORT, 1 - SHORT) if len(lengths) > 1 else (1.0,)
    return _Data(latents, said, others, made, lengths, shares)


def _kept(path: Path, make: Callable[[], npt.NDArray[np.float16]]) -> npt.NDArray[np.float16]:
    """The array in a file of the work folder, made first if it is not there; it appears whole or not at
    all."""
    if not path.is_file():
        draft = path.with_suffix(".part.npy")
        np.save(draft, make())
        draft.replace(path)
    found: npt.NDArray[np.float16] = np.load(path)
    return found


def _words(about: checkpoint.Checkpoint) -> Callable[[list[str]], Tensor]:
    folder = about.folder
    with weights.loading(folder):
        tower = prompts.part(folder).build().eval()
        said = prompts.Prompts(*prompts.words(folder), tower=tower, device=torch.device("cpu"))

    def embed(texts: list[str]) -> Tensor:
        with torch.no_grad():
            return torch.cat([said.mixed([mixture.Part(text, 1.0)]) for text in texts])

    return embed


def _made(
    about: checkpoint.Checkpoint, unet: Any, others: Tensor, frames: int, seed: int, log: Log
) -> npt.NDArray[np.float16]:
    """Latents `[others, c, frames, f]` of what the model makes of the embeddings `others`, the last of which
    is that of no words."""
    log(f"makes {len(others)} sounds of other words, to be held to")
    shape, settings = about.geometry, about.settings
    found = []
    for first in range(0, len(others), AT_ONCE):
        rows = others[first : first + AT_ONCE]
        drawing = noise.generators([(seed + first + row) % SEED_LIMIT for row in range(len(rows))])
        drawn = noise.normal((shape.channels, frames, shape.bins), drawing)
        sampler = schedulers.make(settings.scheduler, about.scheduler, MADE_STEPS, drawn.device)
        silent = others[-1:].expand(len(rows), -1)
        guided = Guided(Denoiser(unet), rows, silent, Guidance(settings.guidance))
        with torch.no_grad():
            found.append(sample(guided, sampler, drawn, drawing, MADE_STEPS).numpy().astype(np.float16))
    return np.concatenate(found)


def _latents(
    about: checkpoint.Checkpoint, collection: Collection, plan: Plan, frames: int, log: Log
) -> npt.NDArray[np.float16]:
    """Latents of every variant of every sample, `[samples, VARIANTS, c, frames, f]`."""
    front = about.front_end
    if front is None:
        raise BadRequest("This model cannot hear sounds, so it cannot be taught any: choose the starter.")
    log(f"hears {len(collection.samples)} samples, each in {VARIANTS} variants")
    with weights.loading(about.folder):
        encode = Encoder(weights.diffuser(AutoencoderKL, about.folder / "vae")).eval()
    ear = Ear(encode, about.geometry, front, torch.device("cpu"))

    @torch.no_grad()
    def heard(samples: npt.NDArray[np.float32], frames: int) -> npt.NDArray[np.float16]:
        latents: npt.NDArray[np.float32] = (
            ear.hear(SourceSound(samples[None], RATE), frames).latents[0].numpy()
        )
        return latents.astype(np.float16)

    silence = heard(np.zeros(1, np.float32), frames)

    def whole(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
        # what comes after a short sound is silence, which need not be heard again each time
        enough = about.geometry.frames(len(samples) / RATE + 0.1)
        latents = silence.copy()
        latents[:, :enough] = heard(samples, min(enough, frames))
        return latents

    return np.stack(
        [
            np.stack(
                [whole(own_samples.varied(one.samples, variant, plan.seed)) for variant in range(VARIANTS)]
            )
            for one in collection.samples
        ]
    )


def _learn(unet: Any, scheduler: Any, data: _Data, plan: Plan, run: Run, log: Log) -> None:
    """Train the adapter inside `unet` until the run is finished."""
    parameters = [one for one in unet.parameters() if one.requires_grad]
    learned = torch.nn.ParameterList(parameters)
    optimiser = torch.optim.AdamW(parameters, lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=1e-2)
    if run.resume({"lora": learned}, optimiser):
        log(f"goes on at step {run.step} of {run.steps}")
    rng = np.random.default_rng((plan.seed, run.step))
    torch.manual_seed(plan.seed + run.step)
    unet.train()
    while not run.finished:
        set_rate(optimiser, learning_rate(run.step, run.steps, PEAK_RATE, WARM))
        latents, said = _draw(data, rng)
        time, drawn = levels(len(latents)), torch.randn_like(latents)
        noisy = scheduler.add_noise(latents, drawn, time)
        right = _target(scheduler, latents, drawn, time)[:OWN]
        with precision.fast():
            with torch.no_grad():
                unet.disable_adapters()
                before = _predict(unet, noisy[OWN:], time[OWN:], said[OWN:])
                unet.enable_adapters()
            now = _predict(unet, noisy, time, said)
        own = (now[:OWN] - right).square().mean()
        loss = own + HOLD * (now[OWN:] - before).square().mean()
        run.learn(loss, optimiser, {"lora": learned}, log, told=own)


def _draw(data: _Data, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Latents and embeddings of a batch: `OWN` rows of samples with their captions, `HELD` with other
    words."""
    frames = data.lengths[rng.choice(len(data.lengths), p=data.shares)]
    count, variants = data.latents.shape[:2]
    rows = rng.choice(count, OWN + HELD, replace=count < OWN + HELD)
    latents = data.latents[rows, rng.integers(variants, size=len(rows)), :, :frames]
    said = data.said[rows[:OWN], rng.integers(data.said.shape[1], size=OWN)]
    blur = torch.from_numpy(rng.standard_normal((len(rows), said.shape[1])).astype(np.float32))
    blur *= BLUR / said.shape[1] ** 0.5
    other = _others(len(data.others), rng)
    blur[OWN:][torch.from_numpy(other == len(data.others) - 1)] = 0  # nothing is near no words
    if frames == data.made.shape[2]:
        own_sound = np.flatnonzero(rng.random(HELD) < MADE)
        latents[OWN + own_sound] = data.made[other[own_sound]]
    return torch.from_numpy(latents).float(), torch.cat([said, data.others[other]]) + blur


def _others(count: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Which of `count` other words the held rows have, in the order of `_Data.others`."""
    kinds = rng.random(HELD)
    usual, bare = rng.integers(len(OTHERS), size=HELD), np.full(HELD, count - 1)
    if count > len(OTHERS) + 1:
        bare = rng.integers(len(OTHERS), count - 1, size=HELD)
    else:
        kinds = np.maximum(kinds, SILENT + BARE * (kinds >= SILENT))
    return np.select([kinds < SILENT, kinds < SILENT + BARE], [np.full(HELD, count - 1), bare], usual)


def _predict(unet: Any, noisy: Tensor, time: Tensor, said: Tensor) -> Tensor:
    predicted: Tensor = unet(noisy, time, encoder_hidden_states=None, class_labels=said).sample
    return predicted.float()


def _target(scheduler: Any, latents: Tensor, drawn: Tensor, time: Tensor) -> Tensor:
    """What the network is to say, by what the checkpoint was trained to predict."""
    targets: dict[str, Callable[[], Tensor]] = {
        "epsilon": lambda: drawn,
        "sample": lambda: latents,
        "v_prediction": lambda: scheduler.get_velocity(latents, drawn, time),
    }
    return targets[scheduler.config.prediction_type]()


def _put(model: Entry, collection: Collection, plan: Plan, run: Run, pairs: dict[str, Tensor]) -> Adapter:
    """The finished adapter in its place, whole or not at all."""
    samples = collection.samples
    card = Card(
        base=model.id,
        revision=model.revision,
        licence=plan.licence,
        sellable=model.sellable and plan.licence.lower() in SELLABLE_LICENCES,
        word=collection.word,
        captions={one.name: one.caption for one in samples},
        files={one.name: one.sha256 for one in samples},
        steps=plan.steps,
        rank=plan.rank,
        seed=plan.seed,
        layers=len(pairs) // 2,
        loss=round(run.curve[-1][1], 5),
    )
    root = adapters.root()
    draft = root / f".draft-{uuid.uuid4().hex}"
    draft.mkdir(parents=True)
    try:
        save_file(pairs, draft / adapters.WEIGHTS, metadata={"format": "pt"})
        layout.write_whole(
            draft / adapters.CARD, msgspec.json.format(msgspec.json.encode(card), indent=1) + b"\n"
        )
        layout.write_whole(draft / "README.md", _page(plan.name, card).encode())
        curve.draw(draft / curve.PICTURE, {"lora": run.curve}, f"adapter {plan.name}")
        adapters.check_free(plan.name)
        draft.rename(root / plan.name)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return adapters.resolve(plan.name)


def _page(name: str, card: Card) -> str:
    first = next(iter(card.captions.values()), "a sound")
    sold = "may be sold" if card.sellable else "may not be sold, as far as this says"
    named = f"Prompts that say “{card.word}” get it." if card.word else "Prompts like its captions get it."
    said = "\n".join(f"- {caption}" for caption in sorted(set(card.captions.values())))
    return (
        f"# {name}\n\nAn adapter for the foleyd model `{card.base}` (revision `{card.revision}`), trained on "
        f"{len(card.files)} sounds with `foleyd train adapt`. {named}\n\n"
        f'```sh\nfoleyd render "{first}" --model {card.base} --adapter {name}\n```\n\n'
        f"Licence of the sounds: {card.licence}; what it makes {sold}.\n\n"
        f"LoRA of rank {card.rank} on {card.layers} layers, {card.steps} steps, seed {card.seed}, last loss "
        f"{card.loss:g}: ![loss](loss.png)\n\n## Captions\n\n{said}\n"
    )
