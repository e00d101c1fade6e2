"""Replies as Rasa's bot events, and back."""

from __future__ import annotations

from typing import Any

from bot.messages import Event, Json, Outbound


def bot_event(reply: Outbound, at: float, variation: int | None = None) -> Event:
    """Rasa's bot event; what Rasa has no field for stands in its metadata."""
    data = {
        "elements": [card.to_json() for card in reply.cards] or None,
        "quick_replies": None,
        "buttons": [button.to_json() for button in reply.buttons] or None,
        "attachment": None,
        "image": reply.image or None,
        "custom": dict(reply.custom) if reply.custom is not None else None,
    }
    meta: Json = {"utter_action": reply.response} if reply.response else {}
    if variation is not None:
        meta["variation"] = variation
    if reply.source:
        meta["source"] = reply.source.to_json()
    if reply.rateable:
        meta["rateable"] = True
    return Event("bot", at, {"text": reply.text, "data": data, "metadata": meta})


def reply_of(event: Event) -> Outbound:
    """The reply that a bot event stands for; inverse of `bot_event`."""
    data, meta = event.data.get("data") or {}, event.data.get("metadata") or {}
    return Outbound.from_json(
        {
            "text": event.data.get("text"),
            "buttons": _complete(data.get("buttons")),
            "image": data.get("image"),
            "cards": [{**card, "buttons": _complete(card.get("buttons"))} for card in data.get("elements") or ()],
            "source": meta.get("source"),
            "custom": data.get("custom"),
            "rateable": meta.get("rateable"),
            "response": meta.get("utter_action"),
        }
    )


def _complete(buttons: Any) -> list[Json]:
    """Buttons of a foreign event may lack a payload, or be none at all."""
    named = [b for b in buttons or () if isinstance(b, dict) and b.get("title")]
    return [{"title": b["title"], "payload": b.get("payload") or b["title"]} for b in named]
