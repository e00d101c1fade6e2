"""The names under which exports have what a message is made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

# The better name first. Compared without case, spaces and signs: `Created At` is `created_at`.
_TEXT = """
    plain_body body_plain body_text text message_text message_body message msg body content utterance comment html_body
    chat_message user_message customer_message question query input user_input prompt nachricht instruction
    customer_query visitor_message ticket_text description_text description
"""
_AUTHOR = """
    sender_type author_type user_type participant_type visitor_type author_role sender_role role direction
    message_type author sender from speaker author_name sender_name from_name participant who said_by sent_by
    sender_public_name actor agent_or_customer absender author_id name type
"""
_CONVERSATION = """
    conversation_id conversation conv_id dialogue_id dialog_id session_id session chat_id chat ticket_id ticket
    thread_id thread case_id case_number room_id room call_id interaction_id channel_id
    gesprächsnummer gespräch ticketnummer vorgangsnummer vorgang
"""
_MESSAGE = "message_id msg_id comment_id event_id part_id uuid id"
_TIME = """
    timestamp created_at time datetime date_time sent_at date created created_time received_at message_time ts at
    posted_at inserted_at zeit datum
"""
_CUSTOMER = """
    customer_id customer visitor_id contact_id end_user_id requester_id user_id client_id customer_email visitor_email
    user_email email sender_id author_id phone
"""
NAMES = {
    "text": tuple(_TEXT.split()),
    "author": tuple(_AUTHOR.split()),
    "conversation": tuple(_CONVERSATION.split()),
    "message": tuple(_MESSAGE.split()),
    "time": tuple(_TIME.split()),
    "customer": tuple(_CUSTOMER.split()),
}
WEAK = frozenset({"name", "type"})
"""Columns that may tell who wrote, or something else."""
TRANSCRIPTS = ("transcript", "chat_transcript", "chat_log", "log", "chat_history")
"""Columns that hold a whole conversation, line by line."""
FLAGS = {
    **dict.fromkeys(("incoming", "is_incoming", "inbound", "is_inbound", "from_customer", "is_customer"), True),
    **dict.fromkeys(("from_user", "is_user", "from_visitor", "is_visitor"), True),
    **dict.fromkeys(("is_bot", "from_bot", "is_agent", "from_agent", "outgoing", "outbound", "from_me"), False),
}
"""Columns that say yes or no, and whether yes means a customer."""
_SIGNS = re.compile(r"[\W_]+")


def bare(name: str) -> str:
    return _SIGNS.sub("", name.casefold())


_BARE = {field: tuple(map(bare, names)) for field, names in NAMES.items()}
BARE_FLAGS = {bare(name): means for name, means in FLAGS.items()}
BARE_TRANSCRIPTS = tuple(map(bare, TRANSCRIPTS))


def found(field: str, names: Iterable[str], given: Mapping[str, str]) -> list[str]:
    """The columns that can be this field, the likeliest first; those that the person named alone."""
    by_bare = {bare(name): name for name in names}
    if field in given:
        named = by_bare.get(bare(given[field]))
        return [named] if named is not None else []
    return [by_bare[name] for name in _BARE[field] if name in by_bare]


def first(field: str, record: Mapping[str, Any], given: Mapping[str, str]) -> Any:
    """The value of the likeliest column that has one."""
    for name in found(field, record, given):
        if record[name] not in (None, "", [], {}):
            return record[name]
    return None


def described(names: Iterable[str], given: Mapping[str, str], *, inside: bool = False) -> str:
    """Which columns are taken for what, for the person to check. `inside`: their conversation is known."""
    names = list(names)
    chosen = {field: [name for name in found(field, names, given) if bare(name) not in WEAK] for field in NAMES}
    shown = ", ".join(f"{field} = {columns[0]}" for field, columns in chosen.items() if columns)
    tells = chosen["author"] or any(bare(name) in BARE_FLAGS for name in names)
    told = [shown]
    if not tells:
        told.append("no column tells who wrote, so all is taken as customers'")
    if not (inside or chosen["conversation"]):
        whose = "a customer's messages are" if chosen["customer"] else "all is"
        told.append(f"no column names the conversation, so {whose} taken as one")
    return "; ".join(told)
