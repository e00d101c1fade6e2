"""One run of one measurement, in a process of its own: `python -m benchmarks.transport.once throughput --scale 1`."""

from __future__ import annotations

import argparse
import gc
import json
import sys
from importlib import import_module

from benchmarks.transport.processes import allow_many_files
from bot import interpreter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measurement")
    parser.add_argument("--scale", type=float, default=1.0)
    given = parser.parse_args()
    allow_many_files()
    measurement = import_module(f"benchmarks.transport.{given.measurement}")
    gc.disable()  # the load's own pauses would be measured
    measured = interpreter.run(measurement.measure(given.scale))
    json.dump(dict(measured), sys.stdout)


if __name__ == "__main__":
    main()
