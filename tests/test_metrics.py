"""The figures of several processes, in files that a full disk cannot turn into a crash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bot.metrics import FOLDER_VARIABLE
from tests.command import ROOT

COUNT = """
from bot import metrics
for channel in ("web", "rest"):
    metrics.ACCEPTED.labels(channel).inc()
metrics.CONNECTIONS.inc()
metrics.TURN_SECONDS.observe(0.1)
print(metrics._page().decode())
"""


def _count(folder: Path) -> str:
    env = {**os.environ, FOLDER_VARIABLE: str(folder), "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", COUNT], env=env, check=True, capture_output=True, text=True).stdout


def test_a_process_that_ended_is_still_counted_and_its_room_was_there_before(tmp_path: Path) -> None:
    _count(tmp_path)
    assert 'frontdesk_messages_accepted_total{channel="web"} 2.0' in _count(tmp_path)
    files = list(tmp_path.iterdir())
    assert {file.name.rpartition("_")[0] for file in files} == {"counter", "histogram", "gauge_livesum"}
    # A sparse file would have fewer blocks, and writing to it kills the process when the disk has filled up.
    assert all(file.stat().st_blocks * 512 >= file.stat().st_size for file in files)
