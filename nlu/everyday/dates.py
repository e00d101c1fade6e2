"""Days, weeks, months, seasons, years and holidays, as customers write them."""

from __future__ import annotations

from nlu.everyday.quantities import COUNT

_WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?"
_LONG = "january|february|april|june|july|august|september|october|november|december"
_CERTAIN = rf"(?:(?:{_LONG})\b|(?:jan|feb|apr|aug|sept?|oct|nov|dec)\b\.?)"
_MONTH = rf"(?:{_CERTAIN}|march\b|may\b|(?:mar|jun|jul)\b\.?)"
"""With those that are other words, too."""
_DAY = r"(?<!\d)(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?:19[89]\d|20[0-4]\d)\b(?!\s?(?:€|euros?|eur\b|\$|dollars?))"
_DAY_OF_MONTH = rf"(?:{_DAY}\.?(?: of)? {_MONTH}|{_MONTH} (?:the )?{_DAY}(?![\d:]))(?:,? {_YEAR})?"
_SEASON = r"(?:spring|summer|autumn|winter)"
_PART = r"(?:morning|afternoon|evening|night)"
_SPAN = rf"(?:week|month|year|weekend|{_PART}|{_SEASON}|{_MONTH})"
_UNIT = r"(?:min(?:ute)?s?|hours?|hrs?|days?|weeks?|months?|years?|yrs?)"
_WHICH = "(?:(?:the|this|last|next) )?"
_AFTER = r"(?:(?<=\bin )|(?<=\bsince )|(?<=\bof )|(?<=\buntil )|(?<=\bfrom )|(?<=\bbetween ))"

DATES = (
    rf"\b(?:today|tonight|tomorrow|yesterday)(?: {_PART})?\b",
    r"\bday (?:after tomorrow|before yesterday)\b",
    rf"\b(?:(?:last|this|next|coming) )?{_WEEKDAY}(?: {_PART})?(?:,? {_DAY_OF_MONTH})?\b",
    rf"\b(?:(?:early|late) )?(?:last|this|next|coming) {_SPAN}\b",
    rf"\b{_DAY_OF_MONTH}",
    rf"\b(?:(?:early|mid|late)[- ])?{_CERTAIN}(?: {_YEAR})?\b",
    rf"\b(?:early|mid|late)[- ]{_MONTH}(?: {_YEAR})?",
    rf"\b{_MONTH} {_YEAR}",
    rf"{_AFTER}(?:{_MONTH}|{_YEAR})",
    rf"\b(?:beginning|start|middle|end) of {_WHICH}(?:week|month|year|{_YEAR}|{_MONTH})(?: {_YEAR})?",
    rf"\b{_SEASON} {_YEAR}",
    rf"\b(?:(?:{COUNT}|an?|a few|some|several) )?{_UNIT} ago\b",
    r"(?<![\d.])(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|1[0-2])\.(?:20\d\d|\d\d)?(?!\d)",
    r"(?<![\d/])(?!24/7)(?:0?[1-9]|[12]\d|3[01])/(?:0?[1-9]|1[0-2])(?:/(?:20\d\d|\d\d))?(?![\d/])",
    r"\b20\d\d-[01]\d-[0-3]\d\b",
    r"\b(?:weekends?|weekdays?|(?:public|bank) holidays?)\b",
    r"\b(?:christmas(?: eve| day)?|xmas|boxing day|easter(?: sunday| monday)?|good friday)\b",
    r"\b(?:black friday|cyber (?:monday|week)|whit(?: sunday| monday)?|pentecost|ascension day|halloween)\b",
    r"\bnew year(?:['’]?s (?:eve|day))?\b",
    r"\b(?:valentine|mother|father)['’]?s['’]? day\b",
)
"""The longest that fits counts. Not among them: lengths of time, clock times, and seasons that nothing fixes."""
IN_EVERY_DATE = (
    *("day", " ago", "last ", "this ", "next ", "coming ", "tonight", "tomorrow"),
    *("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    *("beginning of ", "start of ", "middle of ", "end of ", "weekend", "new year"),
    *("christmas", "xmas", "easter", "cyber ", "whit", "pentecost", "halloween"),
)
"""Each of DATES holds one of these, or a digit."""
