"""Blocks of RESULTS.md that a measurement wrote, between two comments with its name."""

from __future__ import annotations


def placed(page: str, title: str, name: str, text: str) -> str:
    """The page with the block written anew: where it was, else at the end of its section, else in a new one."""
    block = f"<!-- measured: {name} -->\n{text.strip()}\n<!-- end: {name} -->"
    first, last = f"<!-- measured: {name} -->", f"<!-- end: {name} -->"
    if first in page:
        before, _, rest = page.partition(first)
        _, ended, after = rest.partition(last)
        return before + block + (after if ended else rest)
    start = _start(page, title)
    if start is None:
        return f"{page.rstrip()}\n\n## {title}\n\n{block}\n"
    end = page.find("\n## ", start)
    section, rest = (page[:end], page[end:]) if end >= 0 else (page, "")
    return f"{section.rstrip()}\n\n{block}\n{rest}"


def _start(page: str, title: str) -> int | None:
    """Where the section begins, its heading left out."""
    found = f"\n{page}\n".find(f"\n## {title}\n")
    return None if found < 0 else found + len(title) + 3
