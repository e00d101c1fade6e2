"""Base models for other languages: as in transformers, with places of words exact to the character."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModel

from nlu.base_model import LEAST_TOKENS, read_base
from nlu.data.examples import Patterns
from nlu.data.reader import read_training_data
from nlu.encoder import padded
from nlu.entities import EntityReader, Matcher, labels_of, tags_of
from nlu.load import load_model
from nlu.source import DataError
from nlu.tokens import tokenize
from nlu.training.options import TrainingOptions
from nlu.training.train import train
from tests.foreign_bases import cased_bert, data, with_cls_pooling, xlm_roberta

PADDING: dict[Callable[[Path], Path], int] = {xlm_roberta: 1, cased_bert: 0}
LINES = ["Wo bleibt LW-10251? Ich warte!", "我要退沙发。", "ソファを返品したい", "أين طلبي LW-10700؟", "😀 sofa"]
CASED = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False, "word_embedding_dimension": 64}


@pytest.mark.parametrize("make", PADDING, ids=lambda make: make.__name__)
def test_a_padded_batch_is_read_as_in_transformers(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    encoder, tokenizer = read_base(make(tmp_path))
    ids, mask = padded([tokens.ids for tokens in tokenize(tokenizer, LINES)])
    assert mask is not None
    seen = mask[:, 0, 0, :]
    theirs = AutoModel.from_pretrained(tmp_path).eval()
    with torch.inference_mode():
        expected = theirs(torch.where(seen, ids, PADDING[make]), attention_mask=seen.long()).last_hidden_state
        found = encoder.frozen(encoder.trunk(ids, mask), mask)
    torch.testing.assert_close(found[seen], expected[seen], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Wo bleibt LW-10251?", "Wo bleibt LW - 10251 ?"),
        ("Die Größe, groß!", "Die Größe , groß !"),
        ("l'été où", "l ' été où"),
        ("我要退沙发。", "我 要 退 沙 发 。"),
        ("ソファを返", "ソ フ ァ を 返"),
        ("أين طلبي؟", "أين طلبي ؟"),
        ("sofa😀 (neu)", "sofa 😀 ( neu )"),
        ("Ｌａｍｐｅ  ﬁx １２", "Ｌａｍｐｅ ﬁx １２"),
        ("don't send", "don't send"),
    ],
)
def test_words_lie_where_they_were_written_whatever_the_tokenizer_takes_together(
    tmp_path: Path, text: str, words: str
) -> None:
    _, tokenizer = read_base(xlm_roberta(tmp_path))
    (tokens,) = tokenize(tokenizer, [text])
    assert [text[word.start : word.end] for word in tokens.words] == words.split()


@pytest.mark.parametrize("pooling", [CASED, {"pooling_mode": "cls", "embedding_dimension": 64}], ids=["flags", "name"])
def test_cls_pooling_is_that_of_sentence_transformers(tmp_path: Path, pooling: Mapping[str, object]) -> None:
    encoder, tokenizer = read_base(with_cls_pooling(cased_bert(tmp_path), pooling))
    expected = SentenceTransformer(str(tmp_path), device="cpu").encode(LINES)
    ids, mask = padded([tokens.ids for tokens in tokenize(tokenizer, LINES)])
    with torch.inference_mode():
        found = encoder.pool(encoder.frozen(encoder.trunk(ids, mask), mask), mask).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_other_ways_to_make_a_texts_vector_are_refused(tmp_path: Path) -> None:
    folder = with_cls_pooling(cased_bert(tmp_path), {"pooling_mode": "lasttoken"})
    with pytest.raises(DataError, match="pooling 'lasttoken' cannot be used"):
        read_base(folder)
    (folder / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Dense"}]))
    with pytest.raises(DataError, match=r"modules\.json has Dense"):
        read_base(folder)


@pytest.mark.parametrize(("tokens", "rows"), [(250_002, 250_002), (250_002, 250_037), (119_547, 119_547)])
def test_what_is_published_is_no_tokenizer_of_another_model(tokens: int, rows: int) -> None:
    assert rows * LEAST_TOKENS <= tokens <= rows


def frontdesk(home: Path, *arguments: str, **settings: str) -> str:
    """In a process of its own."""
    environment = {"FRONTDESK_HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path.cwd()), **settings}
    command = [sys.executable, "-m", "bot.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("make", PADDING, ids=lambda make: make.__name__)
def test_what_is_marked_can_be_learnt_and_is_found_to_the_character(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    _, tokenizer = read_base(make(tmp_path))
    examples = read_training_data(data(tmp_path / "data")).examples
    labels = labels_of(examples, Patterns())
    reader = EntityReader(labels, Matcher(Patterns()), {})
    numbers = {label: number for number, label in enumerate(labels)}
    for example, tokens in zip(examples, tokenize(tokenizer, [e.text for e in examples]), strict=True):
        scores = np.full((len(tokens.ids), 1 + 2 * len(labels)), -9, np.float32)
        for word, tag in zip(tokens.words, tags_of(example, tokens, numbers, reader.matcher), strict=True):
            scores[word.token, tag] = 9
        marked = [(a.entity, a.start, a.end) for a in example.annotations]
        found = [(e.entity, e.start, e.end) for e in reader.read(example.text, tokens.words, scores)]
        assert found == marked, example.text


def test_an_assistant_in_six_languages_is_trained_evaluated_and_understands(tmp_path: Path) -> None:
    examples, home = data(tmp_path / "data"), tmp_path / "home"
    (tmp_path / "base").mkdir()
    base = str(xlm_roberta(tmp_path / "base"))
    frontdesk(home, "train", "--data", str(examples), "--log-to", "none", FRONTDESK_BASE_MODEL=base)
    scores: dict[str, Any] = json.loads(frontdesk(home, "evaluate", "--data", str(examples / "nlu.yml"), "--json"))
    assert (scores["intents"]["texts"], scores["entities"]["entities"]) == (24, 16)
    for line in frontdesk(home, "parse", *(f"ﬁn 😀 {line}" for line in LINES if "LW" in line)).splitlines():
        parsed = json.loads(line)
        (order,) = (e for e in parsed["entities"] if e["extractor"] == "regex")
        assert parsed["text"][order["start"] : order["end"]] == order["value"] == re.findall(r"LW-\d+", line)[0]


def test_a_folder_with_cls_pooling_is_trained_and_loaded(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    base = with_cls_pooling(cased_bert(tmp_path / "base"), CASED)
    quick = TrainingOptions(base_model=str(base), epochs=1, averaged=1, held_out_parts=1, log_to="none")
    train(data(tmp_path / "data"), tmp_path / "model", quick)
    (found,) = load_model(tmp_path / "model", device="cpu").understand_now(["Wo bleibt LW-10300?"])
    assert found.passages
