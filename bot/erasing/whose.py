"""Who a customer is: from a name that a person gives to all under which they are known."""

from __future__ import annotations

from collections.abc import Iterable

from bot.customers import plain
from bot.journal.erasure import SignedIn
from bot.journal.journal import Journal
from bot.journal.values import Whose
from bot.text import storable
from bot.transcripts.keeper import Keeper


async def whose(journal: Journal, keeper: Keeper, name: str) -> Whose:
    """`name` is a conversation's id, or the id or address of a customer whom the page signed in.

    An id and an address that the page named together are one customer's; of what was said under the address, only what
    came without another id.
    """
    found = await journal.signed_in(name)
    ids, addresses = _claimed(found, "id"), _claimed(found, "email")
    for other in sorted((ids | addresses) - {plain(name)}):
        found += [one for one in await journal.signed_in(other) if _is(one, ids, addresses)]
    # The name itself too: of a conversation that is gone utterances may be left.
    conversations = {storable(name), *await journal.named(name), *(one.conversation_id for one in found)}
    customers = {keeper.customer(known) for known in (name, *ids, *addresses)}
    return Whose(tuple(sorted(conversations)), tuple(sorted(customers)))


def _claimed(found: Iterable[SignedIn], claim: str) -> set[str]:
    return {name for one in found if (name := plain(one.claims.get(claim)))}


def _is(one: SignedIn, ids: set[str], addresses: set[str]) -> bool:
    known = plain(one.claims.get("id"))
    return known in ids if known else plain(one.claims.get("email")) in addresses
