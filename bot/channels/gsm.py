"""SMS count what they cost by alphabet: one sign outside of GSM 7-bit makes each part hold 67 characters, not 153."""

from __future__ import annotations

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""3GPP 23.038, the basic character set."""
EXTENDED = frozenset("^{}\\[~]|€\f")
"""Its extension; each counts twice."""
_SAME = str.maketrans(
    {
        **dict.fromkeys("“”„«»", '"'),
        **dict.fromkeys("‘’‚`´", "'"),
        **dict.fromkeys("–—‑−", "-"),
        **dict.fromkeys("•·", "-"),
        **dict.fromkeys("\u00a0\u202f\u2009", " "),
        **dict.fromkeys("\u200b\u2060\ufeff", None),
        "…": "...",
    }
)


def to_gsm(text: str, longest: int) -> str:
    """With typographic signs in their plain form, if that alone makes it fit; else as it was: `…` becomes longer."""
    plain = text.translate(_SAME)
    fits = len(plain) <= longest and all(sign in BASIC or sign in EXTENDED for sign in plain)
    return plain if fits else text
