"""What a person types at a terminal, and what may be printed to it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator


def clean(text: str) -> str:
    """Without what would steer the terminal."""
    return "".join(character for character in text if character.isprintable() or character == "\n")


async def lines() -> AsyncIterator[str]:
    """Standard input, line by line; without a thread, for which Ctrl-C would have to wait."""
    if sys.stdin is None:
        return
    rest = b""
    while chunk := await _chunk(sys.stdin.fileno()):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")


async def _chunk(file: int) -> bytes:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    try:
        loop.add_reader(file, readable.set)
    except PermissionError:  # a file on disk, which can always be read
        return os.read(file, 65536)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(file)
    return os.read(file, 65536)
