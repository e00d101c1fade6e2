"""What was said before and after an utterance, for whoever has to say what it means."""

from __future__ import annotations

from collections.abc import Sequence

from bot.journal.journal import Journal
from bot.journal.values import Utterance
from bot.messages import Entry
from bot.transcripts.heard import SOURCE

BEFORE, AFTER = 4, 2
"""Lines that are shown."""
NO_CONVERSATION = "Its conversation is not kept here: it was imported, or is over and was removed."


async def said_around(journal: Journal, utterance: Utterance) -> Sequence[Entry]:
    """In order, the utterance's own message among them; empty if the conversation is not kept here."""
    number = utterance.message.partition(".")[0]
    if utterance.source != SOURCE or not number.isdecimal():
        return ()
    first = max(0, int(number) - 1 - BEFORE)
    return await journal.entries(utterance.conversation, after=first, limit=int(number) - first + AFTER)
