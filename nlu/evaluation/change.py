"""What a change of model would change, as one HTML page for a person who decides."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from nlu.data.examples import Example
from nlu.evaluation import rules
from nlu.evaluation.entities import Pairs
from nlu.evaluation.gate import Both, Decision
from nlu.evaluation.intents import intent_scores
from nlu.evaluation.lessons import Taught, lessons
from nlu.evaluation.pictures import THEMES, Learnt, learning_curve, progress, reliability
from nlu.evaluation.replay import LEAST
from nlu.evaluation.report import confusions, rendered
from nlu.evaluation.rules import Reason
from nlu.evaluation.scores import IntentScores
from nlu.evaluation.signs import Steps
from nlu.manifest import Manifest

_TEMPLATE = Path(__file__).parent / "change.html"
_MODELS = 12
"""In the picture of the progress."""
_TEXTS = 100
"""In a list; `--json` has all."""
_CHANCE = (
    f"if more texts are lost than gained and chance ({{}}) does not explain it, or {rules.TOO_MUCH:.0%} of the texts"
)
_RULES = {
    "accuracy": _CHANCE.format(f"{rules.CHANCE:.0%}"),
    **dict.fromkeys(
        ("answers", "wrong answers", "out of scope", "entities", "knowledge base"),
        _CHANCE.format(f"{rules.RARE:.0%}"),
    ),
    "intent": f"if one intent loses three texts and {rules.SACRIFICED:.0%} of its texts, or both of two",
    "calibration": "if what is right is held for clearly less likely",
    "canaries": "if one canary is not answered any more",
    "replay": f"if {2 * rules.TOO_MUCH:.0%} of the last messages would go to a person who were served",
    "replay, by intent": f"if an intent that served {LEAST} messages or more would serve less than half",
    "phrase": "if words that the data folder does not know turn other intents' texts into one",
    "leak": f"if more than {rules.LEAKED:.0%} of the held-out texts were trained on",
    "evidence": f"if there are fewer than {rules.LEAST_TEXTS} held-out texts",
}


@dataclass(frozen=True, slots=True)
class Models:
    """The two that were compared, and those that came before."""

    before: Path
    """Directory."""
    after: Path
    last: Sequence[tuple[Manifest, bool]] = ()
    """The registry's, the newest first, and whether each is held."""


@dataclass(frozen=True, slots=True)
class IntentStep:
    """What became of one intent's held-out texts."""

    intent: str
    texts: int
    before: int
    """Understood."""
    after: int
    gained: int
    lost: int
    held: bool
    """Whether the rule for one intent speaks against the new model."""

    @property
    def changed(self) -> bool:
        return bool(self.gained or self.lost)


@dataclass(frozen=True, slots=True)
class Asked:
    """A text with what was meant, and what the two models took it for."""

    text: str
    intent: str
    before: str
    after: str


def write_change(
    file: Path, decision: Decision, models: Models, examples: Sequence[Example], *, promoted: bool
) -> None:
    """`examples`: those of the training data, whose words the models do not keep."""
    comparison, held_out = decision.comparison, _inside(decision.held_out)
    scores = _scores(held_out)
    changed = comparison.changed if comparison else ()
    page = rendered(
        _TEMPLATE,
        _pictures(scores, models),
        title=f"{decision.after} against {decision.before}",
        decision=decision,
        promoted=promoted,
        reasons=[(reason, _RULES[_rule(reason)]) for reason in decision.reasons],
        lessons=lessons(Taught.read(models.before), Taught.read(models.after), examples),
        comparison=comparison,
        scores=scores,
        intents=_by_intent(held_out, decision.reasons),
        gained=[one for one in changed if one.after == one.intent != one.before],
        lost=[one for one in changed if one.before == one.intent != one.after],
        canaries=_canaries(decision),
        confused=_confused(scores),
        curve=_curve(models),
        reports=[_link(directory, file) for directory in (models.before, models.after)],
        rule_of_intent=_RULES["intent"],
        flows=[flow for flow in decision.replay.flows if flow.before != flow.after] if decision.replay else [],
        most=_TEXTS,
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page, "utf-8")


