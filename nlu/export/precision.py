"""Chooses how many bits serving needs: the fewest with which the network still says the same, if they are as fast."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnxruntime

from nlu.architecture import Architecture
from nlu.engine.heads import Heads
from nlu.engine.network import Network
from nlu.engine.onnx_engine import STATES, OnnxEngine, batch_of
from nlu.engine.signals import Floats, Signals, by_length
from nlu.engine.torch_engine import TorchEngine
from nlu.export.graph import Product, encoder_graph
from nlu.export.products import BLOCK, Inputs, InWhole, exact, in_blocks

CALIBRATED_ON = 400
CHECKED_ON = 300
"""Texts."""
_EXACTLY = 50
"""Of them tell whether float32 is float32."""
_WATCHED_TOKENS = 2048
_TIMED_ON, _ROUNDS = 64, 5
SLOWER = 1.15
"""So many times as long fewer bits may take: a machine that has other work errs by that, and they take half the
memory."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How alike two engines answer the same texts."""

    embeddings: float
    """Mean cosine similarity."""
    intents: float
    """Share of the texts whose likeliest intent is the same, or one as likely."""
    tags: float
    """The same of the tokens and their tags."""

    def reaches(self, least: Agreement) -> bool:
        return self.embeddings >= least.embeddings and self.intents >= least.intents and self.tags >= least.tags


TIED = 0.1
"""Logits: of two between which there is less neither is the answer. Measured on the demo's adapters, 8 bits change the
likeliest intent of one text in a hundred, and nearly always such ones: then chance decided how many bits serve."""
SAME = Agreement(0.9999, 0.98, 0.99)
"""Of a graph that computes what the network does."""
ALIKE = Agreement(0.999, 0.99, 0.995)
"""Of one that does so in fewer bits."""


@dataclass(frozen=True, slots=True)
class Exported:
    graph: bytes
    precision: str
    agreement: Agreement

    def to_json(self) -> dict[str, Any]:
        return {"precision": self.precision, **asdict(self.agreement)}


def exported(network: Network, calibrating: Sequence[list[int]], checking: Sequence[list[int]]) -> Exported | None:
    """The first graph in fewer bits that agrees with the network on the rows of token ids `checking`, which are not
    those it was calibrated on, or float32 if that is clearly faster here. None if ONNX Runtime does not compute what
    the network does."""
    source = Source.of(network.cpu().eval())
    expected = TorchEngine(network, "cpu").run(checking)
    float32 = source.engine(source.graph(exact, watched=True))
    agrees = agreement(float32.run(checking[:_EXACTLY]), expected[:_EXACTLY])
    if not agrees.reaches(SAME):
        return None
    exactly = Exported(source.graph(exact), "float32", agrees)
    for precision, product in _fewer_bits(inputs_of(float32.session, calibrating)).items():
        graph = source.graph(product)
        found = Exported(graph, precision, agreement(source.engine(graph).run(checking), expected))
        if found.agreement.reaches(ALIKE):
            few, many = seconds([source.engine(one.graph) for one in (found, exactly)], checking[:_TIMED_ON])
            return found if few < many * SLOWER else exactly
    return exactly


def seconds(engines: Sequence[OnnxEngine], rows: Sequence[list[int]]) -> list[float]:
    """What each takes for the same rows, the least of rounds in which they take turns: a processor without products of
    8 bits is slower in blocks than in float32."""
    rounds = [[_seconds(engine, rows) for engine in engines] for _ in range(_ROUNDS)]
    return [min(of_engine) for of_engine in zip(*rounds, strict=True)]


def _seconds(engine: OnnxEngine, rows: Sequence[list[int]]) -> float:
    began = time.perf_counter()
    engine.run(rows)
    return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Source:
    """What graphs are made of."""

    shape: Architecture
    encoder: Mapping[str, Floats]
    heads: Heads

    @classmethod
    def of(cls, network: Network) -> Source:
        shape = network.encoder.shape
        weights = {name: tensor.detach().float().numpy() for name, tensor in network.state_dict().items()}
        tags = network.tags.out_features if network.tags is not None else 1
        heads = Heads.of(weights.__getitem__, shape.pooling, network.intents.out_features, tags)
        return cls(shape, {name.removeprefix("encoder."): weight for name, weight in weights.items()}, heads)

    def graph(self, product: Product, *, watched: bool = False) -> bytes:
        return encoder_graph(self.encoder, self.shape, product, watched=watched)

    def engine(self, graph: bytes) -> OnnxEngine:
        return OnnxEngine(graph, self.heads, 0)


def _fewer_bits(inputs: Mapping[str, Inputs]) -> dict[str, Product]:
    """The fastest first."""
    found: dict[str, Product] = {"int8": InWhole(inputs)}
    if all(len(of_product.low) % BLOCK == 0 for of_product in inputs.values()):
        found["int8 in blocks"] = in_blocks
    return found


def agreement(found: Sequence[Signals], expected: Sequence[Signals]) -> Agreement:
    pairs = list(zip(found, expected, strict=True))
    tags = [(one.tags, other.tags) for one, other in pairs if one.tags is not None and other.tags is not None]
    same = [_same(ours, theirs) for ours, theirs in tags]
    return Agreement(
        embeddings=float(np.mean([one.embedding @ other.embedding for one, other in pairs])),
        intents=float(np.mean([_same(one.intents, other.intents) for one, other in pairs])),
        tags=float(np.mean(np.concatenate(same))) if same else 1.0,
    )


def _same(found: Floats, expected: Floats) -> Any:
    """Row by row: whether what is found likeliest is expected to be, but for a tie."""
    chosen = np.take_along_axis(expected, found.argmax(-1, keepdims=True), -1)[..., 0]
    return chosen >= expected.max(-1) - TIED


def inputs_of(watched: onnxruntime.InferenceSession, rows: Sequence[list[int]]) -> dict[str, Inputs]:
    """What goes into each product."""
    names = [output.name for output in watched.get_outputs()][len(STATES) :]
    found: dict[str, Inputs] = {}
    for batch in by_length([len(row) for row in rows], _WATCHED_TOKENS):
        given = batch_of([rows[at] for at in batch])
        seen = given["seen"].astype(bool)
        for name, values in zip(names, watched.run(names, given), strict=True):
            of_batch = Inputs.of(values[seen])
            found[name] = of_batch.joined(found[name]) if name in found else of_batch
    return found
