"""Rasa's ways to write a dialogue: stories, conditions, fallbacks, mappings, sessions, custom actions' events."""

from __future__ import annotations

from dataclasses import replace

from bot.dialogue.respond import ActionCall, ActionResult
from bot.messages import Event, Owner
from tests.dialogue_play import Play, assistant_of, fails, says, slot, understood

WORDS = """
intents: [hi, good, bad, yes, no, form, help, stop, affirm, deny, out_of_scope]
entities: [who, city: {roles: [from, to]}]
slots:
  who: {type: text, mappings: [{type: from_entity, entity: who}]}
  vip: {type: bool, mappings: [{type: custom}]}
responses:
  utter_hi: [{text: hi}]
  utter_happy: [{text: happy}]
  utter_sad: [{text: sad}]
  utter_better: [{text: better?}]
  utter_bye: [{text: bye}]
  utter_vip: [{text: vip}]
  utter_plain: [{text: plain}]
  utter_default: [{text: what?}]
"""


def play_of(rules: str, domain: str = WORDS, **actions: object) -> Play:
    return Play(assistant_of(domain=domain, rules=rules), dict(actions))  # type: ignore[arg-type]  # fakes


def test_a_story_is_followed_across_turns() -> None:
    play = play_of("""
    stories:
    - story: sad path
      steps:
        [{intent: hi}, {action: utter_hi}, {intent: bad}, {action: utter_better}, {intent: no}, {action: utter_bye}]
    - story: happy path
      steps: [{intent: hi}, {action: utter_hi}, {or: [{intent: good}, {intent: yes}]}, {action: utter_happy}]
    """)
    play("""
        > no | no
        < what?
        > hi | hi
        < hi
        > bad | bad
        < better?
        > no | no
        < bye
        > hi | hi
        < hi
        > yes | yes
        < happy
    """)


def test_a_rule_wins_over_a_story() -> None:
    play = play_of("""
    stories:
    - {story: s, steps: [{intent: hi}, {action: utter_hi}, {intent: no}, {action: utter_sad}]}
    rules:
    - {rule: r, steps: [{intent: no}, {action: utter_bye}]}
    """)
    play("""
        > hi | hi
        < hi
        > no | no
        < bye
    """)


def test_stories_are_joined_at_checkpoints() -> None:
    play = play_of("""
    stories:
    - {story: begin, steps: [{intent: hi}, {action: utter_hi}, {checkpoint: asked}]}
    - {story: one, steps: [{checkpoint: asked}, {intent: good}, {action: utter_happy}]}
    - {story: other, steps: [{checkpoint: asked, slot_was_set: [{vip: true}]}, {intent: bad}, {action: utter_vip}]}
    """)
    play("""
        > hi | hi
        < hi
        > good | good
        < happy
        > hi | hi
        < hi
        > bad | bad
        < what?
    """)
    play.apply(slot("vip", True))
    play("""
        > hi | hi
        < hi
        > bad | bad
        < vip
    """)


CONDITIONS = """
rules:
- {rule: plain, steps: [{intent: hi}, {action: utter_plain}]}
- {rule: known, condition: [{slot_was_set: [who]}], steps: [{intent: hi}, {action: utter_hi}]}
- {rule: vip, condition: [{slot_was_set: [who, {vip: true}]}], steps: [{intent: hi}, {action: utter_vip}]}
- {rule: first, conversation_start: true, steps: [{intent: good}, {action: utter_happy}]}
- {rule: later, steps: [{intent: good}, {action: utter_plain}]}
- {rule: named, steps: [{intent: bad, entities: [who]}, {action: utter_sad}]}
- {rule: to, steps: [{intent: bad, entities: [{city: x, role: to}]}, {action: utter_bye}]}
- {rule: one, wait_for_user_input: false, steps: [{intent: yes}, {action: utter_hi}]}
- {rule: two, steps: [{action: utter_hi}, {action: utter_bye}]}
- {rule: exact, steps: [{user: say bye}, {action: utter_bye}]}
"""


