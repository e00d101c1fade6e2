"""A custom action that must not run twice: each run is a line in a file, and it waits where a test wants it to."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from rasa_sdk import Action


def home() -> Path:
    return Path(os.environ["FRONTDESK_HOME"])


class ActionCharge(Action):  # type: ignore[misc]  # rasa-sdk is not typed
    def name(self) -> str:
        return "action_charge"

    def run(self, dispatcher: Any, tracker: Any, domain: Any) -> list[dict[str, Any]]:
        with (home() / "charges").open("a") as charges:
            charges.write("charged\n")
        while (home() / "wait").exists():
            time.sleep(0.01)
        dispatcher.utter_message(text="You are charged.")
        return [{"event": "slot", "name": "charged", "value": True}]
