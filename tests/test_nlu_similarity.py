"""Cosines in 8 bits: as near as they have to be to the exact ones, whatever is compared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nlu.similarity import UnitVectors


def units(seed: int, count: int, width: int) -> NDArray[np.float32]:
    found = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


@given(st.integers(0, 99), st.integers(1, 9), st.integers(0, 40), st.sampled_from([1, 2, 48, 384, 768]))
def test_they_are_the_exact_ones_but_for_a_hair(seed: int, texts: int, kept: int, width: int) -> None:
    points, vectors = units(seed, texts, width), units(seed + 1, kept, width)
    found = UnitVectors.of(vectors).cosines(points)
    assert found.dtype == np.float32
    assert found.shape == (texts, kept)
    assert np.abs(found - points @ vectors.T).max(initial=0) < 0.01


def test_a_text_is_as_near_whoever_it_is_read_with() -> None:
    vectors, points = UnitVectors.of(units(0, 500, 384)), units(1, 64, 384)
    assert np.array_equal(vectors.cosines(points)[7], vectors.cosines(points[7:8])[0])


def test_half_precision_is_kept_as_it_is_and_no_text_asks_for_nothing() -> None:
    half = units(3, 5, 16).astype(np.float16)
    vectors = UnitVectors.of(half)
    assert vectors.exact.dtype == np.float16
    assert vectors.floats.dtype == np.float32
    assert len(vectors) == 5
    assert vectors.cosines(units(3, 0, 16)).shape == (0, 5)


def test_a_vector_of_zeros_is_near_nothing() -> None:
    vectors = np.zeros((2, 8), np.float32)
    vectors[1, 3] = 1.0
    assert UnitVectors.of(vectors).cosines(vectors[1:])[0] == pytest.approx([0.0, 1.0], abs=1e-3)
