"""What the assistant says when the domain has no words of its own, and the names that Rasa gave some of them."""

from bot.dialogue.responses import Variation

HUMAN = {"title": "Talk to a person", "payload": "/human"}
RESUME = {"title": "Go on with the assistant", "payload": "/resume_bot"}
PERSON, WAITING = "utter_offer_person", "utter_waiting"
"""The responses whose buttons offer a person, and the way back from the queue."""

_TEXTS = {
    "utter_fallback": "I am not sure that I understood. Could you say it in other words?",
    "utter_fallback_again": "Sorry, I still do not understand. You can try once more, or talk to a person.",
    "utter_clarify": "What is it about?",
    "utter_handover": "I am passing you on to a person. You can keep writing here; they will see all of it.",
    "utter_waiting": "You are in the queue, and a person will answer here. What you write is kept for them.",
    "utter_resumed": "I am back. How can I help?",
    "utter_action_failed": "Sorry, that did not work just now. Please try again a little later, or talk to a person.",
    "utter_action_interrupted": "I was interrupted and cannot tell whether that was done. Please do not try again.",
    "utter_knowledge_unsure": "I am not certain that this is what you are looking for. This comes closest:",
    "utter_apology": "Sorry, something went wrong on our side.",
    "utter_restarted": "All right, from the beginning. How can I help?",
    "utter_stopped": "All right, let us leave that. What else can I do for you?",
    "utter_noted": "Thank you. What would you like to do with that?",
    "utter_form_stuck": "It seems that I cannot get this right on my own. A person can help, or we try again:",
    "utter_also_asked": "You also asked: “{request}”",
    "utter_resume_form": "Now back to where we were.",
    "utter_nothing_to_repeat": "There is nothing to repeat yet. How can I help?",
    "utter_back": "All right, one step back.",
    "utter_ask_rephrase": "Could you say it in other words?",
    "utter_ask_affirmation": "Did you mean: {meaning}?",
    "utter_yes": "Yes",
    "utter_no": "No",
    "utter_ask_value": "Please tell me: {slot}.",
}

RESPONSES: dict[str, tuple[Variation, ...]] = {name: (Variation.of({"text": text}),) for name, text in _TEXTS.items()}
RESPONSES[WAITING] = (Variation.of({"text": _TEXTS[WAITING], "buttons": [RESUME]}),)
RESPONSES[PERSON] = (Variation.of({"text": "Would you rather talk to a person?", "buttons": [HUMAN]}),)

RASA_NAMES = {
    "utter_fallback": ("utter_default",),
    "utter_restarted": ("utter_restart",),
    "utter_stopped": ("utter_stop",),
}
"""Names under which a Rasa project may already say the same."""
