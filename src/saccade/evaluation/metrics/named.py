"""Metrics of an answer by name: 0 for wrong, 1 for right, some of them a share between.

A metric is a function of the answer's text and the question, whose ``answers``, ``choices`` and ``evidence`` it judges
by. It takes the text as it is; finding the answer in a chatty reply is ``extraction``'s part. Other packages bring
metrics through the entry-point group ``saccade.metrics``; they are named ``package/kind``.
"""

import math
import re
from collections.abc import Callable
from functools import partial
from typing import cast

from saccade.core.box import Box
from saccade.core.errors import SaccadeError, unknown
from saccade.core.registry.plugins import is_foreign, plugin
from saccade.evaluation.metrics.vqa import vqa_accuracy
from saccade.tasks.exam import Question, is_right

Metric = Callable[[str, Question], float]
"""``(said, question)`` to a score of 0 to 1. Raises SaccadeError for a question that it cannot judge."""

THRESHOLD = 0.5
"""ANLS: answers that are less alike score 0."""
TOLERANCE = 0.05
"""Relaxed accuracy: share of the right number by which an answer may be off."""
NUMBER = r"[-+−]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+|(?<=\d)\.?)(?:[eE][-+]?\d+)?"
"""Digits with an optional sign, thousands separators, fraction and exponent."""
BOX = re.compile(r"\s*,\s*".join([r"\s*[\[(]?\s*(-?\d+(?:\.\d+)?)", *[r"(-?\d+(?:\.\d+)?)"] * 3]) + r"\s*[\])]?\s*")


def exact(said: str, question: Question) -> float:
    """1 where ``said`` is one of the answers, blind to case and to outer spaces and full stops."""
    return float(is_right(said, question.answers))


def contains(said: str, question: Question) -> float:
    """1 where one of the answers stands anywhere in ``said``, blind to case and line breaks, as OCRBench counts.

    ``7`` is contained in ``17``: short answers need another metric. Source: arXiv:2305.07895.
    """
    text = _flat(said)
    return float(any(_flat(answer) in text for answer in question.answers))


def choice(said: str, question: Question) -> float:
    """1 where ``said`` is the letter of the right choice (``B``, ``(b)``, ``b.``) or its text.

    ``answers`` are letters, or texts of ``choices``, whose letters are A, B, C … in their order.
    """
    right = {letter(answer, question) for answer in question.answers}
    if "" in right:
        named = f"one of the {len(question.choices)} choices" if question.choices else "a letter"
        raise SaccadeError(
            f"the metric choice takes answers that are {named}, got {', '.join(map(repr, question.answers))}; give the "
            "letter, or the text of the choice as it stands in choices"
        )
    return float(letter(said, question) in right)


def anls(said: str, question: Question) -> float:
    """Average normalised Levenshtein similarity: 1 − edits / longer length, 0 below 0.5; the best of the answers.

    Blind to case and to runs of spaces. Source: ST-VQA, arXiv:1905.13648; DocVQA, arXiv:2007.00398. The papers score
    a similarity of exactly 0.5 as 0, the challenges' script and this function as 0.5.
    """
    text = _flat(said)
    return max(_alike(text, _flat(answer)) for answer in question.answers)


def vqa(said: str, question: Question) -> float:
    """VQA accuracy over ten people's answers; see ``evaluation.vqa``."""
    return vqa_accuracy(said, question.answers)


def relaxed(said: str, question: Question) -> float:
    """1 within 5 % of a right number, else where the text is equal, blind to case.

    ``12 %`` is 0.12, and thousands separators are read. No tolerance around 0. Source: ChartQA, arXiv:2203.10244,
    section 5.1, as Pix2Struct evaluates it.
    """
    return float(any(_near(said, answer) for answer in question.answers))


