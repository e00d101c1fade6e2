"""Batches and buckets: which shapes, and that a recorded pass says what a padded one does. A GPU's part needs a GPU."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlu.architecture import Architecture
from nlu.encoder import Encoder
from nlu.engine.buckets import LENGTHS, PASS_TOKENS, SIZES, Bucket, Share, buckets, shares
from nlu.engine.captured import CudaGraphs, Step
from nlu.engine.network import Network
from nlu.engine.signals import Signals, by_length
from nlu.engine.torch_engine import TorchEngine

SMALL = Architecture("bert", 90, 32, 2, 2, 64, 60, 2, 1e-12, "gelu", 0, "mean", 1)
LENGTH = st.integers(1, 140)


def network(shape: Architecture = SMALL, tags: int = 5) -> Network:
    torch.manual_seed(3)
    return Network(Encoder(shape), 7, tags)


def rows(*lengths: int) -> list[list[int]]:
    random = np.random.default_rng(0)
    return [random.integers(1, 90, length).tolist() for length in lengths]


def close(found: Sequence[Signals], expected: Sequence[Signals], most: float) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        for name in ("embedding", "point", "intents", "start"):
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=most)
        if theirs.tags is None:
            assert ours.tags is None
        else:
            assert ours.tags is not None
            assert ours.tags.shape == theirs.tags.shape
            np.testing.assert_allclose(ours.tags, theirs.tags, atol=most)


class Recorder:
    """As a GPU: what was recorded is repeated on the same buffers, and nobody else may be at it meanwhile."""

    def __init__(self) -> None:
        self.recorded = self.repeated = 0
        self._busy = threading.Lock()

    def __call__(self, step: Step) -> Step:
        self.recorded += 1

        def repeat() -> None:
            assert self._busy.acquire(blocking=False), "two passes at once would share their buffers"
            try:
                self.repeated += 1
                step()
            finally:
                self._busy.release()

        return repeat


# Which shapes


@given(st.lists(LENGTH, max_size=700))
def test_each_text_is_in_one_share_and_fits_it(lengths: list[int]) -> None:
    found = list(shares(lengths, LENGTHS[-1]))
    assert sorted(place for share in found for place in share.places) == list(range(len(lengths)))
    for share in found:
        longest = max(lengths[place] for place in share.places)
        if share.bucket is None:
            assert min(lengths[place] for place in share.places) > LENGTHS[-1]
        else:
            assert longest <= share.bucket.length
            assert len(share.places) <= share.bucket.size
            assert share.bucket in buckets(LENGTHS[-1])


@given(st.lists(st.integers(1, 128), min_size=1, max_size=700))
def test_lines_without_a_text_cost_less_than_another_pass(lengths: list[int]) -> None:
    for share in shares(lengths, LENGTHS[-1]):
        assert share.bucket is not None
        assert (share.bucket.size - len(share.places)) * share.bucket.length <= PASS_TOKENS


def test_few_texts_of_any_length_are_one_pass() -> None:
    assert list(shares([3, 30, 12], 128)) == [Share(Bucket(32, 4), [1, 2, 0])]


def test_many_texts_are_not_padded_to_the_longest() -> None:
    found = list(shares([12] * 250 + [90] * 30, 128))
    assert [(share.bucket, len(share.places)) for share in found] == [(Bucket(96, 32), 30), (Bucket(16, 256), 250)]


def test_a_few_more_than_a_size_holds_are_a_pass_of_their_own() -> None:
    assert [share.bucket for share in shares([30] * 130, 128)] == [Bucket(32, 128), Bucket(32, 2)]


@given(st.lists(LENGTH, max_size=300), st.integers(1, 600))
def test_on_a_cpu_batches_are_of_like_lengths_and_within_their_tokens(lengths: list[int], budget: int) -> None:
    found = list(by_length(lengths, budget))
    assert [lengths[place] for batch in found for place in batch] == sorted(lengths)
    assert sorted(place for batch in found for place in batch) == list(range(len(lengths)))
    padded = [len(batch) * max(lengths[place] for place in batch) for batch in found]
    assert all(tokens <= budget or len(batch) == 1 for tokens, batch in zip(padded, found, strict=True))


def test_on_a_cpu_little_is_padding() -> None:
    lengths = [4 + place % 29 for place in range(500)]
    batches = by_length(lengths, 256)
    assert sum(len(batch) * max(lengths[place] for place in batch) for batch in batches) < 1.05 * sum(lengths)


def test_the_largest_bucket_is_recorded_first_and_none_is_longer_than_the_network() -> None:
    found = buckets(60)
    assert found[0] == Bucket(48, SIZES[-1])
    assert {bucket.length for bucket in found} == {8, 16, 24, 32, 48}


# What they say


@pytest.mark.parametrize(
    "shape",
    [SMALL, replace(SMALL, pooling="cls"), replace(SMALL, family="roberta", first_position=2), replace(SMALL, tuned=0)],
)
def test_a_recorded_pass_says_what_a_padded_one_does(shape: Architecture) -> None:
    asked = rows(*range(1, 49), 5, 5, 33)
    recorder = Recorder()
    close(TorchEngine(network(shape), "cpu", recorder).run(asked), TorchEngine(network(shape), "cpu").run(asked), 1e-5)
    assert recorder.recorded == len(buckets(shape.max_tokens))
    assert recorder.repeated > 0


def test_what_no_bucket_holds_is_padded_as_before() -> None:
    asked, recorder = rows(55, 3, 58), Recorder()
    found = TorchEngine(network(), "cpu", recorder).run(asked)
    close(found, TorchEngine(network(), "cpu").run(asked), 1e-5)
    assert recorder.repeated == 1


def test_a_network_without_entities_has_no_tags() -> None:
    asked = rows(4, 9)
    close(
        TorchEngine(network(tags=1), "cpu", Recorder()).run(asked), TorchEngine(network(tags=1), "cpu").run(asked), 1e-5
    )


def test_answers_stay_when_the_buffers_are_used_again() -> None:
    engine = TorchEngine(network(), "cpu", Recorder())
    first, alone = rows(7, 8), TorchEngine(network(), "cpu").run(rows(7, 8))
    found = engine.run(first)
    engine.run(rows(5, 6)[::-1])
    close(found, alone, 1e-5)


def test_no_text_is_no_pass() -> None:
    recorder = Recorder()
    assert TorchEngine(network(), "cpu", recorder).run([]) == []
    assert recorder.repeated == 0


def test_threads_take_turns_at_the_buffers() -> None:
    engine, expected = TorchEngine(network(), "cpu", Recorder()), TorchEngine(network(), "cpu").run(rows(*range(1, 30)))
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(engine.run, [rows(*range(1, 30))] * 8):
            close(found, expected, 1e-5)


def test_a_device_that_records_nothing_serves_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(step: Step) -> Step:
        raise RuntimeError("out of memory\nwith a long story")

    with caplog.at_level(logging.WARNING):
        engine = TorchEngine(network(), "cpu", refuse)
    close(engine.run(rows(3, 9)), TorchEngine(network(), "cpu").run(rows(3, 9)), 1e-5)
    assert [record.getMessage() for record in caplog.records] == [
        "The model is served without captured graphs, slower: out of memory"
    ]


def test_a_model_that_is_gone_leaves_its_stream_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    made = count(1)
    monkeypatch.setattr(CudaGraphs, "_idle", [])
    monkeypatch.setattr(torch.cuda, "Stream", lambda: next(made))
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", object)
    old, new = CudaGraphs(), CudaGraphs()  # one serves while the other is recorded
    for _ in range(20):
        old, new = new, CudaGraphs()
    del old, new
    assert next(made) == 4


def test_a_recorded_network_keeps_its_stream() -> None:
    class Capture:
        def __call__(self, step: Step) -> Step:
            return step  # as a recording, it knows nothing of who made it

    capture = Capture()
    gone = weakref.ref(capture)
    engine = TorchEngine(network(), "cpu", capture)
    del capture
    assert gone()
    del engine
    gc.collect()
    assert not gone()


# On a GPU


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@needs_gpu
def test_graphs_on_a_gpu_say_what_the_cpu_says() -> None:
    asked = rows(*range(1, 59), *[9] * 300)
    close(TorchEngine(network(), "cuda", CudaGraphs()).run(asked), TorchEngine(network(), "cpu").run(asked), 0.03)


@needs_gpu
def test_graphs_on_a_gpu_say_what_the_gpu_says_without_them() -> None:
    asked = rows(*range(1, 59))
    graphs, eager = TorchEngine(network(), "cuda", CudaGraphs()), TorchEngine(network(), "cuda")
    for _ in range(3):  # recorded once, repeated often
        close(graphs.run(asked), eager.run(asked), 0.01)


@needs_gpu
def test_a_model_is_recorded_while_another_serves() -> None:
    asked, serving = rows(*range(1, 40)), TorchEngine(network(), "cuda", CudaGraphs())
    expected, done = serving.run(asked), threading.Event()

    def serve() -> int:
        passes = 0
        while not done.is_set() or passes == 0:
            close(serving.run(asked), expected, 0.01)
            passes += 1
        return passes

    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(serve)
        try:
            newer = TorchEngine(network(), "cuda", CudaGraphs())
        finally:
            done.set()
        assert served.result() > 0
    close(newer.run(asked), expected, 0.01)
