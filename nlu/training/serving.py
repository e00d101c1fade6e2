"""What serves a trained network without torch, and how its training made sure of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from random import Random

from safetensors import safe_open

from nlu.data.examples import Example
from nlu.engine.network import Network
from nlu.export.precision import CALIBRATED_ON, CHECKED_ON, Source, exported
from nlu.load import EXPECTED, GRAPH, WEIGHTS, warm_points
from nlu.manifest import read_manifest
from nlu.noise import mistyped
from nlu.tokens import TextReader
from nlu.training.mistyped import TYPOS
from nlu.training.pack import Serving

_log = logging.getLogger(__name__)
_SEED = 5
"""Of typing errors that training did not see."""


def serving_of(network: Network, reader: TextReader, examples: Sequence[Example]) -> Serving | None:
    """None if ONNX Runtime does not compute what the network does, or there can be no graph of it, as of one above
    2 GB. Examples with new typing errors stand for texts that it has not seen; the held-out texts stay closed."""
    random = Random(_SEED)  # noqa: S311  # must be repeatable, keeps no secret
    mixed = random.sample(examples, len(examples))  # they stand intent by intent
    calibrating = _like(mixed[::2], CALIBRATED_ON, random)
    checking = _like(mixed[1::2] or mixed, CHECKED_ON, random)
    try:
        found = exported(network, _rows(reader, calibrating), _rows(reader, checking))
    except Exception:  # whatever it is, a training of hours is not lost by it
        _log.exception("ONNX Runtime cannot run this model")
        return None
    if found is None:
        return None
    engine = Source.of(network).engine(found.graph)
    return Serving(found.graph, warm_points(engine, reader.tokenizer), found.to_json())


def serving_in(directory: Path) -> Serving | None:
    """Of a model whose layers are another one's, too."""
    if not (directory / GRAPH).is_file():
        return None
    with safe_open(str(directory / WEIGHTS), framework="np") as weights:
        expected = weights.get_tensor(EXPECTED)
    return Serving((directory / GRAPH).read_bytes(), expected, read_manifest(directory).engine)


def _like(examples: Sequence[Example], many: int, random: Random) -> list[str]:
    """Texts like the examples; of few ones several."""
    return [mistyped(examples[place % len(examples)], TYPOS, random).text for place in range(many)]


def _rows(reader: TextReader, texts: Sequence[str]) -> list[list[int]]:
    return [tokens.ids for tokens in reader.read(texts)]
