"""The demo customer's orders for the demo page, asked of the same action that a conversation would run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import uuid4

from aiohttp import web

from bot.actions import ActionRunner
from bot.dialogue.domain import Domain
from bot.dialogue.respond import ActionCall, ActionFailure
from bot.dialogue.tracker import Tracker
from bot.messages import Event

_CUSTOMER = {"name": "Mara Lindt", "email": "mara@example.org"}
_ACTION = "action_list_orders"
_PAGE = "demo-page"


@dataclass(frozen=True, slots=True)
class Demo:
    actions: ActionRunner
    domain: Domain

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/demo/orders", self.orders)]

    async def orders(self, request: web.Request) -> web.Response:
        """503 where the assistant is not the demo's, or its shop does not answer."""
        tracker = Tracker(_PAGE).apply(Event("slot", time.time(), {"name": "email", "value": _CUSTOMER["email"]}))
        call = ActionCall(_ACTION, tracker.to_rasa(), self.domain.to_json(), 0, idempotent=True)
        outcome = await self.actions.run(call, conversation_id=_PAGE, seq=0, message_id=str(uuid4()))
        if not isinstance(outcome, ActionFailure):
            for response in outcome.responses:
                custom = response.get("custom") or {}
                if custom.get("type") == "orders":
                    return web.json_response({"customer": _CUSTOMER, "orders": custom["orders"]})
        return web.json_response({"status": "failure", "message": "The shop does not answer."}, status=503)
