"""After delivery: returns, refunds, warranty, and parcels that were not right."""

from __future__ import annotations

from abc import ABC
from datetime import date, timedelta
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions import spelling
from actions.answers import PERSON, Answer
from actions.dates import on, today
from actions.demo_data import LARGE_FURNITURE
from actions.form_validation import OwnedOrderForm, Slots, refused
from actions.orders import next_steps, status
from actions.shop import Order, Shop, euros
from actions.shop_action import OrderAction, OrderChange, another_order

REASONS = {
    "too_small": "it does not fit",
    "damaged": "it is damaged",
    "changed_mind": "you changed your mind",
    "not_as_described": "it is not as described",
}
PROBLEMS = {
    "damaged": "The team answers within one working day and offers a replacement, a spare part or your money back.",
    "missing": "The team answers within one working day and sends what is missing or asks the carrier where it is.",
    "wrong_item": "The team answers within one working day, sends the right item and a free label for the wrong one.",
}


class ActionStartReturn(OrderChange):
    forgets = ("return_reason", "confirm")

    def name(self) -> str:
        return "action_start_return"

    def hindrance(self, order: Order) -> Answer | None:
        return None if order.returnable else _no_return(order)

    def left(self, order: Order) -> Answer:
        return Answer(f"All right, I do not start a return for order {order.number}.")

    def done(self, shop: Shop, order: Order, tracker: Tracker) -> Answer:
        return _start_return(shop, order, str(tracker.slots.get("return_reason") or "not given"))


def _start_return(shop: Shop, order: Order, reason: str) -> Answer:
    started = shop.case_of("return", order.number)
    number = started or shop.open_case("return", email=order.email, order_number=order.number, details=reason)
    already = "was already started" if started else "is started"
    if any(product in LARGE_FURNITURE for product, _ in order.items):
        how = "You get a link by e-mail to choose the day on which our carrier collects it."
    else:
        how = "A free label reaches you by e-mail within 15 minutes. Please hand the parcel in within 14 days."
    return Answer(
        f"The return of order **{order.number}** {already}, with number **{number}**. {how} "
        "The refund follows three to five working days after the parcel is back."
    )


def _no_return(order: Order) -> Answer:
    if order.return_until:
        text = f"{status(order)} Returns were possible until {_day(order.return_until)}."
        return Answer(
            f"{text} If something is wrong with it, the warranty may help.",
            (*next_steps(order), another_order("start_return")),
        )
    if order.state in ("cancelled", "returned"):
        return Answer(status(order), next_steps(order))
    also = "You can cancel it instead." if order.cancellable else "A return can start once it has been delivered."
    return Answer(f"{status(order)} {also}", (*next_steps(order), another_order("start_return")))


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


class ValidateStartReturnForm(OwnedOrderForm):
    def name(self) -> str:
        return "validate_start_return_form"

    def pointless(self, order: Order) -> bool:
        return not order.returnable

    def validate_return_reason(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> Slots:
        if value is None or not str(value).strip():
            return {"return_reason": None}
        reason = str(value).strip()[:500]
        return {"return_reason": reason, "return_reason_said": REASONS.get(reason, reason)}


class ActionRefundStatus(OrderAction):
    def name(self) -> str:
        return "action_refund_status"

    def about(self, shop: Shop, order: Order, tracker: Tracker) -> Answer:
        return _refund(shop, order)


def _refund(shop: Shop, order: Order) -> Answer:
    if order.refund_cents and order.refunded_on:
        latest = working_days_after(order.refunded_on, 5)
        late = "" if today() <= latest else " That is over by now; a colleague can look into it."
        return Answer(
            f"We sent {euros(order.refund_cents)} for order **{order.number}** to you by {order.paid_by} "
            f"{on(order.refunded_on)}. It takes three to five working days, so {_day(latest)} at the latest.{late}",
            (PERSON,) if late else (),
        )
    if order.refund_cents:
        return Answer(
            f"The refund of {euros(order.refund_cents)} for order **{order.number}** is being made. "
            f"It reaches you by {order.paid_by} within three to five working days."
        )
    started = shop.case_of("return", order.number)
    if started:
        return Answer(
            f"Your return **{started}** is announced but has not reached us yet. "
            "The refund follows three to five working days after it has."
        )
    return Answer(f"There is no refund for this order. {status(order)}", next_steps(order))


def working_days_after(day: date, days: int) -> date:
    while days:
        day += timedelta(days=1)
        days -= day.weekday() < 5
    return day


class ValidateRefundStatusForm(OwnedOrderForm):
    def name(self) -> str:
        return "validate_refund_status_form"


class ActionWarrantyClaim(OrderChange):
    forgets = ("problem", "confirm")
    needs = "problem"

    def name(self) -> str:
        return "action_warranty_claim"

    def hindrance(self, order: Order) -> Answer | None:
        return None if order.under_warranty else _no_warranty(order)

    def left(self, order: Order) -> Answer:
        return Answer("All right, I do not make a claim.")

    def done(self, shop: Shop, order: Order, tracker: Tracker) -> Answer:
        problem = tracker.slots["problem"]
        number = shop.open_case("warranty", email=order.email, order_number=order.number, details=str(problem))
        return Answer(
            f"Your warranty claim for order **{order.number}** is noted under **{number}**. You get an answer by "
            "e-mail within two working days. Photos of the fault help: just reply to the confirmation with them."
        )


def _no_warranty(order: Order) -> Answer:
    if order.warranty_until:
        text = f"{status(order)} The three years of warranty ended on {_day(order.warranty_until)}."
        return Answer(f"{text} A colleague can tell you what a repair would cost.", (PERSON,))
    return Answer(f"{status(order)} A warranty claim is possible once you have it.", (*next_steps(order), PERSON))


class ActionReportProblem(OrderChange):
    forgets = ("problem", "problem_kind", "confirm")
    needs = "problem"

    def name(self) -> str:
        return "action_report_problem"

    def hindrance(self, order: Order) -> Answer | None:
        if _left_us(order):
            return None
        return Answer(f"{status(order)} So it cannot be with you yet.", (*next_steps(order), PERSON))

    def left(self, order: Order) -> Answer:
        return Answer("All right, I do not report anything.")

    def done(self, shop: Shop, order: Order, tracker: Tracker) -> Answer:
        problem = tracker.slots["problem"]
        kind = str(tracker.slots.get("problem_kind") or "damaged")
        number = shop.open_case(kind, email=order.email, order_number=order.number, details=str(problem))
        return Answer(
            f"I am sorry about that. It is reported under **{number}** for order **{order.number}**. {PROBLEMS[kind]} "
            "Photos help: just reply to the confirmation e-mail with them."
        )


def _left_us(order: Order) -> bool:
    return order.state in ("shipped", "delivered")


class ProblemForm(OwnedOrderForm, ABC):
    def validate_problem(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> Slots:
        if value is None:
            return {"problem": None}
        problem = " ".join(str(value).split())[:1000]
        if len(problem) < 8 or spelling.order_number(problem) == problem.upper():
            return refused("problem", dispatcher, "A few more words would help the team.")
        return {"problem": problem}


class ValidateWarrantyForm(ProblemForm):
    def name(self) -> str:
        return "validate_warranty_form"

    def pointless(self, order: Order) -> bool:
        return not order.under_warranty


class ValidateReportProblemForm(ProblemForm):
    def name(self) -> str:
        return "validate_report_problem_form"

    def pointless(self, order: Order) -> bool:
        return not _left_us(order)
