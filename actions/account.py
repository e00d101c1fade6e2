"""The customer's account: invoice copies, newsletters, contact data."""

from __future__ import annotations

from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions import spelling
from actions.answers import PERSON, Answer, Button
from actions.form_validation import EmailForm, OwnedOrderForm, Slots, refused
from actions.orders import status
from actions.shop import Order, Shop
from actions.shop_action import ChangingAction, OrderAction, email_given

TOPICS = ("offers", "new arrivals", "tips")


class ActionSendInvoice(ChangingAction, OrderAction):
    def name(self) -> str:
        return "action_send_invoice"

    def about(self, shop: Shop, order: Order, tracker: Tracker) -> Answer:
        if not _has_invoice(order):
            return Answer(f"{status(order)} The invoice is sent by e-mail on the day the order leaves us.")
        shop.open_case("invoice", email=order.email, order_number=order.number, details="copy of the invoice")
        return Answer(
            f"A copy of the invoice for order **{order.number}** ({order.total}) is on its way to {order.email}."
        )


def _has_invoice(order: Order) -> bool:
    return order.shipped_on is not None


class ValidateRequestInvoiceForm(OwnedOrderForm):
    def name(self) -> str:
        return "validate_request_invoice_form"

    def pointless(self, order: Order) -> bool:
        return not _has_invoice(order)


class ActionNewsletter(ChangingAction):
    forgets = ("subscription", "topic", "confirm")

    def name(self) -> str:
        return "action_newsletter"

    def answer(self, shop: Shop, tracker: Tracker) -> Answer:
        email, topic, confirm = email_given(tracker), tracker.slots.get("topic"), tracker.slots.get("confirm")
        if email is None or topic is None or confirm is None:
            return Answer("I leave the newsletters as they are. Every issue has a link to change them.", (PERSON,))
        if not confirm:
            return Answer("All right, the newsletters stay as they are.")
        topics = TOPICS if topic == "all" else (str(topic),)
        about = topic_said(str(topic))
        if tracker.slots.get("subscription") == "unsubscribe":
            shop.unsubscribe(email, topics)
            return Answer(f"{email} is unsubscribed from {about}. An issue that is being sent may still arrive.")
        shop.subscribe(email, topics)
        return Answer(f"Nearly done: once you press the link in the mail to {email}, you are subscribed to {about}.")


def topic_said(topic: str) -> str:
    return "all newsletters" if topic == "all" else f"the newsletter on {topic}"


class ValidateNewsletterForm(EmailForm):
    def name(self) -> str:
        return "validate_newsletter_form"

    def validate_subscription(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> Slots:
        said = spelling.one_of(str(value), ("subscribe", "unsubscribe")) if value else None
        if said == "unsubscribe" and not tracker.slots.get("topic"):
            return {"subscription": said, "topic": "all", "topic_said": topic_said("all")}
        return {"subscription": said}

    def validate_topic(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> Slots:
        if value is None:
            return {"topic": None}
        topic = spelling.one_of(str(value), (*TOPICS, "all"))
        if topic:
            return {"topic": topic, "topic_said": topic_said(topic)}
        sentence = "There are three topics: offers, new arrivals and tips."
        return refused("topic", dispatcher, sentence)


class ActionUpdateContact(ChangingAction):
    """Nothing changes until the link in a mail to the address we know was pressed: anybody can type an address here."""

    forgets = ("new_contact", "confirm")

    def name(self) -> str:
        return "action_update_contact"

    def answer(self, shop: Shop, tracker: Tracker) -> Answer:
        email, contact, confirm = email_given(tracker), tracker.slots.get("new_contact"), tracker.slots.get("confirm")
        if email is None or not contact or confirm is None:
            return Answer("I leave your contact data as they are. A colleague can change them with you.", (PERSON,))
        if not confirm:
            return Answer("All right, your contact data stay as they are.")
        if shop.is_customer(email):
            shop.open_case("contact", email=email, details=str(contact))
        return Answer(
            f"If {email} belongs to an account with us, a mail with a link is on its way there. "
            f"Once you have pressed it, {contact} is on your account.",
            (Button.start("I cannot read that mailbox", "human"),),
        )


class ValidateUpdateContactForm(EmailForm):
    def name(self) -> str:
        return "validate_update_contact_form"

    def validate_new_contact(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> Slots:
        if value is None:
            return {"new_contact": None}
        contact = spelling.email(str(value)) or spelling.phone(str(value))
        if contact:
            return {"new_contact": contact}
        sentence = "I need a phone number or an e-mail address, for example +49 40 5550 1234."
        return refused("new_contact", dispatcher, sentence)