def test_the_most_particular_rule_wins() -> None:
    play = play_of(CONDITIONS)
    play("""
        > hi | hi
        < plain
        > I am Ann, hi | hi who=Ann
        < hi
    """)
    play.apply(slot("vip", True))
    play("""
        > hi | hi
        < vip
        > bad | bad
        < what?
        > bad | bad who=Bob
        < sad
        > bad | bad city:to=Rome
        < bye
        > bad | bad city:from=Rome
        < what?
    """)


def test_a_rule_for_the_beginning_holds_only_there() -> None:
    play = play_of(CONDITIONS)
    play("""
        > good | good
        < happy
        > good | good
        < plain
        > /restart
        < All right, from the beginning. How can I help?
        > good | good
        < happy
    """)


def test_a_rule_that_does_not_wait_lets_another_go_on() -> None:
    play_of(CONDITIONS)("""
        > yes | yes
        < hi
        < bye
        > Say bye | ?
        < bye
    """)


FORM = """
intents: [ask, inform, stop, affirm, deny, help, pizza, human]
entities: [size, topping, person]
slots:
  size: {type: categorical, values: [small, large], mappings: [{type: from_entity, entity: size}]}
  topping:
    type: text
    mappings:
    - {type: from_entity, entity: topping, role: on}
    - {type: from_trigger_intent, intent: pizza, value: cheese}
  paid:
    type: bool
    mappings:
    - {type: from_intent, intent: affirm, value: true}
    - {type: from_intent, intent: deny, value: false}
  count: {type: float, mappings: [{type: custom, action: action_count}]}
  people: {type: list, mappings: [{type: from_entity, entity: person}]}
forms:
  pizza_form: {required_slots: [size, topping, paid]}
actions: [action_ask_pizza_form_size, action_validate_slot_mappings, action_count, action_bake]
responses:
  utter_ask_pizza_form_topping: [{text: "pizza topping?"}]
  utter_ask_topping: [{text: "topping?"}]
  utter_continue: [{text: "Go on?"}]
  utter_help: [{text: "Help."}]
  utter_done: [{text: "{size} {topping} {paid}"}]
  utter_over: [{text: "Over."}]
"""
FORM_RULES = """
rules:
- {rule: start, steps: [{or: [{intent: ask}, {intent: pizza}]}, {action: pizza_form}, {active_loop: pizza_form}]}
- rule: done
  condition: [{active_loop: pizza_form}]
  steps: [{action: pizza_form}, {active_loop: null}, {slot_was_set: [{requested_slot: null}]}, {action: utter_done}]
- rule: help
  condition: [{active_loop: pizza_form}]
  steps: [{intent: help}, {action: utter_help}, {action: pizza_form}, {active_loop: pizza_form}]
stories:
- story: stop and go on
  steps:
  - {intent: ask}
  - {action: pizza_form}
  - {active_loop: pizza_form}
  - {intent: stop}
  - {action: utter_continue}
  - {intent: affirm}
  - {action: pizza_form}
- story: stop for good
  steps:
  - {intent: ask}
  - {action: pizza_form}
  - {active_loop: pizza_form}
  - {intent: stop}
  - {action: utter_continue}
  - {intent: deny}
  - {action: action_deactivate_loop}
  - {active_loop: null}
  - {action: utter_over}
"""


def form_play(**actions: object) -> Play:
    known = {
        "action_ask_pizza_form_size": says("size?"),
        "action_validate_slot_mappings": says(),
        "action_count": says(),
    }
    return play_of(FORM_RULES, FORM, **{**known, **actions})


def test_the_most_particular_prompt_asks_and_values_take_their_slots_type() -> None:
    play = form_play()
    play("""
        > one please | ask
        < size?
        > LARGE | inform size=LARGE
        < pizza topping?
        > ham | inform topping:on=ham
        < Please tell me: paid.
        > yes | affirm
        < large ham True
    """)


