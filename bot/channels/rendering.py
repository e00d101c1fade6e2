"""An answer in a channel's form: as few messages as it allows, with choices in the best way that it has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.channels.capabilities import Capabilities, Options
from bot.channels.markup import Span, joined, link, parse, write
from bot.channels.presses import Press, press_id
from bot.channels.splitting import measure, shortened, split
from bot.journal.values import Delivery
from bot.messages import Button, Card, Outbound

NOTHING = "…"
"""Above choices that came without a text: channels want one."""


class Way(StrEnum):
    """How choices are offered."""

    BUTTONS = "buttons"
    CHOICES = "choices"


@dataclass(frozen=True, slots=True)
class Choice:
    title: str
    """Short enough."""
    id: str
    """What comes back when it is pressed."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One message. With an image, the text is its caption; there are choices as well only where `Options` say so."""

    text: str = ""
    """In the channel's markup."""
    offer: tuple[Choice, ...] = ()
    way: Way = Way.BUTTONS
    image: str = ""
    card: Card | None = None
    """Only of channels with cards of their own; `offer` has its buttons."""


@dataclass(frozen=True, slots=True)
class _Holder:
    """What has buttons: the message, or one of its cards."""

    spans: tuple[Span, ...]
    image: str
    buttons: tuple[Button, ...]
    presses: tuple[Press, ...]
    card: Card | None = None


def pieces(delivery: Delivery, capabilities: Capabilities) -> tuple[Piece, ...]:
    """The same ones each time."""
    return tuple(_Renderer(delivery.epoch, capabilities).render(delivery.entry.seq, delivery.entry.message))


@dataclass(frozen=True, slots=True)
class _Renderer:
    epoch: str
    can: Capabilities

    def render(self, seq: int, message: Outbound) -> Iterator[Piece]:
        first = 1 if message.numbered(self.can.numbers_from) else 0
        for holder in _holders(seq, message):
            yield from self._holder(holder, first)
            first += len(holder.buttons) if first else 0

    def _holder(self, holder: _Holder, number: int) -> Iterator[Piece]:
        """`number`: of its first choice, if they are numbered; else 0."""
        offer, way, alike = ((), Way.BUTTONS, False) if number else self._offer(holder)
        if holder.card and self.can.cards and not number:
            yield Piece(offer=offer, way=way, image=holder.image, card=holder.card)
            return
        spans = holder.spans + (_numbered(holder, number or 1) if number or alike else ())
        if holder.image and not self.can.images:
            spans = joined((*spans, Span("\n" if spans else ""), link(holder.image, holder.image)))
        yield from self._texts(spans, holder.image if self.can.images else "", offer, way)

    def _texts(self, spans: Sequence[Span], image: str, offer: tuple[Choice, ...], way: Way) -> Iterator[Piece]:
        parts = self._parts(spans, self._options(way).text if offer else None)
        if offer and not parts:
            parts = [NOTHING]
        if image:
            if len(parts) == 1 and measure(parts[0], self.can.unit) <= self._caption(way if offer else None):
                yield Piece(parts[0], offer, way, image)
                return
            yield Piece(image=image)
        for last, part in zip([*[False] * (len(parts) - 1), True], parts, strict=True) if parts else ():
            yield Piece(part, offer if last else (), way)

    def _caption(self, way: Way | None) -> int:
        return self.can.caption if way is None else self._options(way).pictured

    def _parts(self, spans: Sequence[Span], last: int | None) -> list[str]:
        """Written parts; the last one may have to be shorter."""
        can = self.can
        return [write(part, can.markup) for part in split(spans, can.longest, can.unit, can.markup, last)]

    def _offer(self, holder: _Holder) -> tuple[tuple[Choice, ...], Way, bool]:
        """True: the titles, once cut, are alike, so that they begin with numbers, and the text has to tell them."""
        if not holder.buttons:
            return (), Way.BUTTONS, False
        way = self._way(holder.buttons)
        whole = [button.title for button in holder.buttons]
        titles = self._cut(whole, way)
        alike = len(set(titles)) < len(set(whole))
        if alike:
            titles = self._cut([f"{number}. {title}" for number, title in enumerate(whole, 1)], way)
        named = zip(titles, holder.presses, strict=True)
        return tuple(Choice(title, press_id(self.epoch, press)) for title, press in named), way, alike

    def _cut(self, titles: Sequence[str], way: Way) -> list[str]:
        return [shortened(title, self._options(way).title, self.can.unit) for title in titles]

    def _way(self, buttons: Sequence[Button]) -> Way:
        """Buttons, if number and titles fit; else what takes more; else buttons with titles cut."""
        if self.can.choices is None or len(buttons) > self.can.choices.most:
            return Way.BUTTONS
        return Way.BUTTONS if self._fit(buttons) else Way.CHOICES

    def _fit(self, buttons: Sequence[Button]) -> bool:
        way = self.can.buttons
        return (
            way is not None
            and len(buttons) <= way.most
            and all(measure(button.title, self.can.unit) <= way.title for button in buttons)
        )

    def _options(self, way: Way) -> Options:
        options = self.can.buttons if way is Way.BUTTONS else self.can.choices
        assert options is not None
        return options


def _holders(seq: int, message: Outbound) -> Iterator[_Holder]:
    spans = _with_source(message)
    image = link("", message.image).url  # a provider refuses the whole message for an address that it cannot fetch
    if spans or image or message.buttons:
        presses = tuple(Press(seq, number) for number in range(len(message.buttons)))
        yield _Holder(spans, image, message.buttons, presses)
    for place, card in enumerate(message.cards):
        presses = tuple(Press(seq, number, place) for number in range(len(card.buttons)))
        yield _Holder(_card(card), link("", card.image).url, card.buttons, presses, card)


def _with_source(message: Outbound) -> tuple[Span, ...]:
    spans = parse(message.text)
    if message.source is None:
        return spans
    return joined((*spans, Span("\n\n" if spans else ""), link(message.source.title, message.source.url)))


def _card(card: Card) -> tuple[Span, ...]:
    lines = [Span(card.title, bold=True), Span(card.subtitle), link("", card.url)]
    there = [line for line in lines if line.text]
    return joined([part for line in there for part in (Span("\n"), line)][1:])


def _numbered(holder: _Holder, first: int) -> tuple[Span, ...]:
    lines = "\n".join(f"{number}. {button.title}" for number, button in enumerate(holder.buttons, first))
    return (Span(("\n\n" if holder.spans else "") + lines),) if lines else ()