def _rule(reason: Reason) -> str:
    return "intent" if reason.what.startswith("intent ") else reason.what


def _inside(both: Both) -> Both:
    before, after = ([pair for pair in pairs if not pair[0].outlier] for pairs in (both.before, both.after))
    return Both(before, after)


def _scores(held_out: Both) -> tuple[IntentScores, IntentScores] | None:
    if not held_out.before:
        return None
    return intent_scores(held_out.before), intent_scores(held_out.after)


def _by_intent(held_out: Both, reasons: Sequence[Reason]) -> list[IntentStep]:
    """What lost most first, then what gained most."""
    intents = sorted({example.family for example, _ in held_out.before})
    against = {reason.what for reason in reasons}
    steps = [_intent_step(intent, held_out, f"intent {intent}" in against) for intent in intents]
    return sorted(steps, key=lambda step: (step.after - step.before >= 0, -abs(step.after - step.before), step.intent))


def _intent_step(intent: str, held_out: Both, held: bool) -> IntentStep:
    steps = Steps.of(*(_understood(intent, pairs) for pairs in (held_out.before, held_out.after)))
    counts = (int(steps.was.sum()), int(steps.now.sum()), len(steps.gained), len(steps.lost))
    return IntentStep(intent, steps.texts, *counts, held)


def _understood(intent: str, pairs: Pairs) -> list[bool]:
    return [found.intent.name == intent for example, found in pairs if example.family == intent]


def _canaries(decision: Decision) -> list[Asked]:
    """Those that failed; of a question for an article nothing but its text is known."""
    failed = [text for reason in decision.reasons if reason.what == "canaries" for text in reason.texts]
    known = {
        example.text: Asked(example.text, example.family, old.intent.name, new.intent.name)
        for (example, old), (_, new) in zip(decision.canaries.before, decision.canaries.after, strict=True)
    }
    return [known.get(text, Asked(text, "an article", "found first", "not found first")) for text in failed]


def _confused(scores: tuple[IntentScores, IntentScores] | None) -> list[tuple[object, int]]:
    """The new model's most frequent confusions, and how often the old one made them."""
    if scores is None:
        return []
    before = Counter((mistake.intent, mistake.found) for mistake in scores[0].mistakes)
    return [(one, before[one.intent, one.found]) for one in confusions(scores[1])]


def _pictures(scores: tuple[IntentScores, IntentScores] | None, models: Models) -> Mapping[str, Mapping[str, bytes]]:
    drawn = {}
    if scores:
        drawn = {
            name: partial(reliability, of.reliability) for name, of in zip(("before", "after"), scores, strict=True)
        }
    path, curve = list(_path(models.last)), _curve(models)
    if len(path) > 1:
        drawn["progress"] = partial(progress, path)
    if curve:
        drawn["learning"] = partial(learning_curve, curve)
    return {name: {theme: draw(theme) for theme in THEMES} for name, draw in drawn.items()}


def _path(last: Sequence[tuple[Manifest, bool]]) -> Iterator[tuple[str, float, bool]]:
    """The last models that were scored on held-out texts, the oldest first."""
    scored = [(manifest, held) for manifest, held in last if manifest.scores.get("test_accuracy") is not None]
    for manifest, held in reversed(scored[:_MODELS]):
        yield manifest.made, manifest.scores["test_accuracy"], held


def _curve(models: Models) -> list[Learnt]:
    """Models by how much they learnt from; empty where all learnt from as many examples."""
    marks = {models.before.name: "before", models.after.name: "now"}
    found = [
        Learnt(m.id, m.examples, m.scores["test_accuracy"], m.test_between, held, marks.get(m.id, ""))
        for m, held in models.last
        if m.examples and m.scores.get("test_accuracy") is not None
    ]
    different = len({one.examples for one in found}) > 1
    return sorted(found, key=lambda one: (one.examples, one.model)) if different else []


def _link(directory: Path, page: Path) -> str:
    """To the report of the training; empty if there is none."""
    report = directory / "report" / "index.html"
    return quote(Path(os.path.relpath(report, page.parent)).as_posix()) if report.is_file() else ""
