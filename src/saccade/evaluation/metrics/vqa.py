"""VQA accuracy: ten human answers, the official normalisation, the mean over leave-one-out subsets.

Law     min(1, matches / 3) over every nine of the ten answers, averaged: 0, 0.3, 0.6, 0.9 or 1 for 0, 1, 2, 3 or more
        people who gave the answer.
Source  VQA (arXiv:1505.00468) and the evaluation script of VQA v2, https://visualqa.org/evaluation.html, with the list
        of punctuation of the challenge's server. The script normalises people's answers less, since those in the
        released files are normalised already; here both sides go through all steps.
"""

import re
from collections.abc import Sequence

from saccade.core.errors import SaccadeError

PEOPLE = 10
ARTICLES = ("a", "an", "the")
NUMBERS = {
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10",
}  # fmt: skip
PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
CONTRACTIONS = (
    "ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd "
    "he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't mightn't've must've "
    "mustn't needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've "
    "somebody'd've somebody'll somebody's someone'd someone'd've someone'll someone's something'd "
    "something'd've something'll that's there'd there'd've there're there's they'd they'd've they'll they're "
    "they've 'twas wasn't we'd've we've weren't what'll what're what's what've when's where'd where's where've "
    "who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't wouldn't've y'all "
    "y'all'd've y'all'll you'd you'd've you'll you're you've"
).split()
SPELLINGS = {
    word[:at] + word[at + 1 :]: word for word in CONTRACTIONS for at, letter in enumerate(word) if letter == "'"
}
"""Contractions that lack one apostrophe, and how they are spelt: ``dont`` is ``don't``."""


def vqa_accuracy(said: str, answers: Sequence[str]) -> float:
    """The accuracy of ``said``, 0 to 1. Raises SaccadeError for other than ten ``answers``."""
    if len(answers) != PEOPLE:
        raise SaccadeError(
            f"the metric vqa takes the {PEOPLE} answers that {PEOPLE} people gave, equal ones repeated, got "
            f"{len(answers)}; list them all under answers, or choose the metric exact"
        )
    given = normalised(said)
    same = [normalised(answer) == given for answer in answers]
    return sum(min(1.0, (sum(same) - own) / 3) for own in same) / PEOPLE


def normalised(answer: str) -> str:
    """``answer`` in small letters, without punctuation and articles, numbers up to ten as digits."""
    flat = re.sub(r"[\n\t]", " ", answer).strip()
    words = (NUMBERS.get(word, word) for word in _unpunctuated(flat).lower().split())
    return " ".join(SPELLINGS.get(word, word) for word in words if word not in ARTICLES)


def _unpunctuated(text: str) -> str:
    """Marks beside a space, and all where digits are parted by a comma, are dropped; others become a space.

    Full stops go unless a digit follows.
    """
    parted = re.search(r"\d,\d", text) is not None
    plain = text
    for mark in PUNCTUATION:
        beside = f"{mark} " in text or f" {mark}" in text
        plain = plain.replace(mark, "" if beside or parted else " ")
    return re.sub(r"\.(?!\d)", "", plain)
