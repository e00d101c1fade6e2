"""Adapters: few weights beside those of each linear layer are trained, and added to them at the end.

By PEFT, which is loaded where somebody asks for them: `pip install frontdesk[adapters]`.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from nlu.source import Mendable

if TYPE_CHECKING:
    from peft.tuners.lora import LoraModel
    from torch import nn

RANK = 16
_LINEAR = ["attend", "merge", "widen", "narrow"]


class NoAdapters(Mendable):
    """The library is missing; the sentence says what to do."""


def check_adapters() -> None:
    """Raises NoAdapters."""
    if find_spec("peft") is None:
        raise NoAdapters("Adapters need PEFT: pip install 'frontdesk[adapters]', or train without --tune adapters.")


def adapted(layers: nn.ModuleList, dropout: float) -> LoraModel:
    """In place. `merge_and_unload` makes plain layers of them again."""
    from peft import LoraConfig
    from peft.tuners.lora import LoraModel

    shape = LoraConfig(r=RANK, lora_alpha=2 * RANK, lora_dropout=dropout, target_modules=_LINEAR)
    return LoraModel(layers, shape, "default")
