"""How much of what tells who wrote a message is taken out of it, and how much else: `python -m benchmarks.redaction`.

Lines are made of templates, formats and words that were not looked at while the rules were written. Half of them hold
something personal; the others hold what looks like it: prices, product codes, order numbers, dates, quantities, years,
tracking numbers. A span counts as found if every letter and digit of it is gone, and one that was taken out counts as
right if it touches one that should be.
"""

# ruff: noqa: SIM905  # words in a line are easier to read and to add to

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from nlu.learning.money import LENGTHS, luhn, mod_97
from nlu.learning.redaction import KINDS, Redactor

FIRST = (
    "Aisha Ben Chiara Dmitri Eilidh Farid Greta Hugo Ingrid Jamal Katarzyna Liam Mehmet Noor Oluwaseun "
    "Priya Quentin Rosalind "
    "Søren Tomasz Ulrike Vikram Wiebke Xenia Yusuf Zoë Björn Matilda Raphael Saskia"
).split()
LAST = (
    "Abernathy Baumgärtner Chaudhry Drozd Eriksen Fitzgerald Grünwald Hernández Ivanova Jankowski "
    "Kowalczyk Lindqvist MacLeod "
    "Nwosu O'Sullivan Papadopoulos Quigley Rautenberg Szabó Thistlewood Uzun Vandenberghe Wojcik Yilmaz "
    "Zimmermann Okafor "
    "Steinbrück Whitcombe Delacroix Ferrari"
).split()
HOSTS = "posteo.de fastmail.com btinternet.com uni-bremen.de studio-nord.eu icloud.com web.de x.museum".split()
STREETS = (
    "Juniper Street|Old Mill Road|Kestrel Avenue|Saint Andrews Drive|Harcourt Terrace|North 14th Street|Weavers Lane|"
    "Magnolia Boulevard|Broad Oak Close|Quarry Hill|Windermere Crescent|Cotton Mill Court"
).split("|")
STRASSEN = (
    "Fichtenstraße|Kölner Straße|Am Wiesengrund|Sonnenallee|Kirchgasse|Theodor-Heuss-Ring|"
    "Obere Hauptstr.|Schlossplatz|"
    "Lerchenweg|Zum Alten Zollhaus|Marienufer|Wilhelmine-Gemberg-Weg|An der Stadtmauer|Große Bleichen-Straße"
).split("|")
TOWNS = "Leicester|Swansea|Aberdeen|Kilmarnock|Bury St Edmunds|Stoke-on-Trent|Plymouth".split("|")
UK = "LE2 7TF|SA1 3SN|AB10 1XG|KA3 1DP|IP33 1LS|ST4 2DF|PL4 8AA".split("|")
STAEDTE = "Kassel|Bad Homburg|Lübeck|Frankfurt am Main|Neustadt an der Weinstraße|Mülheim|Castrop-Rauxel|Ulm".split("|")
AMERICAN = "Tulsa, OK|Boise, ID|New Haven, CT|Santa Fe, NM|Grand Rapids, MI|Chattanooga, TN".split("|")

Make = Callable[[random.Random], str]


def digits(rng: random.Random, count: int) -> str:
    return "".join(str(rng.randrange(10)) for _ in range(count))


def filled(rng: random.Random, shape: str) -> str:
    """A digit for each `#`, one from 2 to 9 for each `%`."""
    return "".join(str(rng.randrange(10)) if c == "#" else str(rng.randrange(2, 10)) if c == "%" else c for c in shape)


def person(rng: random.Random) -> str:
    return f"{rng.choice(FIRST)} {rng.choice(LAST)}"


def email(rng: random.Random) -> str:
    first, last = rng.choice(FIRST).lower(), rng.choice(LAST).lower().replace("'", "")
    local = rng.choice(
        (f"{first}_{last}", f"{first[0]}{last}{digits(rng, 2)}", f"{first}.{last}+web", f"{last}-{first}")
    )
    found = f"{local}{rng.choice(('@', '@', '@', '@', '[at]', ' (at) '))}{rng.choice(HOSTS)}"
    return found.upper() if rng.random() < 0.1 else found


def phone(rng: random.Random) -> str:
    return filled(rng, rng.choice(PHONES))


PHONES = (
    "+44 (0)20 %### ####|020 7### ####|079########|07%## ### ###|01632 96####|0044 161 496 ####|"
    "+49 (0)89 %#######|0171 / %## ## ##|"
    "089-%#####-##|0%## %######|+49-30-%### ####|(0421) %#### ##|+1.415.%##.####|(%##) %##-####|"
    "%##-%##-####|1-%##-%##-####|"
    "+41 79 ### ## ##|0043 660 %#######|+33 6 ## ## ## ##|06 ## ## ## ##|+48 %## ### ###|"
    "+353 87 ### ####|0%## ### ## ##"
).split("|")


