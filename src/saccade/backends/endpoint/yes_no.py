"""Yes or no from the likeliest tokens of an answer's first place.

Law     the share of yes: probabilities of all spellings of yes, over those of yes and of no. A server lists the
        likeliest tokens only (20 at most), and whatever is not listed is no likelier than the last that is. So a side
        of which nothing is listed counts as that last probability, or as half of all that is missing where this is
        less; with neither side listed both count alike, and the chance is a half.
Used by endpoints alone: whoever has all scores needs no floor.
"""

import math
import re
from collections.abc import Sequence

_MARKS = "▁Ġ"  # how sentencepiece and byte-level tokenizers spell a space


def side(token: str) -> bool | None:
    """Whether a token spells yes (True) or no (False), None for any other."""
    return {"yes": True, "no": False}.get(token.strip().strip(_MARKS).strip().casefold())


def of_alternatives(listed: Sequence[tuple[str, float]]) -> float:
    """How likely yes is against no, from tokens and their log-probabilities."""
    chances = [(side(token), math.exp(min(logprob, 0.0))) for token, logprob in listed]
    yes = sum(chance for which, chance in chances if which is True)
    no = sum(chance for which, chance in chances if which is False)
    missing = max(0.0, 1.0 - sum(chance for _, chance in chances))
    floor = min([missing / 2, *(chance for _, chance in chances)])
    yes, no = yes or floor, no or floor
    return yes / (yes + no) if yes + no else 0.5


def of_text(text: str) -> float:
    """The same where a server tells no probabilities: 1 for an answer that begins with yes, 0 with no, else a half."""
    first = re.match(r"\W*(\w+)", text)
    which = side(first[1]) if first else None
    return 0.5 if which is None else float(which)
