"""The embedding cache on its own."""

from types import SimpleNamespace

import pytest
import torch

from foleyd.engines.prompts import Prompts


class Words:
    """A tokenizer with a token a word, and a tower whose embedding is the number of tokens."""

    model_max_length = 10**30  # what tokenizers without a limit say

    def __init__(self) -> None:
        self.embedded: list[int] = []

    def __call__(self, text: str, truncation: bool, max_length: int, return_tensors: str) -> SimpleNamespace:
        ids = torch.ones(1, min(len(text.split()), max_length), dtype=torch.long)
        return SimpleNamespace(input_ids=ids, attention_mask=ids)

    def tower(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        self.embedded.append(ids.shape[1])
        return torch.full((1, 2), float(ids.shape[1]))


def prompts(words: Words, capacity: int = 2) -> Prompts:
    return Prompts(words, 5, tower=words.tower, device=torch.device("cpu"), capacity=capacity)


def test_embeddings_come_in_the_order_of_the_texts() -> None:
    embedded = prompts(Words()).embed(["one two", "one", "one two"])
    assert embedded.tolist() == [[2.0, 2.0], [1.0, 1.0], [2.0, 2.0]]


def test_the_text_that_was_not_used_for_longest_is_forgotten_first() -> None:
    words = Words()
    cache = prompts(words)
    for text in ("a", "a b", "a", "a b c"):  # the third use keeps "a", so "a b" gives way
        cache.embed([text])
    assert words.embedded == [1, 2, 3]
    cache.embed(["a"])
    assert words.embedded == [1, 2, 3]
    cache.embed(["a b"])
    assert words.embedded == [1, 2, 3, 2]


def test_a_text_too_long_is_cut_and_said_so(caplog: pytest.LogCaptureFixture) -> None:
    words = Words()
    prompts(words).embed(["one two three four"])
    assert not caplog.records
    prompts(words).embed(["one two three four five six seven"])
    assert words.embedded == [4, 5]
    assert "all 5 tokens" in caplog.text


def test_a_mixture_is_the_weighted_mean_at_length_1() -> None:
    class Axes(Words):
        def tower(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return torch.eye(3)[ids.shape[1] : ids.shape[1] + 1]

    one, other, both = prompts(Axes()).embed(["a", "b c", "a:3 | b c:1"])
    assert torch.allclose(both, (3 * one + other) / 10**0.5)
    alone, twice, nothing = prompts(Axes()).embed(["a", "a:1 | b c:0", "b c:0 | a:0.2"])
    assert torch.equal(alone, twice)
    assert torch.equal(alone, nothing)