def test_an_entity_in_another_role_does_not_fill() -> None:
    form_play()("""
        > large | ask size=large
        < pizza topping?
        > ham | inform topping:off=ham
        < pizza topping?
    """)


def test_a_trigger_intent_fills_only_when_the_form_begins() -> None:
    form_play()("""
        > a small pizza | pizza size=small
        < Please tell me: paid.
    """)


def test_a_yes_elsewhere_fills_no_slot_of_a_form() -> None:
    form_play()("""
        > a pizza | pizza
        < size?
        > yes | affirm
        < size?
    """)


def test_a_story_asks_whether_to_go_on_and_goes_on() -> None:
    form_play()("""
        > one please | ask
        < size?
        > stop | stop
        < Go on?
        > yes | affirm
        < size?
        > small | inform size=small
        < pizza topping?
    """)


def test_a_story_asks_whether_to_go_on_and_stops() -> None:
    play = form_play()
    play("""
        > one please | ask
        < size?
        > stop | stop
        < Go on?
        > no | deny
        < Over.
    """)
    assert play.tracker.loop is None


def test_an_answer_instead_of_yes_goes_on_with_the_form() -> None:
    form_play()("""
        > large with ham | ask size=large topping:on=ham
        < Please tell me: paid.
        > help | help
        < Help.
        < Please tell me: paid.
        > no | deny
        < large ham False
    """)


def test_the_global_check_may_correct_and_refuse() -> None:
    def check(call: ActionCall) -> ActionResult:
        last = call.tracker["events"][-1]
        return ActionResult([slot("size", None)] if last.get("value") == "small" else [])

    form_play(action_validate_slot_mappings=check)("""
        > small | ask size=small
        < size?
        > large | inform size=large
        < pizza topping?
    """)


def test_an_extractor_of_a_custom_mapping_is_run_after_each_message() -> None:
    play = form_play(action_count=says(events=[slot("count", 2.0)]))
    play.hear("help | help")
    assert play.tracker.slots["count"] == 2.0


def test_an_entity_that_two_slots_want_goes_to_the_one_that_was_asked_for() -> None:
    domain = """
    intents: [ask, inform]
    entities: [mail]
    slots:
      old: {type: text, mappings: [{type: from_entity, entity: mail}]}
      new: {type: text, mappings: [{type: from_entity, entity: mail}]}
    forms: {mail_form: {required_slots: [old, new]}}
    responses: {utter_ask_old: [{text: "old?"}], utter_ask_new: [{text: "new?"}], utter_done: [{text: "{old} {new}"}]}
    """
    rules = """
    rules:
    - {rule: a, steps: [{intent: ask}, {action: mail_form}, {active_loop: mail_form}]}
    - rule: b
      condition: [{active_loop: mail_form}]
      steps: [{action: mail_form}, {active_loop: null}, {action: utter_done}]
    """
    play_of(rules, domain)("""
        > change it | ask
        < old?
        > a@b | inform mail=a@b
        < new?
        > c@d | inform mail=c@d
        < a@b c@d
    """)


def test_a_rule_for_stop_leaves_the_form_even_if_it_only_speaks() -> None:
    rules = (
        FORM_RULES.split("stories:", maxsplit=1)[0] + "- {rule: stop, steps: [{intent: stop}, {action: utter_over}]}\n"
    )
    known = {"action_validate_slot_mappings": says(), "action_count": says()}
    play = play_of(rules, FORM, **known)
    play("""
        > large | ask size=large
        < pizza topping?
        > stop | stop
        < Over.
    """)
    assert play.tracker.loop is None


