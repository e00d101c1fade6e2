"""What the assistant says when the domain has no words of its own, and the names that Rasa gave some of them."""

from bot.dialogue.responses import Variation

HUMAN = {"title": "Talk to a person", "payload": "/human"}
RESUME = {"title": "Go on with the assistant", "payload": "/resume_bot"}
PERSON, WAITING = "utter_offer_person", "utter_waiting"
"""The responses whose buttons offer a person, and the way back from the queue."""

OTHER_LANGUAGE = "utter_other_language"

_TEXTS = {
    "utter_joined": "Hello! What can I do for you?",
    "utter_fallback": "I am not sure that I understood. Could you say it in other words?",
    "utter_fallback_again": "Sorry, I still do not understand. You can try once more, or talk to a person.",
    OTHER_LANGUAGE: "I am sorry, I only understand English. Would you like to talk to a person?",
    "utter_clarify": "What is it about?",
    "utter_read_as": "I read that as “{corrected}”.",
    "utter_handover": "I am passing you on to a person. You can keep writing here; they will see all of it.",
    "utter_waiting": "You are in the queue, and a person will answer here. What you write is kept for them.",
    "utter_resumed": "I am back. How can I help?",
    "utter_action_failed": "Sorry, that did not work just now. Please try again a little later, or talk to a person.",
    "utter_action_interrupted": "I was interrupted and cannot tell whether that was done. Please do not try again.",
    "utter_knowledge_unsure": "I am not certain that this is what you are looking for. This comes closest:",
    "utter_apology": "Sorry, something went wrong on our side.",
    "utter_crowded": "You are writing faster than I can answer. I go on with your last messages.",
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

_OTHER_LANGUAGES = {
    "ar": "عذرًا، لا أفهم العربية. هل تود التحدث إلى شخص؟",
    "bg": "За съжаление не разбирам български. Искате ли да говорите с човек?",
    "cs": "Bohužel nerozumím česky. Chcete mluvit s člověkem?",
    "da": "Jeg forstår desværre ikke dansk. Vil du tale med et menneske?",
    "de": "Leider verstehe ich kein Deutsch. Möchten Sie mit einem Menschen sprechen?",
    "el": "Δυστυχώς δεν καταλαβαίνω ελληνικά. Θέλετε να μιλήσετε με έναν άνθρωπο;",
    "en": "Sorry, I do not understand English. Would you like to talk to a person?",
    "es": "Lo siento, no entiendo español. ¿Desea hablar con una persona?",
    "fi": "Valitettavasti en ymmärrä suomea. Haluatko keskustella ihmisen kanssa?",
    "fr": "Malheureusement, je ne comprends pas le français. Souhaitez-vous parler à une personne ?",
    "hr": "Nažalost, ne razumijem hrvatski. Želite li razgovarati s osobom?",
    "hu": "Sajnos nem értek magyarul. Szeretne emberrel beszélni?",
    "it": "Purtroppo non capisco l'italiano. Vuole parlare con una persona?",
    "ja": "申し訳ありませんが、日本語がわかりません。担当者とお話しになりますか？",
    "ko": "죄송하지만 한국어를 이해하지 못합니다. 상담원과 이야기하시겠습니까?",
    "nl": "Helaas begrijp ik geen Nederlands. Wilt u met een medewerker spreken?",
    "no": "Jeg forstår dessverre ikke norsk. Vil du snakke med et menneske?",
    "pl": "Niestety nie rozumiem po polsku. Czy chcesz porozmawiać z człowiekiem?",
    "pt": "Infelizmente, não compreendo português. Gostaria de falar com uma pessoa?",
    "ro": "Din păcate nu înțeleg limba română. Doriți să vorbiți cu o persoană?",
    "ru": "К сожалению, я не понимаю по-русски. Хотите поговорить с человеком?",
    "sk": "Žiaľ, nerozumiem po slovensky. Chcete hovoriť s človekom?",
    "sv": "Tyvärr förstår jag inte svenska. Vill du prata med en människa?",
    "tr": "Maalesef Türkçe anlamıyorum. Bir kişiyle görüşmek ister misiniz?",
    "uk": "На жаль, я не розумію українською. Бажаєте поговорити з людиною?",
    "zh": "抱歉，我不懂中文。您想和人工客服交谈吗？",
}
"""The same in the languages that the assistant is taken not to understand, by their ISO 639-1 codes."""
_TEXTS |= {f"{OTHER_LANGUAGE}_{code}": text for code, text in _OTHER_LANGUAGES.items()}

RESPONSES: dict[str, tuple[Variation, ...]] = {name: (Variation.of({"text": text}),) for name, text in _TEXTS.items()}
RESPONSES[WAITING] = (Variation.of({"text": _TEXTS[WAITING], "buttons": [RESUME]}),)
RESPONSES["utter_attached"] = (
    Variation.of({"text": "I cannot look at that. Please tell me in words, or talk to a person.", "buttons": [HUMAN]}),
)
RESPONSES[PERSON] = (Variation.of({"text": "Would you rather talk to a person?", "buttons": [HUMAN]}),)

RASA_NAMES = {
    "utter_fallback": ("utter_default",),
    "utter_restarted": ("utter_restart",),
    "utter_stopped": ("utter_stop",),
}
"""Names under which a Rasa project may already say the same."""
