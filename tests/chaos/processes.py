"""How the processes under test are made: forked from one that has everything imported, so that one is back at once."""

from __future__ import annotations

import multiprocessing

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.chaos.server", "tests.chaos.action_server"])