OWN = """
intents: [ask, inform, big]
entities: [x]
slots:
  size: {type: text, mappings: [{type: custom}]}
  kind: {type: text, mappings: [{type: from_intent, intent: big, value: large}]}
forms: {size_form: {required_slots: [size]}, kind_form: {required_slots: [kind]}}
actions: [validate_size_form]
responses: {utter_ask_size: [{text: "size?"}], utter_done: [{text: "{size}{kind}!"}]}
"""
OWN_RULES = """
rules:
- {rule: ask, steps: [{intent: ask}, {action: size_form}, {active_loop: size_form}]}
- {rule: big, steps: [{intent: big}, {action: kind_form}, {active_loop: kind_form}]}
- rule: a
  condition: [{active_loop: size_form}]
  steps: [{action: size_form}, {active_loop: null}, {action: utter_done}]
- rule: b
  condition: [{active_loop: kind_form}]
  steps: [{action: kind_form}, {active_loop: null}, {action: utter_done}]
"""


def test_a_check_may_find_the_answer_itself_and_when_it_finds_none_the_message_is_not_understood() -> None:
    def check(call: ActionCall) -> ActionResult:
        text = call.tracker["latest_message"]["text"]
        return ActionResult([slot("size", text)] if text.isdigit() else [slot("requested_slot", "size")])

    play_of(OWN_RULES, OWN, validate_size_form=check)("""
        > one | ask
        < size?
        > hm | ?
        < I am not sure that I understood. Could you say it in other words?
        < size?
        > 42 | ?
        < 42!
    """)


def test_the_intent_that_starts_a_form_may_fill_it() -> None:
    play_of(OWN_RULES, OWN)("""
        > a big one | big
        < large!
    """)


def test_a_rule_may_run_the_fallback() -> None:
    play_of("rules: [{rule: r, steps: [{intent: bad}, {action: action_default_fallback}]}]")("""
        > bad | bad
        < what?
        > bad | bad
        < Sorry, I still do not understand. You can try once more, or talk to a person. [Talk to a person]
        > bad | bad
        < I am passing you on to a person. You can keep writing here; they will see all of it.
        ! queue not_understood
    """)


def test_two_stages_without_any_guess_ask_for_other_words() -> None:
    outcome = play_of(TWO_STAGES).turn("???", None)
    assert [reply.response for reply in outcome.replies] == ["utter_ask_rephrase"]


def test_the_first_stage_shows_a_mistyped_message_as_it_was_read() -> None:
    meant = replace(understood("somthing bad", "? bad"), corrected="something bad")
    outcome = play_of(TWO_STAGES).turn("somthing bad", meant)
    assert [reply.text for reply in outcome.replies] == ["I read that as “something bad”.", "Did you mean: bad?"]


def test_several_entities_fill_a_list() -> None:
    play = form_play()
    play.hear("Ann and Bob | inform person=Ann person=Bob")
    assert play.tracker.slots["people"] == ["Ann", "Bob"]


def test_a_check_decides_which_slot_comes_next_and_when_the_form_ends() -> None:
    domain = FORM.replace("action_bake]", "action_bake, validate_pizza_form]")

    def check(call: ActionCall) -> ActionResult:
        told = call.tracker["slots"]["size"]
        return ActionResult([slot("requested_slot", "paid" if told is None else None)])

    play = play_of(
        FORM_RULES, domain, validate_pizza_form=check, action_validate_slot_mappings=says(), action_count=says()
    )
    play("""
        > one | ask
        < Please tell me: paid.
        > small | inform size=small
        < small
    """)


def test_a_fallback_rule_of_the_assistant_speaks_first() -> None:
    play_of("rules: [{rule: r, steps: [{intent: nlu_fallback}, {action: utter_sad}]}]")("""
        > ugh | ?
        < sad
        > ugh | ?
        < sad
        < Would you rather talk to a person? [Talk to a person]
        > ugh | ?
        < I am passing you on to a person. You can keep writing here; they will see all of it.
        ! queue not_understood
    """)


