"""From `make run` to the first answered message, and the memory then: `python -m benchmarks.start`.

The environment is made already. First in an empty home folder, with training; then again. Prints a Markdown table.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent
QUESTION = "how much is shipping?"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def ask(port: int) -> list[dict[str, str]] | None:
    body = json.dumps({"sender": "benchmark", "message": QUESTION}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/webhooks/rest/webhook", body)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            said: list[dict[str, str]] = json.load(answer)
            return said
    except (urllib.error.URLError, ConnectionError):
        return None


def resident(group: int) -> float:
    """MB that the processes of the group hold, shared pages counted by share."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(process.name)) == group:
                rollup = (process / "smaps_rollup").read_text()
                total += int(rollup.split("\nPss:")[1].split()[0])
        except (OSError, IndexError):
            continue
    return total / 1024


def run(home: str) -> tuple[float, float]:
    """Seconds to the first answer, and MB afterwards."""
    port = free_port()
    settings = {**os.environ, "FRONTDESK_HOME": home, "FRONTDESK_PORT": str(port)}
    started = time.perf_counter()
    service = subprocess.Popen(
        ["make", "run"], cwd=ROOT, env=settings, start_new_session=True, stderr=subprocess.DEVNULL
    )
    try:
        while not ask(port):
            if service.poll() is not None:
                raise SystemExit("the service ended")
            time.sleep(0.05)
        seconds = time.perf_counter() - started
        for _ in range(50):
            ask(port)
        return seconds, resident(service.pid)
    finally:
        os.killpg(service.pid, signal.SIGINT)
        service.wait(30)


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        first, _ = run(home)
        later = [run(home) for _ in range(3)]
    print("| `make run` | |\n|---|---|")
    print(f"| to the first answer, with training | {first:.0f} s |")
    print(f"| to the first answer, later (worst of three) | {max(seconds for seconds, _ in later):.1f} s |")
    print(
        f"| memory of the running service with the model (PSS, worst of three) | {max(mb for _, mb in later):.0f} MB |"
    )


if __name__ == "__main__":
    main()
