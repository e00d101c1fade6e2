"""How a model is trained; the defaults were chosen by cross-validation, see docs/training.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from nlu.types import ERROR_BUDGET, Tune

FEW = 2000
"""Up to so many examples are seen ten times, not five."""
VERY_FEW = 1000
"""Up to so many, three trainings are averaged."""
PARTS = 5
"""Into so many the data are cut, to hold one out."""
HELD_OUT_TEXTS = 400
"""So many texts should be held out, where there are."""


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    base_model: str = ""
    """A name on the Hugging Face hub or a folder; empty: the built-in one."""
    seed: int = 0
    tune: Tune = Tune.ALL
    epochs: int = 0
    """0: more of few examples."""
    averaged: int = 0
    """Trainings whose weights are averaged; 0: several of few examples."""
    batch: int = 32
    learning_rate: float = 2e-4
    head_learning_rate: float = 3e-3
    adapter_learning_rate: float = 1e-3
    dropout: float = 0.0
    token_dropout: float = 0.15
    """Share of tokens that are left out, others each time."""
    mistyped: float = 0.5
    """Share of the times that an example is learnt from with typing errors."""
    tuned_layers: int = 0
    """0: the upper half of the encoder."""
    held_out_parts: int = 0
    """Fifths of the data that are held out in turn, each for a training of its own, to calibrate on; 0: as many as it
    takes to have some hundred texts."""
    budget: float = ERROR_BUDGET
    """Share of the in-scope texts that may be answered wrongly: what the report shows; serving has its own."""
    outlier_weight: float = 0.5
    tag_weight: float = 6.0
    device: str = "auto"
    threads: int = 0
    log_to: str = "tensorboard"
    """`tensorboard`, `wandb`, `mlflow` or `none`."""

    def settled(self, examples: int, guessed: int = 0) -> TrainingOptions:
        """With what is left to the data decided; nobody confirmed the labels of those that are `guessed`."""
        parts = min(PARTS, -(-HELD_OUT_TEXTS * PARTS // max(1, examples - guessed)))
        epochs = 10 if examples <= FEW else 5
        return replace(
            self,
            epochs=self.epochs or epochs,
            averaged=self.averaged or (3 if examples <= VERY_FEW else 1),
            held_out_parts=self.held_out_parts or parts,
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Step:
    """Where training stands."""

    share: float
    """Of the whole work, 0 to 1."""
    doing: str
    done: str = ""
    """A finished part, worth a line of its own: an epoch with its loss and dev accuracy."""


Progress = Callable[[Step], None]
