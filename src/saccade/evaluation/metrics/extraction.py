"""Answer extraction: the part of a chatty reply that is judged, by fixed rules.

Nothing is chosen between two candidates: a reply that names two is ambiguous and yields nothing, with the reason. What
was extracted is part of the mark, so that it can be printed and checked.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from saccade.core.errors import unknown
from saccade.evaluation.metrics.named import NUMBER, letter, number
from saccade.tasks.exam import Question


@dataclass(frozen=True, slots=True)
class Extract:
    """The extracted ``text``; where there is none it is empty and ``note`` says why."""

    text: str
    note: str = ""


Extraction = Callable[[str, Question], Extract]

LETTER = r"(?:[B-HJ-Z]|A(?!\s+(?!(?:because|since|as|due|or|and|is)\b)\w)|I(?!\s+\w))(?![\w'’])(?!\.[A-Z]\.)"
"""A capital that stands alone. A before most words is an article, I before any word a pronoun."""
NAMED = re.compile(
    rf"\b(?i:answer|option|choice)\b(?i:\s+(?:is|would\s+be|should\s+be|must\s+be))?\s*[:=]?\s*(?i:(?:option|choice)\s+)?"
    rf"[\"'(\[{{*_`]*(?P<letter>{LETTER}|[a-z](?=[\"')\]}}*_`.,;:]*(?:\s*$|[)\]}}.,;:*]))(?![\w'’]))"
)
"""A letter behind "answer", "option" or "choice"."""
MARKED = re.compile(
    rf"(?<!\w)[(\[{{]\s*(?P<inside>[A-Za-z])\s*[)\]}}]"
    rf"|^[\s*_\"']*(?P<first>[A-Za-z])[*_]*[).:](?=\s|$|[*_])"
    rf"|(?<![\w'’.\-])(?P<alone>{LETTER})",
    re.MULTILINE,
)
"""A letter in brackets, before ")", "." or ":" at the start of a line, or a capital alone."""
NUMERALS = re.compile(
    r"(?<![\w.,])(?P<number>[-+−]?[$€£¥₹]?\s?[-+−]?(?=\.?\d)[\d.,/:–-]*\d(?:[eE][-+]?\d+)?\s?%?)(?P<unit>[^\W\d]*)"
)
"""A number or what looks like one: a range, a fraction, a date or a time is found, and then refused."""
SCALES = ("k", "m", "mn", "b", "bn", "t", "tn")
"""Letters behind a number that may multiply it."""
RUN = re.compile(r"-?\d+(?:\.\d+)?(?:[\s,;()\[\]]+-?\d+(?:\.\d+)?)*")
"""Numbers in a row, parted by spaces, commas and brackets."""


def none(said: str, question: Question) -> Extract:
    """The reply as it is."""
    return Extract(said)


def choice(said: str, question: Question) -> Extract:
    """The letter of the choice that the reply names, as a capital.

    Looked for in this order, the first that yields any letter decides: the whole reply is a letter or the text of a
    choice; letters behind "answer", "option" or "choice"; letters in brackets, at the start of a line before ")", "."
    or ":", or capitals alone; the text of a choice anywhere. Letters beyond the last choice do not count.
    """
    if whole := letter(said, question):
        return Extract(whole)
    named = [found["letter"] for found in NAMED.finditer(said)]
    marked = [found[found.lastgroup or 0] for found in MARKED.finditer(said)]
    texts = [one for one in question.choices if _stands_in(one, said)]
    for candidates in (named, marked, texts):
        letters = {one for found in candidates if (one := letter(found, question))}
        if len(letters) > 1:
            return Extract("", f"ambiguous: {' or '.join(sorted(letters))}")
        if letters:
            return Extract(letters.pop())
    return Extract("", "no choice named")


def final_number(said: str, question: Question) -> Extract:
    """The last number of the reply, without currency and thousands separators.

    A per cent sign is kept where an answer of the question has one. Where no answer is a number, the reply as it is.
    """
    if all(number(_bare(answer)) is None for answer in question.answers):
        return Extract(said)
    if not (found := list(NUMERALS.finditer(said))):
        return Extract("", "no number")
    bare, last = _bare(found[-1]["number"]), found[-1]
    if not re.fullmatch(rf"{NUMBER}\s*%?", bare) or last["unit"].lower() in SCALES:
        return Extract("", f"not a number: {last[0].strip()}")
    digits, percent = bare.rstrip("% ").replace(",", "").replace("−", "-"), bare.endswith("%")
    wanted = percent and any(answer.strip().endswith("%") for answer in question.answers)
    return Extract(f"{digits}%" if wanted else digits)


def box(said: str, question: Question) -> Extract:
    """The one box of the reply, four numbers in a row, as ``[left, top, right, bottom]``."""
    runs = [re.findall(r"-?\d+(?:\.\d+)?", run) for run in RUN.findall(said)]
    found = {", ".join(run) for run in runs if len(run) == 4}
    if len(found) != 1:
        return Extract("", f"ambiguous: {len(found)} boxes" if found else "no box")
    return Extract(f"[{found.pop()}]")


EXTRACTIONS: dict[str, Extraction] = {"none": none, "choice": choice, "number": final_number, "box": box}
AUTO = {"choice": "choice", "relaxed": "number", "iou": "box", "iou@0.5": "box"}
"""What ``auto`` means for a metric; ``none`` for all others."""


def extraction(name: object) -> Extraction:
    """The extraction of that name. Raises SaccadeError, with near matches, for an unknown one."""
    if not isinstance(name, str) or name not in EXTRACTIONS:
        raise unknown("extraction", str(name), (*EXTRACTIONS, "auto"))
    return EXTRACTIONS[name]


def _stands_in(choice: str, said: str) -> bool:
    """Whether the text of a choice stands in the reply as whole words."""
    bare = choice.strip().strip(".")
    return re.search(rf"(?<!\w){re.escape(bare)}(?!\w)", said, re.IGNORECASE) is not None


def _bare(text: str) -> str:
    """A number's text without currency, which may stand before or after its sign."""
    return re.sub(r"[$€£¥₹]\s?|(?<=[-+−])\s", "", text).strip()
