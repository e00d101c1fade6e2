"""`frontdesk run --workers N` with stub workers: `python -m tests.stub_service`. Prints the URL once all of them serve.

What stands in the file `command` of the home folder is the workers' command line, asked for as the real one is.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from bot import failures, logs
from bot.config import Settings
from bot.several import serve
from bot.tokens import Signer


def main() -> None:
    settings = Settings.read()
    logs.set_up(settings.log_level, settings.log_format)

    async def command() -> Sequence[str]:
        words = (settings.home / "command").read_text().split()
        return (sys.executable, *words)

    def ready(url: str, _: Signer) -> None:
        print(url, flush=True)

    try:
        asyncio.run(serve(settings, command, ready))
    except Exception as problem:
        sentence, code = failures.told(problem)
        print(f"frontdesk: {sentence}", file=sys.stderr)
        sys.exit(code)


if __name__ == "__main__":
    main()
