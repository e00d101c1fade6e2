"""Runs every measurement and writes RESULTS.md: `make bench`. Takes about forty minutes on two quiet cores."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = (
    ("How good the demo's model is", ["benchmarks.demo"]),
    ("How well the knowledge base is searched", ["benchmarks.knowledge"]),
    ("What redaction finds", ["benchmarks.redaction"]),
    ("How fast it starts", ["benchmarks.start"]),
    ("What a message costs beside the model", ["benchmarks.latency"]),
    ("What the conversation log costs", ["benchmarks.journal"]),
    ("What the transport holds under load and faults", ["benchmarks.transport"]),
    ("How the widget takes a long absence", ["benchmarks.widget_gap"]),
)


def main() -> None:
    parts = [_head()]
    for title, script in SCRIPTS:
        print(f"{title} ...", file=sys.stderr)
        done = subprocess.run(
            [sys.executable, "-m", *script], cwd=HERE.parent, text=True, capture_output=True, check=False
        )
        if done.returncode:
            sys.exit(f"{' '.join(script)} failed:\n{done.stderr}")
        parts.append(f"## {title}\n\n`python -m {' '.join(script)}`\n\n{done.stdout.strip()}\n")
    (HERE / "RESULTS.md").write_text("\n".join(parts))


def _head() -> str:
    cores, memory = os.cpu_count(), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        "# Measurements\n\n"
        f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {cores} cores "
        f"({platform.machine()}, shared with other work), {memory:.0f} GB, no GPU, Python {platform.python_version()}. "
        "Seconds differ between machines and hours; ratios and accuracies carry further.\n"
    )


if __name__ == "__main__":
    main()
