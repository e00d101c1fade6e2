"""Microsoft Teams: whom we believe, what activities are, what cards look like, and a Connector that plays tricks."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.checking import findings
from bot.channels.connector import Signing
from bot.channels.received import JOINED, Attachment, Message, Reaction, Request
from bot.channels.set_up import set_up
from bot.channels.settings import Limits
from bot.channels.teams import Teams, TeamsSettings
from bot.channels.teams_tokens import BURST, LIFE, PAUSE, SPACING, Keys
from bot.channels.verdict import Answer, Call, Fate, Silence
from bot.config import Settings, SettingsError
from bot.journal.values import DeliveryState
from bot.messages import Button, Card, Outbound
from bot.simulators.provider import Event
from bot.simulators.teams import APP, MARA, TENANT, SimulatedTeams, private_key
from bot.wire import Malformed
from tests.deliveries import delivery
from tests.json_values import JSON_VALUES
from tests.service import running

SERVICE = "https://smba.trafficmanager.net/emea/"
CUSTOMER = "1mara"
NOW = 1_800_000_000
NAMES = {"app": APP, "password": "a secret", "tenant": TENANT}
METADATA = "https://login.botframework.com/v1/.well-known/openidconfiguration"
KEYS = "https://login.botframework.com/v1/.well-known/keys"


def played(**more: Any) -> SimulatedTeams:
    provider = replace(SimulatedTeams.of(TeamsSettings(**{**NAMES, **more})), kid="key-1")
    provider.url = SERVICE.removesuffix("/emea/")
    return provider


def answer(told: Any, status: int = 200) -> Answer:
    return Answer(status, {}, orjson.dumps(told), NOW)


def knowing(*jwks: dict[str, Any], now: float = NOW) -> Keys:
    keys = Keys(METADATA)
    keys.learn(answer({"jwks_uri": KEYS}), now)
    keys.learn(answer({"keys": list(jwks)}), now)
    return keys


def channel(keys: Keys | None = None, **more: Any) -> Teams:
    return replace(TeamsSettings(**{**NAMES, **more}).connect(Limits(4000, 16)), keys=keys or knowing(played().jwk()))


TIMES = {"nbf": NOW - 5, "exp": NOW + 3600}


def request(event: Event | dict[str, Any], now: float = NOW, **more: Any) -> Request:
    if not isinstance(event, Event):
        event = played().event(event, **TIMES)
    headers = {name.lower(): value for name, value in event.headers.items()}
    return Request(**{"method": "POST", "query": {}, "headers": headers, "body": event.body, "now": now, **more})


def activity(**more: Any) -> dict[str, Any]:
    return played().activity(CUSTOMER, **{"text": "hello", **more})


# Who sent it: the attacks of Microsoft's page, and some more


def with_claims(**claims: Any) -> Request:
    return request(played().event(activity(), **{**TIMES, **claims}))


def signed_by(key: Any, algorithm: str, kid: str = "key-1") -> Request:
    claims = {"iss": "https://api.botframework.com", "aud": APP, "serviceurl": SERVICE, **TIMES}
    token = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})
    return request(Event(orjson.dumps(activity()), {"Authorization": f"Bearer {token}"}))


def at(service: Any, **claims: Any) -> Request:
    """Where the replies should go."""
    told = activity(serviceUrl=service)
    return request(
        Event(orjson.dumps(told), {"Authorization": f"Bearer {played().signed(service, **TIMES, **claims)}"})
    )


def with_the_public_key() -> Request:
    """The classic: a verifier that believes the header takes the public key for a secret that it shares."""
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    public = private_key("key-1").public_key().public_bytes(*form)
    header, claims, _ = signed_by("x" * 32, "HS256").headers["authorization"].removeprefix("Bearer ").split(".")
    mac = jwt.utils.base64url_encode(hmac.digest(public, f"{header}.{claims}".encode(), "sha256")).decode()
    return request(activity(), headers={"authorization": f"Bearer {header}.{claims}.{mac}"})


ATTACKS = {
    "another bot's token": with_claims(aud="another-app"),
    "a list of bots": with_claims(aud=[APP, "another-app"]),
    "another issuer": with_claims(iss="https://evil.example"),
    "a token that has run out": with_claims(exp=NOW - 301),
    "a token for later": with_claims(nbf=NOW + 301),
    "a token without an end": with_claims(exp=None),
    "an end that is no number": with_claims(exp="never"),
    "a service that the token does not name": request(
        Event(
            orjson.dumps(activity(serviceUrl="https://evil.example/")),
            {"Authorization": f"Bearer {played().signed(SERVICE, **TIMES)}"},
        )
    ),
    "another service of Microsoft's than the token names": request(
        Event(
            orjson.dumps(activity(serviceUrl="https://smba.trafficmanager.net/amer/")),
            {"Authorization": f"Bearer {played().signed(SERVICE, **TIMES)}"},
        )
    ),
    "a service that nobody names": with_claims(serviceurl=None),
    "a service that is not Microsoft's": at("https://evil.example/"),
    "a service that ends like Microsoft's": at("https://evilbotframework.com/"),
    "a service that begins like Microsoft's": at("https://smba.trafficmanager.net.evil.example/"),
    "a service behind a name": at("https://smba.trafficmanager.net@evil.example/"),
    "a service behind a backslash": at("https://evil.example\\@smba.trafficmanager.net/"),
    "a service without TLS": at("http://smba.trafficmanager.net/emea/"),
    "a service that is no text": at(["https://smba.trafficmanager.net/emea/"]),
    "a channel that the key does not endorse": request(activity(channelId="slack")),
    "an endorsed channel that is not Teams": request(activity(channelId="webchat")),
    "no channel": request(activity(channelId=None)),
    "another key": signed_by(private_key("evil"), "RS256"),
    "a key that is not published": signed_by(private_key("evil"), "RS256", "evil"),
    "a shared secret": signed_by("x" * 32, "HS256"),
    "the public key as a shared secret": with_the_public_key(),
    "no signature": signed_by(None, "none"),
    "another RSA algorithm": signed_by(private_key("key-1"), "RS512"),
    "a padded signature": signed_by(private_key("key-1"), "PS256"),
    "another tenant": request(
        activity(conversation={"id": "a:1", "tenantId": "evil"}, channelData={"tenant": {"id": "evil"}})
    ),
    "a method that is not POST": request(activity(), method="PUT"),
    "no token": request(activity(), headers={}),
    "another scheme": request(activity(), headers={"authorization": "Basic eA=="}),
    "no body": request(activity(), body=b""),
    "a body that is no object": request(activity(), body=b"[]"),
    "another body": request(activity(), body=orjson.dumps({"serviceUrl": SERVICE})),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused(attack: str) -> None:
    assert not channel().verify(ATTACKS[attack])


def test_what_microsoft_signed_for_us_is_taken() -> None:
    for good in (
        request(activity()),
        with_claims(exp=NOW - 299),
        with_claims(nbf=NOW + 299),
        at("https://smba.trafficmanager.net/emea/"),
        at("https://europe.smba.trafficmanager.net/de/0f3e/"),
        at("https://webchat.botframework.com/"),
        with_claims(serviceurl=None, serviceUrl=SERVICE),
    ):
        assert channel().verify(good)


def test_a_key_must_be_endorsed_for_teams() -> None:
    for endorsements in ([], ["slack"], "msteams", None):
        assert not channel(knowing(played().jwk(endorsements=endorsements))).verify(request(activity()))


def test_a_bot_of_several_tenants_takes_all() -> None:
    of_another = ATTACKS["another tenant"]
    assert channel(tenant="botframework.com").verify(of_another)


def test_the_operator_may_add_a_proxy_and_a_simulator() -> None:
    assert channel(hosts=["proxy.example.com"]).verify(at("https://proxy.example.com/emea/"))
    assert channel(hosts=["http://127.0.0.1:8099"]).verify(at("http://127.0.0.1:8099/emea/"))
    assert not channel(hosts=["http://127.0.0.1:8099"]).verify(at("http://127.0.0.1:9000/emea/"))
    assert not channel(hosts=["proxy.example.com"]).verify(at("http://proxy.example.com/emea/"))


anything = st.text(max_size=60) | st.sampled_from(
    ["", "Bearer", "Bearer a.b.c", "Bearer ..", "Bearer é", "Bearer \udcff", "Bearer " + "x" * 10_000]
)
encoded = st.binary(max_size=30).map(lambda raw: jwt.utils.base64url_encode(raw).decode())
TOKENS = st.builds(lambda head, body, tail: f"Bearer {head}.{body}.{tail}", encoded, encoded, encoded)


@given(given=anything | TOKENS, body=st.binary(max_size=60) | st.just(b"[" * 100))
def test_verifying_never_raises(given: str, body: bytes) -> None:
    stranger = Request("POST", {}, {"authorization": given}, body, NOW)
    assert not channel().verify(stranger)
    assert channel().lacks(stranger) is None


NESTED = jwt.utils.base64url_encode(b'{"alg":"RS256","kid":' + b"[" * 3000 + b"]" * 3000 + b"}").decode()


def test_a_token_nested_deeply_is_refused() -> None:
    assert not channel().verify(request(activity(), headers={"authorization": f"Bearer {NESTED}.e30.eA"}))


claims_of = st.dictionaries(
    st.sampled_from(["exp", "nbf", "iat", "iss", "aud", "sub", "jti", "serviceurl"]),
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.text(max_size=5)
    | st.lists(st.integers(), max_size=2),
    max_size=3,
)


@given(claims_of)
def test_strange_claims_under_a_good_signature_raise_nothing(claims: dict[str, Any]) -> None:
    told = {"iss": "https://api.botframework.com", "aud": APP, "serviceurl": SERVICE, **TIMES, **claims}
    payload = json.dumps(told).encode()
    token = jwt.api_jws.encode(payload, private_key("key-1"), algorithm="RS256", headers={"kid": "key-1"})
    channel().verify(Request("POST", {}, {"authorization": f"Bearer {token}"}, orjson.dumps(activity()), NOW))


# The keys


def test_the_way_to_the_keys_is_two_questions() -> None:
    connector = channel(Keys(METADATA))
    came = request(activity())
    assert not connector.verify(came)
    assert connector.lacks(came) == Call(METADATA, headers={}, method="GET")
    connector.learn(answer({"jwks_uri": KEYS}), NOW)
    assert connector.lacks(came) == Call(KEYS, headers={}, method="GET")
    connector.learn(answer({"keys": [played().jwk()]}), NOW)
    assert connector.lacks(came) is None
    assert connector.verify(came)


def test_keys_are_asked_for_once_a_day_and_the_old_ones_stay_until_there_are_new_ones() -> None:
    connector = channel(knowing(played().jwk(), now=NOW - LIFE))
    came = request(activity())
    assert connector.lacks(came), "a day has passed"
    connector.learn(Silence(sent=True, reason="No answer."), NOW)
    assert connector.lacks(came) is None, "not again at once"
    assert connector.verify(came)
    assert channel(knowing(played().jwk(), now=NOW - LIFE + 1)).lacks(came) is None


def test_strangers_cannot_make_us_ask_often() -> None:
    connector = channel(knowing(played().jwk(), now=NOW - LIFE / 2))
    unknown = ATTACKS["a key that is not published"]
    asked = [NOW + second for second in range(7200) if _asks(connector, replace(unknown, now=NOW + second))]
    assert asked[:BURST] == [NOW, NOW + SPACING, NOW + 2 * SPACING], "a new key is learnt soon"
    assert all(after - before == PAUSE for before, after in pairwise(asked[BURST:])), "and then it is seldom"
    assert len(asked) == BURST - 1 + 7200 // PAUSE


def _asks(connector: Teams, unknown: Request) -> bool:
    if connector.lacks(unknown) is None:
        return False
    connector.learn(answer({"jwks_uri": KEYS}), unknown.now)
    connector.learn(answer({"keys": [played().jwk()]}), unknown.now)
    return True


@pytest.mark.parametrize(
    "attack", ["another bot's token", "another issuer", "a shared secret", "no token", "no signature"]
)
def test_who_does_not_claim_to_speak_to_us_makes_us_ask_nothing(attack: str) -> None:
    assert channel(Keys(METADATA)).lacks(ATTACKS[attack]) is None


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"jwks_uri": 7},
        {"jwks_uri": "https://evil.example/keys"},
        {"jwks_uri": "http://login.botframework.com/v1/.well-known/keys"},
    ],
)
def test_nobody_else_tells_microsofts_keys(told: dict[str, Any]) -> None:
    keys = Keys(METADATA)
    keys.learn(answer(told), NOW)
    assert keys.missing("key-1", NOW) is None, "and not again at once"
    assert keys.missing("key-1", NOW + PAUSE) == Call(METADATA, headers={}, method="GET")


@pytest.mark.parametrize(
    "told",
    [{}, {"keys": 7}, {"keys": [7, {}]}, {"keys": [{"kid": "a", "kty": "EC"}]}, {"keys": [{"kid": "a", "kty": "oct"}]}],
)
def test_keys_that_are_none_leave_the_old_ones(told: dict[str, Any]) -> None:
    keys = knowing(played().jwk())
    keys.learn(answer({"jwks_uri": KEYS}), NOW)
    keys.learn(answer(told), NOW)
    assert keys.named("key-1")


# What it is


def parsed(**more: Any) -> Any:
    return channel().parse(request(activity(**more)))


def test_a_message() -> None:
    (message,) = parsed(id="1700", text=" where is it? ").messages
    assert message == Message(
        f"teams-{TENANT}:a%3A{CUSTOMER}",
        "1700",
        {"service": SERVICE, "conversation": f"a:{CUSTOMER}", "bot": f"28:{APP}"},
        text="where is it?",
        metadata={"name": "Mara Fields", "user": MARA, "locale": "en-US"},
    )


def mention(name: str, text: str) -> dict[str, Any]:
    return {"type": "mention", "mentioned": {"id": name, "name": "x"}, "text": text}


@pytest.mark.parametrize(
    ("text", "entities", "more", "said"),
    [
        ("<at>Bot</at> where is it?\n", [mention(f"28:{APP}", "<at>Bot</at>")], {}, "where is it?"),
        ("ask <at>Bot</at>&nbsp;please", [mention(f"28:{APP}", "<at>Bot</at>")], {}, "ask   please"),
        (
            "<at>Bot</at> and <at>Ann</at>",
            [mention(f"28:{APP}", "<at>Bot</at>"), mention("29:a", "<at>Ann</at>")],
            {},
            "and Ann",
        ),
        ("a &lt; b", [], {"textFormat": "xml"}, "a < b"),
        ("a &lt; b <b>", [], {"textFormat": "plain"}, "a &lt; b <b>"),
        ("x", [{"type": "mention", "mentioned": {"id": f"28:{APP}"}}, "x", {"type": ["mention"]}], {}, "x"),
    ],
)
def test_mentions_of_the_bot_are_taken_out(text: str, entities: Any, more: dict[str, Any], said: str) -> None:
    (message,) = parsed(text=text, entities=entities, **more).messages
    assert message.text == said


@pytest.mark.parametrize("text", ["/restart", "/affirm", "5f0c86d1-2-0", '{"frontdesk": "5f0c86d1-2-0"}'])
def test_what_a_customer_types_presses_nothing(text: str) -> None:
    (message,) = parsed(text=text).messages
    assert (message.text, message.press, message.payload) == (text, None, None)


@pytest.mark.parametrize("value", [{"frontdesk": "5f0c86d1-2-0"}, '{"frontdesk": "5f0c86d1-2-0"}'])
def test_a_press_has_the_buttons_name_as_its_own(value: Any) -> None:
    """Teams repeats one with a new id."""
    for name in ("1", "2"):
        (message,) = parsed(id=name, text="Again", value=value).messages
        assert (message.id, message.text, message.press) == ("press:5f0c86d1-2-0", "Again", "5f0c86d1-2-0")


@pytest.mark.parametrize(
    "value", [7, "x", {"other": 1}, {"frontdesk": 7}, {"frontdesk": "/affirm"}, {"frontdesk": "a" * 50}]
)
def test_the_values_of_others_press_nothing(value: Any) -> None:
    (message,) = parsed(value=value).messages
    assert (message.press, message.payload) == (None, None)


def test_every_edit_is_a_message_of_its_own() -> None:
    first, second, again = (
        channel().parse(request(played().edited(CUSTOMER, "1700", text))).messages[0] for text in ("a", "b", "b")
    )
    assert (first.text, first.metadata["edits"]) == ("a", "1700")
    assert len({"1700", first.id, second.id}) == 3
    assert second.id == again.id


@pytest.mark.parametrize(
    ("field", "kinds", "rating"),
    [
        ("reactionsAdded", ["like"], "up"),
        ("reactionsAdded", ["heart"], "up"),
        ("reactionsAdded", ["angry"], "down"),
        ("reactionsRemoved", ["like"], "none"),
    ],
)
def test_a_reaction_is_a_thumb(field: str, kinds: list[str], rating: Any) -> None:
    told = {field: [{"type": kind} for kind in kinds]}
    (reaction,) = parsed(type="messageReaction", replyToId="1700", **told).reactions
    assert reaction == Reaction(f"a:{CUSTOMER}:1700", rating)


def test_a_reaction_that_changes_is_the_new_one() -> None:
    told = {"reactionsRemoved": [{"type": "like"}], "reactionsAdded": [{"type": "sad"}]}
    (reaction,) = parsed(type="messageReaction", replyToId="1700", **told).reactions
    assert reaction.rating == "down"


def test_who_opens_the_chat_is_greeted_and_a_team_is_not() -> None:
    (message,) = channel().parse(request(played().joined(CUSTOMER))).messages
    assert (message.payload, message.text) == (JOINED, "")
    for more in (
        {"membersAdded": [{"id": "29:ann"}]},
        {"membersAdded": [{"id": f"28:{APP}"}], "conversation": {"id": "19:x", "conversationType": "channel"}},
        {"membersRemoved": [{"id": f"28:{APP}"}]},
    ):
        assert parsed(type="conversationUpdate", **more).ignored == ("members",)


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"type": "typing"}, "other"),
        ({"type": "installationUpdate", "action": "add"}, "other"),
        ({"type": "endOfConversation"}, "other"),
        ({"type": ["message"]}, "other"),
        ({"type": None}, "other"),
        ({"type": "messageDelete"}, "deleted"),
        ({"type": "messageUpdate", "channelData": {"eventType": "undeleteMessage"}}, "updated"),
        ({"type": "messageReaction", "replyToId": "1", "reactionsAdded": [{"type": "surprised"}]}, "reaction"),
        ({"text": ""}, "empty"),
        ({"text": None}, "empty"),
        ({"from": {"id": f"28:{APP}"}}, "own"),
    ],
)
def test_what_else_there_is_is_named_and_ignored(more: dict[str, Any], kind: str) -> None:
    received = parsed(**more)
    assert (received.messages, received.reactions, received.ignored) == ((), (), (kind,))
    assert received.reply.status == 200


def test_an_invoke_has_its_answer_at_once() -> None:
    received = parsed(type="invoke", name="task/fetch")
    assert (received.ignored, received.reply.body, received.reply.content_type) == (
        ("invoke",),
        b"{}",
        "application/json",
    )


def test_files_are_references() -> None:
    file = {
        "contentType": "application/vnd.microsoft.teams.file.download.info",
        "name": "bill.pdf",
        "content": {"downloadUrl": "https://tenant.sharepoint.com/x?tempauth=1", "uniqueId": "u"},
    }
    image = {"contentType": "image/png", "contentUrl": f"{SERVICE}v3/attachments/1/views/original"}
    others = [
        {"contentType": "text/html", "content": "<p>hello</p>"},
        {"contentType": "image/png", "contentUrl": "file:///etc/passwd"},
        {"contentType": "image/png", "contentUrl": "https://x/" + "y" * 5000},
        {"contentType": ["image/png"], "contentUrl": {"$ne": ""}},
        "x",
    ]
    (message,) = parsed(text="", attachments=[file, image, *others]).messages
    assert message.attachments == (
        Attachment("file", "https://tenant.sharepoint.com/x?tempauth=1", "", "bill.pdf"),
        Attachment("image", f"{SERVICE}v3/attachments/1/views/original", "image/png"),
    )
    assert parsed(text="", attachments=others).ignored == ("empty",)
    shown = {}
    for attachment in message.attachments:
        call = channel().media(attachment, ())
        assert call
        shown[attachment.kind] = channel().sign(call, Signing("k", NOW, "lent")).headers
    assert shown == {"file": {}, "image": {"Authorization": "Bearer lent"}}, "SharePoint is not shown our token"


@pytest.mark.parametrize(
    "more",
    [
        {"id": None},
        {"id": 7},
        {"id": "x" * 300},
        {"conversation": {}},
        {"conversation": {"id": ""}},
        {"conversation": 7},
    ],
)
def test_a_message_without_its_ids_is_malformed(more: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        parsed(**more)


FIELDS = ("type", "id", "text", "value", "from", "conversation", "recipient", "entities", "attachments", "channelData")
KINDS = st.sampled_from(["message", "messageUpdate", "messageReaction", "conversationUpdate", "invoke"])


@given(kind=KINDS, changes=st.dictionaries(st.sampled_from([*FIELDS, "membersAdded", "reactionsAdded"]), JSON_VALUES))
def test_parsing_raises_nothing_but_malformed(kind: str, changes: dict[str, Any]) -> None:
    body = json.dumps({**activity(type=kind, replyToId="1"), **changes}).encode()
    with suppress(Malformed):
        channel().parse(Request("POST", {}, {}, body, NOW))


# What is sent

WHERE = {"service": SERVICE, "conversation": "a:1", "bot": f"28:{APP}"}


def sent(said: str | Outbound, **more: Any) -> list[dict[str, Any]]:
    return [json.loads(call.body) for call in channel().render(delivery(said, {**WHERE, **more}))]


def buttons(number: int) -> tuple[Button, ...]:
    return tuple(Button(f"Button {n}", f"/b{n}") for n in range(number))


def test_a_reply() -> None:
    (call,) = channel().render(
        delivery("It is **on its way**.", {**WHERE, "conversation": "19:x@thread.tacv2;messageid=1"})
    )
    assert call.url == f"{SERVICE}v3/conversations/19%3Ax%40thread.tacv2%3Bmessageid%3D1/activities"
    assert not call.repeatable
    assert json.loads(call.body) == {
        "type": "message",
        "textFormat": "markdown",
        "text": "It is **on its way**.",
        "from": {"id": f"28:{APP}"},
        "conversation": {"id": "19:x@thread.tacv2;messageid=1"},
    }
    assert channel().sign(call, Signing("k", NOW, "lent")).headers["Authorization"] == "Bearer lent"


def test_the_token_goes_to_nobody_else() -> None:
    for service in (
        "https://evil.example/",
        "http://smba.trafficmanager.net/",
        "https://smba.trafficmanager.net.evil.example/",
    ):
        (call,) = channel().render(delivery("hello", {**WHERE, "service": service}))
        assert "Authorization" not in channel().sign(call, Signing("k", NOW, "lent")).headers


def test_buttons_stand_on_a_hero_card() -> None:
    (message,) = sent(Outbound("Which?", buttons(2)))
    assert message["text"] == "Which?"
    (card,) = message["attachments"]
    assert card["contentType"] == "application/vnd.microsoft.card.hero"
    assert card["content"]["buttons"][1] == {
        "type": "messageBack",
        "title": "Button 1",
        "displayText": "Button 1",
        "text": "Button 1",
        "value": {"frontdesk": "5f0c86d1-2-1"},
    }


def test_more_buttons_stand_in_rows_and_many_are_numbered() -> None:
    (message,) = sent(Outbound("Which?", buttons(13)))
    (card,) = message["attachments"]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert [len(row["actions"]) for row in card["content"]["body"]] == [6, 6, 1]
    data = card["content"]["body"][2]["actions"][0]["data"]
    assert data["frontdesk"] == data["msteams"]["value"]["frontdesk"] == "5f0c86d1-2-12"
    (message,) = sent(Outbound("Which?", buttons(25)))
    assert "25\\. Button 24" in message["text"]
    assert "attachments" not in message


def test_a_picture_and_cards() -> None:
    card = Card("A *chair*", "oak", "https://shop.example/chair.jpg", "https://shop.example/chair", buttons(1))
    picture, message = sent(Outbound("Look:", image="https://shop.example/sofa.jpg?w=1", cards=(card,)))
    assert picture["text"] == "Look:"
    assert picture["attachments"] == [
        {"contentType": "image/jpeg", "contentUrl": "https://shop.example/sofa.jpg?w=1"},
    ]
    content = message["attachments"][0]["content"]
    assert (content["title"], content["text"]) == ("A *chair*", "oak")
    assert content["images"] == [{"url": "https://shop.example/chair.jpg"}]
    assert content["tap"]["value"] == "https://shop.example/chair"
    assert content["buttons"][0]["value"] == {"frontdesk": "5f0c86d1-2-0-0"}
    (rows,) = sent(Outbound(cards=(replace(card, buttons=buttons(7)),)))
    assert [element["type"] for element in rows["attachments"][0]["content"]["body"]] == [
        "Image",
        *["RichTextBlock"] * 3,
        *["ActionSet"] * 2,
    ]


@pytest.mark.parametrize("sign", ["x", "é", "漢", "👍"])
def test_a_long_text_fits_with_everything_around_it(sign: str) -> None:
    rendered = channel().render(delivery(Outbound(f"{sign * 50} " * 900, buttons(24)), WHERE))
    assert len(rendered) > 1
    assert all(len(call.body) <= 28_000 for call in rendered)


def test_typing() -> None:
    call = channel().typing(WHERE)
    assert call
    assert json.loads(call.body)["type"] == "typing"
    assert channel().classify(call, answer({"id": "1"}, 201)).provider_id is None


@pytest.mark.parametrize(
    ("outcome", "fate", "words"),
    [
        (answer({"id": "17"}, 201), Fate.ARRIVED, None),
        (answer({"id": "17"}, 200), Fate.ARRIVED, None),
        (answer([], 202), Fate.ARRIVED, None),
        (answer({}, 400), Fate.GIVE_UP, "400"),
        (answer({}, 401), Fate.EXPIRED, "FRONTDESK_TEAMS__PASSWORD"),
        (answer({}, 403), Fate.GIVE_UP, "removed or blocked"),
        (answer({}, 404), Fate.GIVE_UP, "removed or blocked"),
        (answer({}, 408), Fate.AMBIGUOUS, "408"),
        (answer({}, 412), Fate.RETRY, "412"),
        (answer({}, 413), Fate.GIVE_UP, "413"),
        (Answer(429, {"retry-after": "9"}, b"", NOW), Fate.RETRY, "429"),
        (answer({}, 500), Fate.AMBIGUOUS, "500"),
        (answer({}, 502), Fate.AMBIGUOUS, "502"),
        (answer({}, 503), Fate.AMBIGUOUS, "503"),
        (answer({}, 504), Fate.AMBIGUOUS, "504"),
        (Silence(sent=True, reason="No answer."), Fate.AMBIGUOUS, "No answer."),
        (Silence(sent=False, reason="Nobody there."), Fate.RETRY, "Nobody there."),
    ],
)
def test_what_comes_of_a_call(outcome: Answer | Silence, fate: Fate, words: str | None) -> None:
    (call,) = channel().render(delivery("hello", WHERE))
    verdict = channel().classify(call, outcome)
    assert verdict.fate is fate
    assert words is None if verdict.error is None else words and words in verdict.error
    assert verdict.provider_id == ("a:1:17" if isinstance(outcome, Answer) and b"17" in outcome.body else None)
    limited = isinstance(outcome, Answer) and outcome.status == 429
    assert verdict.account is (None if limited else False), "the conversation's limit, or the bot's"
    assert verdict.after == (9.0 if isinstance(outcome, Answer) and outcome.status == 429 else None)


@pytest.mark.parametrize(
    ("told", "status", "value"),
    [
        ({"access_token": "lent", "expires_in": 3600}, 200, "lent"),
        ({"access_token": "lent", "expires_in": 3600}, 400, None),
        ({"access_token": 7, "expires_in": 3600}, 200, None),
        ({"access_token": "lent", "expires_in": "soon"}, 200, None),
        ([], 200, None),
    ],
)
def test_a_token_is_lent(told: Any, status: int, value: str | None) -> None:
    token = channel().token(answer(told, status))
    assert (token.value if token else None) == value
    assert token is None or token.until == NOW + 3600
    asked = channel().grant(NOW)
    assert asked
    assert asked.url == f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"
    assert b"scope=https%3A%2F%2Fapi.botframework.com%2F.default" in asked.body


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"app": "an app"}, "APP: must be an id"),
        ({"tenant": "../x"}, "TENANT: must be an id"),
        ({"login": "login"}, "LOGIN: must be a URL"),
    ],
)
def test_settings_that_cannot_work_are_sentences(
    more: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**NAMES, **more}.items():
        monkeypatch.setenv(f"FRONTDESK_TEAMS__{name.upper()}", value)
    with pytest.raises(SettingsError, match=sentence):
        Settings.read()


# The running service


@asynccontextmanager
async def talking(home: Path, *plan: str) -> AsyncIterator[tuple[SimulatedTeams, Any]]:
    provider = SimulatedTeams.of(TeamsSettings(**SimulatedTeams.sample("http://127.0.0.1:9")))
    async with provider.open():
        provider.plan.extend(plan)
        settings = SimulatedTeams.sample(provider.url)
        async with running(home, teams=settings, public_url="https://chat.example.com") as service:
            provider.webhook = f"{service.url}/webhooks/teams"
            yield provider, service


async def test_a_conversation_with_buttons_and_a_thumb(tmp_path: Path) -> None:
    async with talking(tmp_path) as (provider, service):
        assert await provider.deliver(provider.joined(CUSTOMER)) == 200
        await provider.until(lambda: len(provider.seen[CUSTOMER]) == 1)
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: "answer" in provider.texts(CUSTOMER))
        before = len(provider.seen[CUSTOMER])
        await provider.press(CUSTOMER, "Again")
        await provider.until(lambda: len(provider.seen[CUSTOMER]) > before)
        assert await provider.post(provider.reacted(CUSTOMER, provider.seen[CUSTOMER][-1], "like")) == 200
        (conversation,) = await service.journal.conversations()
        entries = await service.journal.entries(conversation.conversation_id)
        assert [entry.message.text for entry in entries[-4:]] == ["ask", "answer", "Again", "answer"]
        assert entries[-1].rating == "up"
        assert provider.grants == 1, "one token for all"


async def test_a_press_that_teams_repeats_under_a_new_id_is_one(tmp_path: Path) -> None:
    async with talking(tmp_path) as (provider, service):
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: len(provider.seen[CUSTOMER]) == 1)
        shown = provider.seen[CUSTOMER][0]
        events = [provider.pressed(CUSTOMER, shown.choices[0], shown) for _ in range(3)]
        assert len({orjson.loads(event.body)["id"] for event in events}) == 3
        assert await asyncio.gather(*map(provider.post, events)) == [200] * 3
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: len(provider.seen[CUSTOMER]) == 3)
        (conversation,) = await service.journal.conversations()
        assert conversation.entries == 6


async def test_all_who_come_before_the_keys_are_known_wait_for_them(tmp_path: Path) -> None:
    async with talking(tmp_path) as (provider, _):
        events = [provider.said(f"customer-{n}", "ask") for n in range(20)]
        assert await asyncio.gather(*map(provider.post, events)) == [200] * 20
        assert provider.published == 1


async def test_new_keys_are_learnt_and_strangers_cannot_have_them_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with talking(tmp_path) as (provider, _):
        await provider.say(CUSTOMER, "ask")
        provider.kid = "key-2"
        assert await provider.post(provider.said(CUSTOMER, "ask")) == 401, "asked a moment ago"
        monkeypatch.setattr("bot.channels.teams_tokens.SPACING", 0.0)
        assert await provider.post(provider.said(CUSTOMER, "ask")) == 200
        assert provider.published == 2
        await provider.until(lambda: len(provider.seen[CUSTOMER]) == 2)


async def test_a_token_that_is_not_taken_is_renewed_and_nothing_is_lost(tmp_path: Path) -> None:
    async with talking(tmp_path, "401") as (provider, _):
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: provider.texts(CUSTOMER) == ["answer"])
        assert (provider.calls, provider.grants) == (["401", "ok"], 2)


async def test_whoever_asks_for_a_token_too_ends_no_other(tmp_path: Path) -> None:
    async with talking(tmp_path) as (provider, _):
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: len(provider.seen[CUSTOMER]) == 1)
        provider.grants += 1  # `channels check`, beside the service
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: len(provider.seen[CUSTOMER]) == 2)
        assert provider.grants == 2


async def test_a_429_is_waited_out(tmp_path: Path) -> None:
    async with talking(tmp_path, "429", "412") as (provider, _):
        provider.retry_after = 0.5
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: provider.texts(CUSTOMER) == ["answer"])
        assert provider.calls == ["429", "412", "ok"]


@pytest.mark.parametrize("fault", ["403", "404"])
async def test_a_customer_who_removed_the_bot_is_a_dead_letter(fault: str, tmp_path: Path) -> None:
    async with talking(tmp_path, fault) as (provider, service):
        await provider.say(CUSTOMER, "ask")
        await _state(service, DeliveryState.GIVEN_UP)
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: provider.texts(CUSTOMER) == ["answer"])


@pytest.mark.parametrize("fault", ["late 502", "late 504", "cut"])
async def test_an_answer_that_may_have_arrived_is_left_to_a_person(fault: str, tmp_path: Path) -> None:
    async with talking(tmp_path, fault) as (provider, service):
        await provider.say(CUSTOMER, "ask")
        await _state(service, DeliveryState.UNKNOWN)
        assert provider.texts(CUSTOMER) == ["answer"]


async def _state(service: Any, state: DeliveryState) -> None:
    async with asyncio.timeout(60):
        while not (await service.journal.delivery_counts()).get(state):
            await asyncio.sleep(0.01)


async def test_the_checks_tell_what_is_wrong() -> None:
    provider = SimulatedTeams.of(TeamsSettings(**SimulatedTeams.sample("http://127.0.0.1:9")))
    async with provider.open():
        sample = SimulatedTeams.sample(provider.url)
        for more, wrong in [
            ({}, {}),
            ({"password": "another"}, {"The credentials": "lends no token (401)"}),
            ({"keys": "http://127.0.0.1:9/x"}, {"The Connector's keys": "FRONTDESK_TEAMS__KEYS"}),
            ({"keys": f"{provider.url}/v1/.well-known/keys"}, {"The Connector's keys": "they are not there (200)"}),
        ]:
            settings = Settings(teams={**sample, **more}, public_url="")
            found = {one.what: one.wrong for one in await findings(set_up(settings)["teams"], settings)}
            del found["The webhook's address"]
            assert set(found) >= {"The credentials"}
            assert {what for what, sentence in found.items() if sentence} == set(wrong)
            assert all(sentence in str(found[what]) for what, sentence in wrong.items())
