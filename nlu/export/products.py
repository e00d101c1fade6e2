"""Matrix products in few bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nlu.export.graph import FUSED, Floats, Graph

BLOCK = 64
"""Numbers that share a scale, where a product is cut into blocks."""
APART = 32
"""Channels of a product whose values are so large that a product in whole leaves them out."""
SMOOTHED = 0.8
"""How much of a channel's size moves from what is multiplied into the weights (SmoothQuant, Xiao et al. 2022)."""
_LEAST = np.float32(1e-5)
_MOST = 127


@dataclass(frozen=True, slots=True)
class Range:
    """Between which values each channel of a product's left side lay; a number a channel each."""

    low: Floats
    high: Floats

    def joined(self, other: Range) -> Range:
        return Range(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def largest(self, many: int) -> NDArray[np.int64]:
        """The channels with the largest values, in order."""
        sizes = np.maximum(np.abs(self.low), np.abs(self.high))
        return np.sort(np.argsort(-sizes, kind="stable")[:many])

    def without(self, channels: NDArray[np.int64]) -> Range:
        """As if these had always been zero."""
        low, high = self.low.copy(), self.high.copy()
        low[channels] = high[channels] = 0
        return Range(low, high)

    @classmethod
    def of(cls, values: Floats) -> Range:
        """Of many rows."""
        return cls(values.min(0), values.max(0))


def exact(graph: Graph, name: str, value: str, weight: Floats, bias: Floats) -> str:
    product = graph.node("MatMul", value, graph.constant(f"{name}.weight", weight))
    return graph.node("Add", product, graph.constant(f"{name}.bias", bias))


def in_blocks(graph: Graph, name: str, value: str, weight: Floats, bias: Floats) -> str:
    """Each block of a row has a scale of its own, on both sides; what is multiplied finds its own as it comes."""
    inputs, outputs = weight.shape
    blocks = weight.T.reshape(outputs, inputs // BLOCK, BLOCK)
    scales, whole = _whole(blocks, axis=-1)
    shifted = (whole.astype(np.int16) + 128).astype(np.uint8)
    return graph.node(
        "MatMulNBits",
        value,
        graph.constant(f"{name}.weight", shifted),
        graph.constant(f"{name}.scales", scales.reshape(-1)),
        "",
        "",
        graph.constant(f"{name}.bias", bias),
        domain=FUSED,
        K=inputs,
        N=outputs,
        bits=8,
        block_size=BLOCK,
        accuracy_level=4,
    )


@dataclass(frozen=True, slots=True)
class InWhole:
    """A scale for all that is multiplied, known before, and one for each column of the weight: whatever else is in a
    batch, a text's numbers are the same."""

    ranges: Mapping[str, Range]
    apart: int = APART
    """So many of the largest channels are multiplied in float32: they would hide the others (Dettmers et al. 2022)."""

    def __call__(self, graph: Graph, name: str, value: str, weight: Floats, bias: Floats) -> str:
        apart = self.ranges[name].largest(self.apart)
        rest = np.where(np.isin(np.arange(len(weight)), apart)[:, None], np.float32(0), weight)
        product = _in_whole(graph, name, (value, self.ranges[name].without(apart)), rest, bias)
        if not len(apart):
            return product
        few = graph.node("Gather", value, graph.constant(f"{name}.apart", apart), axis=-1)
        exactly = graph.node("MatMul", few, graph.constant(f"{name}.exact", weight[apart]))
        return graph.node("Add", product, exactly)


def _in_whole(graph: Graph, name: str, value: tuple[str, Range], weight: Floats, bias: Floats) -> str:
    left, seen = value
    factors = _factors(seen, weight)
    scales, whole = _whole(weight * factors[:, None], axis=0)
    scale, zero = _scale(Range(seen.low / factors, seen.high / factors))
    step, middle = graph.constant(f"{name}.step", scale), graph.constant(f"{name}.middle", zero)
    smooth = graph.node("Mul", left, graph.constant(f"{name}.factors", 1 / factors))
    return graph.node(
        "MatMulIntegerToFloat",
        graph.node("QuantizeLinear", smooth, step, middle),
        graph.constant(f"{name}.weight", whole),
        step,
        graph.constant(f"{name}.scales", scales),
        middle,
        graph.constant(f"{name}.none", np.zeros(len(scales), np.int8)),
        graph.constant(f"{name}.bias", bias),
        domain=FUSED,
    )


def _factors(seen: Range, weight: Floats) -> Floats:
    """By which each channel is divided, and its row of the weight multiplied; their geometric mean is 1."""
    largest = np.maximum(np.maximum(np.abs(seen.low), np.abs(seen.high)), _LEAST)
    factors = largest**SMOOTHED / np.maximum(np.abs(weight).max(1), _LEAST) ** (1 - SMOOTHED)
    even: Floats = (factors / np.exp(np.log(factors).mean())).astype(np.float32)
    return even


def _scale(seen: Range) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Of unsigned bytes, and which of them is zero."""
    low, high = min(float(seen.low.min()), 0.0), max(float(seen.high.max()), 0.0)
    scale = max(high - low, float(_LEAST)) / 255
    return np.array(scale, np.float32), np.array(round(-low / scale), np.uint8)


def _whole(weight: Floats, axis: int) -> tuple[Floats, NDArray[np.int8]]:
    """Scales along an axis, and the weight as multiples of them."""
    scales = np.maximum(np.abs(weight).max(axis, keepdims=True), np.float32(1e-9)) / np.float32(_MOST)
    return scales.squeeze(axis).astype(np.float32), np.clip(np.round(weight / scales), -_MOST, _MOST).astype(np.int8)
