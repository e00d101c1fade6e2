"""What a training changes: everything, few weights beside the layers, or the head alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from nlu.data.examples import Example
from nlu.encoder import Encoder
from nlu.engine.network import Network
from nlu.engine.torch_engine import TorchEngine
from nlu.learning.learned import PLACE, Learned
from nlu.lineage import read_lineage
from nlu.load import load_model
from nlu.manifest import read_manifest
from nlu.registry import SEEN, Registry
from nlu.training import adapters, prepare
from nlu.training.adapters import NoAdapters, check_adapters
from nlu.training.fit import logistic
from nlu.training.options import Step
from nlu.training.prepare import embed
from nlu.training.train import train
from nlu.types import Tune
from tests.test_nlu_model import OPTIONS, write_data

QUICK = replace(OPTIONS, epochs=2, log_to="none")
NEW = ("my key is stuck in the door", "the key broke", "I lost the key", "key is bent", "where do I get another key")


def taught(texts: tuple[str, ...], intent: str, first: int = 1) -> Learned:
    numbered = enumerate(texts, first)
    examples = tuple(Example(text, intent, (), PLACE, number, 1.0, marked=False) for number, text in numbered)
    return Learned(examples, tuple(f"{number:016x}" for number in range(first, first + len(texts))))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("tune") / "data")


@pytest.fixture(scope="module", autouse=True)
def _threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def first(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It learnt from an utterance, too."""
    directory = tmp_path_factory.mktemp("models") / "first"
    train(data, directory, QUICK, learned=taught(("moin moin",), "greet", first=99))
    return directory


def headed(data: Path, first: Path, directory: Path, learned: Learned) -> list[str]:
    """What was said meanwhile."""
    steps: list[Step] = []
    train(data, directory, replace(QUICK, tune=Tune.HEAD), steps.append, learned=learned, last=first)
    return [step.done for step in steps if step.done]


def test_the_head_alone_learns_a_new_intent_and_leaves_the_layers_and_the_calibration(
    data: Path, first: Path, tmp_path: Path
) -> None:
    told = headed(data, first, tmp_path / "head", taught(NEW, "lost_key"))
    assert [line.partition(":")[0] for line in told] == ["the head, epoch 1"]
    before, after = load_file(first / "model.safetensors"), load_file(tmp_path / "head" / "model.safetensors")
    layers = [name for name in before if name.startswith("encoder.")]
    assert any("tuned" in name for name in layers)
    assert all(torch.equal(before[name], after[name]) for name in [*layers, "tags.weight", "tags.bias"])
    assert after["intents.weight"].shape[0] == before["intents.weight"].shape[0] + 1

    old, new = read_manifest(first), read_manifest(tmp_path / "head")
    assert (new.options["tune"], "lost_key" in new.intents) == (Tune.HEAD, True)
    assert (new.temperature, new.budget, new.thresholds) == (old.temperature, old.budget, old.thresholds)
    assert ("dev_accuracy" in old.scores, "dev_accuracy" in new.scores) == (True, False), (
        "the layers know what is held out"
    )
    reports = [(folder / "report" / "index.html").read_text("utf-8") for folder in (first, tmp_path / "head")]
    assert ["Dev accuracy" in report for report in reports] == [True, False]
    assert (first / "kb.safetensors").read_bytes() == (tmp_path / "head" / "kb.safetensors").read_bytes()

    model = load_model(tmp_path / "head", device="cpu", threads=1)
    found = model.understand_now(["the key is stuck", "hello there", "what does the guarantee cover, then?"])
    assert [one.intent.name for one in found] == ["lost_key", "greet", "faq"]


def test_a_solution_for_almost_the_same_rows_leads_to_the_same_in_few_steps() -> None:
    random = torch.Generator().manual_seed(0)
    classes = torch.arange(600) % 20
    inputs = torch.randn(20, 64, generator=random)[classes] + 1.5 * torch.randn(600, 64, generator=random)
    inputs = functional.normalize(inputs, dim=1)
    whole = logistic(inputs, classes, 20)
    near = logistic(inputs, classes, 20, near=logistic(inputs[:500], classes[:500], 20))
    first, second = ((inputs @ weight.T + bias).softmax(1) for weight, bias in (whole, near))
    assert torch.allclose(first, second, atol=0.02)


