"""Our messages as Teams takes them: a text, and a card under it where there is something to press."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence

from bot.channels.rendering import Choice, Piece
from bot.channels.teams_activities import KEY
from bot.messages import Card, Json

HERO_BUTTONS = 6
"""What a hero card, and a row of an adaptive card, shows."""
_HERO = "application/vnd.microsoft.card.hero"
_ADAPTIVE = "application/vnd.microsoft.card.adaptive"


def activity(piece: Piece) -> Json:
    said: Json = {"type": "message", "textFormat": "markdown", "text": piece.text}
    if piece.card is not None or piece.offer:
        return {**said, "attachments": [_card(piece)]}
    if piece.image:
        kind = mimetypes.guess_type(piece.image.partition("?")[0])[0] or "image/png"
        return {**said, "attachments": [{"contentType": kind, "contentUrl": piece.image}]}
    return said


def _card(piece: Piece) -> Json:
    if len(piece.offer) > HERO_BUTTONS:
        return _adaptive(piece)
    content: Json = {"buttons": [_pressed(choice) for choice in piece.offer]}
    if piece.image:
        content["images"] = [{"url": piece.image}]
    if card := piece.card:
        content |= {"title": card.title, "text": card.subtitle}
        if card.url:
            content["tap"] = {"type": "openUrl", "title": card.title, "value": card.url}
    return {"contentType": _HERO, "content": content}


def _adaptive(piece: Piece) -> Json:
    """For more choices than a hero card has room for: rows of buttons."""
    rows = [piece.offer[start : start + HERO_BUTTONS] for start in range(0, len(piece.offer), HERO_BUTTONS)]
    image = [{"type": "Image", "url": piece.image}] if piece.image else []
    body = [*image, *_lines(piece.card), *map(_row, rows)]
    content = {"type": "AdaptiveCard", "version": "1.2", "body": body}
    return {"contentType": _ADAPTIVE, "content": content}


def _lines(card: Card | None) -> list[Json]:
    """Text runs, which read no marks."""
    lines = [(card.title, "Bolder"), (card.subtitle, "Default"), (card.url, "Default")] if card else []
    return [
        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, "weight": weight}]}
        for text, weight in lines
        if text
    ]


def _row(choices: Sequence[Choice]) -> Json:
    actions = [
        {"type": "Action.Submit", "title": choice.title, "data": {KEY: choice.id, "msteams": _pressed(choice)}}
        for choice in choices
    ]
    return {"type": "ActionSet", "actions": actions}


def _pressed(choice: Choice) -> Json:
    """The customer sees the title as a message of theirs; we get the name of the button with it."""
    return {
        "type": "messageBack",
        "title": choice.title,
        "displayText": choice.title,
        "text": choice.title,
        "value": {KEY: choice.id},
    }