def iou(said: str, question: Question) -> float:
    """Intersection over union of the box in ``said`` with the evidence box that it meets best.

    ``said`` is ``[left, top, right, bottom]`` in pixels of the image as it is stored; anything else scores 0.
    """
    if not question.evidence:
        raise SaccadeError(
            f"the metric iou compares boxes, and the question {question.text!r} has no evidence; add its boxes, or "
            "choose another metric"
        )
    found = BOX.fullmatch(said)
    if found is None:
        return 0.0
    left, top, right, bottom = map(float, found.groups())
    if right <= left or bottom <= top:
        return 0.0
    box = Box(left, top, right, bottom)
    return max(_overlap(box, other) for other in question.evidence)


def iou_at(least: float, said: str, question: Question) -> float:
    """1 where ``iou`` is ``least`` or more."""
    return float(iou(said, question) >= least)


METRICS: dict[str, Metric] = {
    "exact": exact,
    "contains": contains,
    "choice": choice,
    "anls": anls,
    "vqa": vqa,
    "relaxed": relaxed,
    "iou": iou,
    "iou@0.5": partial(iou_at, 0.5),
}


def metric(given: object) -> Metric:
    """The metric of that name, or ``given`` itself where it is a function ``(said, question) -> float``.

    Raises SaccadeError for an unknown name, with near matches, and for what is neither.
    """
    if isinstance(given, str):
        if given in METRICS:
            return METRICS[given]
        if not is_foreign(given):
            raise unknown("metric", given, METRICS)
        given = plugin("saccade.metrics", given)
    if not callable(given):
        raise SaccadeError(
            f"a metric is a name or a function (said, question) -> score, got {given!r:.60}; "
            f"names: {', '.join(METRICS)}"
        )
    return cast(Metric, given)


def name_of(given: str | Metric) -> str:
    """The name for tables and recipes; a function is named ``module:name``."""
    if isinstance(given, str):
        return given
    named = [name for name, known in METRICS.items() if known is given]
    where = given if hasattr(given, "__qualname__") else type(given)
    return named[0] if named else f"{where.__module__}:{getattr(where, '__qualname__', '')}"


def letter(text: str, question: Question) -> str:
    """The capital letter of the choice that ``text`` names by its letter or its text, or nothing."""
    by_text = [place for place, one in enumerate(question.choices) if is_right(text, (one,))]
    if by_text:
        return chr(ord("A") + by_text[0])
    bare = text.strip().strip("()[]{}.:*").upper()
    allowed = len(question.choices) or 26
    return bare if len(bare) == 1 and 0 <= ord(bare) - ord("A") < allowed else ""


def number(text: str) -> float | None:
    """The number that ``text`` is, or None; ``12 %`` is 0.12, ``1,234.5`` is 1234.5."""
    bare, percent = re.subn(r"\s*%$", "", text.strip())
    if not re.fullmatch(NUMBER, bare):
        return None
    value = float(bare.replace(",", "").replace("−", "-")) / (100 if percent else 1)
    return value if math.isfinite(value) else None


def edits(a: str, b: str) -> int:
    """Levenshtein distance: the fewest single characters to insert, delete or replace."""
    row = list(range(len(b) + 1))
    for place, one in enumerate(a, start=1):
        corner, row[0] = row[0], place
        for at, other in enumerate(b, start=1):
            corner, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, corner + (one != other))
    return row[-1]


def _alike(text: str, answer: str) -> float:
    longer = max(len(text), len(answer))
    if min(len(text), len(answer)) < THRESHOLD * longer:  # too unlike by length alone
        return 0.0
    similarity = 1 - edits(text, answer) / longer if longer else 1.0
    return similarity if similarity >= THRESHOLD else 0.0


def _near(said: str, answer: str) -> bool:
    given, right = number(said), number(answer)
    if given is not None and right:
        return abs(given - right) <= TOLERANCE * abs(right)
    return said.strip().casefold() == answer.strip().casefold()


def _overlap(a: Box, b: Box) -> float:
    both = a.intersect(b)
    return 0.0 if both is None else both.area / (a.area + b.area - both.area)


def _flat(text: str) -> str:
    return " ".join(text.casefold().split())