def test_an_own_fallback_action_is_run() -> None:
    domain = WORDS + "actions: [action_default_fallback]\n"
    play_of(
        "rules: [{rule: r, steps: [{intent: hi}, {action: utter_hi}]}]", domain, action_default_fallback=says("own")
    )("""
        > ugh | ?
        < own
        > ugh | ?
        < own
        < Would you rather talk to a person? [Talk to a person]
    """)


TWO_STAGES = """
rules:
- {rule: hi, steps: [{intent: hi}, {action: utter_hi}]}
- rule: two
  steps:
  - {intent: nlu_fallback}
  - {action: action_two_stage_fallback}
  - {active_loop: action_two_stage_fallback}
"""


def test_the_first_stage_asks_whether_the_likeliest_is_meant() -> None:
    play_of(TWO_STAGES)("""
        > hihi | hi ?
        < Did you mean: hi? [Yes] [No]
        > yes | affirm
        < hi
        > hihi | hi ?
        < Did you mean: hi? [Yes] [No]
        > /hi
        < hi
    """)


def test_the_second_stage_asks_for_other_words_and_then_gives_a_way_out() -> None:
    play = play_of(TWO_STAGES)
    play("""
        > hihi | hi ?
        < Did you mean: hi? [Yes] [No]
        > /out_of_scope
        < Could you say it in other words? [Talk to a person]
        > hoho | hi ?
        < Did you mean: hi? [Yes] [No] [Talk to a person]
        > no | deny
        < Sorry, I still do not understand. You can try once more, or talk to a person. [Talk to a person]
        > hi | hi
        < hi
    """)
    assert play.tracker.loop is None


def test_not_being_understood_three_times_ends_the_stages_with_a_person() -> None:
    play_of(TWO_STAGES)("""
        > x | hi ?
        < Did you mean: hi? [Yes] [No]
        > x | hi ?
        < Could you say it in other words? [Talk to a person]
        > x | hi ?
        < I am passing you on to a person. You can keep writing here; they will see all of it.
        ! queue not_understood
    """)


SESSIONS = "session_config: {session_expiration_time: 60, carry_over_slots_to_new_session: %s}\n"


def test_a_session_expires_and_its_form_with_it() -> None:
    play = form_play()
    play("""
        > large | ask size=large
        < pizza topping?
    """)
    play.wait(3700)
    play.hear("ham | inform topping:on=ham")
    assert play.tracker.loop is None
    assert play.tracker.slots["size"] == "large"


def test_slots_stay_behind_when_the_domain_says_so() -> None:
    play = play_of(CONDITIONS, WORDS + SESSIONS % "false")
    play.hear("hi | hi who=Ann")
    play.wait(3500)
    play.hear("hi | hi")
    assert play.tracker.slots["who"] == "Ann"
    play.wait(3700)
    play("""
        > hi | hi
        < plain
    """)


def test_a_session_never_expires_at_zero_nor_while_waiting_for_a_person() -> None:
    endless = play_of(CONDITIONS, WORDS + "session_config: {session_expiration_time: 0}\n")
    waiting = play_of(CONDITIONS)
    for play in (endless, waiting):
        play.hear("good | good")
    waiting.hear("/human")
    for play in (endless, waiting):
        play.wait(10**7)
        play.hear("good | good")
    assert endless.tracker.said[0].text == "plain"
    assert [event.name for event in waiting.tracker.events].count("session_started") == 1


def test_an_own_session_start_greets() -> None:
    domain = WORDS + "actions: [action_session_start]\n"
    start = says("Welcome!", events=[Event("session_started", 0.0), slot("who", "Ann")])
    play_of(CONDITIONS, domain, action_session_start=start)("""
        > hi | hi
        < Welcome!
        < hi
        > hi | hi
        < hi
    """)
    play_of(CONDITIONS, domain, action_session_start=fails("failed"))("""
        > hi | hi
        < plain
    """)


