"""What ended a command, in a sentence for the person at the keyboard."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from nlu.source import Mendable

_TO_DO = {
    errno.ENOSPC: "Make room, or choose a folder on another disk (FRONTDESK_HOME).",
    errno.EDQUOT: "Make room, or choose a folder on another disk (FRONTDESK_HOME).",
    errno.EACCES: "Change its permissions, or choose another folder (FRONTDESK_HOME).",
    errno.EPERM: "Change its permissions, or choose another folder (FRONTDESK_HOME).",
    errno.EROFS: "Choose a folder that can be written (FRONTDESK_HOME).",
    errno.EEXIST: "Choose another path.",
    errno.ENOTDIR: "Choose another path.",
    errno.EADDRINUSE: "Stop what uses the port, or choose another.",
    errno.EADDRNOTAVAIL: "Choose an address of this machine.",
    errno.EMFILE: "Allow more open files (ulimit -n).",
}
_RUST = re.compile(r"\(os error (\d+)\)")


def told(problem: Exception) -> tuple[str, int]:
    """The sentence and the exit code: 2 for what a person can mend, 1 for the rest."""
    if isinstance(problem, Mendable):
        return " ".join(str(problem).split()), 2
    number = _system_error(problem)
    if number is not None:
        where, reason = _where(problem), os.strerror(number)
        sentence = f"{where}: {reason.lower()}." if where else f"{reason}."
        return f"{sentence} {_TO_DO.get(number, '')}".rstrip(), 2
    first = (str(problem).splitlines() or [""])[0]
    what = f"{type(problem).__name__}: {first}" if first else type(problem).__name__
    return f"This should not happen ({what}). FRONTDESK_LOG_LEVEL=debug shows where it did.", 1


def _where(problem: Exception) -> Path | None:
    """The path that people know: of a temporary file its folder."""
    name = getattr(problem, "filename", None)
    if not isinstance(name, str | bytes | os.PathLike):
        return None
    path = Path(os.fsdecode(name))
    return path.parent if path.name.startswith((".new-", ".key-", ".current-")) else path


def _system_error(problem: Exception) -> int | None:
    """The errno; libraries written in Rust tell it in their text alone."""
    if isinstance(problem, OSError):
        return problem.errno
    found = _RUST.search(str(problem))
    return int(found[1]) if found else None
