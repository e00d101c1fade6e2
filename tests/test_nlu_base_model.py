"""The base model: our encoder gives what sentence-transformers gives, and nothing but sound safetensors is read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

from nlu.base_model import BUILT_IN, base_folder, check_built_in, read_base
from nlu.encoder import padded
from nlu.source import DataError
from nlu.tokens import tokenize

TEXTS = [
    "hello",
    "where is my order 12345, it is really late and I would like my money back",
    "Ünïcode 日本 😀 text",
]


def test_embeddings_equal_those_of_sentence_transformers_alone_and_in_a_batch() -> None:
    encoder, tokenizer = read_base(base_folder(BUILT_IN))
    expected = SentenceTransformer(str(base_folder(BUILT_IN)), device="cpu").encode(TEXTS)
    ids, mask = padded([tokens.ids for tokens in tokenize(tokenizer, TEXTS)])
    with torch.inference_mode():
        found = encoder.pool(encoder.frozen(encoder.trunk(ids, mask), mask), mask).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("tuned", [1, 3, 6])
def test_a_fresh_fork_changes_nothing(tuned: int) -> None:
    encoder, tokenizer = read_base(base_folder(BUILT_IN))
    ids, mask = padded([tokens.ids for tokens in tokenize(tokenizer, TEXTS)])
    with torch.inference_mode():
        before = encoder.frozen(encoder.trunk(ids, mask), mask)
        encoder.fork(tuned, 0.1)
        encoder.eval()
        hidden = encoder.trunk(ids, mask)
        torch.testing.assert_close(encoder.tuned(hidden, mask), before)
        torch.testing.assert_close(encoder.frozen(hidden, mask), before)


TINY: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 24,
}


def tiny_folder(tmp_path: Path, model: BertModel | RobertaModel) -> Path:
    model.save_pretrained(tmp_path)
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "hello", "there", *(f"word{number}" for number in range(30))]
    words = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))  # a token of text
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


@pytest.mark.parametrize(
    "model",
    [BertModel(BertConfig(**TINY)), RobertaModel(RobertaConfig(**TINY, pad_token_id=1))],
    ids=["bert", "roberta"],
)
def test_other_bert_families_run_as_in_transformers(tmp_path: Path, model: BertModel | RobertaModel) -> None:
    encoder, _ = read_base(tiny_folder(tmp_path, model))
    ids = torch.tensor([[2, 5, 6, 3]])
    with torch.inference_mode():
        model.train(False)
        expected = model(ids).last_hidden_state
        torch.testing.assert_close(encoder.frozen(encoder.trunk(ids, None), None), expected, atol=1e-5, rtol=1e-4)


def test_a_text_is_cut_at_what_the_model_can_hold(tmp_path: Path) -> None:
    _, tokenizer = read_base(tiny_folder(tmp_path, BertModel(BertConfig(**TINY))))
    assert len(tokenize(tokenizer, ["hello " * 100])[0].ids) == 24


def test_the_built_in_weights_are_the_official_ones_and_others_are_noticed(tmp_path: Path) -> None:
    check_built_in(base_folder(BUILT_IN))
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(DataError, match="not the official one"):
        check_built_in(tmp_path)


def without_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def with_a_list_for_config(folder: Path) -> None:
    (folder / "config.json").write_text("[]")


def with_half_a_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "bert", "vocab_size": 40}')


def change_config(folder: Path, **changes: object) -> None:
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, **changes}))


def of_another_family(folder: Path) -> None:
    change_config(folder, model_type="t5")


def of_another_size(folder: Path) -> None:
    change_config(folder, num_hidden_layers=3)


def with_relative_places(folder: Path) -> None:
    change_config(folder, position_embedding_type="relative_key")


def without_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def with_a_broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


def with_too_many_tokens(folder: Path) -> None:
    words = {f"word{number}": number for number in range(41)}
    Tokenizer(WordLevel(words, unk_token="word1")).save(str(folder / "tokenizer.json"))  # a token of text


def with_broken_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x80\x04 not safetensors")


def with_pickled_weights_only(folder: Path) -> None:
    shutil.move(folder / "model.safetensors", folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (without_config, "no readable config.json"),
        (with_a_list_for_config, "no readable config.json"),
        (with_half_a_config, "hidden_size, .* are missing"),
        (of_another_family, "'t5' is not a family"),
        (with_relative_places, "position_embedding_type 'relative_key' cannot be used"),
        (without_tokenizer, "tokenizer knows 5 tokens and the model 40|tokenizer cannot be read"),
        (with_a_broken_tokenizer, "the tokenizer cannot be read"),
        (with_too_many_tokens, "tokenizer knows 41 tokens and the model 40"),
        (of_another_size, "do not fit config.json"),
        (with_broken_weights, "cannot be read"),
        (with_pickled_weights_only, "must be safetensors"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_an_unusable_base_model_is_one_sentence(tmp_path: Path, harm: object, says: str) -> None:
    folder = tiny_folder(tmp_path, BertModel(BertConfig(**TINY)))
    assert callable(harm)
    harm(folder)
    with pytest.raises(DataError, match=says):
        read_base(folder)


def test_a_base_model_folder_that_is_not_there_is_said_so() -> None:
    with pytest.raises(DataError, match="no base model folder"):
        base_folder("./nowhere")


def test_a_negation_is_one_word_and_a_genitive_is_not() -> None:
    _, tokenizer = read_base(base_folder(BUILT_IN))
    text = "DON’T want it, doesn't fit the sofa's place, isn't tall"
    (tokens,) = tokenize(tokenizer, [text])
    words = [text[word.start : word.end] for word in tokens.words]
    assert words == [
        "DON’T",
        "want",
        "it",
        ",",
        "doesn't",
        "fit",
        "the",
        "sofa",
        "'",
        "s",
        "place",
        ",",
        "isn't",
        "tall",
    ]
