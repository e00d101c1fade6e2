"""Models that learnt from what a customer said, when that is erased."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from bot.journal.values import APART, UtteranceKey
from bot.learning.schedule import LOGS
from nlu.lineage import lineage_key, read_lineage
from nlu.registry import Registry
from nlu.source import in_line


def forget(home: Path, utterances: Collection[UtteranceKey], texts: Collection[str], at: datetime) -> list[str]:
    """Marks the models that learnt from the utterances for retraining, takes the texts out of what the gate said of
    models, removes the logs that quote them, and returns those models, the newest first."""
    registry = Registry(home)
    keys = _keys(utterances)
    if keys:
        registry.forget(keys, texts, at)
        _remove_logs(home / "logs", texts, growing=registry.trains())
    return learnt_from(home, utterances)


def _remove_logs(folder: Path, texts: Collection[str], *, growing: bool) -> None:
    """With `growing` the newest in any case: who writes it may have the texts in hand."""
    logs = sorted(folder.glob(LOGS))
    for log in logs:
        said = in_line(log.read_text("utf-8", "replace"))
        if (growing and log == logs[-1]) or any(in_line(text) in said for text in texts):
            log.unlink(missing_ok=True)


def learnt_from(home: Path, utterances: Collection[UtteranceKey]) -> list[str]:
    registry = Registry(home)
    keys = _keys(utterances)
    return [one.id for one in registry.list() if keys & read_lineage(registry.directory(one.id))]


def _keys(utterances: Collection[UtteranceKey]) -> set[str]:
    """An utterance whose conversation is gone has had two names: models know it by either."""
    before = ((source, conversation.rpartition(APART)[0], message) for source, conversation, message in utterances)
    return {lineage_key(*utterance) for utterance in (*utterances, *before)}
