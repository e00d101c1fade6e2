"""New intents that the review proposes: `FRONTDESK_DATA=folder python -m benchmarks.topics --model DIR [--draws 8]`.

Of the demo's model. Among its own training lines, mistyped, and strangers of CLINC150 stand a dozen lines of each of
six intents of CLINC150 that it does not know. How many of these are proposed, and is anything proposed that is none?
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter, defaultdict
from pathlib import Path
from random import Random

import numpy as np

from bot.learning.labels import FEWEST_OF_NEW
from bot.learning.looking import looked
from nlu.data.reader import read_training_data
from nlu.learning.topics import topics
from nlu.load import load_model
from nlu.noise import mistyped
from nlu.training.mistyped import TYPOS

KNOWN, UNKNOWN, EACH, STRANGERS = 250, 6, 12, 50


class Lines:
    def __init__(self, folder: Path, random: Random) -> None:
        found = json.loads((folder / "clinc150" / "data_full.json").read_text("utf-8"))
        self.by_intent: dict[str, list[str]] = defaultdict(list)
        for text, intent in found["train"]:
            self.by_intent[intent].append(text)
        self.strangers = [text for text, _ in found["oos_train"]]
        data = read_training_data(Path("training_data"))
        self.known = [mistyped(example, TYPOS, random).text for example in data.examples if not example.outlier]

    def drawn(self, random: Random) -> list[tuple[str, str]]:
        """Texts and the unknown intent that each means, or nothing."""
        rows = [(text, "") for text in random.sample(self.known, KNOWN) + random.sample(self.strangers, STRANGERS)]
        for intent in random.sample(sorted(self.by_intent), UNKNOWN):
            rows += [(text, intent) for text in random.sample(self.by_intent[intent], EACH)]
        return random.sample(rows, len(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=8)
    asked = parser.parse_args()
    random = Random(0)  # must be repeatable, keeps no secret
    model, lines = load_model(asked.model, device="cpu", threads=1), Lines(Path(os.environ["FRONTDESK_DATA"]), random)
    proposed, right, shares = 0, set[tuple[int, str]](), list[float]()
    for draw in range(asked.draws):
        rows = lines.drawn(random)
        for topic in topics(looked([text for text, _ in rows], model), [1] * len(rows), FEWEST_OF_NEW):
            (intent, count), *_ = Counter(rows[row][1] for row in topic).most_common(1)
            proposed += 1
            shares.append(count / len(topic))
            right |= {(draw, intent)} if intent else set()
    print(f"{len(right)} of {asked.draws * UNKNOWN} unknown intents proposed, {proposed} proposals in all;")
    print(f"{np.mean(shares):.1%} of a proposal's texts are of its intent.")


if __name__ == "__main__":
    main()