def card(rng: random.Random) -> str:
    start, length = rng.choice(
        (("4", 16), ("51", 16), ("2720", 16), ("37", 15), ("6011", 16), ("36", 14), ("4", 16), ("55", 16))
    )
    body = start + digits(rng, length - len(start) - 1)
    number = next(body + str(last) for last in range(10) if luhn(body + str(last)))
    sizes = {16: (4, 4, 4, 4), 15: (4, 6, 5), 14: (4, 6, 4)}[length]
    return parted(number, sizes, rng.choice(("", " ", "-", " ")))


def parted(number: str, sizes: tuple[int, ...], between: str) -> str:
    parts, at = [], 0
    for size in sizes:
        parts.append(number[at : at + size])
        at += size
    return between.join(part for part in parts if part)


def iban(rng: random.Random) -> str:
    country = rng.choice("DE AT CH FR NL GB ES IT PL IE BE SE DK PT NO".split())
    bank = {"NL": "INGB", "GB": "NWBK", "IE": "AIBK"}.get(country, "")
    body = bank + digits(rng, LENGTHS[country] - 4 - len(bank))
    number = next(full for check in range(100) if mod_97(full := f"{country}{check:02}{body}"))
    shown = parted(number, (4,) * 9, rng.choice(("", " ", " ", "-")))
    return shown.lower() if rng.random() < 0.15 else shown


def address(rng: random.Random) -> str:
    house = f"{rng.randrange(1, 240)}{rng.choice(('', '', '', 'a', 'b'))}"
    between = rng.choice((", ", "\n", ", "))
    kind = rng.randrange(4)
    if kind == 0:
        place = rng.randrange(len(TOWNS))
        return f"{house} {rng.choice(STREETS)}{between}{TOWNS[place]}{rng.choice((' ', ', ', between))}{UK[place]}"
    if kind == 1:
        unit = rng.choice(("", "", f" Apt {rng.randrange(1, 90)}", f", Suite {rng.randrange(100, 900)}"))
        house = str(rng.randrange(10, 9900))
        return f"{house} {rng.choice(STREETS)}{unit}{between}{rng.choice(AMERICAN)} {filled(rng, '#####')}"
    town = f"{between}{filled(rng, '%####')} {rng.choice(STAEDTE)}" if kind == 2 else ""
    return (
        f"{rng.choice(STRASSEN)} {house}{town}" if kind == 2 or rng.random() < 0.5 else f"{house} {rng.choice(STREETS)}"
    )


PERSONAL: dict[str, tuple[Make, str]] = {
    "email": (
        email,
        "you'll find me under {}|{} is the address I used|Rechnung bitte an {}|contact: {}.|<{}>|mail:{}, thanks",
    ),
    "phone": (
        phone,
        "try {} after six|{}|meine Nummer: {}|my mobile is {}, text me|Tel.: {}|it's {} by the way|"
        "Rückruf unter {} bitte",
    ),
    "card": (
        card,
        "charge {} again|{}|the number on it is {} and it ends next May|Kartennummer {}|"
        "it was {} I think, cvc to follow",
    ),
    "iban": (iban, "transfer it to {} please|{}|Meine Bankverbindung: {}|account {} at my bank|Konto {}, danke"),
    "address": (
        address,
        "We moved to {}|{}|please deliver to {}.|Lieferung bitte an:\n{}|"
        "my sister lives at {}\nand is home all day|parcel for {}!",
    ),
    "name": (
        person,
        "my name is {}|Hi, this is {} calling about the lamp|Ich heiße {} und warte schon lange|"
        "Kind regards\n{}|Viele Grüße, {}|"
        "Please address it to Mr. {}|mein Name ist {}.|Name: {}|I'm {}, we spoke before|"
        "Thank you very much,\n{}|Dear {},|Frau {} war nett",
    ),
}
DECOYS = (
    "I paid €1,249.00 for it|that is 3.499,90 EUR too much|$79.99 or £64.50?|the GTL-4482-XK in oak|"
    "article 118.204.77|SKU 8820-1147-03|"
    "order %######## is late|Bestellung Nr. 2026-%#####|order #%#####|my order number is %#########|"
    "order 10%### Hamburg model|"
    "on 03.04.2026 at 14:30|03/04/2026 or 12-05-2026|since 2026-02-11 09:15|"
    "from 01.02.2026 to 15.03.2026|we bought 250 of them in 1998|"
    "in 2019 and 2020 we had 12000 visitors|tracking 003404341%##########|DHL JJD0000%##########|1Z999AA1012345%###|"
    "Sendungsnummer 00340%###############|parcel number 9400 1112 0255 5%## #### ##|UPS %############|"
    "EAN 4006381333931|"
    "ISBN 978-3-16-148410-0|barcode 501234567890%|it is 120 x 80 x 75 cm|2 x 40 W, 800 lm, 2700 K|"
    "24/7 on 365 days|200x140 fits|"
    "ip 192.168.0.%#|version 10.4.2.118|4 pillows, 2 blankets and 12 napkins|open 9:00-18:30|"
    "50 % off over 100|code SPRING2026|"
    "voucher LARK-%###-%###|ticket 8841%###|invoice 2026/%####|Rechnung 20260%###|@larkwood on instagram|"
    "see www.shop.example/p/%####?x=1|"
    "I called twice, on 3 and 5 May|the 3 street lamps|5 garden chairs and 1 road bike|30 Tage Rückgabe|"
    "12345 Punkte gesammelt|"
    "Am Freitag 14 Uhr passt|Im Set 4 Stück|my name is spelled wrong|the name on the invoice is missing|"
    "this is really bad|this is not it|"
    "regards to the team|best price ever|thanks again|hi there|Hallo zusammen,|dear support,|"
    "is Mr Right a brand?|call me later please|"
    "I'm waiting|I am Very Disappointed|phone case for 2 phones|is the card accepted in 2026|"
    "gift card 50|room 12 on floor 3|size 42 or 43 2/3|"
    "article 4111-22|serial 35%############|lot %#### of 12|the 1st and 2nd shelf, 80 cm|"
    "5000 mAh battery|1.000.000 steps|#%####|%####|"
    "10 to 14 days?|at 10 pm|6 plates at 14.50 each|Modell 3310 in blau|2 kg for 12 €|row 4 seat 12|"
    "about 40-45 cm wide"
).split("|")


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    kind: str
    start: int
    end: int


