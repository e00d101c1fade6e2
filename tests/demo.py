"""The demo assistant with its real model, trained once and kept between runs of the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot import models
from bot.app import Service, serving
from bot.config import Settings
from bot.dialogue.assistant import Assistant
from bot.language import Language
from nlu.data.reader import data_hash
from nlu.load import load_model
from nlu.lock import locked
from nlu.manifest import check_directory
from nlu.registry import Registry
from nlu.training.options import TrainingOptions
from nlu.training.train import train
from nlu.understand import Model, serve

DATA = Path(__file__).parent.parent / "training_data"


def demo_model(config: pytest.Config) -> Path:
    """A model directory of the demo's data as it is now."""
    home = Path(str(config.cache.mkdir("demo"))) if config.cache else Path()
    registry = Registry(home)
    with locked(home / ".tests"):  # tests run in several processes, and only one of them trains
        current = registry.current(data_hash(DATA))
        if current is None:
            train(DATA, registry, TrainingOptions(log_to="none"))
            current = registry.current(data_hash(DATA))
    assert current is not None
    check_directory(current)
    return current


@asynccontextmanager
async def running_demo(home: Path, directory: Path, model: Model | None = None) -> AsyncIterator[Service]:
    """The whole service on a free port, with nothing replaced."""
    settings = Settings(home=home, data=DATA, port=0, rate=1000.0, burst=1000, conversations_per_hour=100_000)
    async with serve(model or load_model(directory, device="cpu", threads=1)) as understander:
        language = Language(understander, models.page(directory), models.articles(settings))
        async with serving(settings, Assistant.load(DATA), language) as service:
            yield service
