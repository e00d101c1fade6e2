"""A lock that a process has alone, and that its death frees."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nlu.lock import locked

HOLDER = """
import sys
from pathlib import Path
from nlu.lock import locked
with locked(Path(sys.argv[1])):
    print("mine", flush=True)
    sys.stdin.read()
"""


class Busy(Exception):
    pass


def refuse(holder: str) -> None:
    raise Busy(holder)


def test_who_has_a_lock_is_told_and_its_death_frees_it(tmp_path: Path) -> None:
    place = tmp_path / "folder" / "lock"
    command = [sys.executable, "-c", HOLDER, str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mine\n"
        with pytest.raises(Busy, match=f"^process {holder.pid} on .+, since 20"), locked(place, refuse):
            pass
        holder.kill()
        holder.wait()
    with locked(place, refuse), pytest.raises(Busy), locked(place, refuse):
        pass
