"""The encoder as an ONNX graph: what nlu/encoder.py computes, in operators that ONNX Runtime has fused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from nlu.architecture import ACTIVATIONS, Architecture
from nlu.engine.onnx_engine import STATES

Floats = NDArray[np.float32]
FUSED = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""
_OPSET, _IR = 21, 10


@dataclass(slots=True)
class Graph:
    """Nodes and constants in the making; values go by their names."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def node(self, kind: str, *inputs: str, domain: str = "", **attributes: int | float | str) -> str:
        return self.nodes_of(kind, *inputs, outputs=1, domain=domain, **attributes)[0]

    def nodes_of(
        self, kind: str, *inputs: str, outputs: int, domain: str = "", **attributes: int | float | str
    ) -> list[str]:
        """One node, which has several outputs."""
        name = f"{kind}_{len(self.nodes)}"
        names = [f"{name}_{number}" for number in range(outputs)]
        node = helper.make_node(kind, inputs, names, name=name, domain=domain)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        return names

    def chosen(self, condition: str, one: Callable[[], str], other: Callable[[], str]) -> str:
        """The value of one of two ways, of which the graph runs only that one."""
        ways = {"then_branch": self._way(one), "else_branch": self._way(other)}
        name = f"If_{len(self.nodes)}"
        self.nodes.append(helper.make_node("If", [condition], [name], name=name, **ways))
        return name

    def _way(self, written: Callable[[], str]) -> onnx.GraphProto:
        outside, self.nodes = self.nodes, [*self.nodes]  # the names of nodes count them
        value = written()
        name, nodes = f"way_{len(self.nodes)}", self.nodes[len(outside) :]
        nodes.append(helper.make_node("Identity", [value], [name]))
        self.nodes = outside
        return helper.make_graph(nodes, name, [], [_float(name)])

    def serialized(self, inputs: Mapping[str, tuple[int, Sequence[str]]], outputs: Mapping[str, str]) -> bytes:
        """`inputs`: types and dimensions by names; `outputs`: values by the names they shall have."""
        self.nodes += [helper.make_node("Identity", [value], [name]) for name, value in outputs.items()]
        taken = [helper.make_tensor_value_info(name, kind, size) for name, (kind, size) in inputs.items()]
        given = [_float(name) for name in outputs]
        graph = helper.make_graph(self.nodes, "encoder", taken, given, list(self.constants.values()))
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(FUSED, 1)]
        return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=_IR).SerializeToString())


Product = Callable[[Graph, str, str, Floats, Floats], str]
"""Adds `value @ weight + bias` to a graph, given it, the product's name, the value, the weight (inputs x outputs) and
the bias."""


def encoder_graph(
    weights: Mapping[str, Floats], shape: Architecture, product: Product, *, watched: bool = False
) -> bytes:
    """Three outputs, `STATES`, of which the frozen branch's is that below the fork where the input `embedded` is false.

    `watched`: also what goes into each product, by the product's name; then the frozen branch is always computed.
    """
    writer = _Writer(Graph(), weights, shape, product, {})
    forked = shape.layers - shape.tuned
    low = writer.layers(writer.embedded(), [f"layers.{number}" for number in range(forked)])
    frozen_layers = [f"layers.{number}" for number in range(forked, shape.layers)]
    tuned = writer.layers(low, [f"tuned_layers.{number}" for number in range(shape.tuned)])
    if watched:
        frozen = writer.layers(low, frozen_layers)
    else:
        frozen = writer.graph.chosen("embedded", lambda: writer.layers(low, frozen_layers), lambda: low)
    outputs = dict(zip(STATES, (low, frozen, tuned), strict=True))
    texts = ("batch", "length")
    inputs = {"ids": (TensorProto.INT64, texts), "seen": (TensorProto.INT32, texts), "embedded": (TensorProto.BOOL, ())}
    return writer.graph.serialized(inputs, {**outputs, **writer.products} if watched else outputs)


@dataclass(frozen=True, slots=True)
class _Writer:
    graph: Graph
    weights: Mapping[str, Floats]
    """By their names in nlu.encoder.Encoder."""
    shape: Architecture
    product: Product
    products: dict[str, str]
    """What goes into each of them."""

    def embedded(self) -> str:
        graph, first = self.graph, self.shape.first_position
        words = graph.constant("words", self.weights["words.weight"].astype(np.float16))
        places = self.weights["places.weight"][first:] + self.weights["types.weight"][0]
        length = graph.node("Shape", "ids", start=1, end=2)
        zero = graph.constant("zero", np.array([0]))
        here = graph.node("Slice", graph.constant("places", places), zero, length, zero)
        found = graph.node("Cast", graph.node("Gather", words, "ids"), to=TensorProto.FLOAT)
        summed = graph.node("Add", found, here)
        return graph.node("LayerNormalization", summed, *self._pair("norm"), epsilon=self.shape.epsilon)

    def layers(self, hidden: str, names: Iterable[str]) -> str:
        for name in names:
            hidden = self.layer(hidden, name)
        return hidden

    def layer(self, hidden: str, name: str) -> str:
        graph = self.graph
        parts = graph.nodes_of("Split", self._product(hidden, f"{name}.attend"), outputs=3, axis=-1, num_outputs=3)
        attended = graph.node("MultiHeadAttention", *parts, "", "seen", domain=FUSED, num_heads=self.shape.heads)
        hidden = self._normal(self._product(attended, f"{name}.merge"), hidden, f"{name}.merge_norm")
        widened = self._product(hidden, f"{name}.widen")
        inner = graph.node("Gelu", widened, approximate=ACTIVATIONS[self.shape.activation])
        return self._normal(self._product(inner, f"{name}.narrow"), hidden, f"{name}.narrow_norm")

    def _product(self, value: str, name: str) -> str:
        self.products[name] = value
        weight, bias = self.weights[f"{name}.weight"].T, self.weights[f"{name}.bias"]
        return self.product(self.graph, name, value, weight, bias)

    def _normal(self, value: str, residual: str, name: str) -> str:
        # In two: ONNX Runtime's operator for both of them takes twice as long on a CPU.
        summed = self.graph.node("Add", value, residual)
        return self.graph.node("LayerNormalization", summed, *self._pair(name), epsilon=self.shape.epsilon)

    def _pair(self, name: str) -> list[str]:
        return [self.graph.constant(f"{name}.{part}", self.weights[f"{name}.{part}"]) for part in ("weight", "bias")]


def _float(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
