"""Names, where the words around them say that they are some."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nlu.learning.spans import Spans

_CAPITAL = r"[A-ZÀ-ÖØ-ÞĀ-Ž]"
_LETTER = r"[^\W\d_]"
_WORD = rf"{_CAPITAL}(?:{_LETTER}|['’-])*"
_PARTICLE = (
    r"(?:van der|van den|van de|von der|van|von|vom|zu|zur|de la|de|del|della|der|den|da|di|du|dos|bin|ibn|al|el|le|la|"
    r"ter|ten|af|av)"
)
_TITLE = r"(?:(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Sir|Herr|Frau|Hr|Fr)\.?\s+){0,2}"
_STOP = (
    r"(?!(?:a|an|the|on|in|at|to|of|for|from|by|not|no|my|your|our|his|her|their|is|are|was|were|and|or|"
    r"but|i|im|it|its|this|that|"
    r"there|here|what|where|when|why|who|how|which|wrong|right|also|still|misspelled|spelled|spelt|"
    r"missing|different|listed|"
    r"please|thanks?|thank|bye|again|team|all|everyone|everybody|guys|folks|support|sir|madam|customer|"
    r"service|bot|agent|"
    r"assistant|order|orders|parcel|package|account|email|e-mail|phone|number|address|speaking|calling|"
    r"writing|so|just|very|"
    r"really|can|could|would|will|do|does|did|have|has|had|hello|hi|hey|good|great|if|as|we|you|they|he|"
    r"she|with|about|regarding|"
    r"ich|wir|sie|er|es|du|ihr|ihre|ihrem|ihren|mein|meine|meinen|dein|deine|unser|unsere|der|die|das|den|"
    r"dem|ein|eine|und|oder|"
    r"aber|nicht|kein|keine|bitte|danke|dank|wo|wann|wie|was|warum|wer|auf|aus|bei|mit|von|im|am|ist|sind|"
    r"war|habe|hat|falsch|"
    r"richtig|auch|noch|jetzt|heute|morgen|hallo|guten|kundenservice|kundendienst|zusammen|leute|"
    r"bestellung|paket|konto|"
    r"today|tomorrow|yesterday|now|yes|yep|ok|okay|sorry|any|some|every|each|monday|tuesday|wednesday|"
    r"thursday|friday|saturday|"
    r"sunday|ja|nein|gerne?|mal|nochmals?|voraus|everything|anything|help|advance|much|lot|sales|shop|"
    r"store|click|tap|look|sign|mate|back|later|quality|price|one|same|"
    r"going|gonna|larkwood|frontdesk|happy|angry|sad|ready|done|fine|new|sure|afraid|aware|unable|"
    r"interested|german|english|french)"
    r"(?![\w'’]))"
)
_PROPER = rf"(?i:{_STOP}){_WORD}"
_NAME = rf"{_TITLE}{_PROPER}(?:\s(?:{_CAPITAL}\.\s)?(?:{_PARTICLE}\s)?{_PROPER}){{0,3}}"
_TWO = rf"{_TITLE}{_PROPER}(?:\s{_CAPITAL}\.)?(?:\s(?:{_PARTICLE}\s)?{_PROPER}){{1,3}}"
_SMALL = rf"(?i:{_STOP}){_LETTER}(?:{_LETTER}|['’-])+"
_SMALL_NAME = (
    rf"{_SMALL}(?:\s(?:{_PARTICLE}\s)?{_SMALL}(?=\s*(?:$|[\n,.;!?)]|(?:and|und|y|et)\s|i\s|ich\s|my\s|"
    rf"from\s|aus\s)))?"
)
_END = r"(?=\s*(?:$|[\n.!,;)]))"

_SAYS = (
    r"\b(?:my (?:full |first |last |sur|maiden )?name(?:'s|’s| is| was)|(?:the |^|[.!?,] ?)name(?:'s|’s|"
    r" is) |i am called|i'm called|"
    r"ich hei(?:ß|ss)e|mein (?:vor|nach|voller )?name (?:ist|lautet)|mein vorname ist|mein nachname ist|"
    r"hier (?:spricht|schreibt)|"
    r"je m['’]appelle|mon nom est|me llamo|mi nombre es|mi chiamo|il mio nome è|ik heet|mijn naam is|"
    r"meu nome é|me chamo|"
    r"jag heter|mitt namn är|jeg hedder|jeg heter|nazywam się)[\s:]*"
)
_FIELD = (
    r"(?:^|[\n,;(]\s*|\s)(?:(?:full |first |last |sur|given |family |customer |contact |account |vor|nach|"
    r"customer's |"
    r"account holder'?s? |cardholder |billing |shipping |recipient )?names?|(?:account |card)holder|recipient|"
    r"kontoinhaber(?:in)?|empfänger(?:in)?|kunde|kundin|customer|signed|ansprechpartner(?:in)?|nome|"
    r"nombre|nom)\s?[:=]\s*"
)
_CLOSING = (
    r"\b(?:(?:(?:kind|kindest|best|warm|warmest|many|with) )*(?:regards|wishes)|all the best|sincerely|"
    r"(?:yours )?(?:truly|faithfully|sincerely)|yours|cheers|best|"
    r"(?:mit )?(?:freundliche|viele|liebe|beste|herzliche|schöne)[nrm]? gr(?:ü|ue)(?:ß|ss)en?|"
    r"(?:lieber |viele |liebe )?gru(?:ß|ss)|gr(?:ü|ue)(?:ß|ss)e|hochachtungsvoll|mfg|vg|lg|cordialement|saludos|"
    r"cordiali saluti|groetjes|met vriendelijke groet|sent by|signed)\b"
)
_THANKS = (
    r"\b(?:thanks?(?: you)?(?: (?:so|very) much)?(?: (?:again|in advance))?|many thanks|thx|ty|"
    r"(?:vielen |besten |herzlichen )?dank(?:e)?(?: im voraus)?)(?:[ \t]*[,.!-][\s,.!-]{0,4}|\n\s*)"
)
_GREETING = (
    r"\b(?:dear|hello|hi|hey|hallo|liebe[r]?|sehr geehrte[r]?|guten (?:tag|morgen|abend)|"
    r"good (?:morning|afternoon|evening)|servus|moin)\s"
)
_HELLO = (
    r"\b(?:hello|hi|hey|hallo|servus|moin|good (?:morning|afternoon|evening|day)|guten (?:tag|morgen|abend))"
    r"(?: there| all| team| zusammen)?[,.!]?"
)
_IS = r"\b(?:this is|it's|it’s|it is|you are talking to|you're speaking with|hier ist)"
_AM = r"\b(?:this is|it's|it’s|i'm|i’m|i am|ich bin|hier ist|das ist)"
_MR = r"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Herrn?|Frau|Hr|Fr|Mme|Monsieur|Madame|Señora?|Sig)\.?\s+"
_BREAK = r"(?:[ \t]*[,.!:-][\s,.!:-]{0,4}|[ \t]*\n\s*)(?:(?i:von|from)\s)?"


@dataclass(frozen=True, slots=True)
class Rule:
    words: tuple[str, ...]
    """One of these stands in every text that the expression fits: they are found much faster."""
    expression: re.Pattern[str]
    """Its one group that took part is the name."""

    def find(self, text: str, small: str) -> Spans:
        if any(word in small for word in self.words):
            for match in self.expression.finditer(text):
                yield match.span(match.lastindex or 0)


def _rule(words: str, expression: str) -> Rule:
    return Rule(tuple(words.split("|")), re.compile(expression, re.MULTILINE))


_SPEAKING = "speaking|calling| here|writing|again| from| von| vom| aus"
_BE = "this is|it's|it’s|it is|i'm|i’m|i am|ich bin|hier ist|das ist"
RULES = (
    _rule(
        "name|called|heiß|heiss|spricht|schreibt|appelle|llamo|nom|chiam|heet|naam|chamo|heter|namn|hedder|nazywam",
        rf"(?i:{_SAYS})({_NAME}|{_SMALL_NAME})",
    ),
    _rule(":|=", rf"(?i:{_FIELD})({_NAME}|{_SMALL}\s{_SMALL}(?=\s*(?:$|[\n,;])))"),
    _rule(_SPEAKING, rf"(?i:{_IS})\s({_NAME})(?=\s(?i:speaking|here|calling|writing|again|from|vom?n?|aus)\b)"),
    _rule("speaking|calling", rf"(?i:\bthis is)\s((?i:{_SMALL_NAME}))(?=\s(?i:speaking|calling)\b)"),
    _rule("speaking| here", rf"(?:^|[.!?]\s)({_NAME})(?=\s(?i:speaking|here)\s?(?:[,.!]|$))"),
    _rule("speaking| here| hier", rf"(?i:{_HELLO})\s({_NAME})(?=\s(?i:speaking|here|hier)\s?(?:[,.!:;-]|$))"),
    _rule(_BE, rf"(?i:{_AM})\s({_TWO})"),
    _rule(
        "i'm|i’m|i am",
        rf"(?i:\b(?:i'm|i’m|i am)\s)({_PROPER})(?=\s?[,.!]\s|\s?[,.!]?$|\s(?i:from|and i|"
        "by the way)\b)",
    ),
    _rule(
        "regards|wishes|best|sincerely|truly|faithfully|yours|cheers|gruß|gruss|grüß|gruess|grüss|hochacht|mfg|vg|lg|"
        "cordial|saludos|groet|sent by|signed",
        rf"(?i:{_CLOSING})(?:{_BREAK}({_NAME})|[ \t,.!-]*\n\s*({_SMALL}(?:\s{_SMALL})?)){_END}",
    ),
    _rule("than|thx|ty|dank", rf"(?i:{_THANKS})({_NAME})(?=\s*[.!]?\s*(?:\n|\Z))"),
    _rule(
        "dear|hello|hi|hey|hallo|liebe|geehrte|guten|good|servus|moin",
        rf"(?i:{_GREETING})({_NAME})(?=\s*(?:[,!.]|$|\n))",
    ),
    _rule(
        "mr|ms|mis|mx|dr|prof|herr|frau|hr|fr|mme|monsieur|madame|señor|sig",
        rf"{_MR}({_TITLE}{_PROPER}(?:[\s-](?:{_PARTICLE}\s)?{_PROPER}){{0,2}})",
    ),
)


def names(text: str) -> Spans:
    """After words such as "my name is", before "speaking", under "regards", behind "Mr". Never a name by itself."""
    small = text.casefold()
    end = 0
    for first, last in sorted({span for rule in RULES for span in rule.find(text, small)}):
        if first >= end:
            end = last
            yield first, last
