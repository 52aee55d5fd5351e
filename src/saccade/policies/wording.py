"""What policies say to models, from the files in ``prompts/``, one a language."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import cast

from saccade.core.errors import unknown
from saccade.core.records.recipe import read

LANGUAGES = ("en",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """Sentences with named gaps; ``version`` changes whenever one does."""

    version: int
    neutral: str
    exists: str
    hidden: str
    enough: str
    needs: str
    box: str
    tool: str
    side: str


@cache
def wording(language: str = "en") -> Wording:
    """The sentences of a language."""
    if language not in LANGUAGES:
        raise unknown("language", language, LANGUAGES)
    text = files("saccade.policies").joinpath("prompts", f"{language}.yaml").read_text(encoding="utf-8")
    return Wording(**cast(dict[str, str | int], read(text)))  # type: ignore[arg-type]


def named(question: str) -> str:
    """What a question is about, without asking anybody: what follows its last "the", "a" or "an", else all of it."""
    words = question.strip().rstrip("?.!").split()
    marks = [place for place, word in enumerate(words) if word.lower() in ("the", "a", "an")]
    return " ".join(words[marks[-1] + 1 :]) if marks and marks[-1] + 1 < len(words) else " ".join(words)