def lines(count: int, seed: int) -> list[Line]:
    rng = random.Random(seed)
    made = []
    for number in range(count):
        if number % 2:
            made.append(Line(filled(rng, rng.choice(DECOYS)), "", 0, 0))
            continue
        kind = rng.choice([kind for kind in KINDS if kind in PERSONAL])
        make, templates = PERSONAL[kind]
        ahead, behind = rng.choice(templates.split("|")).split("{}")
        value = make(rng)
        made.append(Line(ahead + value + behind, kind, len(ahead), len(ahead) + len(value)))
    return made


def scored(made: list[Line], show: int) -> dict[str, tuple[int, int, int, int]]:
    """By kind: found, to be found; right, taken out."""
    redactor = Redactor.of()
    found, there, right, taken = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for line in made:
        result = redactor.redact(line.text)
        gone = {place for span in result.spans for place in range(span.start, span.end)}
        whole = all(place in gone or not line.text[place].isalnum() for place in range(line.start, line.end))
        there[line.kind] += 1
        found[line.kind] += whole
        wrong = [span for span in result.spans if span.end <= line.start or line.end <= span.start]
        for span in result.spans:
            taken[span.kind] += 1
            right[span.kind] += span not in wrong
        if show and (wrong or not whole):
            show -= 1
            print(f"{line.kind or 'decoy'}: {line.text!r} -> {result.text!r}")
    return {kind: (found[kind], there[kind], right[kind], taken[kind]) for kind in KINDS if there[kind] or taken[kind]}


CHAT = (
    "where is my order|it was supposed to arrive on Tuesday and the tracking says delivered|"
    "can I return the lamp without the box?|hi|"
    "My name is Noor Chaudhry, I ordered two chairs last week and only one has come. Can you check with "
    "the carrier?|yes please|"
    "you can reach me at noor.chaudhry@posteo.de or on 0171 5551234|"
    "I want to change the delivery address to Fichtenstraße 12, 34117 Kassel|"
    "do you ship to Norway and how much is it|thanks, that helped a lot"
).split("|")


def milliseconds(repeats: int) -> float:
    """Of a typical chat message, the mean."""
    redactor = Redactor.of()
    begun = time.perf_counter()
    for _ in range(repeats):
        for text in CHAT:
            redactor.redact(text)
    return (time.perf_counter() - begun) / repeats / len(CHAT) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=0, help="print so many mistakes")
    given = parser.parse_args()
    scores = scored(lines(given.lines, given.seed), given.show)
    print("| kind | recall | precision |\n|---|---|---|")
    for kind, (found, there, right, taken) in scores.items():
        print(f"| {kind} | {share(found, there)} | {share(right, taken)} |")
    found, there, right, taken = (sum(column) for column in zip(*scores.values(), strict=True))
    print(f"| all | {share(found, there)} | {share(right, taken)} |")
    print(f"\nA typical chat message takes {milliseconds(500):.3f} ms.")


def share(part: int, whole: int) -> str:
    return f"{part / whole:.3f} ({part} of {whole})" if whole else "-"


if __name__ == "__main__":
    main()
