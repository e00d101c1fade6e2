"""The encoder without torch: the same numbers in float32, nearly the same in fewer bits, and torch where that fails."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from nlu import load
from nlu.architecture import Architecture
from nlu.data.reader import read_examples, read_training_data
from nlu.encoder import Encoder
from nlu.engine.network import Network
from nlu.engine.onnx_engine import OnnxEngine, opened, states
from nlu.engine.signals import Signals
from nlu.engine.torch_engine import TorchEngine, network_of
from nlu.export.graph import Graph, Product
from nlu.export.precision import ALIKE, SAME, Agreement, Source, agreement, exported, inputs_of
from nlu.export.products import KEPT, Inputs, InWhole, exact, in_blocks
from nlu.export.rounding import rounded
from nlu.load import EXPECTED, GRAPH, WEIGHTS, load_model, warm_points
from nlu.manifest import Manifest, ModelError, check_directory, read_manifest, write_manifest
from nlu.signing import Trust
from nlu.spelling import Speller
from nlu.tokens import TextReader
from nlu.training.serving import serving_of
from tests.demo import DATA, demo_model

BERT = Architecture("bert", 90, 64, 3, 4, 128, 40, 2, 1e-12, "gelu", 0, "mean", 1)
KINDS = {
    "bert": BERT,
    "roberta": replace(BERT, family="roberta", types=1, first_position=2, tuned=2),
    "cls": replace(BERT, pooling="cls"),
    "tanh": replace(BERT, activation="gelu_new"),
    "all tuned": replace(BERT, tuned=3),
    "none tuned": replace(BERT, tuned=0),
}


def _network(shape: Architecture, tags: int = 5) -> Network:
    torch.manual_seed(3)
    encoder = Encoder(shape)
    network = Network(encoder, 7, tags).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.05)
    return network


def _rows(seed: int = 0, most: int = 30) -> list[list[int]]:
    random = np.random.default_rng(seed)
    return [random.integers(1, 90, random.integers(1, most)).tolist() for _ in range(40)]


def _engine(network: Network, product: Product, threads: int = 1) -> OnnxEngine:
    source = Source.of(network)
    return OnnxEngine(source.graph(product), source.heads, threads)


def _close(found: Sequence[Signals], expected: Sequence[Signals], most: float) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        for name in ("embedding", "point", "intents", "start", "tags"):
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=most)


@pytest.mark.parametrize("kind", KINDS)
def test_in_float32_the_graph_says_what_the_network_says(kind: str) -> None:
    network = _network(KINDS[kind])
    _close(_engine(network, exact).run(_rows()), TorchEngine(network, "cpu").run(_rows()), 2e-3)


def test_a_network_without_entities_has_no_tags() -> None:
    network = _network(BERT, tags=1)
    assert all(one.tags is None for one in _engine(network, exact).run(_rows()))


def _inputs(network: Network) -> dict[str, Inputs]:
    source = Source.of(network)
    return inputs_of(source.engine(source.graph(exact, watched=True)).session, _rows(1))


@pytest.mark.parametrize("kind", ["int8", "apart", "blocks"])
def test_in_fewer_bits_it_says_nearly_the_same(kind: str) -> None:
    network = _network(BERT)
    products: dict[str, Product] = {
        "int8": InWhole(_inputs(network), 0),
        "apart": InWhole(_inputs(network), 8),
        "blocks": in_blocks,
    }
    found = agreement(_engine(network, products[kind]).run(_rows()), TorchEngine(network, "cpu").run(_rows()))
    assert found.embeddings > 0.99
    assert found.intents >= 0.9
    assert found.tags >= 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_a_glance_says_of_the_intent_what_the_whole_says(kind: str) -> None:
    engine = _engine(_network(KINDS[kind]), exact)
    for glance, whole in zip(engine.glance(_rows()), engine.run(_rows()), strict=True):
        np.testing.assert_array_equal(glance.point, whole.point)
        np.testing.assert_array_equal(glance.intents, whole.intents)


def test_all_words_of_a_text_within_it_mean_what_the_text_means() -> None:
    for row, told in zip(_rows(), _engine(_network(BERT), exact).run(_rows()), strict=True):
        assert told.within is not None
        (whole, first) = told.within([slice(0, len(row)), slice(0, 1)])
        np.testing.assert_allclose(whole, told.intents, atol=1e-4)
        assert len(row) == 1 or np.abs(first - whole).max() > 1e-3


def test_what_keeps_no_mean_of_its_tokens_sees_nothing_within() -> None:
    assert all(one.within is None for one in _engine(_network(KINDS["cls"]), exact).run(_rows()))


def test_a_text_is_told_the_same_whoever_shares_its_batch() -> None:
    network = _network(BERT)
    engine = _engine(network, InWhole(_inputs(network), 8))
    alone = [engine.run([row])[0] for row in _rows()]
    _close(engine.run(_rows()), alone, 1e-4)


def test_many_threads_may_ask_at_once() -> None:
    network = _network(BERT)
    engine, expected = _engine(network, exact, threads=3), TorchEngine(network, "cpu").run(_rows())
    found: list[list[Signals]] = []
    threads = [threading.Thread(target=lambda: found.append(engine.run(_rows()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 4
    for one in found:
        _close(one, expected, 2e-3)


def test_fewer_bits_are_taken_only_where_the_answers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    network = _network(BERT)
    assert (taken := exported(network, _rows(1), _rows(2))) is not None
    assert taken.precision == "float32" or taken.agreement.reaches(ALIKE)
    monkeypatch.setattr("nlu.export.precision.ALIKE", Agreement(1.1, 0, 0))
    assert (exactly := exported(network, _rows(1), _rows(2))) is not None
    assert exactly.precision == "float32"
    assert exactly.agreement.reaches(SAME)
    monkeypatch.setattr("nlu.export.precision.SAME", Agreement(1.1, 0, 0))
    assert exported(network, _rows(1), _rows(2)) is None, "what cannot be computed is left to torch"


def test_fewer_bits_are_taken_where_they_are_not_clearly_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    network = _network(BERT)
    monkeypatch.setattr("nlu.export.precision.ALIKE", Agreement(-1, 0, 0))
    for took, precision in (([1.0, 2.0], "int8"), ([1.1, 1.0], "int8"), ([2.0, 1.0], "float32")):
        monkeypatch.setattr("nlu.export.precision.seconds", lambda *_, took=took: took)
        assert (taken := exported(network, _rows(1), _rows(2))) is not None
        assert taken.precision == precision


def test_of_two_as_likely_either_is_the_same_answer() -> None:
    vector = np.ones(1, np.float32)

    def said(*intents: float) -> list[Signals]:
        scores = np.array(intents, np.float32)
        return [Signals(vector, scores, vector, scores, scores[None])]

    found = said(2.0, 1.0, 0.0)
    for expected, same in (((2.0, 1.0, 0.0), 1.0), ((2.0, 2.05, 0.0), 1.0), ((2.0, 2.2, 0.0), 0.0)):
        assert agreement(found, said(*expected)) == Agreement(1.0, same, same)


def test_what_was_seen_is_joined() -> None:
    one, other = np.array([[-1, 2], [3, -4]], np.float32), np.array([[0, 9]], np.float32)
    joined = Inputs.of(one).joined(Inputs.of(other))
    assert joined.low.tolist() == [-1, -4]
    assert joined.high.tolist() == [3, 9]
    np.testing.assert_array_equal(joined.gram, Inputs.of(np.concatenate([one, other])).gram)


def test_channels_much_larger_than_the_others_are_outliers() -> None:
    seen = Inputs.of(np.array([[1, 1, 1, 3, -1.5, -7]], np.float32))
    assert seen.outliers(64).tolist() == [3, 5], "more than twice the median"
    assert not len(Inputs.of(np.array([[1, 1, 1, 2.5, -2.5]], np.float32)).outliers(64)), "not worth a pass of its own"
    assert seen.outliers(1).tolist() == [5]
    assert seen.without(seen.outliers(1)).low.tolist() == [1, 1, 1, 3, -1.5, 0]


def test_no_processor_runs_over_where_everything_is_as_large_as_can_be() -> None:
    """Without products of 8 bits two of them are added in 16, and 127 x 255 twice is more than fits there."""
    values, weight = np.ones((4, 64), np.float32), np.ones((64, 8), np.float32)
    graph = Graph()
    found = InWhole({"product": Inputs.of(values / KEPT)})(graph, "product", "x", weight, np.zeros(8, np.float32))
    model = graph.serialized({"x": (onnx.TensorProto.FLOAT, ("rows", "inputs"))}, {"y": found})
    (told,) = opened(model).run(["y"], {"x": values})
    np.testing.assert_allclose(told, values @ weight, rtol=1e-3)


def test_rounding_makes_good_what_it_loses() -> None:
    random = np.random.default_rng(0)
    seen = (random.normal(size=(500, 6)) @ random.normal(size=(6, 24)) + random.normal(size=(500, 24)) / 10).astype(
        "f4"
    )
    weight = random.normal(size=(24, 5)).astype(np.float32)
    weight[7] = 0
    scales = np.abs(weight).max(0) / 7

    def error(whole: NDArray[np.integer[Any]]) -> float:
        return float(np.square(seen @ (whole * scales - weight)).mean())

    whole = rounded(weight, seen.T @ seen, scales, 7)
    assert error(whole) < error(np.round(weight / scales).astype(np.int8)) / 3
    assert np.abs(whole).max() <= 7
    assert not whole[7].any(), "what is multiplied elsewhere is not multiplied twice"
    assert rounded(weight, np.zeros((24, 24), np.float32), scales, 7).shape == (24, 5), "nothing was seen of it"


@pytest.fixture(scope="module")
def demo(request: pytest.FixtureRequest) -> Path:
    return demo_model(request.config)


@pytest.fixture
def copy(demo: Path, tmp_path: Path) -> Path:
    shutil.copytree(demo, tmp_path / demo.name)
    return tmp_path / demo.name


def test_training_leaves_a_graph_and_says_how_well_it_agrees(demo: Path) -> None:
    told = read_manifest(demo).engine
    assert told["embeddings"] >= ALIKE.embeddings
    few = told["precision"] in {"int8", "int8 in blocks"}
    assert few or told["precision"] == "float32", "as on a processor without products of 8 bits"
    assert (demo / GRAPH).stat().st_size < (demo / WEIGHTS).stat().st_size / (2 if few else 1)


def test_serving_understands_without_torch(demo: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from nlu.load import load_model;"
        f"found = load_model(Path({str(demo)!r}), threads=1, device='cpu').understand_now(['where is my order?']);"
        "print(found[0].intent.name, 'torch' in sys.modules, 'onnx' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert told.stdout.split() == ["order_status", "False", "False"]


def test_both_engines_understand_alike(demo: Path) -> None:
    texts = ["where is my order LW-10251?", "i want to send the sofa back", "are you open on sunday", "tell me a joke"]
    fast, slow = (load_model(demo, device="cpu", threads=1, with_torch=with_torch) for with_torch in (False, True))
    assert isinstance(fast.engine, OnnxEngine)
    assert isinstance(slow.engine, TorchEngine)
    for ours, theirs in zip(fast.understand_now(texts), slow.understand_now(texts), strict=True):
        assert ours.intent.name == theirs.intent.name
        assert [entity.value for entity in ours.entities] == [entity.value for entity in theirs.entities]


def test_in_float32_every_held_out_line_means_what_torch_says(demo: Path) -> None:
    model = load_model(demo, device="cpu", threads=1, with_torch=True)
    rows = [tokens.ids for tokens in model.reader.read([one.text for one in read_examples(DATA / "test").examples])]
    found, expected = _engine(network_of(model.engine), exact).run(rows), model.engine.run(rows)
    assert [one.intents.argmax() for one in found] == [one.intents.argmax() for one in expected]
    assert min(ours.embedding @ theirs.embedding for ours, theirs in zip(found, expected, strict=True)) > 0.9999


def test_a_machine_that_computes_something_else_is_served_by_torch(
    copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weights = load_file(copy / WEIGHTS)
    weights[EXPECTED] = -weights[EXPECTED]
    save_file(weights, copy / WEIGHTS)
    write_manifest(copy, read_manifest(copy))
    assert isinstance(load_model(copy, device="cpu", threads=1).engine, TorchEngine)
    assert "torch serves it" in caplog.text


def test_what_is_expected_of_a_graph_is_what_it_computed_in_training(
    demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nlu.export.precision.ALIKE", Agreement(-1, 0, 0))  # in 8 bits, whatever they cost
    monkeypatch.setattr("nlu.export.precision.seconds", lambda *_: [0.0, 1.0])
    tokenizer = Tokenizer.from_file(str(demo / "tokenizer.json"))
    network = _network(replace(BERT, vocabulary=tokenizer.get_vocab_size(), positions=256))
    examples = read_training_data(DATA).examples
    serving = serving_of(network, TextReader(tokenizer, Speller([], str.isalpha)), examples)
    assert serving is not None
    assert serving.record["precision"] == "int8"
    engine = OnnxEngine(serving.graph, Source.of(network).heads, 1)
    np.testing.assert_allclose(warm_points(engine, tokenizer), serving.expected, atol=1e-5)
    by_torch = warm_points(TorchEngine(network, "cpu"), tokenizer)
    assert np.abs(by_torch - serving.expected).max() > 1e-4, "fewer bits cost something"


def test_words_that_are_corrected_otherwise_do_not_make_another_machine(copy: Path) -> None:
    words = json.loads((copy / "words.json").read_text("utf-8"))
    for known in ([], ["dann", "packt"], ["denn", "geblieben"]):
        (copy / "words.json").write_text(json.dumps({**words, "words": known}), "utf-8")
        write_manifest(copy, replace(read_manifest(copy), languages=("de", "en")))
        assert isinstance(load_model(copy, device="cpu", threads=1).engine, OnnxEngine)


def test_a_graph_that_cannot_be_read_is_refused_with_a_reason(copy: Path) -> None:
    (copy / GRAPH).write_bytes(b"no graph")
    with pytest.raises(ModelError, match="damaged or edited"):
        load_model(copy, device="cpu")
    write_manifest(copy, read_manifest(copy))
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(copy, device="cpu")


def test_a_graph_that_is_edited_between_check_and_reading_is_refused(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (copy / GRAPH).read_bytes()

    def checked(directory: Path, trust: Trust) -> Manifest:
        manifest = check_directory(directory, trust)
        (copy / GRAPH).write_bytes(whole[:-1] + b"?")
        return manifest

    monkeypatch.setattr(load, "check_directory", checked)
    monkeypatch.setattr("nlu.engine.onnx_engine.opened", lambda graph: None)
    with pytest.raises(ModelError, match="changed while it was read"):
        load_model(copy, device="cpu", threads=1)


def test_a_model_without_a_graph_is_served_by_torch(copy: Path) -> None:
    (copy / GRAPH).unlink()
    write_manifest(copy, read_manifest(copy))
    assert isinstance(load_model(copy, device="cpu", threads=1).engine, TorchEngine)


@pytest.mark.parametrize("where", ["other", "../other", "/other"])
def test_a_graph_that_takes_numbers_from_another_file_is_refused(
    where: str, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = onnx.load_model_from_string((copy / GRAPH).read_bytes())
    weight = next(one for one in graph.graph.initializer if one.name == "norm.weight")
    (tmp_path / "other").write_bytes(weight.raw_data)
    monkeypatch.chdir(tmp_path)
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=where if where[0] != "/" else str(tmp_path / "other"))
    (copy / GRAPH).write_bytes(graph.SerializeToString())
    write_manifest(copy, read_manifest(copy))
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(copy, device="cpu", threads=1)


def test_what_the_encoder_makes_of_a_batch_has_a_row_for_every_token() -> None:
    network = _network(BERT)
    for hidden in states(_engine(network, exact).session, [[1, 2, 3], [4]]):
        assert hidden.shape == (2, 3, 64)
