"""What was in a provider's request or a customer's mail: accepted into the journal, in order and once."""

from __future__ import annotations

from dataclasses import dataclass

from bot import metrics
from bot.agents import Agents
from bot.channels.connector import Connector
from bot.channels.presses import button_of, is_over, read_press
from bot.channels.received import ATTACHED, Message, Received, Release
from bot.dispatcher import Dispatcher
from bot.fanout import Fanout
from bot.journal.errors import BadId, IdConflict
from bot.journal.journal import Journal
from bot.journal.values import Rating
from bot.messages import NUMBERS_FROM, Inbound, Json, Owner
from bot.signals import Signals
from bot.wire import Malformed, clean_text

BATCH = 1000
"""More messages in one request are nobody's."""


@dataclass(frozen=True, slots=True)
class Intake:
    dispatcher: Dispatcher
    journal: Journal
    fanout: Fanout
    agents: Agents
    signals: Signals
    longest: int
    """Longest text of a message, in characters; what is longer is cut."""

    async def take(self, connector: Connector, received: Received, now: float) -> None:
        """All of it, in order. Raises Malformed, and Busy, StaleFence or Unavailable if a message cannot be stored:
        then all of it has to come again, and what was stored before is known."""
        if len(received.messages) > BATCH:
            raise Malformed(f"More than {BATCH} messages in one request.")
        for kind in received.ignored:
            metrics.IGNORED.labels(connector.name, kind).inc()
        for message in sorted(received.messages, key=lambda one: one.at or now):
            await self._accept(connector, message, now)
        for receipt in received.receipts:
            ours = await self.journal.note_receipt(connector.name, receipt)
            metrics.RECEIPTS.labels(connector.name, receipt.arrival.value if ours else "foreign").inc()
        for reaction in received.reactions:
            await self._rate(connector.name, reaction.provider_id, reaction.rating)
        for release in received.released:
            await self._release(release)
        for call in received.seen:
            self.signals.once(connector, call, f"seen-{now}")

    async def _accept(self, connector: Connector, message: Message, now: float) -> None:
        try:
            await self.dispatcher.receive(await self._inbound(connector, message, now))
        except (IdConflict, BadId) as wrong:
            if connector.strict:
                raise Malformed(str(wrong)) from None
            metrics.IGNORED.labels(connector.name, "bad_id").inc()

    async def _inbound(self, connector: Connector, message: Message, now: float) -> Inbound:
        text, payload = clean_text(message.text)[: self.longest], message.payload
        if message.press is not None:
            text, payload = await self._pressed(message, text)
        elif not text and message.attachments:
            text, payload = f"[{message.attachments[0].kind}]", payload or ATTACHED
        return Inbound(
            message.conversation_id,
            message.id,
            text or payload or "",
            connector.name,
            now,
            payload=payload,
            metadata=_metadata(connector, message),
            address=dict(message.address),
        )

    async def _pressed(self, message: Message, title: str) -> tuple[str, str | None]:
        """What the button says and means. One that is gone, or whose question is over, is its title typed."""
        conversation = await self.journal.conversation(message.conversation_id)
        press = read_press(str(message.press), conversation.epoch) if conversation else None
        if press is None:
            return title or GONE, None
        button = button_of(await self.journal.entry(message.conversation_id, press.seq), press)
        if button is None:
            return title or GONE, None
        if await is_over(self.journal, message.conversation_id, press, button, message.id):
            return button.title, None
        return button.title, button.payload

    async def _rate(self, channel: str, provider_id: str, rating: Rating) -> None:
        rated = await self.journal.rate_sent(channel, provider_id, rating)
        if rated:
            self.fanout.signal(rated[0], {"type": "noted", "seq": rated[1], "value": rating})

    async def _release(self, release: Release) -> None:
        """What people said elsewhere, they said there; what they called it is worth knowing."""
        conversation = await self.journal.conversation(release.conversation_id)
        if conversation is not None and conversation.owner is not Owner.BOT:
            await self.agents.release(release.conversation_id, None, release.labels)


GONE = "?"
"""What a button said that nobody knows any more."""


def _metadata(connector: Connector, message: Message) -> Json:
    found: Json = {NUMBERS_FROM: connector.capabilities.numbers_from, **message.metadata}
    if message.attachments:
        found["attachments"] = [attachment.to_json() for attachment in message.attachments]
    return found
