"""What a finder of personal data is: a function from a text to the places of what it found."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

Spans = Iterator[tuple[int, int]]
"""In the order of the text, none overlapping another."""
Finder = Callable[[str], Spans]

BEFORE = 40
"""Characters ahead of a number in which a word may say what it is."""

_OF_GOODS = re.compile(
    r"(?:order|tracking|track(?:ing)? ?id|parcel|shipment|consignment|invoice|article|item|sku|ean|upc|"
    r"isbn|imei|serial|model|"
    r"ticket|case|reference|ref|code|voucher|coupon|product|batch|version|bestell\w*|auftrag\w*|"
    r"rechnung\w*|sendung\w*|"
    r"paket\w*|artikel\w*|serien\w*|kunden\w*|vorgang\w*|gutschein\w*|modell)"
    r"[\s\-_.:#]*(?:no|nr|num|number|nummer|id|code|is|ist|lautet|was|of)?[\s\-_.:#]*(?:no|nr|number|is|"
    r"ist)?[\s.:#]*$",
    re.IGNORECASE,
)


def names_goods(text: str, start: int) -> bool:
    """Whether the words right ahead of `start` say that the number there is a thing's, not a person's."""
    return bool(_OF_GOODS.search(text[max(0, start - BEFORE) : start]))
