"""Whether the words that are said to decide do: `python -m benchmarks.explanations --model DIR [--every N]`.

Of the demo's held-out texts the word that weighs most is cut out of the text, and the text understood anew: by how much
does the chosen intent's probability fall? The word is chosen by leaving each out (occlusion, what `nlu.explain` does),
by gradient times input, or by chance (the mean over all words). Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from nlu.encoder import padded
from nlu.engine.torch_engine import network_of
from nlu.evaluation.measure import read_texts
from nlu.explain import explain
from nlu.load import load_model
from nlu.types import Understanding, family
from nlu.understand import Model
from tests.demo import DATA

Weigh = Callable[[Model, Understanding], Sequence[float]]
"""Of a text's words."""


def occlusion(model: Model, found: Understanding) -> list[float]:
    return [word.weight for word in explain(model, [found])[0].words]


def gradient(model: Model, found: Understanding) -> list[float]:
    """Of the logarithm of the intent head's probability, summed over the tokens of each word."""
    (tokens,) = model.reader.read([found.text])
    network, seen = network_of(model.engine), list[Tensor]()

    def keep(_: nn.Module, __: object, words: Tensor) -> Tensor:
        seen.append(words.detach().requires_grad_(True))
        return seen[-1]

    hook = network.encoder.words.register_forward_hook(keep)
    with torch.enable_grad():
        scores = network(*padded([tokens.ids])).intents[0].log_softmax(-1)
        (slope,) = torch.autograd.grad(scores[_own(model, found)].logsumexp(-1), seen[0])
    hook.remove()
    by_token = (slope * seen[0]).sum(-1)[0].detach().numpy()
    starts = [word.token for word in tokens.words]
    return [float(by_token[a:b].sum()) for a, b in zip(starts, [*starts[1:], len(tokens.ids) - 1], strict=True)]


def _own(model: Model, found: Understanding) -> list[int]:
    return [at for at, name in enumerate(model.manifest.intents) if family(name) == found.intent.name]


def falls(model: Model, found: Understanding) -> list[float]:
    """By how much the probability falls when each word in turn is cut out of the text."""
    (tokens,) = model.reader.read([found.text])
    texts = [found.text, *(found.text[: word.start] + found.text[word.end :] for word in tokens.words)]
    signals = model.engine.run([read.ids for read in model.reader.read(texts)])
    whole, *without = model.likely(signals)[:, _own(model, found)].sum(-1).tolist()
    return [whole - one for one in without]


def measured(model: Model, texts: Sequence[Understanding], weigh: Weigh) -> tuple[float, float]:
    """Mean fall without the word that weighs most, and milliseconds a text."""
    spent, found = 0.0, []
    for one in texts:
        began = time.perf_counter()
        weights = weigh(model, one)
        spent += time.perf_counter() - began
        found.append(falls(model, one)[int(np.argmax(weights))])
    return float(np.mean(found)), 1000 * spent / len(texts)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", type=Path, required=True)
    options.add_argument("--every", type=int, default=3, help="Every so manieth held-out text.")
    chosen = options.parse_args()
    model = load_model(chosen.model, device="cpu", threads=1, with_torch=True)
    held_out = [one.text for one in read_texts(DATA / "test").examples if not one.outlier][:: chosen.every]
    texts = [one for one in model.understand_whole(held_out) if len(one.text.split()) > 2]
    print(f"| word left out of {len(texts)} texts, by | probability falls by | ms a text, one thread |\n|---|---|---|")
    for name, weigh in (("occlusion", occlusion), ("gradient times input", gradient)):
        fall, ms = measured(model, texts, weigh)
        print(f"| {name} | {100 * fall:.1f} points | {ms:.0f} |")
    by_chance = np.mean([np.mean(falls(model, one)) for one in texts])
    print(f"| chance | {100 * by_chance:.1f} points | |")


if __name__ == "__main__":
    main()
