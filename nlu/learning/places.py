"""Postal addresses, as they are written in English and in German, in a line or over several."""

from __future__ import annotations

import re

from nlu.learning.spans import Spans, names_goods

_CAPITAL = r"[A-ZÀ-ÖØ-Þ]"
_PROPER = rf"{_CAPITAL}[\w'’.-]*"
_HOUSE = r"\d{1,4}(?:\s?[a-zA-Z](?![\w'’]))?(?:\s?[-/+–]\s?\d{1,4}\s?[a-zA-Z]?(?!\w))?"
_NO_COUNT = (
    r"(?!\s?(?:[%€$£°]|uhr\b|euro?s?\b|stück\b|mal\b|tage?n?\b|wochen?\b|monate?n?\b|jahre?n?\b|"
    r"stunden?\b|minuten?\b|"
    r"kilo\w*|kg\b|km\b|meter\b|cm\b|mm\b|m²|prozent\b|x\b|[.:,]\d))"
)

# English: the number first.
_WAYS = (
    r"street|str|st|road|rd|avenue|ave|av|lane|ln|boulevard|blvd|drive|dr|court|ct|place|pl|square|sq|"
    r"terrace|ter|close|crescent|"
    r"cres|gardens?|gdns|grove|mews|parade|row|walk|highway|hwy|parkway|pkwy|circle|cir|trail|trl|way|"
    r"hill|quay|wharf|alley|"
    r"plaza|loop|rise|vale|view|green|park|estate|turnpike|pike|run|crossing|bend|ridge|path|point|"
    r"heights|meadows?|mount|"
    r"ferry|villas?|common|bridge|cove|glen|hollow|islands?|isle|knolls?|lakes?|landing|manors?|orchards?|"
    r"passage|pines?|"
    r"shores?|springs?|station|stream|summit|track|valley|viaduct|wells?|fields?|gate"
)
_PLAIN_WAYS = r"street|road|rd|avenue|ave|lane|boulevard|blvd|crescent|terrace|mews"
_NO_PART = (
    r"(?!(?:a|an|the|on|in|at|to|of|for|from|by|my|your|our|his|her|their|is|are|was|and|or|with|than|"
    r"more|days?|weeks?|"
    r"months?|hours?|minutes?|items?|times?|miles?|km|years?|pcs|pieces?|per|off|into|down|up|across|along)\b)"
)
_UNIT = (
    r"(?:(?:flat|apartment|apt|unit|suite|ste|room|rm|floor|fl|building|bldg|block|level|lot|shop|door|"
    r"studio|staircase|"
    r"stiege|tür|top|etage|stock|wohnung|whg|piso|puerta|piano|appartamento|interno|appartement|"
    r"esc)\b\.?\s*#?\s?\w{1,5}|"
    r"#\s?\w{1,5}|\d{1,2}(?:st|nd|rd|th|\.|er|e|º|ª)\s(?:floor|stock|og|etage|étage|piso)\b)"
)
_JOIN = r"[\s,.]{1,3}"
_ENGLISH = re.compile(
    rf"(?<![\w.,€$£#-])(?:(?i:{_UNIT}){_JOIN}|"
    rf"(?:(?i:{_UNIT}){_JOIN})?\d{{1,5}}(?:\s?[-/–]\s?\d{{1,5}})?[a-zA-Z]?,?\s+)(?:[NSEW][EW]?\.?\s+)?"
    rf"(?:(?:{_CAPITAL}[\w'’-]*\.?|\d{{1,3}}(?:st|nd|rd|th)|of|the|upon)\s+){{1,4}}?(?i:{_WAYS})\b\.?"
    rf"(?:\s+(?:[NSEW][EW]?|North|South|East|West)\b\.?)?(?:{_JOIN}(?i:{_UNIT})(?!\w))?"
)
_LOWER = re.compile(
    rf"(?<![\w.,€$£#-])\d{{1,5}}[a-z]?,?\s+(?:{_NO_PART}[a-z][\w'’-]*\s+){{1,3}}(?:{_PLAIN_WAYS})\b"
    rf"(?:{_JOIN}{_UNIT}(?!\w))?",
    re.IGNORECASE,
)
_BOX = re.compile(r"\b(?:p\.?\s?o\.?\s?box|post\s?box|postfach)\s*(?:no\.?|nr\.?)?\s*\d(?:\s?\d){0,7}\b", re.IGNORECASE)