def test_a_head_reads_only_examples_that_its_layers_have_not_seen(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, read = Registry(tmp_path), list[int]()
    train(data, home, QUICK)
    last = home.current()

    def counted(encoder: Encoder, rows: Sequence[list[int]], *more: Any) -> Any:
        read.append(len(rows))
        return embed(encoder, rows, *more)

    monkeypatch.setattr(prepare, "embed", counted)
    made = []
    for anew in (False, True):
        if anew:
            (home.folder / SEEN).write_bytes(b"damaged")
        head = replace(QUICK, tune=Tune.HEAD, seed=int(anew))
        made.append(home.directory(train(data, home, head, learned=taught(NEW, "lost_key"), last=last).id))
    examples, intents = read_manifest(made[0]).examples, len(read_manifest(made[0]).intents)
    assert read == [len(NEW) + intents, examples + intents]
    first, second = (load_file(one / "model.safetensors") for one in made)
    assert all(torch.allclose(first[name], second[name], atol=1e-3) for name in first)


def test_layers_that_stay_have_learnt_from_whom_they_learnt(data: Path, first: Path, tmp_path: Path) -> None:
    """Whoever is erased is found in the lineage of the second model, too."""
    headed(data, first, tmp_path / "head", taught(NEW, "lost_key"))
    assert f"{99:016x}" in read_lineage(first)
    assert read_lineage(tmp_path / "head") == {f"{number:016x}" for number in (1, 2, 3, 4, 5, 99)}


def test_a_new_question_of_an_article_is_found_by_a_head_alone(data: Path, first: Path, tmp_path: Path) -> None:
    """The index is made anew, and how its signals are joined stays."""
    asked = "how much is the courier"
    headed(data, first, tmp_path / "head", replace(taught(NEW, "lost_key"), questions=(("shipping-cost", asked),)))
    before, after = (load_model(one, device="cpu", threads=1).retriever for one in (first, tmp_path / "head"))
    assert before is not None
    assert after is not None
    old, new = (next(a for a in one.articles if a.id == "shipping-cost").questions for one in (before, after))
    assert len(new) == len(old) + 1
    assert set(asked.split()) <= set(new[0].split())
    assert asked not in (tmp_path / "head" / "kb.json").read_text("utf-8"), "whoever asked it may be erased"
    assert after.fusion.weights.tolist() == before.fusion.weights.tolist()


@pytest.mark.parametrize("change", ["entities", "base", "nothing to keep"])
def test_all_is_trained_where_the_layers_would_not_do_and_that_is_said(
    data: Path, first: Path, tmp_path: Path, change: str
) -> None:
    other = write_data(tmp_path / "data")
    last, why = first, "the data annotate other entities than"
    if change == "entities":
        path = other / "nlu" / "all.yml"
        path.write_text(path.read_text("utf-8").replace("[Hamburg](city)", "[Hamburg](town)"), "utf-8")
    elif change == "base":
        last, why = tmp_path / "other", "was trained from another base model"
        _of_other_base(first, last)
    options = replace(QUICK, epochs=1, tune=Tune.HEAD)
    steps: list[Step] = []
    if change == "nothing to keep":
        train(other, tmp_path / "made", options, steps.append)
        why = "there is no model whose layers could stay"
    else:
        train(other, tmp_path / "made", options, steps.append, last=last)
    told = next(step.done for step in steps if step.done)
    assert told.startswith("All is trained, not the head alone: ")
    assert why in told
    assert read_manifest(tmp_path / "made").options["tune"] == Tune.ALL


def _of_other_base(source: Path, target: Path) -> None:
    import shutil

    from nlu.manifest import write_manifest

    shutil.copytree(source, target)
    write_manifest(target, replace(read_manifest(target), base_model="another"))


def test_adapters_are_added_to_the_layers_when_they_have_learnt(data: Path, first: Path, tmp_path: Path) -> None:
    train(data, tmp_path / "adapted", replace(QUICK, tune=Tune.ADAPTERS))
    plain, adapted = load_file(first / "model.safetensors"), load_file(tmp_path / "adapted" / "model.safetensors")
    assert plain.keys() == adapted.keys(), "a model with adapters is a model as any other"
    base, learnt = (adapted[f"encoder.{layers}.attend.weight"] for layers in ("layers.5", "tuned_layers.2"))
    change = learnt - base
    assert 0 < int(torch.linalg.matrix_rank(change, rtol=1e-3)) <= adapters.RANK
    found = load_model(tmp_path / "adapted", device="cpu", threads=1).understand_now(["hello there, good morning"])
    assert found[0].intent.name == "greet"


def test_whoever_wants_adapters_without_the_library_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters, "find_spec", lambda _: None)
    with pytest.raises(NoAdapters, match=r"pip install 'frontdesk\[adapters\]'"):
        check_adapters()


def test_a_training_is_not_lost_where_there_can_be_no_graph(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object) -> None:
        raise ValueError("Failed to serialize proto")

    monkeypatch.setattr("nlu.training.serving.exported", too_large)
    steps: list[Step] = []
    made = train(data, tmp_path / "model", replace(QUICK, epochs=1), steps.append)
    assert not made.engine
    assert "torch serves it, slower" in "".join(step.done for step in steps)


def test_what_a_gpu_reads_in_half_precision_is_written_in_full(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Halving(TorchEngine):
        def __init__(self, network: Network, device: str) -> None:
            super().__init__(network, device)
            network.half()

    monkeypatch.setattr("nlu.training.learn.TorchEngine", Halving)
    monkeypatch.setattr("nlu.training.serving.exported", lambda *_: None)
    train(data, tmp_path / "model", replace(QUICK, epochs=1))
    weights = load_file(tmp_path / "model" / "model.safetensors")
    assert weights["intents.weight"].dtype == torch.float32