def test_an_expired_session_ends_even_if_the_own_session_start_fails() -> None:
    domain = WORDS + "actions: [action_session_start]\n"
    play = play_of(CONDITIONS, domain, action_session_start=fails("failed"))
    play.hear("good | good")
    play.wait(3700)
    play("""
        > good | good
        < happy
    """)


def test_an_own_restart_action_that_fails_restarts_nevertheless() -> None:
    domain = WORDS + "actions: [action_restart]\n"
    play = play_of(CONDITIONS, domain, action_restart=fails("failed"))
    play.hear("hi | hi who=Ann")
    play.apply(Event("pause", play.now))
    assert play.hear("/restart").owner is Owner.BOT
    assert play.tracker.slots["who"] is None


EVENTS = """
rules: [{rule: r, steps: [{intent: hi}, {action: action_x}]}, {rule: s, steps: [{intent: good}, {action: utter_happy}]}]
"""


def events_play(*events: Event, **response: object) -> Play:
    action = says(events=list(events), **response)
    return play_of(EVENTS, WORDS + "actions: [action_x, action_y]\n", action_x=action, action_y=says("y"))


def test_an_action_can_name_the_next_one() -> None:
    events_play(Event("followup", 0.0, {"name": "action_y"}))("""
        > hi | hi
        < y
    """)


def test_an_action_can_pause_the_bot() -> None:
    play = events_play(Event("pause", 0.0))
    play("""
        > hi | hi
        < I am passing you on to a person. You can keep writing here; they will see all of it.
        ! queue action
    """)
    assert play.tracker.to_rasa()["paused"]


def test_an_action_may_return_any_event_and_a_senseless_one_is_its_failure() -> None:
    play = events_play(Event("reminder", 0.0, {"name": "r"}), Event("something_new", 0.0), slot("who", "Ann"))
    play.hear("hi | hi")
    assert play.tracker.slots["who"] == "Ann"
    events_play(Event("slot", 0.0, {}))("""
        > hi | hi
        < Sorry, that did not work just now. Please try again a little later, or talk to a person. [Talk to a person]
    """)


def test_an_action_cannot_forge_what_only_the_dialogue_records() -> None:
    play = events_play(Event("form_suspended", 0.0, {"name": "x"}))
    play.hear("hi | hi")
    assert play.tracker.suspended == ()


def test_an_action_speaks_with_the_domains_responses() -> None:
    play = events_play(response="utter_hi", buttons=[{"title": "B", "payload": "/hi"}], text=None, elements=[])
    play("""
        > hi | hi
        < hi [B]
    """)


def test_a_loop_of_actions_ends_after_ten() -> None:
    play = play_of("rules: [{rule: r, steps: [{intent: hi}, {action: action_x}]}]", WORDS + "actions: [action_x]\n")
    play.actions = {"action_x": says("x", events=[Event("followup", 0.0, {"name": "action_x"})])}
    assert len(play.hear("hi | hi").replies) == 10


def test_going_back_takes_back_the_last_answer() -> None:
    play = form_play()
    play("""
        > one please | ask
        < size?
        > large | inform size=large
        < pizza topping?
        > /back
        < All right, one step back.
        < size?
    """)
    assert play.tracker.slots["size"] is None


def test_a_rule_for_a_person_may_say_more_but_calls_one_even_when_it_fails() -> None:
    rules = "rules: [{rule: r, steps: [{intent: human}, {action: utter_sad}, {action: action_x}]}]"
    play = play_of(rules, WORDS + "actions: [action_x]\n", action_x=fails("failed"))
    outcome = play.hear("/human")
    assert outcome.replies[0].text == "sad"
    assert (outcome.owner, outcome.reason) == (Owner.QUEUE, "customer_request")


def test_a_rule_can_hand_over_for_its_own_reason() -> None:
    play_of("rules: [{rule: r, steps: [{intent: bad}, {action: action_hand_over}, {action: utter_bye}]}]")("""
        > bad | bad
        < I am passing you on to a person. You can keep writing here; they will see all of it.
        ! queue bad
    """)
