"""The demo shop's page, with its customer signed in, and their orders as a conversation would see them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from html import escape
from uuid import uuid4

from aiohttp import hdrs, web

from bot.actions import ActionRunner
from bot.customers import vouch
from bot.dialogue.domain import Domain
from bot.dialogue.respond import ActionCall, ActionFailure
from bot.dialogue.tracker import Tracker
from bot.messages import Event
from bot.tokens import Signer
from bot.widget.serve import DEMO, PAGE, demo_files

_CUSTOMER = {"name": "Mara Lindt", "email": "mara@example.org"}
_ACTION = "action_list_orders"
_PAGE = "demo-page"
_SIGNED_IN_SECONDS = 24 * 3600
_CHAT = "<frontdesk-chat "


def is_demo(domain: Domain) -> bool:
    """Whether the assistant can show the demo page's orders."""
    return _ACTION in domain.actions


@dataclass(frozen=True, slots=True)
class Demo:
    actions: ActionRunner
    domain: Domain
    signer: Signer
    html: str = field(default_factory=lambda: (DEMO / "index.html").read_text("utf-8"))

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/", self.page), web.get("/demo/orders", self.orders), *demo_files()]

    async def page(self, request: web.Request) -> web.Response:
        html = self.html.replace(_CHAT, f"{_CHAT}{self._signed_in()} ", 1)
        headers = {**PAGE, hdrs.CACHE_CONTROL: "no-store"}
        return web.Response(text=html, content_type="text/html", charset="utf-8", headers=headers)

    def chat(self) -> str:
        """The widget on pages beside the demo's own: the customer is signed in there too."""
        return f"{_CHAT}{self._signed_in()}></frontdesk-chat>"

    def _signed_in(self) -> str:
        token = vouch(self.signer, {"email": _CUSTOMER["email"]}, time.time() + _SIGNED_IN_SECONDS)
        return f'customer="{escape(token)}"'

    async def orders(self, request: web.Request) -> web.Response:
        """503 when the shop does not answer."""
        tracker = Tracker(_PAGE).apply(Event("slot", time.time(), {"name": "email", "value": _CUSTOMER["email"]}))
        call = ActionCall(_ACTION, tracker.to_rasa(), self.domain.to_json(), 0, idempotent=True)
        outcome = await self.actions.run(call, conversation_id=_PAGE, seq=0, message_id=str(uuid4()))
        if not isinstance(outcome, ActionFailure):
            for response in outcome.responses:
                custom = response.get("custom") or {}
                if custom.get("type") == "orders":
                    return web.json_response({"customer": _CUSTOMER, "orders": custom["orders"]})
        return web.json_response({"status": "failure", "message": "The shop does not answer."}, status=503)