# German: the number last.
_STRONG = r"(?:stra(?:ß|ss)e|str\.?|gasse|allee|chaussee|straat|gracht|laan|plein|kade|gatan|vägen|vej|gade|gata|vegen)"
_WEAK = (
    r"(?:weg|platz|ring|damm|ufer|steig|pfad|graben|markt|berg|hof|stieg|wall|winkel|"
    r"park|garten|brücke|tor|feld|hang|twiete|kamp|grund)"
)
_COMMON = (
    r"(?!(?:park|arbeits|sitz|steh|stell|spiel|um|rück|hin|schlaf|camping|lager|liege|heim|aus|super|flug|"
    r"bahn|markt|handels|"
    r"schul|arbeit|wasser|keyr?|ear|sp|st|st?r|nose|o|key)(?:weg|platz|ring|hof|markt|graben|tor|park|feld)\b)"
)
_NO_PLACE = (
    r"(?!(?:montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonnabend|sonntag|januar|februar|märz|"
    r"april|mai|juni|juli|"
    r"august|september|oktober|november|dezember|anfang|ende|abend|morgen|vormittag|nachmittag|wochenende|"
    r"moment|paket|"
    r"warenkorb|lager|preis|durchschnitt|schnitt|internet|shop|laden|set|jahr|monat|schreiben|anhang|"
    r"bestellung|rechnung)\w*\b)"
)
_GERMAN = re.compile(
    rf"(?<![\w.-])(?:(?:{_PROPER}\s+){{0,2}}(?i:{_STRONG})|(?i:(?:[^\W\d_][\w.]*-)*[^\W\d_]{{2,}}-?{_STRONG})"
    rf"|(?:{_PROPER}-)*(?i:{_COMMON}){_CAPITAL}[\w.]*?-?(?i:{_WEAK})(?!\w)"
    rf"|(?:{_PROPER}(?:er|es|e|en)\s+)(?i:{_WEAK})(?!\w)"
    rf"|(?:Am|An der|An den|Im|In der|In den|Zum|Zur|Unter den|Unter der|Auf der|Auf dem|Auf den|"
    rf"Hinter der|Hinter dem|Vor dem|"
    rf"Vor der|Bei der|Beim|Hinterm|Unterm)\s+(?i:{_NO_PLACE}){_CAPITAL}\w+(?:\s{_CAPITAL}\w+)?)"
    rf",?\s*(?:(?i:nr|hausnummer|haus)\.?\s*)?{_HOUSE}(?!\w|\d){_NO_COUNT}"
)

# French, Italian, Spanish, Portuguese: the kind of way first, the number on either side.
_ROMANCE = (
    r"(?:rue|avenue|av\.?|boulevard|bd|place|chemin|quai|impasse|allée|route de|via|viale|piazza|piazzale|"
    r"corso|largo|calle|c/|"
    r"avenida|avda\.?|plaza|paseo|gran|rua|praça|carrer)"
)
_SOUTHERN_NAME = (
    rf"(?:(?:de|du|des|de la|la|le|les|d'|del|della|dei|do|da|dos)\s?)?{_CAPITAL}[\w'’.-]*"
    rf"(?:\s(?:(?:de|du|des|de la|del|della|e|y)\s)?{_CAPITAL}[\w'’.-]*){{0,2}}"
)
_SOUTHERN = re.compile(
    rf"(?<![\w.-])(?:\d{{1,4}}(?:\s?(?:bis|ter))?,?\s+(?i:{_ROMANCE})\s+{_SOUTHERN_NAME}"
    rf"|(?i:{_ROMANCE})\s+{_SOUTHERN_NAME},?\s+(?:n[.°º]?\s*)?{_HOUSE}(?!\w){_NO_COUNT})"
)

