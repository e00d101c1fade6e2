"""Matrix products in few bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nlu.export.graph import FUSED, Floats, Graph
from nlu.export.rounding import rounded

BLOCK = 64
"""Numbers that share a scale, where a product is cut into blocks."""
APART, LARGE, LARGEST = 64, 2.0, 3.0
"""Channels that a product in whole leaves out: at most so many, whose values are so many times as large as the median
channel's; none where the largest is below so many times it, for to multiply them apart costs a pass of its own."""
SMOOTHED = 0.8
"""How much of a channel's size moves from what is multiplied into the weights (SmoothQuant, Xiao et al. 2022)."""
KEPT = 0.9
"""Of the range of values that was seen: the few beyond are cut off, so that all others are finer."""
_LEAST = np.float32(1e-5)
_MOST = 127
_MOST_IN_WHOLE = 63
"""Seven bits of a weight: who has no products of 8 bits adds two products up in 16 bits, where 2 x 255 x 63 fit."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Of the rows that came into a product from the left."""

    low: Floats
    """Between which values each channel lay; a number a channel each."""
    high: Floats
    gram: Floats
    """Of all rows x, `x.T @ x`."""

    def joined(self, other: Inputs) -> Inputs:
        return Inputs(np.minimum(self.low, other.low), np.maximum(self.high, other.high), self.gram + other.gram)

    @property
    def sizes(self) -> Floats:
        """Of each channel."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    def outliers(self, most: int) -> NDArray[np.int64]:
        """Channels much larger than the others, in order."""
        times = self.sizes / np.maximum(np.median(self.sizes), _LEAST)
        largest = np.argsort(-times, kind="stable")[:most]
        return np.sort(largest[(times[largest] > LARGE) & (times.max() > LARGEST)])

    def without(self, channels: NDArray[np.int64]) -> Inputs:
        """As if these had always been zero."""
        low, high = self.low.copy(), self.high.copy()
        low[channels] = high[channels] = 0
        return Inputs(low, high, self.gram)

    def divided(self, factors: Floats) -> Inputs:
        """Each channel by its own, with the rarest values cut off."""
        return Inputs(KEPT * self.low / factors, KEPT * self.high / factors, self.gram / factors / factors[:, None])

    @classmethod
    def of(cls, values: Floats) -> Inputs:
        """Of many rows."""
        return cls(values.min(0), values.max(0), values.T @ values)


def exact(graph: Graph, name: str, value: str, weight: Floats, bias: Floats) -> str:
    product = graph.node("MatMul", value, graph.constant(f"{name}.weight", weight))
    return graph.node("Add", product, graph.constant(f"{name}.bias", bias))


def in_blocks(graph: Graph, name: str, value: str, weight: Floats, bias: Floats) -> str:
    """Each block of a row has a scale of its own, on both sides; what is multiplied finds its own as it comes."""
    inputs, outputs = weight.shape
    blocks = weight.T.reshape(outputs, inputs // BLOCK, BLOCK)
    scales = _scales(blocks, -1, _MOST)
    shifted = (np.round(blocks / scales[..., None]) + 128).astype(np.uint8)
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

    seen: Mapping[str, Inputs]
    apart: int = APART
    """So many of the largest channels at most are multiplied in float32: they would hide the others (Dettmers et al.
    2022)."""

    def __call__(self, graph: Graph, name: str, value: str, weight: Floats, bias: Floats) -> str:
        apart = self.seen[name].outliers(self.apart)
        rest = np.where(np.isin(np.arange(len(weight)), apart)[:, None], np.float32(0), weight)
        product = _in_whole(graph, name, (value, self.seen[name].without(apart)), rest, bias)
        if not len(apart):
            return product
        few = graph.node("Gather", value, graph.constant(f"{name}.apart", apart), axis=-1)
        exactly = graph.node("MatMul", few, graph.constant(f"{name}.exact", weight[apart]))
        return graph.node("Add", product, exactly)


def _in_whole(graph: Graph, name: str, value: tuple[str, Inputs], weight: Floats, bias: Floats) -> str:
    left, seen = value
    factors = _factors(seen, weight)
    even, smoothed = weight * factors[:, None], seen.divided(factors)
    scales = _scales(even, 0, _MOST_IN_WHOLE)
    scale, zero = _scale(smoothed)
    step, middle = graph.constant(f"{name}.step", scale), graph.constant(f"{name}.middle", zero)
    smooth = graph.node("Mul", left, graph.constant(f"{name}.factors", 1 / factors))
    return graph.node(
        "MatMulIntegerToFloat",
        graph.node("QuantizeLinear", smooth, step, middle),
        graph.constant(f"{name}.weight", rounded(even, smoothed.gram, scales, _MOST_IN_WHOLE)),
        step,
        graph.constant(f"{name}.scales", scales),
        middle,
        graph.constant(f"{name}.none", np.zeros(len(scales), np.int8)),
        graph.constant(f"{name}.bias", bias),
        domain=FUSED,
    )


def _factors(seen: Inputs, weight: Floats) -> Floats:
    """By which each channel is divided, and its row of the weight multiplied; their geometric mean is 1."""
    factors = np.maximum(seen.sizes, _LEAST) ** SMOOTHED / np.maximum(np.abs(weight).max(1), _LEAST) ** (1 - SMOOTHED)
    even: Floats = (factors / np.exp(np.log(factors).mean())).astype(np.float32)
    return even


def _scale(seen: Inputs) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Of unsigned bytes, and which of them is zero."""
    low, high = min(float(seen.low.min()), 0.0), max(float(seen.high.max()), 0.0)
    scale = max(high - low, float(_LEAST)) / 255
    return np.array(scale, np.float32), np.array(round(-low / scale), np.uint8)


def _scales(weight: Floats, axis: int, most: int) -> Floats:
    """With which the largest along an axis becomes `most`."""
    return np.asarray(np.maximum(np.abs(weight).max(axis), np.float32(1e-9)) / most, np.float32)
