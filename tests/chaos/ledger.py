"""What the customers' side saw and did, kept outside the system: one line of JSON an event, on the disk."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import Any, Self

Json = dict[str, Any]


class Ledger:
    """`note` keeps a line; the lines of the same moment go to the disk with one fsync."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[Json] = []
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._waiting: Queue[str | None] = Queue()
        self._writer = Thread(target=self._write, name="ledger")

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.put(None)
        self._writer.join()
        os.close(self._file)

    def note(self, what: str, **fields: Any) -> None:
        line = {"what": what, "at": time.time(), **fields}
        self.lines.append(line)
        self._waiting.put(json.dumps(line))

    def of(self, *kinds: str) -> Iterator[Json]:
        return (line for line in self.lines if line["what"] in kinds)

    def count(self, *kinds: str) -> int:
        return sum(1 for _ in self.of(*kinds))

    def _write(self) -> None:
        open_ = True
        while open_:
            lines = [self._waiting.get()]
            while not self._waiting.empty():
                lines.append(self._waiting.get())
            open_ = None not in lines
            os.write(self._file, "".join(f"{line}\n" for line in lines if line is not None).encode())
            os.fdatasync(self._file)