# Postcode and town.
_TOWN = (
    rf"(?:{_CAPITAL}[\w'’./-]*)"
    rf"(?:[ -](?:(?:am|an der|ob der|im|in|bei|vor der|auf der|de|la|le|sur|upon|on)\s)?{_CAPITAL}[\w'’./-]*){{0,2}}"
)
_NO_TOWN = (
    r"(?!(?:euro?s?|stück\w*|punkte\w*|kunden\w*|meter|schritte|stunden|mal|tage|jahre|mitarbeiter|"
    r"artikel\w*|teile|exemplare|"
    r"us|usd|chf|gbp|items?|points?|units?|people|pieces|miles|days|hours|steps|not|was|is|has|please|"
    r"bitte|ist|wurde|und|oder|hat|"
    r"habe|ich|wann|wo|nicht|kg|km|watt|volt|lumen|mah|ml|noch|i|my|when|where|and|but|the|it|still|why|how|what)\b)"
)
_GERMAN_TOWN = re.compile(
    rf"(?<![\w.,€$£#/-])(?:D|DE|A|AT|CH|L|FL)?-?\s?\d{{5}}[ ,]+(?i:{_NO_TOWN}){_TOWN}(?:\s\([A-Z]{{2}}\))?"
)
_SHORT_TOWN = re.compile(rf"(?<![\w.,€$£#/-])(?:A|AT|CH|FL|L|B|NL)-\s?\d{{4}}\s+{_TOWN}")
_FLATS = rf"(?:[\s,]{{1,4}}(?i:{_UNIT})(?!\w))*"
_BEHIND = re.compile(
    rf"{_FLATS}(?:[\s,]{{1,4}}(?:\d{{4}}(?:\s?[A-Z]{{2}})?|\d{{5}}),?\s+(?i:{_NO_TOWN}){_TOWN}(?:\s\([A-Z]{{2}}\))?"
    rf"|[\s,]{{1,4}}{_TOWN},?\s\d{{4,5}}(?!\w)"
    rf"|[\s,]{{1,4}}(?:{_TOWN},?\s)?[A-Z]\d[\dW]\s?[A-Z0-9]{{4}}(?:\s{_TOWN})?(?!\w)"
    rf"|,\s?(?i:{_NO_PART}){_CAPITAL}[\w'’-]+(?:\s{_CAPITAL}[\w'’-]+)?(?=\s*(?:$|[\n.,;!?])))?"
)
"""What belongs to a street that stands before it."""
_LOOSE = re.compile(
    rf"(?<![\w.,€$£#-])(?:(?:(?i:{_UNIT}){_JOIN}|\d{{1,5}}(?:/\d{{1,5}})?[a-zA-Z]?,?\s+)"
    rf"(?:(?!(?i:{_UNIT})){_CAPITAL}[\w'’-]*[\s,]{{1,3}}){{1,5}}"
    rf"|{_CAPITAL}[\w'’.-]*(?:\s(?:(?:de|del|la|di|van|den|der|de "
    rf"la)\s)?{_CAPITAL}[\w'’.-]*){{0,3}},?\s\d{{1,4}}[a-zA-Z]?(?!\w))"
    rf"(?:(?<=\s)(?i:{_UNIT})(?!\w))?{_FLATS}"
)
"""An address only if a postcode and a town follow."""
_STATES = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC "
    "ND OH OK OR PA RI SC "
    "SD TN TX UT VT VA WA WV WI WY DC PR AA AE AP NSW VIC QLD TAS SA ACT NT MP GU AS FM VI MH PW"
).replace(" ", "|")
_AMERICAN = re.compile(rf"(?<!\w)(?:{_TOWN},?\s+)?(?:{_STATES}),?\s+(?:\d{{5}}(?:-\d{{4}})?|\d{{4}})(?![\w-])")
_BRITISH = re.compile(
    rf"(?<![\w-])(?:{_TOWN}[, ]\s*)?(?:[A-Z]{{1,2}}\d[A-Z\d]?\s\d[ABD-HJLNP-UW-Z]{{2}}|"
    rf"[A-Z]\d[A-Z]\s\d[A-Z]\d)(?![\w-])"
)
_BRITISH_LOWER = re.compile(r"(?<![\w-])[a-z]{1,2}\d[a-z\d]?\s\d[abd-hjlnp-uw-z]{2}(?![\w-])")
_LABEL = re.compile(r"^(?:postcode|post\s?code|zip(?:\s?code)?|plz|town|city|code|is|address)[\s:,]+", re.IGNORECASE)
_POSTCODE_SAID = re.compile(
    r"\b(?:post\s?code|zip(?:\s?code)?|plz|postleitzahl|postal code)\b(?:\s(?:is|ist|"
    r"lautet))?[\s:]*((?:[A-Z]{1,2}-)?[0-9A-Z]{2,4}[\s-]?[0-9A-Z]{1,4})(?!\w)",
    re.IGNORECASE,
)
_STREETS = (_ENGLISH, _LOWER, _GERMAN, _SOUTHERN, _BOX)
_TOWNS = (_GERMAN_TOWN, _SHORT_TOWN, _AMERICAN, _BRITISH, _BRITISH_LOWER)
_BETWEEN = re.compile(rf"[\s,;-]{{0,4}}(?:(?i:{_UNIT})?[\s,]{{0,3}}|{_TOWN}[\s,]{{1,3}})?")
_DIGIT = re.compile(r"\d")


def addresses(text: str) -> Spans:
    """Street and number, postcode and town, post boxes; those that follow each other are one."""
    if not _DIGIT.search(text):
        return
    start = end = -1
    for first, last in sorted([*_streets(text), *_towns(text)]):
        if start >= 0 and (first <= end or _BETWEEN.fullmatch(text, end, first)):
            end = max(end, last)
            continue
        if start >= 0:
            yield start, end
        start, end = first, last
    if start >= 0:
        yield start, end


def _streets(text: str) -> Spans:
    for expression in _STREETS:
        for match in expression.finditer(text):
            behind = _BEHIND.match(text, match.end())
            yield match.start(), behind.end() if behind else match.end()


def _towns(text: str) -> Spans:
    """And what stands ahead of them in the form of a street."""
    found = list(_postcodes(text))
    yield from found
    for first, last in (match.span() for match in _LOOSE.finditer(text)):
        behind = _BEHIND.match(text, last)
        if behind and _DIGIT.search(behind[0]):
            yield first, behind.end()
        elif any(first < start <= last + 3 and not text[last:start].strip(" \n,") for start, _ in found):
            yield first, last


def _postcodes(text: str) -> Spans:
    for expression in _TOWNS:
        for match in expression.finditer(text):
            label = _LABEL.match(match[0])
            if not names_goods(text, match.start()):
                yield match.start() + (label.end() if label else 0), match.end()
    for match in _POSTCODE_SAID.finditer(text):
        if _DIGIT.search(match[1]):
            yield match.span(1)
