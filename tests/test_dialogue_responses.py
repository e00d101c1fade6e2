"""Which words are chosen, and how slots come into them."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from bot.dialogue.responses import Setting, Variation, choose, fill, merge, render
from bot.messages import Button, Json, Outbound
from tests.dialogue_play import Play, assistant_of, says


def variation(**plain: object) -> Variation:
    return Variation.of(dict(plain))


def chosen(
    variations: list[Variation], channel: str = "web", last: int | None = None, **slots: object
) -> set[int | None]:
    return {choose(variations, Setting(slots, channel, Random(seed), last)) for seed in range(30)}


def test_a_condition_and_the_channel_go_before_what_suits_everybody() -> None:
    gold = [{"type": "slot", "name": "tier", "value": "Gold"}]
    all_four = [
        variation(text="plain"),
        variation(text="web", channel="web"),
        variation(text="gold", condition=gold),
        variation(text="gold web", channel="web", condition=gold),
    ]
    assert chosen(all_four, tier="gold") == {3}
    assert chosen(all_four, "sms", tier="gold") == {2}
    assert chosen(all_four) == {1}
    assert chosen(all_four, "sms", tier="silver") == {0}
    assert chosen(all_four[2:]) == {None}


def test_rasas_name_for_the_rest_channel_is_understood() -> None:
    assert chosen([variation(text="any"), variation(text="rest", channel="collector")], "rest") == {1}


def test_no_variation_is_said_twice_in_a_row() -> None:
    three = [variation(text=text) for text in "abc"]
    assert chosen(three) == {0, 1, 2}
    assert chosen(three, last=1) == {0, 2}
    assert chosen(three[:1], last=0) == {0}


def test_a_dialogue_remembers_which_variation_it_said() -> None:
    domain = """
    intents: [hi]
    responses: {utter_hi: [{text: a}, {text: b}]}
    """
    play = Play(assistant_of(domain=domain, rules="rules: [{rule: r, steps: [{intent: hi}, {action: utter_hi}]}]"))
    heard = [play.hear("hi | hi").replies[0].text for _ in range(6)]
    assert heard in (["a", "b"] * 3, ["b", "a"] * 3)


def test_a_template_takes_values_verbatim_and_never_looks_into_them() -> None:
    values = {"name": "{order} <b>", "list": ["a", "b"], "none": None, "yes": True, "order": "secret"}
    assert fill("{name}|{list}|{none}|{yes}|{unknown}", values) == "{order} <b>|a, b||True|"
    assert fill("{name.__class__} {name[0]} {0} {} {", values) == " {name[0]} {0} {} {"
    assert fill("{{name}} {yes}", values) == "{name} True"


@given(st.text(), st.dictionaries(st.text(), st.none() | st.text() | st.integers() | st.lists(st.text())))
def test_filling_never_raises(template: str, values: dict[str, object]) -> None:
    assert isinstance(fill(template, values), str)


def test_a_payload_may_be_written_with_single_or_with_double_braces() -> None:
    once, twice = '/inform{"a": "b"}', '/inform{{"a": "{x}"}}'
    reply = render({"buttons": [{"title": "1", "payload": once}, {"title": "2", "payload": twice}]}, {"x": 'b"'})
    assert [button.payload for button in reply.buttons] == [once, '/inform{"a": "b\\""}']


def test_all_parts_of_a_response_come_out() -> None:
    card = {
        "title": "Lamp {n}",
        "subtitle": "s",
        "image_url": "https://x/{n}.png",
        "default_action": {"url": "https://x/"},
        "buttons": [{"title": "Buy", "payload": "/buy"}],
    }
    content: Json = {
        "text": "T",
        "image": "https://x/i.png",
        "quick_replies": [{"title": "Q", "payload": "/q"}],
        "custom": {"data": {"n": ["{n}"]}},
        "elements": [card],
    }
    reply = render(content, {"n": 1}, "utter_x")
    assert reply.cards[0].title == "Lamp 1"
    assert reply.cards[0].image == "https://x/1.png"
    assert reply.cards[0].url == "https://x/"
    assert reply.cards[0].buttons == (Button("Buy", "/buy"),)
    assert reply.buttons == (Button("Q", "/q"),)
    assert reply.custom == {"data": {"n": ["1"]}}
    assert (reply.text, reply.image, reply.response) == ("T", "https://x/i.png", "utter_x")


def test_an_attached_image_is_an_image_and_anything_else_is_passed_on() -> None:
    image = {"type": "image", "payload": {"src": "https://x/a.png"}}
    assert render({"attachment": image}, {}).image == "https://x/a.png"
    document = {"type": "file", "payload": {"src": "https://x/a.pdf"}}
    assert render({"attachment": document}, {}).custom == {"attachment": document}


def test_what_an_action_adds_wins_over_the_response_and_buttons_add_up() -> None:
    draft = Outbound(text="draft", image="a", buttons=(Button("1", "/1"),), response="utter_x")
    over: Json = {"text": "over", "image": None, "buttons": [{"title": "2", "payload": "/2"}], "custom": {}}
    merged = merge(draft, over, {})
    assert (merged.text, merged.image, merged.custom) == ("over", "a", None)
    assert [button.title for button in merged.buttons] == ["1", "2"]
    assert merged.response == "utter_x"


def test_the_other_keys_of_an_actions_response_fill_the_template() -> None:
    domain = """
    intents: [hi]
    actions: [action_x]
    slots: {who: {type: text, initial_value: slot, mappings: [{type: custom}]}}
    responses: {utter_hi: [{text: "{who} {name}"}]}
    """
    rules = "rules: [{rule: r, steps: [{intent: hi}, {action: action_x}]}]"
    play = Play(assistant_of(domain=domain, rules=rules), {"action_x": says(template="utter_hi", name="Ann")})
    play("""
        > hi | hi
        < slot Ann
    """)


def test_an_action_that_says_nonsense_has_failed_and_nothing_is_raised() -> None:
    domain = "intents: [hi]\nactions: [action_x]\n"
    rules = "rules: [{rule: r, steps: [{intent: hi}, {action: action_x}]}]"
    for nonsense in ({"buttons": 7}, {"elements": [1, {}]}, {"custom": [1]}, {"response": 3}, {"response": "utter_no"}):
        play = Play(assistant_of(domain=domain, rules=rules), {"action_x": says(**nonsense)})
        play.hear("hi | hi")
